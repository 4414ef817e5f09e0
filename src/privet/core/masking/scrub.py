"""Find every address in a text, however it is written, and put something else in its place.

A *spot* is what an address always has: three numbers behind dots (`.0.2.7`), two colons, an encoded dot and so on.
Regular expressions find the spots of a whole block of lines. Only the *words* around them, runs of letters,
digits and `.:%_-`, are looked into, and what became of each is remembered. The rules that hold:
- a word without a spot is never changed, so whoever finds more spots than there are changes nothing else;
- what stands outside of a word matters in one case only, Apache's `[client ADDRESS:PORT]`: there `client ` belongs
  to the word, the only one with a blank;
- the cost of a text is linear in its length, whatever it holds, and a word crowded with addresses is dropped whole;
- scrubbing what has been scrubbed changes nothing.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from functools import partial
from itertools import islice
from operator import ne
from typing import TYPE_CHECKING

from privet.core.addresses.address import PSEUDONYM_NET, pack, unpack
from privet.core.cache import Cache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Words = Callable[[list[bytes]], list[bytes]]
    Replace = Callable[[bytes, Words], bytes]

FINDS = 2
"""The version of what is found, raised when that becomes more: what an older one scrubbed is scrubbed again."""

DROPPED_V4, DROPPED_V6, DROPPED_NAME = b"0.0.0.0", b"::", b"dropped"
WORDS, LONGEST_WORD = 65_536, 128  # words remembered, and bytes of each: some 10 MB, and 28 if an attacker makes them

_HEX = rb"[0-9A-Fa-f]"
_OCTET = rb"0{0,2}(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_V4 = re.compile(_OCTET + rb"(?:\." + _OCTET + rb"){3}")
_DIGIT = re.compile(rb"\d")
_WORD = re.compile(rb"[0-9A-Za-z.:%_-]+")
_TOKEN = re.compile(rb"[0-9A-Fa-f:.]{3,}")
_NAMED = re.compile(_V4.pattern + rb"\.[A-Za-z]")
CLIENTS, CLOSE = (b"[client ", b"[remote "), ord("]")
"""What stands around a client in Apache's error log."""

CLIENT = 7
"""How many bytes before such a client belong to its word."""

_PORT = re.compile(rb"\d{1,5}")
_ENCODED = re.compile(rb"%[0-9A-Fa-f]{2}")
_ROUNDS = 3  # of percent-decoding that are looked into
_LOOKS = 4  # at a word, until nothing is found any more: of two addresses stuck together one may hide the other
_LONG, _CROWD = 512, 32  # bytes of a word, and addresses in it: of more, none is told from the others
_URL_SAFE = ":[]"  # beside letters, digits and `_.-~`: what else was encoded stays so

_SPOTS = (
    re.compile(rb"\.(?:\d{1,5}\.\d{1,5}\.\d|[iI][pP]6\.[aA]|(?<=[23]" + _HEX + rb"{31}\.))"),
    re.compile(rb":(?::|(?:" + _HEX + rb"{1,4}:){5})"),
    re.compile(rb"-(?:\d{1,5}-\d{1,5}-\d|-|(?:" + _HEX + rb"{1,4}-){6})"),
    re.compile(rb"%(?:25|2[DEde]|3[0-9Aa]|[46][1-6])"),
)
"""What every word has that is changed; the last is one of the characters of an address, or a %, encoded.

Each begins with one plain character, which `re` looks for some five times as fast as for one of several.
"""

_ONE_OF_MANY = re.compile(rb"\d{1,5}(?:[.-]\d{1,5}){3}|::")

IN_WORDS = bytes(bool(_WORD.match(bytes([code]))) for code in range(256))
"""For each byte 1 if it may be part of a word, else 0."""

_NIBBLES = re.compile(rb"(?<!" + _HEX + rb"\.)((?:" + _HEX + rb"\.)++)(?i:ip6\.arpa)")
"""The name of an IPv6 address for reverse look-ups. It is looked for first, as it begins where all nibbles do."""

