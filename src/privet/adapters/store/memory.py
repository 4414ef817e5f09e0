"""The store that forgets: for dry runs, demonstrations and tests, and for those who want nothing on the disk."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Generic

from privet.adapters.store.rows import Form, T

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MOST = 200_000


class MemoryStore(Generic[T]):
    """A `ports.Store` that ends with the process."""

    def __init__(self, form: Form[T], most: int = MOST) -> None:
        """Start empty; more than `most` are not kept."""
        self.refused = self.evicted = self.losses = 0
        self.rested = False
        self.complaint: str | None = None
        self._form: Form[T] = form
        self._most = most
        self._kept: dict[bytes, T] = {}

    def open(self) -> None:
        """Do nothing: memory is ready."""

    def load(self, now: float) -> list[T]:
        """Return what has not ended."""
        return [self._form.fresh(item) for item in self._kept.values() if item.until > now]

    def put(self, items: Iterable[T]) -> None:
        """Store them; each replaces the one with the same key."""
        for item in items:
            self._kept[self._form.key(item)] = self._form.fresh(item)
        excess = len(self._kept) - self._most
        if excess > 0:
            for key in heapq.nsmallest(excess, self._kept, key=lambda key: self._kept[key].until):
                del self._kept[key]
            self.evicted += excess

    def drop(self, items: Iterable[T]) -> None:
        """Forget them by their keys."""
        for item in items:
            self._kept.pop(self._form.key(item), None)

    def expire(self, now: float) -> int:
        """Forget what has ended; return how much that was."""
        ended = [key for key, item in self._kept.items() if item.until <= now]
        for key in ended:
            del self._kept[key]
        return len(ended)

    def rest(self, items: Sequence[T]) -> None:
        """Do nothing: memory is quick."""

    def size(self) -> int:
        """Return how many are stored."""
        return len(self._kept)

    def close(self) -> None:
        """Do nothing: what is stored stays until the process ends."""
