"""Find the addresses that stand in the clear in a text, and say which of them only may be some.

What an address in a text is, `core.masking.scrub` says: whatever the mask `drop` would change is one. Of these are no
finding: addresses that are nobody's (unspecified, loopback, multicast, netmasks), pseudonyms, and those that are
allowed. *Doubtful* is what has the shape of an address where other things with that shape stand: numbers of
versions, four small numbers with dashes, colons in binary data.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from privet.core.addresses.address import PSEUDONYM_NET, Subject
from privet.core.cache import Cache
from privet.core.masking.mask import Mask
from privet.core.masking.scrub import DROPPED_V4, Scrubber, spots

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

BEFORE, AFTER = 48, 32  # bytes around a word that are looked at and shown

WORD = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz.:%_-"
"""What addresses are made of, in whatever spelling."""

_LETTERS = bytes(code if code in WORD else 32 for code in range(256))
_VERSION_BEFORE = re.compile(
    rb"""(?ix) (?: (?:^|[\s"'(;,=>]) (?!(?:tcp|udp|ip|ipv4|inet|from|client|host|peer|addr|address|user)/)
                   [a-z][\w+.-]*/
               | (?:^|[^a-z0-9]) v
               | (?:version|release|ver|rev|build) [\s=:"'/]{1,3}
               | \s\d+: | (?:<<|>>|<=|>=)\s(?:\d+:)? ) \Z"""
)
_VERSION_AFTER = re.compile(rb"(?:[+~]|-\d{1,2}(?![\d.])|-[a-z]|\.(?:tar|[tg]gz|deb|rpm|zip|jar|so|whl|xz)\b)")
_V4 = re.compile(rb"(?<!\d)\d{1,3}(?:\.\d{1,3}){3}(?!\d)")
_DATED = re.compile(rb"(?<![\d.])\d{1,3}(?:\.\d{1,3}){2}\.(?:19|20)\d\d(?:0[1-9]|1[0-2])[0-3]\d(?![\d.])")
"""A version that ends with a day, such as 2.38.50.20220609: its first digits look like the end of an address."""

_ONLY_NUMBERS = re.compile(rb"[\d-]+")
_CUT_BEFORE = re.compile(rb"\A[0-9A-Fa-f:.%-]*")
_CUT_AFTER = re.compile(rb"[0-9A-Fa-f:.%-]*\Z")
_UNPRINTABLE = re.compile(rb"[^ -~]")


class Hit(NamedTuple):
    """Where an address stands in a text, how it is written, and whether it only may be one."""

    start: int
    end: int
    how: str
    doubtful: bool


class _Reader(Scrubber):
    """Reads the addresses of a word."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[bytes] = []

    def _shown(self, packed: bytes) -> bytes:
        self.read.append(packed)
        return DROPPED_V4

    def _inside(self, packed: bytes) -> bytes | None:
        self.read.append(packed)
        return None


class Finder:
    """Finds what is in the clear, but for what is nobody's and for the allowed subjects."""

    def __init__(self, allowed: Iterable[Subject] = ()) -> None:
        self._allowed = tuple(allowed)
        self._mask = Mask("drop")
        self._strangers: Cache[tuple[bytes, ...] | None] = Cache(self._read)

    def find(self, text: bytes) -> Iterator[Hit]:
        """Yield the findings in a text, in order."""
        if self._mask.scrub(text) == text:
            return
        blanks, end = text.translate(_LETTERS), 0
        for place in spots(text):
            if place < end:
                continue
            start = blanks.rfind(b" ", end, place) + 1 or end
            end = blanks.find(b" ", place)
            end = len(text) if end < 0 else end
            strangers = self._strangers[text[start:end]]
            if strangers is not None:
                yield Hit(start, end, _how(text[start:end]), _doubtful(text, start, end, strangers))

    def shown(self, text: bytes, hit: Hit) -> str:
        """Return a finding with a little of what stands around it, masked and printable."""
        start, end = max(0, hit.start - BEFORE), hit.end + AFTER
        before = text[start : hit.start].rpartition(b"\n")[2]
        after = text[hit.end : end].partition(b"\n")[0]
        if start and len(before) == BEFORE:  # half an address would not be masked
            before = _CUT_BEFORE.sub(b"", before)
        if len(after) == AFTER:
            after = _CUT_AFTER.sub(b"", after)
        masked = self._mask.scrub(before + text[hit.start : hit.end][:128] + after)
        return _UNPRINTABLE.sub(b".", masked).decode("ascii")

    def name(self, path: str) -> str:
        """Return a path as it may be shown: names of files can hold addresses too."""
        return self._mask.scrub(path.encode("utf-8", "backslashreplace")).decode("utf-8", "replace")

    def _read(self, word: bytes) -> tuple[bytes, ...] | None:
        """Return the addresses of a word that are somebody's, None if there is nothing to find."""
        if self._mask.scrub(word) == word:
            return None
        reader = _Reader()
        reader.scrub(word)
        strangers = tuple(packed for packed in reader.read if not self._is_allowed(packed))
        return None if reader.read and not strangers else strangers

    def _is_allowed(self, packed: bytes) -> bool:
        if _is_nobodys(packed):
            return True
        subject = Subject(packed, 8 * len(packed))
        return any(allowed.covers(subject) for allowed in self._allowed)


def _is_nobodys(packed: bytes) -> bool:
    if len(packed) == 4:
        return packed[0] in (0, 127) or packed[0] >= 224
    return packed.startswith(PSEUDONYM_NET) or packed[0] == 0xFF or not any(packed[:15])


def _in_use(packed: bytes) -> bool:
    """Tell whether an IPv6 address is of a kind that clients have."""
    return (
        packed[0] & 0xE0 == 0x20
        or packed[0] & 0xFE == 0xFC
        or packed[:2] == b"\xfe\x80"
        or packed.startswith(b"\0\x64\xff\x9b")
    )


def _how(word: bytes) -> str:
    lower = word.lower()
    for mark, how in ((b"%", "percent-encoded"), (b".arpa", "reverse name"), (b"::ffff:", "mapped")):
        if mark in lower:
            return how
    return "plain" if b"-" not in word or b":" in word or _V4.search(word) else "in a name"


def _doubtful(text: bytes, start: int, end: int, strangers: tuple[bytes, ...]) -> bool:
    """Tell whether a word is rather something else than an address."""
    word = text[start:end]
    if all(len(packed) == 16 and not _in_use(packed) for packed in strangers):
        return True
    if _ONLY_NUMBERS.fullmatch(word):
        return True
    if len(strangers) > 1:
        return False
    if _DATED.search(word):
        return True
    found = _V4.search(word)
    if found is None:
        return False
    before = text[max(0, start - AFTER) : start] + word[: found.start()]
    return bool(_VERSION_BEFORE.search(before) or _VERSION_AFTER.match(word, found.end()))
