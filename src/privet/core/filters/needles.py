"""Which lines of a block can match anything at all: all needles of all expressions, sought in one pass."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ahocorasick_rs import BytesAhoCorasick, Implementation

from privet.core.filters.shapes import Shape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from privet.core.filters.trees import Needles

_BESIDE_ASCII = ("\u017f", "\u212a", "\u0130", "\u0131")
"""What matches s, k or i where the case of letters does not matter; needles know ASCII only."""
_DATES_WITHOUT_WORDS = ("@0", "@1", "@2")
"""Before a time in the one usual form of dates that does not end like a word: needles may be hidden by it."""
_BEYOND_ASCII = re.compile(rb"^[^\n\x80-\xff]*+[\x80-\xff]", re.MULTILINE)
_ANY = Shape((), None)
_REMEMBERED = 4096  # combinations of needles

Spot = tuple[int, bytes, int]
"""Where a line begins, the line, and a mask of the needles in it."""


class Prefilter:
    """Finds the lines that something may match. `wanted[i]` are needles of which one each must be there for i.

    `shapes` are what a line must have besides, by such a number.
    """

    def __init__(self, wanted: Sequence[Sequence[Needles]], shapes: Mapping[int, Shape] | None = None) -> None:
        self._shapes = shapes or {}
        bits: dict[Needles, int] = {}
        for needles in wanted:
            for one in needles:
                bits.setdefault(one, 1 << len(bits))
        self._required = [sum(bits[one] for one in set(needles)) for needles in wanted]
        self._runs: list[tuple[re.Pattern[bytes], int]] = []  # sought for want of needles
        for number, shape in self._shapes.items():
            if not wanted[number] and shape.rarest:
                self._required[number] = 1 << len(bits) + len(self._runs)
                self._runs.append((shape.rarest, self._required[number]))
        self._every_line = 0 in self._required
        self._whole = 1 << len(bits) + len(self._runs)  # the bit of lines that may have any shape
        self._judged: dict[int, tuple[Shape, ...]] = {}
        masks: dict[bytes, int] = {}
        for one, bit in bits.items():
            for text in one.texts:
                needle = text.encode()
                masks[needle] = masks.get(needle, 0) | bit
        folded = sum(bit for one, bit in bits.items() if one.folded)
        if bits or self._runs:
            masks |= dict.fromkeys((text.encode() for text in _DATES_WITHOUT_WORDS), 2 * self._whole - 1)
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
        if self._runs and (more := self._shaped(block)):
            spots = _together(block, spots, more)
        if self._every_line:
            return _with_others(block, spots)
        return self._fit(spots) if self._shapes else spots

    def _fit(self, spots: Iterator[Spot]) -> Iterator[Spot]:
        """Yield the lines that have one of the shapes of what may match them."""
        judged = self._judged
        for spot in spots:
            _, line, mask = spot
            shapes = judged.get(mask)
            for shape in self._shapes_for(mask) if shapes is None else shapes:
                if shape.fits(line):
                    yield spot
                    break

    def _shapes_for(self, mask: int) -> tuple[Shape, ...]:
        numbers = self.fitting(mask)
        free = mask & self._whole or any(number not in self._shapes for number in numbers)
        if len(self._judged) >= _REMEMBERED:
            self._judged.clear()
        shapes = self._judged[mask] = (_ANY,) if free else tuple(self._shapes[number] for number in numbers)
        return shapes

    def _shaped(self, block: bytes) -> dict[int, int]:
        """Return where lines begin that have the rarest run of a shape, with the bits of these."""
        found: dict[int, int] = {}
        for run, bit in self._runs:
            end = 0
            for match in run.finditer(block):
                if match.start() >= end:
                    start = block.rfind(b"\n", 0, match.start()) + 1
                    end = block.find(b"\n", start)
                    found[start] = found.get(start, 0) | bit
        if not block.isascii():
            bits = sum(bit for _, bit in self._runs)
            found |= {match.start(): bits for match in _BEYOND_ASCII.finditer(block)}  # these have any shape
        return found

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


def _together(block: bytes, spots: Iterator[Spot], more: Mapping[int, int]) -> Iterator[Spot]:
    """Yield lines, and those that begin in other places, with all their bits."""
    masks = {start: mask for start, _, mask in spots}
    for start, bits in more.items():
        masks[start] = masks.get(start, 0) | bits
    for start in sorted(masks):
        yield start, block[start : block.find(b"\n", start)], masks[start]


def _with_others(block: bytes, spots: Iterator[Spot]) -> Iterator[Spot]:
    """Yield every line, as there are expressions without needles."""
    masks = {start: mask for start, _, mask in spots}
    place = 0
    for line in block.split(b"\n")[:-1]:
        yield place, line, masks.get(place, 0)
        place += len(line) + 1
