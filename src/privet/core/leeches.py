"""Who asks how much: the aggregate behind `privet report leeches`.

One row per client: hits, mean size, share of all hits, mean interval and the distribution of status
codes. Percentages and KiB are truncated, never rounded up. Lines may come out of order; the answer
does not depend on how they are split into batches.

Memory is bounded: when the cap on clients is reached, an eighth of them is forgotten, those with the
fewest hits first and among equals those that came first. `evicted` counts them; their hits remain in
the total, and a client that comes back starts anew.
"""

from __future__ import annotations

from collections import Counter
from heapq import nlargest
from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec

from privet.core.address import Subject

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from privet.core.parse import Rows

HEADER = f"{'ip':>20} {'hits':>10} {'bandw.':>6} {'hits%':>5} {'interv.':>7} status code distrib."

COLUMNS = ("status", "size")

_NO_SIZE = frozenset((b"-", b""))  # common, hence known before an exception is made for them


class LeechRow(msgspec.Struct, frozen=True):
    """What one client asked.

    `kib` is the mean size of a response in KiB, `share` the percentage of all hits, `interval` the mean
    number of seconds between two requests (None when there is none, or no time passed), `statuses` the
    percentage of each status code, most frequent first.
    """

    subject: Subject
    hits: int
    kib: int
    share: int
    interval: float | None
    statuses: tuple[tuple[str, int], ...]


class Tally:
    """The running sums of one client; statuses other than the first one seen are rare, hence apart."""

    __slots__ = ("first", "hits", "last", "others", "size", "status")

    def __init__(self, when: float, size: int, status: bytes) -> None:
        self.hits = 1
        self.size = size
        self.first = self.last = when
        self.status = status
        self.others: dict[bytes, int] | None = None

    @property
    def statuses(self) -> dict[bytes, int]:
        """How many hits had which status code."""
        others = self.others or {}
        return {self.status: self.hits - sum(others.values()), **others}

    def merge(self, other: Tally) -> None:
        """Count what another one counted of the same client."""
        self.hits += other.hits
        self.size += other.size
        self.first, self.last = min(self.first, other.first), max(self.last, other.last)
        if other.others is None and other.status == self.status:
            return  # as with most clients
        others = self.others = self.others or {}
        for status, hits in other.statuses.items():
            if status != self.status:
                others[status] = others.get(status, 0) + hits