_NAME = re.compile(
    rb"(?<!\d)(?P<octets>" + _OCTET + rb"(?:\." + _OCTET + rb"){3})(?i:\.in-addr\.arpa)"
    rb"|(?<!\d)(?P<done>100-(?:-" + _HEX + rb"{1,4}){1,4})(?![0-9A-Za-z])"
    rb"|(?<!\d)(?P<dashed>[23]" + _HEX + rb"{3}(?:--?" + _HEX + rb"{1,4})+(?:--)?)(?![0-9A-Za-z])"
    rb"|(?<!" + _HEX + rb")(?P<digits>[23]" + _HEX + rb"{31})(?=\.[0-9A-Za-z-]+\.[A-Za-z])"
)
"""Other addresses as parts of names, but for IPv4 with dashes; `done` is a pseudonym that stands there already."""

_SHORT = 12  # nibbles of a reverse name: fewer are those of a network that many share, of less than 48 bits
_NUMBERS = re.compile(rb"(?<!\d)(?<!\d-)\d++(?:-\d++){3,}+")
_MANY = re.compile(rb"(?<!\d)(?<!\d\.)\d++(?:\.\d++){4,}+")
_FOUR = re.compile(rb"(?<!\d)" + _OCTET + rb"(?:-" + _OCTET + rb"(?!\d)){3}")
_DATE = re.compile(
    rb"(?:19|20)\d\d-(?:0?[1-9]|1[0-2])-(?:0?[1-9]|[12]\d|3[01])(?:-(?:[01]?\d|2[0-3])(?:-[0-5]?\d){0,2})?"
)


def spots(data: bytes) -> list[int]:
    """Return where the spots of a text are, in order."""
    places = [found.start() for kind in _SPOTS for found in kind.finditer(data)]
    places.sort()
    return places


def replaced(data: bytes, masked: Words) -> bytes:
    """Return a text, of which `masked` tells what the words that have a spot become."""
    places = spots(data)
    if not places:
        return data
    words, size = data.translate(IN_WORDS) + b"\0", len(data)
    starts: list[int] = []
    ends: list[int] = []
    end = 0
    for place in places:
        if place < end:
            continue
        start = words.rfind(0, end, place) + 1 or end
        end = words.find(0, place)
        is_client = end < size and data[end] == CLOSE and data[start - 8 : start] in CLIENTS
        starts.append(start - CLIENT if is_client else start)
        ends.append(end)
    return pieced(data, starts, ends, masked)


def pieced(data: bytes, starts: list[int], ends: list[int], masked: Words) -> bytes:
    """Return a text, of which `masked` tells what the words at these places become."""
    pieces = [b""] * (2 * len(starts) + 1)
    pieces[1::2] = masked([data[start:end] for start, end in zip(starts, ends, strict=True)])
    pieces[::2] = [data[end:start] for end, start in zip([0, *ends], [*starts, len(data)], strict=True)]
    return b"".join(pieces)


