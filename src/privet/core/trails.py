"""Trails: what came for each of many, as long as there is room, in the order in which it came.

All trails lie in one ring of arrays, and each entry knows where the one before it is. So whatever came with a block is
entered at once, and only who is of interest is followed back.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

from privet.core.arrays import np
from privet.core.facts import previous

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

NOWHERE = -1
"""Where the trail of somebody goes on of whom nothing came."""

_SIZE = 1024  # entries at first


class Trails:
    """At most so many entries, and as many as one block brings: each a time and a value of some kind."""

    def __init__(self, most: int, kind: type[np.generic]) -> None:
        self._most, self._kind = most, kind
        self._next = 0  # entries are numbered from the first that ever came
        self._lost = -inf  # the newest time of those that are gone
        self._make(_SIZE)

    def __len__(self) -> int:
        return min(self._next, len(self._times))

    def enter(
        self,
        heads: npt.NDArray[np.int64],
        numbers: npt.NDArray[np.int32],
        times: npt.NDArray[np.float64],
        values: Sequence[Any] | npt.NDArray[Any],
        horizon: float,
    ) -> None:
        """Enter what came in a block; `heads` tells for each number where its trail begins.

        What is older than `horizon` may go without need.
        """
        count = len(numbers)
        self._make_room(count, horizon)
        places = np.arange(self._next, self._next + count)
        before = previous(numbers)
        first = self._next & self._mask
        slots = slice(first, first + count) if first + count <= len(self._times) else places & self._mask
        self._times[slots], self._values[slots] = times, values
        self._back[slots] = np.where(before < 0, heads[numbers], before + self._next)
        heads[numbers] = places
        self._next += count

    def follow(self, head: int, most: int) -> tuple[list[tuple[float, Any]], float]:
        """Return so many entries of a trail, the newest first, and the newest time that those may have which follow."""
        found: list[tuple[float, Any]] = []
        oldest, mask = max(0, self._next - len(self._times)), self._mask
        time_at, value_at, back_at = self._times.item, self._values.item, self._back.item
        while head >= oldest:
            slot = head & mask
            if len(found) == most:
                return found, time_at(slot)
            found.append((time_at(slot), value_at(slot)))
            head = back_at(slot)
        return found, -inf if head == NOWHERE else self._lost

    def shift(self, seconds: float) -> None:
        """Take note that the clock was set forward by so much."""
        self._times += seconds
        self._lost += seconds

    def _make(self, size: int) -> None:
        self._mask = size - 1
        self._times, self._back = np.full(size, -inf), np.full(size, NOWHERE, np.int64)
        self._values: npt.NDArray[Any] = np.zeros(size, self._kind)

    def _make_room(self, count: int, horizon: float) -> None:
        """Grow if what would be overwritten is needed, as far as may be."""
        while self._next + count > len(self._times):
            size = len(self._times)
            if count <= size:
                going = np.arange(max(self._next, size), self._next + count) & self._mask
                newest = self._times[going].max()
                if newest < horizon or 2 * size > self._most:
                    self._lost = max(self._lost, newest)
                    return
            self._grow()

    def _grow(self) -> None:
        size, begin = len(self._times), max(0, self._next - len(self._times))
        old, cut = (self._times, self._back, self._values), begin & self._mask
        self._make(2 * size)
        for new, values in zip((self._times, self._back, self._values), old, strict=True):
            new[:size] = np.roll(values, -cut)
            new[:] = np.roll(new, begin & self._mask)
