"""Many prefixes at once: sorted numbers and bisection, so that a look costs the same with ten and with 500,000.

`PrefixSet` tells whether a subject lies in any of its prefixes; `PrefixMap` which of its ranges is the
closest around a client.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

from privet.core.addresses.address import Subject

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, MutableSequence

_WIDTH = {4: 32, 6: 128}
_UNIT = {4: 32, 6: 64}  # bits of what a PrefixMap tells apart: clients
_TYPE = {4: "I", 6: "Q"}


def bounds(subject: Subject) -> tuple[int, int]:
    """Return the first and the last address of a subject, as numbers."""
    first = int.from_bytes(subject.packed)
    return first, first + (1 << (_WIDTH[subject.version] - subject.length)) - 1


def prefixes_of(version: int, first: int, last: int, width: int = 0) -> Iterator[Subject]:
    """Yield the fewest prefixes that are together the addresses from `first` to `last`.

    With a `width` the numbers count what is left of addresses when all but their first `width` bits are cut off.
    """
    cut = _WIDTH[version] - (width or _WIDTH[version])
    first, last = first << cut, (last + 1 << cut) - 1
    while first <= last:
        bits = (last - first + 1).bit_length() - 1
        if first:
            bits = min(bits, (first & -first).bit_length() - 1)
        yield Subject(first.to_bytes(_WIDTH[version] // 8), _WIDTH[version] - bits)
        first += 1 << bits


class PrefixSet:
    """Subjects, joined where they touch. Immutable."""

    def __init__(self, subjects: Iterable[Subject] = ()) -> None:
        self._firsts: dict[int, list[int]] = {4: [], 6: []}
        self._lasts: dict[int, list[int]] = {4: [], 6: []}
        for subject in sorted(set(subjects)):
            firsts, lasts = self._firsts[subject.version], self._lasts[subject.version]
            first, last = bounds(subject)
            if lasts and first <= lasts[-1] + 1:
                lasts[-1] = max(last, lasts[-1])
            else:
                firsts.append(first)
                lasts.append(last)

    def __bool__(self) -> bool:
        return any(self._firsts.values())

    def __iter__(self) -> Iterator[Subject]:
        """Yield the fewest prefixes that are the same addresses."""
        for version, firsts in self._firsts.items():
            for first, last in zip(firsts, self._lasts[version], strict=True):
                yield from prefixes_of(version, first, last)

    def covers(self, subject: Subject) -> bool:
        """Tell whether every address of a subject is in the set."""
        first, last = bounds(subject)
        place = bisect_right(self._firsts[subject.version], first) - 1
        return place >= 0 and last <= self._lasts[subject.version][place]

    def overlaps(self, subject: Subject) -> bool:
        """Tell whether an address of a subject is in the set."""
        version = subject.version
        lasts = self._lasts[version]
        if not lasts:
            return False
        first, last = bounds(subject)
        place = bisect_left(lasts, first)
        return place < len(lasts) and self._firsts[version][place] <= last


class PrefixMap:
    """A number for each client, given by ranges of which the closest one counts. Immutable once it is asked.

    Ranges are of IPv4 addresses and of IPv6 /64 networks: the numbers of the latter are the first 64 bits.
    Some 10 bytes are kept for an IPv4 range and 20 for an IPv6 range.
    """

    def __init__(self) -> None:
        self._of = {4: _Ranges(_TYPE[4]), 6: _Ranges(_TYPE[6])}

    def __len__(self) -> int:
        return sum(len(ranges.firsts) for ranges in self._of.values())

    def add(self, version: int, first: int, last: int, value: int) -> None:
        """Add a range."""
        self._of[version].add(first, last, value)

    def settle(self) -> None:
        """Bring what was added in order: to be called once, before the first question."""
        for ranges in self._of.values():
            if not ranges.in_order:
                ranges.flatten()

    def value(self, version: int, number: int) -> int | None:
        """Return the number of the range that a client lies in, who is given as ranges are."""
        ranges = self._of[version]
        place = ranges.find(number, number)
        return None if place is None else ranges.values[place]

    def find(self, subject: Subject) -> tuple[int, Subject] | None:
        """Return the number of the range that a subject lies in, and the largest prefix of that range around it."""
        version, ranges = subject.version, self._of[subject.version]
        first, last = (bound >> (_WIDTH[version] - _UNIT[version]) for bound in bounds(subject))
        place = ranges.find(first, last)
        if place is None:
            return None
        low, high, bits = ranges.firsts[place], ranges.lasts[place], 0
        while bits < _UNIT[version] and low <= first >> bits + 1 << bits + 1 and first | (2 << bits) - 1 <= high:
            bits += 1
        start = first >> bits << bits + _WIDTH[version] - _UNIT[version]
        return ranges.values[place], Subject(start.to_bytes(_WIDTH[version] // 8), _UNIT[version] - bits)

    def prefixes(self, value: int) -> PrefixSet:
        """Return all prefixes with a number."""
        return PrefixSet(
            prefix
            for version, ranges in self._of.items()
            for place, own in enumerate(ranges.values)
            if own == value
            for prefix in prefixes_of(version, ranges.firsts[place], ranges.lasts[place], _UNIT[version])
        )


class _Ranges:
    """Ranges of one version, in three columns."""

    def __init__(self, type_code: str) -> None:
        self.firsts: MutableSequence[int] = array(type_code)
        self.lasts: MutableSequence[int] = array(type_code)
        self.values: MutableSequence[int] = array("I")
        self.in_order = True  # and none within another

    def add(self, first: int, last: int, value: int) -> None:
        self.in_order = self.in_order and (not self.lasts or self.lasts[-1] < first)
        self.firsts.append(first)
        self.lasts.append(last)
        self.values.append(value)

    def find(self, first: int, last: int) -> int | None:
        place = bisect_right(self.firsts, first) - 1
        return place if place >= 0 and last <= self.lasts[place] else None

    def flatten(self) -> None:
        """Cut ranges where others lie within them, so that none touches another and the closest one counts."""
        order = sorted(range(len(self.firsts)), key=lambda place: (self.firsts[place], -self.lasts[place]))
        ranges = [(self.firsts[place], self.lasts[place], self.values[place]) for place in order]
        del self.firsts[:], self.lasts[:], self.values[:]
        around: list[tuple[int, int]] = []  # the last number and the value of each range that is open
        place = 0
        for first, last, value in ranges:
            place = self._close(around, place, first)
            around.append((last, value))
        self._close(around, place, None)
        self.in_order = True

    def _close(self, around: list[tuple[int, int]], place: int, until: int | None) -> int:
        """Enter what lies from `place` to before `until`; return where to go on."""
        while around and (until is None or around[-1][0] < until):
            last, value = around.pop()
            if place <= last:
                self.add(place, last, value)
                place = last + 1
        if until is not None:
            if around and place < until:
                self.add(place, until - 1, around[-1][1])
            place = until
        return place
