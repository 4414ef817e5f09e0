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

Spot = tuple[int, int, int]
"""A line: where it begins, where it ends, and a mask of what it may match."""


class Prefilter:
    """Finds the lines that some expression may match. The expression of needles i has bit i in masks."""

    def __init__(self, needles: Sequence[Needles | None]) -> None:
        self.always = sum(1 << number for number, one in enumerate(needles) if one is None)
        masks: dict[bytes, int] = {}
        for number, one in enumerate(needles):
            for text in one.texts if one else ():
                needle = text.encode()
                masks[needle] = masks.get(needle, 0) | 1 << number
        everything = (1 << len(needles)) - 1
        folded = sum(1 << number for number, one in enumerate(needles) if one and one.folded)
        if masks:
            masks |= dict.fromkeys((text.encode() for text in _DATES_WITHOUT_WORDS), everything)
        if folded:
            masks |= {text.encode(): folded for text in _BESIDE_ASCII}
        self._masks = list(masks.values())
        self._search = BytesAhoCorasick(list(masks), implementation=Implementation.DFA) if masks else None

    def lines(self, block: bytes) -> Iterator[Spot]:
        """Yield the lines worth a look, in order."""
        spots = self._spots(block)
        return self._every(block, spots) if self.always else spots

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
                yield start, end, mask
            start, end, mask = rfind(b"\n", 0, begin) + 1, find(b"\n", begin), masks[number]
        if mask:
            yield start, end, mask

    def _every(self, block: bytes, spots: Iterator[Spot]) -> Iterator[Spot]:
        """Yield every line, as there are expressions without needles."""
        always, pos = self.always, 0
        near = next(spots, None)
        for line in block.split(b"\n")[:-1]:
            end = pos + len(line)
            if near and near[0] == pos:
                yield pos, end, near[2] | always
                near = next(spots, None)
            else:
                yield pos, end, always
            pos = end + 1