class Scrubber(ABC):
    """Takes addresses out of texts; what stands there instead is said by the class that extends it.

    `replace` is `replaced`, or does the same; `found` counts the words in which there was an address.
    """

    def __init__(self, replace: Replace = replaced) -> None:
        self.found = 0
        self._replace = replace
        self._words: Cache[bytes] = Cache(self._word, WORDS, LONGEST_WORD)

    @abstractmethod
    def _shown(self, packed: bytes) -> bytes:
        """Return the text that stands instead of an address."""

    @abstractmethod
    def _inside(self, packed: bytes) -> bytes | None:
        """Return the packed address that stands instead of one inside of a name, None for zeros."""

    def scrub(self, data: bytes) -> bytes:
        """Return a text, be it a word or a block of lines, with every address in it masked.

        Where one was percent-encoded, what needs no encoding in its word is written plain.
        """
        return self._replace(data, self._masked_words)

    def _masked_words(self, words: list[bytes]) -> list[bytes]:
        masked = list(map(self._words.__getitem__, words))
        self.found += sum(map(ne, words, masked))
        return masked

    def _word(self, word: bytes) -> bytes:
        """Return a word masked; as it was if there is nothing to mask."""
        packed = None if b"%" in word else pack(word)
        if packed is not None:  # as most are: this is what all below would say of it, only sooner
            return self._shown(packed) if any(packed[len(packed) == 4 :]) else word
        client, blank, rest = word.rpartition(b" ")
        if blank:
            return client + blank + (self._client_and_port(rest) or self._words[rest])
        for _ in range(_LOOKS):
            masked = _WORD.sub(self._look, word)
            if masked == word:
                break
            word = masked
        return word

    def _look(self, found: re.Match[bytes]) -> bytes:
        """Mask what one look at a word finds."""
        word = found[0]
        if b"%" not in word or not _ENCODED.search(word):
            return self._plain(word)
        return self._decoded(word) if any(kind.search(word) for kind in _SPOTS) else word

    def _decoded(self, word: bytes) -> bytes:
        """Mask what shows when a word is percent-decoded, once or several times."""
        from urllib.parse import quote_from_bytes, unquote_to_bytes  # noqa: PLC0415  few logs need it

        plain, masked = word, False
        for _ in range(_ROUNDS):
            decoded = unquote_to_bytes(plain)
            if decoded == plain:
                break
            plain = self._plain(decoded)
            masked = masked or plain != decoded
        return self._plain(quote_from_bytes(plain, _URL_SAFE).encode() if masked else word)

    def _plain(self, text: bytes) -> bytes:
        """Mask the addresses of a text that nobody has encoded."""
        if not any(kind.search(text) for kind in _SPOTS):
            return text
        if len(text) > _LONG and _is_crowded(text):
            return DROPPED_V4
        return _apart_from(_NIBBLES, text, self._nibbles, self._names)

    def _names(self, text: bytes) -> bytes:
        return _apart_from(_NAME, text, self._name, self._rest)

    def _rest(self, text: bytes) -> bytes:
        if text.count(b".") > 3:
            text = _MANY.sub(_many, text)
        return _TOKEN.sub(self._token, _NUMBERS.sub(self._numbers, text))

    def _nibbles(self, found: re.Match[bytes]) -> bytes:
        """Mask the reverse name of an address; of too many nibbles the last ones count."""
        nibbles = found[1][-2::-2].decode()[:32]
        return found[0] if len(nibbles) < _SHORT else _arpa(self._instead(bytes.fromhex(nibbles.ljust(32, "0"))))

    def _name(self, found: re.Match[bytes]) -> bytes | None:
        """Mask what may be an address inside of a name, written as is usual there; None if it is none."""
        text = found[found.lastgroup or 0]
        match found.lastgroup:
            case "octets":
                return _arpa(self._instead(bytes(map(int, reversed(text.split(b"."))))))
            case "dashed" if _in_use(text) and (b"--" in text or text.count(b"-") >= 7):
                packed = pack(text.replace(b"-", b":"))
                return _dashes(self._instead(packed)) if packed else DROPPED_NAME
            case "digits" if _in_use(text):
                return self._instead(bytes.fromhex(text.decode())).hex().encode()
            case "dashed" | "digits":
                return None
        return found[0]

    def _numbers(self, found: re.Match[bytes]) -> bytes:
        """Mask four numbers below 256 with dashes between them; where there are more, nobody knows which four."""
        text = found[0]
        if not _FOUR.search(text) or _DATE.fullmatch(text):
            return text
        numbers, (before, after) = text.split(b"-"), _around(found)
        if len(numbers) == 5 and before.isalpha():  # ec2-…
            return numbers[0] + b"-" + self._four(numbers[1:])
        if len(numbers) == 5 and after.isalpha():  # …-2nd
            return self._four(numbers[:4]) + b"-" + numbers[4]
        return self._four(numbers)

    def _four(self, numbers: list[bytes]) -> bytes:
        is_one = len(numbers) == 4 and _FOUR.fullmatch(b"-".join(numbers))
        return _dashes(self._instead(bytes(map(int, numbers)))) if is_one else DROPPED_NAME

    def _instead(self, packed: bytes) -> bytes:
        """Return the address that stands instead of one in a name, zeros for none."""
        return (self._inside(packed) or bytes(len(packed))) if any(packed) else packed

    def _client_and_port(self, word: bytes) -> bytes | None:
        """Mask the inside of Apache's `[client ADDRESS:PORT]`, where IPv6 has no brackets before its port."""
        address, colon, port = word.rpartition(b":")
        packed, whole = pack(address), pack(word)
        if packed is None or not any(packed) or not _PORT.fullmatch(port):
            return None
        if whole and whole.startswith(PSEUDONYM_NET):  # that is no port
            return word
        return _bracketed(self._shown(packed)) + colon + port

    def _token(self, found: re.Match[bytes]) -> bytes:
        """Mask what is, holds or might be an address in a run of hexadecimal digits, dots and colons."""
        text, before = found[0], found.string[max(0, found.start() - 3) : found.start()]
        if text[:2] == b"6:" and before.lower() == b"ipv":  # [IPv6:2001:db8::1] is how mail servers write it
            return text[:2] + (self._masked(text[2:], found) or text[2:])
        encoded = before[-1:] == b"%"
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
        named = text.count(b".") >= 3 and _NAMED.search(text + found.string[found.end() : found.end() + 1])
        show = self._shown_in_name if named else self._shown
        if b"::" in text or text.count(b":") >= 6:
            for candidate in _candidates(text):
                packed = pack(candidate)
                if packed is not None:
                    if _inside_word(found) and not _DIGIT.search(text):
                        return None  # Foo::Bar
                    return text.replace(candidate, show(packed), 1) if any(packed) else text
            if (b"::" in text or text.count(b":") >= 7) and _DIGIT.search(text):
                return DROPPED_V6
        if text.count(b".") < 3 or not _V4.search(text):
            return None
        return _V4.sub(partial(_v4, show), text)

    def _shown_in_name(self, packed: bytes) -> bytes:
        """Return what stands for an address that a name begins with, its numbers in order or the other way round."""
        if len(packed) == 4 and not self._inside(packed):
            return DROPPED_V4
        return self._shown(packed)


