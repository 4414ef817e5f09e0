"""Take the addresses out of log lines, wherever they stand.

`drop` writes 0.0.0.0 or `::`, `truncate` the first 24 or 48 bits, `pseudonym` an address of 100::/64
(discard-only, so never a visitor's) made with a key that lives for one day: the same client of the same
site has the same pseudonym all day, and nothing turns it back once the key is gone.

What looks like an address but cannot be read as one is dropped: what cannot be masked is not written.
Not recognised: reverse names with the address inside, decimal or hexadecimal numbers, base64.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import TYPE_CHECKING
from urllib.parse import quote_from_bytes, unquote_to_bytes

from privet.core.address import PSEUDONYM_NET, Subject, key_of, mask_bits, pack
from privet.core.cache import Cache
from privet.core.parse import NO_ADDRESS, NOT_TOLD
from privet.core.times import write_clf

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from privet.core.parse import Plan, Rows
    from privet.core.recognise import AutoPlan

DROPPED_V4, DROPPED_V6 = b"0.0.0.0", b"::"
TRUNCATED = {4: 24, 6: 48}  # bits kept
SITES = 64  # masks kept at once: `%v` may hold whatever Host a visitor sends
SAMPLE = 200  # bytes shown of a line that does not parse

_TOKEN = re.compile(rb"[0-9A-Fa-f:.]{3,}")
_OCTET = rb"0{0,2}(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_V4 = re.compile(_OCTET + rb"(?:\." + _OCTET + rb"){3}")
_ERROR_CLIENT = re.compile(rb"(\[(?:client|remote) )([0-9A-Fa-f:.]+)(:\d{1,5}\])")
_ENCODED = re.compile(rb"%[0-9A-Fa-f]{2}")
_ROUNDS = 3  # of percent-decoding that are looked into
_URL_SAFE = "".join(map(chr, range(0x20, 0x7F))).translate(str.maketrans("", "", '"%\\'))


class Mask:
    """Masks for one site on one day. `key` is 32 random bytes, used by the mode `pseudonym` only."""

    def __init__(self, mode: str, key: bytes = b"") -> None:
        if mode == "pseudonym" and not key:
            raise ValueError("pseudonyms need a key")
        self._text = {"drop": _dropped, "truncate": _truncated, "pseudonym": self._pseudonym}[mode]
        self._key = key
        self.clients: Cache[bytes] = Cache(self._client, 16_384)
        self.values: Cache[bytes] = Cache(self.scrub, 4_096)

    def scrub(self, data: bytes) -> bytes:
        """Return `data` with every address in it masked.

        Where one was percent-encoded, what needs no encoding is written plain.
        """
        if b"%" in data and _ENCODED.search(data):
            plain, masked = data, False
            for _ in range(_ROUNDS):
                decoded = unquote_to_bytes(plain)
                plain = self._scrub_plain(decoded)
                masked = masked or plain != decoded
            if masked:
                data = quote_from_bytes(plain, _URL_SAFE).encode()
        return self._scrub_plain(data)

    def name(self, subject: Subject) -> str:
        """Return what a subject is called: as the client in the log, or as a network."""
        key = subject.key
        return (self.network(subject) if key is None else self.clients[key]).decode()

    def network(self, subject: Subject) -> bytes:
        """Return the pseudonym of a prefix that is not just one client: as opaque as a client's, and no client's."""
        return self._pseudonym(b"network %d " % subject.length + subject.packed)

    def _scrub_plain(self, data: bytes) -> bytes:
        if data.count(b".") < 3 and data.count(b":") < 2:
            return data
        if b"[" in data:
            data = _ERROR_CLIENT.sub(self._error_client, data)
        return _TOKEN.sub(self._token, data)

    def _client(self, key: bytes) -> bytes:
        """Return the masked text of a client key; what is masked already stays."""
        subject = Subject.of_key(key)
        return subject.reveal().encode() if subject.is_pseudonym else self._text(key)

    def _pseudonym(self, key: bytes) -> bytes:
        digest = blake2b(key, key=self._key, digest_size=8, person=b"privet-log").digest()
        return Subject(PSEUDONYM_NET + digest, 128).reveal().encode()

    def _error_client(self, found: re.Match[bytes]) -> bytes:
        """Mask Apache's `[client ADDRESS:PORT]`, where an IPv6 address has no brackets before its port."""
        before, address, port = found.groups()
        packed, whole = pack(address), pack(address + port[:-1])
        if packed is None or not any(packed) or (whole and whole.startswith(PSEUDONYM_NET)):  # that is no port
            return found[0]
        return before + _bracketed(self.clients[key_of(packed)]) + port

    def _token(self, found: re.Match[bytes]) -> bytes:
        """Mask what is, holds or might be an address in a run of hexadecimal digits, dots and colons."""
        text = found[0]
        encoded = _around(found)[0] == b"%"
        if encoded and text[:2].isalnum() and _begins_after(text):
            rest = self._masked(text[2:], found)
            if rest is not None:
                return text[:2] + rest
        masked = self._masked(text, found)
        if masked is None:
            return text
        return b"[" + masked + b"]" if encoded else masked

    def _masked(self, text: bytes, found: re.Match[bytes]) -> bytes | None:
        """Return a run masked (or as it was, if it is masked already), None if there is no address in it."""
        if b"::" in text or text.count(b":") >= 6:
            for candidate in _candidates(text):
                packed = pack(candidate)
                if packed is not None:
                    if _inside_word(found) and not _DIGIT.search(text):
                        return None  # Foo::Bar
                    return text.replace(candidate, self.clients[key_of(packed)], 1) if any(packed) else text
            if (b"::" in text or text.count(b":") >= 7) and _DIGIT.search(text):
                return DROPPED_V6
        return _V4.sub(self._v4, text) if text.count(b".") >= 3 and _V4.search(text) else None

    def _v4(self, found: re.Match[bytes]) -> bytes:
        octets = bytes(map(int, found[0].split(b".")))
        if not any(octets[1:]):
            return found[0]  # N.0.0.0 is a browser's version
        masked = self.clients[octets]
        before, after = (neighbours.strip(b".") for neighbours in _around(found, 4))
        if before[-1:].isalnum() or after[:1].isalnum():  # or else a second look would read both as one
            return b"[" + masked + b"]"
        return _bracketed(masked) if before or after else masked


