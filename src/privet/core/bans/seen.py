"""Who came in the last day, in memory only: so that the ban of a range can say first whom it would hit.

Clients of the current two hours are a set, which costs some 20 ns a row; those of the two hours before, and
so on for a day, are sorted numbers of 4 or 8 bytes. Of each two hours at most `MOST` clients are kept, which
bounds the memory to some 20 MB; beyond that a count is a least one.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import deque
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from privet.core.addresses.prefixes import PrefixSet, bounds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from privet.core.addresses.address import Subject
    from privet.core.parsing.parse import Rows

PERIOD = 7200.0  # seconds
PERIODS = 12
MOST = 100_000  # clients of one period

_LENGTHS = {4: 4, 6: 8}  # bytes of a client key, by version
_TYPES = {4: "I", 6: "Q"}

Numbers = dict[int, "array[int]"]
"""Sorted clients as numbers, by version."""


class Cost(msgspec.Struct, frozen=True):
    """What a ban closes out: addresses (IPv6: /64 networks), clients that came, and those that did nothing wrong.

    `at_least` tells that there were more clients than could be kept.
    """

    addresses: int
    networks: int
    clients: int
    innocent: int
    at_least: bool = False


class Census:
    """Who had come when it was asked first: that takes a look at all clients of the current two hours."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen

    @cached_property
    def _periods(self) -> Sequence[tuple[Numbers, Numbers]]:
        return self._seen.periods

    def cost(self, subjects: Iterable[Subject]) -> Cost:
        """Say what a ban of all these subjects together would close out."""
        prefixes = PrefixSet(subjects)
        addresses = {4: 0, 6: 0}
        came, guilty = 0, 0
        for version in _LENGTHS:
            ranges = list(_ranges(prefixes, version))
            addresses[version] = sum(last - first + 1 for first, last in ranges)
            known = {client for period, _ in self._periods for client in _within(period[version], ranges)}
            bad = {client for _, period in self._periods for client in _within(period[version], ranges)}
            came += len(known)
            guilty += len(known & bad)
        return Cost(addresses[4], addresses[6], came, came - guilty, self._seen.full)


class Seen:
    """Observes the rows of an engine, and is told whom a jail found guilty."""

    def __init__(self) -> None:
        self._period = float("-inf")
        self._now: set[bytes] = set()
        self._guilty: set[bytes] = set()
        self._before: deque[tuple[Numbers, Numbers]] = deque(maxlen=PERIODS)  # all, and the guilty among them
        self._full: deque[bool] = deque([False], maxlen=PERIODS + 1)

    def __call__(self, _source: str, rows: Rows) -> None:
        """Note the clients of a block."""
        if rows.times and rows.times[-1] >= self._period + PERIOD:
            self._turn(rows.times[-1])
        if len(self._now) < MOST:
            self._now.update(rows.keys)
        elif not self._full[-1]:
            self._full[-1] = not self._now.issuperset(rows.keys)

    def blame(self, key: bytes) -> None:
        """Note that a client did something wrong."""
        if len(self._guilty) < MOST:
            self._guilty.add(key)

    def clients(self) -> list[bytes]:
        """Return the clients of the last day, by their keys."""
        found = set(self._now)
        for period, _ in self._before:
            for version, length in _LENGTHS.items():
                found.update(number.to_bytes(length) for number in period[version])
        return list(found)

    def census(self) -> Census:
        """Return what answers questions about those who came, as of the first one."""
        return Census(self)

    @property
    def periods(self) -> list[tuple[Numbers, Numbers]]:
        """The clients of each period, and the guilty among them."""
        return [*self._before, (_numbers(self._now), _numbers(self._guilty))]

    @property
    def full(self) -> bool:
        """Whether there were more clients than could be kept."""
        return any(self._full)

    def _turn(self, now: float) -> None:
        """Begin the period that `now` lies in; what is older than a day goes."""
        start = now // PERIOD * PERIOD
        over = 1 if self._period == float("-inf") else min(PERIODS + 1, int((start - self._period) // PERIOD))
        for _ in range(over):
            self._before.append((_numbers(self._now), _numbers(self._guilty)))
            self._full.append(False)
            self._now.clear()
            self._guilty.clear()
        self._period = start


def _numbers(keys: Iterable[bytes]) -> Numbers:
    return {
        version: array(_TYPES[version], sorted(int.from_bytes(key) for key in keys if len(key) == length))
        for version, length in _LENGTHS.items()
    }


def _ranges(prefixes: PrefixSet, version: int) -> Iterator[tuple[int, int]]:
    """Yield the first and last client of each prefix of one version."""
    cut = 128 - 64 if version == 6 else 0
    for subject in prefixes:
        if subject.version == version:
            first, last = bounds(subject)
            yield first >> cut, last >> cut


def _within(numbers: array[int], ranges: Iterable[tuple[int, int]]) -> Iterator[int]:
    for first, last in ranges:
        yield from numbers[bisect_left(numbers, first) : bisect_right(numbers, last)]