class Leeches:
    """Sum up requests per client; `hits` counts all of them, `evicted` the clients forgotten."""

    def __init__(self, max_clients: int = 1_000_000) -> None:
        self.hits = 0
        self.evicted = 0
        self._cap = max(1, max_clients)
        self._tallies: dict[bytes, Tally] = {}
        self._names: dict[bytes, bytes] = {}

    def add(
        self, keys: Sequence[bytes], times: Sequence[float], sizes: Sequence[bytes | int], statuses: Sequence[bytes]
    ) -> None:
        """Count a batch, given as columns: client keys, seconds, sizes in bytes, status codes.

        A size that is no number (the `-` of a response without a body) counts as 0. Statuses are the
        three digits that the parsers let through.
        """
        # Hot loop: the one dict look-up per line is most of its cost, everything else hangs on the tally.
        self.hits += len(keys)
        tally_of = self._tallies.get
        for key, when, size, status in zip(keys, times, numbers(sizes), statuses, strict=True):
            tally = tally_of(key)
            if tally is None:
                self._enter(key, when, size, status)
                continue
            tally.hits += 1
            tally.size += size
            if when > tally.last:
                tally.last = when
            elif when < tally.first:
                tally.first = when
            if status != tally.status:
                others = tally.others
                if others is None:
                    others = tally.others = {}
                others[status] = others.get(status, 0) + 1

    def take(self, rows: Rows) -> None:
        """Count the rows of a block, which have the columns of `COLUMNS`."""
        self.add(rows.keys, rows.times, rows.column("size"), rows.column("status"))

    def merge(self, other: Leeches) -> None:
        """Count what another has counted, of other lines."""
        self.hits += other.hits
        self.evicted += other.evicted
        for key, theirs in other._tallies.items():
            if tally := self._tallies.get(key):
                tally.merge(theirs)
            else:
                if len(self._tallies) >= self._cap:
                    self._evict()
                self._tallies[key] = theirs

    def __getstate__(self) -> tuple[object, ...]:
        """Return what is needed to go on in another process, by columns: there are many clients."""
        tallies = self._tallies.values()
        columns = [list(map(attrgetter(name), tallies)) for name in Tally.__slots__]
        return self.hits, self.evicted, self._cap, list(self._tallies), columns

    def __setstate__(self, state: tuple[int, int, int, list[bytes], list[list[Any]]]) -> None:
        """Go on in this process."""
        self.__init__(state[2])  # type: ignore[misc]  # as if it were made here
        self.hits, self.evicted, _, keys, columns = state
        for key, values in zip(keys, zip(*columns, strict=True), strict=True):
            tally = self._tallies[key] = Tally.__new__(Tally)
            tally.first, tally.hits, tally.last, tally.others, tally.size, tally.status = values

    def __len__(self) -> int:
        return len(self._tallies)

    def clients(self) -> Iterator[tuple[bytes, int, int]]:
        """Yield the key of each client with its hits and the bytes that it was sent."""
        return ((key, tally.hits, tally.size) for key, tally in self._tallies.items())

    def rows(self, limit: int | None = None) -> list[LeechRow]:
        """Return the clients, most hits first, among equals the one that came first."""
        count = len(self._tallies) if limit is None else limit
        top = nlargest(count, self._tallies.items(), key=lambda item: item[1].hits)
        return [row_of(key, tally, self.hits) for key, tally in top]

    def _enter(self, key: bytes, when: float, size: int, status: bytes) -> None:
        if len(self._tallies) >= self._cap:
            self._evict()
        # One bytes object per status code, not one per client.
        self._tallies[key] = Tally(when, size, self._names.setdefault(status, status))

    def _evict(self) -> None:
        # A histogram of hits finds the level to cut at in linear time, without sorting a million clients.
        levels = Counter(tally.hits for tally in self._tallies.values())
        left = max(1, self._cap // 8)
        for cut in sorted(levels):
            if levels[cut] >= left:
                break
            left -= levels[cut]
        below = [key for key, tally in self._tallies.items() if tally.hits < cut]
        level = (key for key, tally in self._tallies.items() if tally.hits == cut)
        victims = [*below, *islice(level, left)]
        for key in victims:
            del self._tallies[key]
        self.evicted += len(victims)


def format_row(row: LeechRow, name: str) -> str:
    """Return the row as plain text under `HEADER`; `name` is how the client is to be called."""
    interval = "" if row.interval is None else f"{row.interval:.1f}s"
    statuses = ", ".join(f"{status} ({percent}%)" for status, percent in row.statuses)
    # "hits%" is one wider than the percentage below it: 5 instead of 4 keeps the columns under their heads.
    return f"{name:>20} {row.hits:10d} {row.kib:5d}K {row.share:4d}% {interval:>7} {statuses}"


def numbers(sizes: Sequence[bytes | int]) -> list[int]:
    """Return sizes as numbers, 0 for what is none."""
    try:
        return list(map(int, sizes))
    except ValueError:
        return [_number(size) for size in sizes]


def _number(size: bytes | int) -> int:
    # Agrees with int() wherever that answers: how the input is cut into batches must not matter.
    if size in _NO_SIZE:
        return 0
    try:
        return int(size)
    except ValueError:
        return 0


def row_of(key: bytes, tally: Tally, total: int) -> LeechRow:
    """Return what one client asked, of so many hits in all."""
    ranked = sorted(tally.statuses.items(), key=lambda item: -item[1])
    passed = tally.last - tally.first
    return LeechRow(
        subject=Subject.of_key(key),
        hits=tally.hits,
        kib=tally.size // tally.hits // 1024,
        share=tally.hits * 100 // total,
        interval=passed / (tally.hits - 1) if passed else None,
        statuses=tuple((status.decode("ascii", "replace"), n * 100 // tally.hits) for status, n in ranked),
    )
