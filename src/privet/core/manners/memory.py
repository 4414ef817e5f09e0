"""What is remembered of clients: of no more than so many, and for no longer than it matters."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

Key = TypeVar("Key", bound=Hashable)
State = TypeVar("State")


class Clients(Generic[Key, State]):
    """A state for each key, for `keep` seconds since it was put; at the cap the one that was put longest ago goes."""

    def __init__(self, most: int, keep: float) -> None:
        self.evicted = 0
        self.most, self._keep = most, keep
        self._states: OrderedDict[Key, tuple[float, State]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._states)

    def __contains__(self, key: Key) -> bool:
        return key in self._states

    def since(self, key: Key, time: float) -> bool:
        """Tell whether a state was put since some time."""
        found = self._states.get(key)
        return found is not None and found[0] >= time

    def get(self, key: Key, time: float) -> State | None:
        """Return a state, None if there is none that is young enough."""
        found = self._states.get(key)
        return found[1] if found is not None and found[0] >= time - self._keep else None

    def put(self, key: Key, time: float, state: State) -> None:
        """Remember a state; forget what is too old."""
        states, horizon = self._states, time - self._keep
        if key in states:
            states.move_to_end(key)
        states[key] = (time, state)
        while states[next(iter(states))][0] < horizon:
            states.popitem(last=False)
        while len(states) > self.most:
            states.popitem(last=False)
            self.evicted += 1

    def swap(self, key: Key, time: float, state: State) -> State | None:
        """Remember a state, and return the one before if it is young enough."""
        before = self.get(key, time)
        self.put(key, time, state)
        return before

    def among(self, keys: frozenset[Key]) -> set[Key]:
        """Return which of some keys have a state, however old."""
        return self._states.keys() & keys

    def drop(self, key: Key) -> None:
        """Forget a state."""
        self._states.pop(key, None)

    def __iter__(self) -> Iterator[Key]:
        """Yield all keys."""
        return iter(self._states)
