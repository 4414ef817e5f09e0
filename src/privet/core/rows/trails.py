"""Trails: what came for each of many, as long as there is room, in the order in which it came.

All trails lie in one ring of arrays, and each entry knows where the one before it is. So whatever came with a block is
entered at once, and only who is of interest is followed back.
"""

from __future__ import annotations

from itertools import islice
from math import inf
from typing import TYPE_CHECKING, Any

from privet.core.arrays import np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

NOWHERE = 1 << 62
"""Where the trail of somebody goes on of whom nothing came."""

_SIZE = 1024  # entries at first
_FAR = (1 << 31) - 1  # entries ago, and more


class Trails:
    """At most so many entries, and as many as one block brings: each a time and a value of some kind."""

    def __init__(self, most: int, kind: type[np.generic]) -> None:
        self._most = most
        self._next = 0  # entries are numbered from the first that ever came
        self._first = 0  # those before it were gone when there was room for fewer
        self._lost = -inf  # the newest time of those that are gone
        self._times, self._values = np.full(_SIZE, -inf), np.zeros(_SIZE, kind)
        self._back = np.zeros(_SIZE, np.int32)  # how many entries ago the one before came, 0 if none did

    def __len__(self) -> int:
        return self._next - self._oldest

    def enter(  # noqa: PLR0913, PLR0917  each is a thing of its own
        self,
        heads: npt.NDArray[np.int64],
        numbers: npt.NDArray[np.intp],
        times: npt.NDArray[np.float64],
        values: Sequence[Any] | npt.NDArray[Any],
        before: npt.NDArray[np.intp],
        horizon: float,
    ) -> None:
        """Enter what came in a block; `heads` tells for each number where its trail begins.

        `before` is what `core.rows.facts.previous` says of the numbers. What is older than `horizon` may go without
        need.
        """
        count = len(numbers)
        self._make_room(count, horizon)
        places, size = np.arange(self._next, self._next + count), len(self._times)
        first = self._next % size
        slots = slice(first, first + count) if first + count <= size else places % size
        self._times[slots], self._values[slots] = times, values
        ago = places - np.where(before < 0, heads[numbers], before + self._next)
        self._back[slots] = np.minimum(np.maximum(ago, 0), _FAR)
        heads[numbers] = places
        self._next += count

    def follow(self, head: int, most: int, horizon: float) -> list[tuple[float, Any]]:
        """Return so many entries of a trail, the newest first, down to one that is older than `horizon`."""
        found: list[tuple[float, Any]] = []
        time_at, value_at = self._times.item, self._values.item
        for slot in islice(self._slots(head), most):
            if slot == NOWHERE or (time := time_at(slot)) < horizon:
                break
            found.append((time, value_at(slot)))
        return found

    def find(self, head: int, value: object, most: int) -> tuple[float, float]:
        """Return when a value came last on a trail, of which so many entries are looked at.

        What follows is the newest time that it may have come at where nobody looks. Minus infinity is never.
        """
        value_at = self._values.item
        for count, slot in enumerate(self._slots(head)):
            if slot == NOWHERE:
                return -inf, self._lost
            if count == most:
                return -inf, self._times.item(slot)
            if value_at(slot) == value:
                return self._times.item(slot), -inf
        return -inf, -inf

    def _slots(self, head: int) -> Iterator[int]:
        """Yield where the entries of a trail are, the newest first; in the end `NOWHERE` if others are gone."""
        if head == NOWHERE:
            return
        size = len(self._times)
        oldest, back_at = self._oldest, self._back.item
        while head >= oldest:
            slot = head % size
            yield slot
            ago = back_at(slot)
            if not ago:
                return
            head -= ago
        yield NOWHERE

    def shift(self, seconds: float) -> None:
        """Take note that the clock was set forward by so much."""
        self._times += seconds
        self._lost += seconds

    @property
    def _oldest(self) -> int:
        """The first entry that is there."""
        return max(self._first, self._next - len(self._times))

    def _make_room(self, count: int, horizon: float) -> None:
        """Grow if what would be overwritten is needed, as far as may be."""
        while self._next + count > (size := len(self._times)):
            if count <= size:
                going = np.arange(max(self._next, size), self._next + count) % size
                newest = self._times[going].max()
                if newest < horizon or size >= self._most:
                    self._lost = max(self._lost, newest)
                    return
            self._grow(max(count, min(size + size // 4, self._most)))

    def _grow(self, size: int) -> None:
        """Make room for so many; it is much, so that only one array is there twice at a time."""
        self._first = self._oldest
        self._times, self._values = self._moved(self._times, size), self._moved(self._values, size)
        self._back = self._moved(self._back, size)

    def _moved(self, old: npt.NDArray[Any], size: int) -> npt.NDArray[Any]:
        """Return an array of another size with the entries where they are then."""
        new, number = np.zeros(size, old.dtype), self._first
        while number < self._next:
            there, here = number % len(old), number % size
            count = min(self._next - number, len(old) - there, size - here)
            new[here : here + count] = old[there : there + count]
            number += count
        return new