_DIGIT = re.compile(rb"\d")


def _begins_after(text: bytes) -> bool:
    """Tell whether the address of a run may stand behind two digits of an encoded character, as in %22192.0.2.1."""
    rest = text[2:]
    if b"::" in rest or rest.count(b":") >= 6 or _V4.match(rest):
        return True
    v4 = _V4.search(text)
    return v4 is not None and v4.start() >= 2


def _candidates(text: bytes) -> Iterator[bytes]:
    """Yield what may be an IPv6 address in a run of its characters, punctuation around it taken off."""
    core = text.strip(b".")
    for start in (0, core[:1] == b":"):
        for end in (0, core[-1:] == b":"):
            yield core[start : len(core) - end].strip(b".")


def _around(found: re.Match[bytes], reach: int = 1) -> tuple[bytes, bytes]:
    """Return what stands before and after a match."""
    start, end = found.span()
    return found.string[max(0, start - reach) : start], found.string[end : end + reach]


def _inside_word(found: re.Match[bytes]) -> bool:
    before, after = _around(found)
    return before.isalnum() or after.isalnum() or b"_" in (before, after)


def _bracketed(address: bytes) -> bytes:
    """Return an address as it stands before a port."""
    return b"[" + address + b"]" if b":" in address else address


def _dropped(key: bytes) -> bytes:
    return DROPPED_V4 if len(key) == 4 else DROPPED_V6


def _truncated(key: bytes) -> bytes:
    subject = Subject.of_key(key)
    kept = mask_bits(subject.packed, TRUNCATED[subject.version])
    return Subject(kept, len(kept) * 8).reveal().encode()


class Masks:
    """The masks of one day, one per site. `day_key` is 32 random bytes, None where the mode needs none."""

    def __init__(self, mode: str, day_key: bytes | None) -> None:
        self.mode, self._day_key = mode, day_key
        self._sites: dict[bytes, Mask] = {}

    def site(self, name: bytes) -> Mask:
        """Return the mask of a site."""
        mask = self._sites.get(name)
        if mask is None:
            if len(self._sites) >= SITES:
                self._sites.clear()
            mask = self._sites[name] = self._make(name)
        return mask

    def _make(self, name: bytes) -> Mask:
        if self._day_key is None:
            return Mask(self.mode)
        return Mask(self.mode, blake2b(name, key=self._day_key, person=b"privet-site", digest_size=32).digest())


