"""Take the addresses out of log lines, wherever they stand.

`drop` writes 0.0.0.0 or `::`, `truncate` the first 24 or 48 bits, `pseudonym` an address of 100::/64
(discard-only, so never a visitor's) made with a key that lives for one day: the same client of the same
site has the same pseudonym all day, and nothing turns it back once the key is gone.

What looks like an address but cannot be read as one is dropped: what cannot be masked is not written. How they
are found is said in `core.masking.scrub`, and what is missed in docs/privacy.md.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from socket import AF_INET6, inet_ntop
from typing import TYPE_CHECKING

from privet.core.addresses.address import (
    KEPT,
    LONGEST,
    PSEUDONYM_NET,
    client_key,
    is_pseudonym,
    key_of,
    mask_bits,
    pack,
    unpack,
)
from privet.core.cache import Cache
from privet.core.masking.scrub import DROPPED_V4, DROPPED_V6, Scrubber, replaced
from privet.core.parsing.times import write_clf

if TYPE_CHECKING:
    from collections.abc import Sequence

    from privet.core.addresses.address import Subject
    from privet.core.masking.scrub import Replace
    from privet.core.parsing.parse import Plan, Rows
    from privet.core.parsing.recognise import AutoPlan

SITES = 64  # masks kept at once: `%v` may hold whatever Host a visitor sends
REMEMBERED = 131_072  # words of all these masks: some 60 MB if visitors make them as long as they can
_WORDS_OF_A_VALUE = 4  # a value may be as long as four words
SIX_TO_FOUR = b"\x20\x02"
"""How the address of a 6to4 client begins; his IPv4 address follows."""

SAMPLE = 200  # bytes shown of a line that does not parse


class Mask(Scrubber):
    """Masks for one site on one day. `key` is 32 random bytes, used by the mode `pseudonym` only."""

    def __init__(
        self,
        mode: str,
        key: bytes = b"",
        kept: tuple[int, int] = KEPT,
        replace: Replace = replaced,
    ) -> None:
        super().__init__(replace)
        if mode == "pseudonym" and not key:
            raise ValueError("pseudonyms need a key")
        self._text = {"drop": _dropped, "truncate": self._truncated, "pseudonym": self._pseudonym}[mode]
        self._keyed = blake2b(key=key, digest_size=8, person=b"privet-log")
        self._kept, self._mode = kept, mode
        self.clients: Cache[bytes] = Cache(self._client, 16_384)
        self.starts: Cache[bytes] = Cache(self._start, 32_768, LONGEST)
        self.values: Cache[bytes] = Cache(self.scrub, 4_096)

    @property
    def remembered(self) -> int:
        """How many words this remembers, or what takes as much memory."""
        return len(self._words) + len(self.clients) + len(self.starts) + _WORDS_OF_A_VALUE * len(self.values)

    def forget(self) -> None:
        """Give back what that takes, at once: this refers to itself, so that it might stay for long."""
        for cache in (self._words, self.clients, self.starts, self.values):
            cache.clear()

    def name(self, subject: Subject) -> str:
        """Return what a subject is called: as the client in the log, or as a network."""
        key = subject.key
        return (self.network(subject) if key is None else self.clients[key]).decode()

    def network(self, subject: Subject) -> bytes:
        """Return the pseudonym of a prefix that is not just one client: as opaque as a client's, and no client's."""
        return self._pseudonym(b"network %d " % subject.length + subject.packed)

    def _client(self, key: bytes) -> bytes:
        """Return the masked text of a client key; what is masked already stays."""
        return unpack(key) if is_pseudonym(key) else self._text(key)

    def _start(self, text: bytes) -> bytes:
        """Return a line feed and a client's address, masked. Raises ValueError for what is none of both."""
        key = client_key(text[1:]) if text.startswith(b"\n") else None
        if key is None:
            raise ValueError("no client's address at the beginning of a line")
        return b"\n" + self._client(key)

    def _shown(self, packed: bytes) -> bytes:
        if len(packed) == 4:
            return self._text(packed)  # not from `clients`: words remember it themselves
        return unpack(packed) if packed.startswith(PSEUDONYM_NET) else self._text(packed[:8])

    def _inside(self, packed: bytes) -> bytes | None:
        """Return a pseudonym; zeros in other modes, since what `truncate` leaves could be anywhere in a name."""
        if self._mode != "pseudonym" or packed.startswith(PSEUDONYM_NET):
            return packed if packed.startswith(PSEUDONYM_NET) else None
        return pack(self._pseudonym(key_of(packed)))

    def _pseudonym(self, key: bytes) -> bytes:
        keyed = self._keyed.copy()
        keyed.update(key)
        return inet_ntop(AF_INET6, PSEUDONYM_NET + keyed.digest()).encode()

    def _truncated(self, key: bytes) -> bytes:
        packed = key if len(key) == 4 else key.ljust(16, b"\0")
        v4, v6 = self._kept
        if packed.startswith(SIX_TO_FOUR) and len(packed) == 16:  # after which stands the whole IPv4 address
            v6 = min(v6, 8 * len(SIX_TO_FOUR) + v4)
        return unpack(mask_bits(packed, v6 if len(packed) == 16 else v4))


def _dropped(key: bytes) -> bytes:
    return DROPPED_V4 if len(key) == 4 else DROPPED_V6


class Masks:
    """The masks of one day, one per site. `day_key` is 32 random bytes, None where the mode needs none."""

    def __init__(self, mode: str, day_key: bytes | None, kept: tuple[int, int] = KEPT) -> None:
        self.mode, self._day_key, self._kept = mode, day_key, kept
        self._sites: dict[bytes, Mask] = {}

    def site(self, name: bytes) -> Mask:
        """Return the mask of a site."""
        mask = self._sites.get(name)
        if mask is None:
            if len(self._sites) >= SITES:
                self._forget()
            mask = self._sites[name] = self._make(name)
        return mask

    def tidy(self) -> None:
        """Forget everything if it has become too much: to be called now and then."""
        if sum(mask.remembered for mask in self._sites.values()) > REMEMBERED:
            self._forget()

    def _forget(self) -> None:
        for mask in self._sites.values():
            mask.forget()
        self._sites.clear()

    def _make(self, name: bytes) -> Mask:
        if self._day_key is None:
            return Mask(self.mode, kept=self._kept)
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
    from privet.core.parsing.parse import NO_ADDRESS, NOT_TOLD  # noqa: PLC0415  archives are masked without parsing

    masks.tidy()
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
    if column and all(map(_is_clf, set(column))):
        return column
    return list(map(stamped, column, rows.times))


def stamped(stamp: bytes, time: float) -> bytes:
    """Return a stamp as the combined format has it."""
    return stamp if _is_clf(stamp) else write_clf(time)


def _is_clf(stamp: bytes) -> bool:
    return len(stamp) == 26 and stamp[2:3] == b"/" and stamp[6:7] == b"/"


_DROP = Mask("drop")


def sample(line: bytes) -> str:
    """Return the beginning of a line, masked and printable."""
    beginning = line[: 4 * SAMPLE]
    if len(line) > len(beginning):  # half an address would not be masked
        beginning = _CUT.sub(b"", beginning)
    return _UNPRINTABLE.sub(lambda found: b"\\x%02x" % found[0][0], _DROP.scrub(beginning))[:SAMPLE].decode("ascii")


_CUT = re.compile(rb"[0-9A-Fa-f:.%-]*\Z")
_UNPRINTABLE = re.compile(rb"[^ -~]")
