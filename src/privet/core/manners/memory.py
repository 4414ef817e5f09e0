"""What is remembered of clients: of no more than so many, and for no longer than it matters."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from itertools import islice
from math import inf
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

Key = TypeVar("Key", bound=Hashable)
State = TypeVar("State")

_AT_ONCE = 1024  # of the oldest that are looked up: to find the first one, a dictionary steps over all that are gone


class Clients(Generic[Key, State]):
    """A state for each key, for `keep` seconds since it was put; at the cap the one that was put longest ago goes."""

    def __init__(self, most: int, keep: float) -> None:
        self.evicted = 0
        self.most, self._keep = most, keep
        self._states: dict[Key, tuple[float, State]] = {}  # in the order of the puts
        self._oldest: deque[tuple[Key, tuple[float, State]]] = deque()  # those that were put first, some gone since
        self._due = -inf  # when the first of them is too old

    def __len__(self) -> int:
        return len(self._states)

    def __contains__(self, key: Key) -> bool:
        return key in self._states

    def get(self, key: Key, time: float) -> State | None:
        """Return a state, None if there is none that is young enough."""
        found = self._states.get(key)
        return found[1] if found is not None and found[0] >= time - self._keep else None

    def put(self, key: Key, time: float, state: State) -> None:
        """Remember a state; forget what is too old."""
        states = self._states
        if key in states:
            del states[key]
        states[key] = (time, state)
        if time > self._due or len(states) > self.most:
            self._tidy(time - self._keep)

    def among(self, keys: frozenset[Key]) -> set[Key]:
        """Return which of some keys have a state, however old."""
        return self._states.keys() & keys

    def drop(self, key: Key) -> None:
        """Forget a state."""
        self._states.pop(key, None)

    def __iter__(self) -> Iterator[Key]:
        """Yield all keys."""
        return iter(self._states)

    def _tidy(self, horizon: float) -> None:
        """Forget what is too old, and what is too much."""
        states, oldest = self._states, self._oldest
        while len(states):
            if not oldest:
                oldest.extend(islice(states.items(), _AT_ONCE))
            key, state = oldest[0]
            if states.get(key) is state:
                if state[0] >= horizon and len(states) <= self.most:
                    self._due = state[0] + self._keep
                    return
                self.evicted += state[0] >= horizon
                del states[key]
            oldest.popleft()