def combined(rows: Rows, masks: Masks, site: bytes) -> bytes:
    """Return rows as lines of the plain combined format, masked.

    The site of a row is its virtual host where the format has one, else `site`.
    """
    hosts = rows.columns.get("host") or [site]
    if b"-" in hosts:  # a line of a format without one
        hosts = [site if host == b"-" else host for host in hosts]
    texts = [rows.column("user"), _requests(rows), rows.column("referer"), rows.column("agent")]
    if hosts.count(hosts[0]) == len(hosts):
        mask = masks.site(hosts[0])
        clients = list(map(mask.clients.__getitem__, rows.keys))
        clean = [list(map(mask.values.__getitem__, column)) for column in texts]
    else:
        sites = list(map(masks.site, hosts))
        clients = [mask.clients[key] for mask, key in zip(sites, rows.keys, strict=True)]
        clean = [[mask.values[text] for mask, text in zip(sites, column, strict=True)] for column in texts]
    user, request, referer, agent = clean
    columns = (clients, user, _stamps(rows), request, rows.column("status"), rows.column("size"), referer, agent)
    return b"".join([b'%b - %b [%b] "%b" %b %b "%b" "%b"\n' % row for row in zip(*columns, strict=True)])


def masked_log(rows: Rows, plan: Plan | AutoPlan, masks: Masks, site: bytes) -> bytes:
    """Return the lines of a block as the masked log holds them.

    Rows are plain combined; lines that did not parse follow as they are, masked. A client that is no
    address may be a name that tells one, so it is dropped.
    """
    lines = [combined(rows, masks, site)] if rows.keys else []
    for reason, line in rows.bad:
        span = plan.client_span(line, reason) if reason in (NO_ADDRESS, NOT_TOLD) else None
        lines.append(masks.site(site).scrub(_without_client(line, span) if span else line) + b"\n")
    return b"".join(lines)


def _without_client(line: bytes, span: tuple[int, int]) -> bytes:
    """Drop a client that is no address; a name with a dot wherever it stands."""
    client = line[slice(*span)]
    if client == b"-":
        return line
    line = line[: span[0]] + DROPPED_V4 + line[span[1] :]
    for name in client.split():
        if b"." in name:
            line = line.replace(name, DROPPED_V4)
    return line


def _requests(rows: Rows) -> Sequence[bytes]:
    """Return the request column, made of its parts where the format has only these."""
    if "request" in rows.columns or not rows.columns.keys() & {"target", "path"}:
        return rows.column("request")
    targets = rows.columns.get("target")
    if targets is None:
        queries = (query.removeprefix(b"?") for query in rows.column("query"))
        targets = [
            path if query in (b"", b"-") else path + b"?" + query
            for path, query in zip(rows.columns["path"], queries, strict=True)
        ]
    return list(map(b"%b %b HTTP".__mod__, zip(rows.column("method"), targets, strict=True)))


def _stamps(rows: Rows) -> Sequence[bytes]:
    column = rows.columns.get("stamp", ())
    others = {stamp for stamp in set(column) if len(stamp) != 26 or stamp[2:3] != b"/" or stamp[6:7] != b"/"}
    if column and not others:
        return column
    return [write_clf(time) if stamp in others else stamp for stamp, time in zip(column, rows.times, strict=True)]


_DROP = Mask("drop")


def sample(line: bytes) -> str:
    """Return the beginning of a line, masked and printable."""
    beginning = line[: 4 * SAMPLE]
    if len(line) > len(beginning):  # half an address would not be masked
        beginning = _CUT.sub(b"", beginning)
    return _UNPRINTABLE.sub(lambda found: b"\\x%02x" % found[0][0], _DROP.scrub(beginning))[:SAMPLE].decode("ascii")


_CUT = re.compile(rb"[0-9A-Fa-f:.%]*\Z")
_UNPRINTABLE = re.compile(rb"[^ -~]")
