"""Which lines of a block can match anything at all: all needles of all expressions, sought in one pass."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ahocorasick_rs import BytesAhoCorasick, Implementation

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from privet.core.filters.trees import Needles

_BESIDE_ASCII = ("\u017f", "\u212a", "\u0130", "\u0131")
"""What matches s, k or i where the case of letters does not matter; needles know ASCII only."""
_DATES_WITHOUT_WORDS = ("@0", "@1", "@2")
"""Before a time in the one usual form of dates that does not end like a word: needles may be hidden by it."""

Spot = tuple[int, bytes, int]
"""Where a line begins, the line, and a mask of the needles in it."""


class Prefilter:
    """Finds the lines that something may match. `wanted[i]` are needles of which one each must be there for i."""

    def __init__(self, wanted: Sequence[Sequence[Needles]]) -> None:
        bits: dict[Needles, int] = {}
        for needles in wanted:
            for one in needles:
                bits.setdefault(one, 1 << len(bits))
        self._required = [sum(bits[one] for one in set(needles)) for needles in wanted]
        self._every_line = 0 in self._required
        masks: dict[bytes, int] = {}
        for one, bit in bits.items():
            for text in one.texts:
                needle = text.encode()
                masks[needle] = masks.get(needle, 0) | bit
        folded = sum(bit for one, bit in bits.items() if one.folded)
        if bits:
            masks |= dict.fromkeys((text.encode() for text in _DATES_WITHOUT_WORDS), sum(bits.values()))
        if folded:
            masks |= {text.encode(): folded for text in _BESIDE_ASCII}
        self._masks = list(masks.values())
        self._search = BytesAhoCorasick(list(masks), implementation=Implementation.DFA) if masks else None

    def fitting(self, mask: int) -> list[int]:
        """Return the numbers of those that may match a line with these needles."""
        return [number for number, bits in enumerate(self._required) if bits & mask == bits]

    def lines(self, block: bytes) -> Iterator[Spot]:
        """Yield the lines worth a look, in order."""
        spots = self._spots(block)
        return _with_others(block, spots) if self._every_line else spots

    def _spots(self, block: bytes) -> Iterator[Spot]:
        if self._search is None:
            return
        masks, rfind, find = self._masks, block.rfind, block.find
        start, end, mask = 0, -1, 0
        for number, begin, _ in self._search.find_matches_as_indexes(block.lower(), overlapping=True):
            if begin < end:
                mask |= masks[number]
                continue
            if mask:
                yield start, block[start:end], mask
            start, end, mask = rfind(b"\n", 0, begin) + 1, find(b"\n", begin), masks[number]
        if mask:
            yield start, block[start:end], mask


def _with_others(block: bytes, spots: Iterator[Spot]) -> Iterator[Spot]:
    """Yield every line, as there are expressions without needles."""
    masks = {start: mask for start, _, mask in spots}
    place = 0
    for line in block.split(b"\n")[:-1]:
        yield place, line, masks.get(place, 0)
        place += len(line) + 1