def _apart_from(
    names: re.Pattern[bytes],
    text: bytes,
    mask: Callable[[re.Match[bytes]], bytes | None],
    rest: Callable[[bytes], bytes],
) -> bytes:
    """Return a text with `mask` applied to names, where it says something, and `rest` to what is between them."""
    pieces: list[bytes] = []
    done = 0
    for found in names.finditer(text):
        masked = mask(found)
        if masked is not None:
            pieces += (rest(text[done : found.start()]), masked)
            done = found.end()
    return b"".join((*pieces, rest(text[done:])))


def _many(found: re.Match[bytes]) -> bytes:
    """Drop more than four numbers with dots between them whole: nobody knows which four are an address."""
    return DROPPED_V4 if _V4.search(found[0]) else found[0]


def _v4(show: Callable[[bytes], bytes], found: re.Match[bytes]) -> bytes:
    octets = bytes(map(int, found[0].split(b".")))
    return _apart(found, show(octets)) if any(octets[1:]) else found[0]  # N.0.0.0 is a browser's version


def _apart(found: re.Match[bytes], masked: bytes) -> bytes:
    """Return what was masked so that a second look does not read it together with its neighbours."""
    before, after = (neighbours.strip(b".") for neighbours in _around(found, 4))
    if before[-1:].isalnum() or after[:1].isalnum():
        return b"[" + masked + b"]"
    return _bracketed(masked) if before or after else masked


def _is_crowded(text: bytes) -> bool:
    """Tell whether a text holds so many addresses side by side that only an attacker can have written it."""
    found = islice(_ONE_OF_MANY.finditer(text), _CROWD, _CROWD + 1)
    return next(found, None) is not None and _DIGIT.search(text) is not None


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


def _in_use(text: bytes) -> bool:
    """Tell whether an IPv6 address that begins with these four digits may be somebody's: years and hashes rarely do."""
    first = int(text[:4], 16)
    return 0x2001 <= first <= 0x2003 or 0x2400 <= first < 0x4000


def _dashes(packed: bytes) -> bytes:
    """Write an address as part of a name."""
    return unpack(packed).replace(b".", b"-").replace(b":", b"-") if any(packed) else DROPPED_NAME


def _arpa(packed: bytes) -> bytes:
    """Write the name that an address has for reverse look-ups."""
    if len(packed) == 4:
        return b"%d.%d.%d.%d.in-addr.arpa" % tuple(reversed(packed))
    return ".".join(reversed(packed.hex())).encode() + b".ip6.arpa"
