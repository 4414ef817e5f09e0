"""Clients by number: one table for all detectors, with a row for each client and a column for whatever one remembers.

To look somebody up in a dictionary of a hundred thousand costs more than all that is then done with what is found, as
none of it is in the CPU's caches. So each client of a block is looked up once, and detectors keep what they know of
him in arrays, in which numpy looks up all clients of a block at once.

Numbers are given anew when their client is forgotten: who came last longest ago, when there are too many.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, cast

from privet.core.arrays import np
from privet.core.parsing.blocks.columns import Answers, Coded

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    Numbers = npt.NDArray[np.integer[Any]]

KEEP = 90_000.0
"""Seconds for which a client is remembered who comes no more: no detector looks back further than a day."""

NOBODY = -1
_SWEEP_FROM = 4096  # fewer clients than this are not worth sweeping
_EVICT_SHARE = 8  # at the cap one in eight goes, so that this is paid once per cap / 8 new clients


class Column:
    """What is remembered of each client, `empty` of those of whom nothing is.

    It takes no memory before it is used. Hold the column, never its `values`.
    """

    __slots__ = ("_crowd", "_values", "empty", "kind")

    def __init__(self, crowd: Crowd, empty: float, kind: type[np.generic] | None) -> None:
        self._crowd, self.empty, self.kind = crowd, empty, kind
        self._values: npt.NDArray[Any] | None = None

    @property
    def is_used(self) -> bool:
        """Whether anything may be remembered."""
        return self._values is not None

    @property
    def values(self) -> npt.NDArray[Any]:
        """The values by the numbers of the clients."""
        if self._values is None:
            self._values = np.full(self._crowd.size, self.empty, self.kind)
        return self._values

    def take(self, old: Column) -> None:
        """Take over what another has, whose crowd is this one's now."""
        self._values = old._values

    def grow(self, size: int) -> None:
        """Make room for as many clients."""
        if self._values is not None:
            old = self._values
            self._values = np.empty(size, old.dtype)
            self._values[: len(old)], self._values[len(old) :] = old, self.empty

    def clear(self, numbers: npt.NDArray[np.intp] | None = None) -> None:
        """Forget all, or some."""
        if numbers is None:
            self._values = None
        elif self._values is not None:
            self._values[numbers] = self.empty


class Crowd:
    """The numbers of at most so many clients, and of as many more as come until it is tidied."""

    def __init__(self, most: int, keep: float = KEEP) -> None:
        self.evicted = 0
        self.forgotten = 0  # how many, so that numbers that are kept elsewhere can be forgotten, too
        self.most, self._keep = most, keep
        self._numbers: dict[bytes, int] = {}
        self._known = Answers(self._numbers_of)
        self._keys: list[bytes] = []
        self._free: list[int] = []
        self._columns: list[Column] = []
        self.size = _SWEEP_FROM  # for how many there is room
        self._sweep_at = min(_SWEEP_FROM, most)
        self._seen = self.column(-inf)
        self._newest = -inf
        self._marks = self.column(empty=False)  # of no meaning but for `among`

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._numbers)

    def column(self, empty: float, kind: type[np.generic] | None = None) -> Column:
        """Return a new column; without a kind its values are what `empty` is."""
        column = Column(self, empty, kind)
        self._columns.append(column)
        return column

    def numbers(self, keys: Sequence[bytes], times: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
        """Return the numbers of the clients of a block, valid until the next block."""
        self.make_room()
        return self.meet(keys, times)

    def meet(self, keys: Sequence[bytes], times: npt.NDArray[np.float64]) -> npt.NDArray[np.intp]:
        """Return the numbers of clients without making room for them."""
        if isinstance(keys, Coded):
            numbers = self._known(keys).astype(np.intp)  # as numpy wants places to be
        else:
            numbers = np.array(self._numbers_of(keys), np.intp)
        self.see(numbers, times)
        return numbers

    def see(self, numbers: Numbers, times: npt.NDArray[np.float64]) -> None:
        """Take note that clients came whose numbers are known."""
        self._seen.values[numbers] = times
        self._newest = max(self._newest, times.max(initial=-inf))

    def number(self, key: bytes) -> int:
        """Return the number of a client, `NOBODY` if there is none."""
        return self._numbers.get(key, NOBODY)

    def key(self, number: int) -> bytes:
        """Return the key of a client."""
        return self._keys[number]

    def keys(self, numbers: Numbers) -> list[bytes]:
        """Return the keys of clients."""
        return list(map(self._keys.__getitem__, numbers.tolist()))

    def among(self, numbers: Numbers, some: Numbers) -> npt.NDArray[np.bool_]:
        """Tell of each client whether he is one of some."""
        marks = self._marks.values
        marks[some] = True
        found: npt.NDArray[np.bool_] = marks[numbers]
        marks[some] = False
        return found

    def carry(self, old: Crowd) -> None:
        """Take over the clients of another; its columns may then be taken, the others are empty."""
        self._numbers, self._keys, self._free = old._numbers, old._keys, old._free
        self._known = old._known.by(self._numbers_of)
        self.evicted, self.forgotten = old.evicted, old.forgotten
        self.size, self._newest = old.size, old._newest
        for column in self._columns:
            column.clear()
        self._seen.take(old._seen)

    def shift(self, seconds: float) -> None:
        """Take note that the clock was set forward by so much."""
        if self._seen.is_used:
            self._seen.values[:] += seconds
        self._newest += seconds

    def _numbers_of(self, keys: Sequence[bytes]) -> list[int]:
        """Return the number of each client; who has none gets one."""
        known = self._numbers
        found = [*map(known.get, keys)]
        if None not in found:
            return cast("list[int]", found)
        new = [*dict.fromkeys(key for key, number in zip(keys, found, strict=True) if number is None)]
        again, first = min(len(self._free), len(new)), len(self._keys)
        for key in new[:again]:
            number = known[key] = self._free.pop()
            self._keys[number] = key
        known.update(zip(new[again:], range(first, first + len(new) - again), strict=True))
        self._keys += new[again:]
        if len(self._keys) > self.size:
            while len(self._keys) > self.size:
                self.size += self.size // 4  # columns of many clients are large: not twice as many
            for column in self._columns:
                column.grow(self.size)
        return [*map(known.__getitem__, keys)]

    def make_room(self) -> npt.NDArray[np.intp]:
        """Forget, if there are many, who came last long ago; at the cap also one in eight, longest silent.

        Return the numbers that are free by that.
        """
        if len(self._numbers) < self._sweep_at:
            return np.empty(0, np.intp)
        seen = self._seen.values[: len(self._keys)]
        gone = np.flatnonzero((seen < self._newest - self._keep) & (seen > -inf))
        self._forget(gone)
        excess = len(self._numbers) - self.most
        if excess >= 0:
            count = min(excess + max(1, self.most // _EVICT_SHARE), len(self._numbers))
            seen = np.where(seen == -inf, inf, seen)
            more = np.argpartition(seen, count - 1)[:count]
            self._forget(more)
            gone = np.concatenate((gone, more))
            self.evicted += count
        self._sweep_at = min(max(_SWEEP_FROM, 2 * len(self._numbers)), self.most)
        return gone

    def _forget(self, gone: npt.NDArray[np.intp]) -> None:
        for column in self._columns:
            column.clear(gone)
        if not len(gone):
            return
        is_gone = np.zeros(self.size, np.bool_)
        is_gone[gone] = True
        self._known.forget(is_gone)
        places = gone.tolist()
        for number in places:
            del self._numbers[self._keys[number]]
            self._keys[number] = b""
        self._free += places
        self.forgotten += len(places)
