"""Jails for manners: a signal says which requests are offences, and a window counts them like any failures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from privet.core.manners.feeds import TooOften, Whole
from privet.core.manners.liars import FakeBrowser, FakeRobot
from privet.core.manners.pace import Doubled, Unslowed
from privet.core.manners.robots import Disallowed, TooSoon
from privet.core.windows.detect import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence, Sized
    from typing import Self

    import numpy as np
    import numpy.typing as npt

    from privet.core.jails import Jail, Signal
    from privet.core.manners.known import Known
    from privet.core.parsing.parse import Rows
    from privet.core.rows.facts import Facts, Registry
    from privet.core.windows.detect import Limit


class Habit(Protocol):
    """Finds offences of one kind. What it says depends on the rows that it has seen, and not on how they were cut."""

    @property
    def clients(self) -> Sized:
        """What is remembered of some, beside what the registry's crowd has of all."""

    @property
    def evicted(self) -> int:
        """How many of them were forgotten to stay within the cap."""

    def find(self, facts: Facts, times: npt.NDArray[np.float64]) -> list[int]:
        """Return the rows that are offences, ascending."""

    def know(self, known: Known) -> None:
        """Heed what the administrator's files say."""

    def carry(self, old: Self) -> None:
        """Take over what an equal one knows, after its registry's crowd was carried."""

    def forget(self, key: bytes) -> None:
        """Forget a client."""


_HABITS: Mapping[Signal, Callable[[Jail, int, Registry], Habit]] = {
    "robots": lambda _jail, _most, registry: Disallowed(registry),
    "crawl-delay": lambda _jail, _most, registry: TooSoon(registry),
    "heads": lambda _jail, most, registry: Doubled(most, registry),
    "backoff": lambda jail, most, registry: Unslowed(most, jail.wait, registry),
    "feeds": lambda jail, _most, registry: TooOften(jail.every, registry),
    "whole-feeds": lambda _jail, _most, registry: Whole(registry),
    "fake-browser": lambda _jail, most, registry: FakeBrowser(most, registry),
    "fake-robot": lambda _jail, _most, _registry: FakeRobot(),
}
COLUMNS: Mapping[Signal, frozenset[str]] = {
    "robots": Disallowed.columns,
    "crawl-delay": TooSoon.columns,
    "heads": Doubled.columns,
    "backoff": Unslowed.columns,
    "feeds": TooOften.columns,
    "whole-feeds": Whole.columns,
    "fake-browser": FakeBrowser.columns,
    "fake-robot": FakeRobot.columns,
}
"""What each signal reads of a row."""

NEEDS: Mapping[Signal, frozenset[str]] = {
    "robots": frozenset({"path", "agent"}),
    "crawl-delay": frozenset({"path", "agent"}),
    "heads": frozenset({"method", "path"}),
    "backoff": frozenset({"path", "status"}),
    "feeds": frozenset({"method", "path", "status"}),
    "whole-feeds": frozenset({"method", "path", "status", "size"}),
    "fake-browser": frozenset({"method", "path", "status", "referer", "agent"}),
    "fake-robot": frozenset({"agent"}),
}
"""Fields without which a signal finds nothing."""


def habit_for(jail: Jail, most: int, registry: Registry) -> Habit:
    """Make what finds the offences of a jail, of `most` clients."""
    if jail.signal is None:
        raise TypeError("a jail for manners has a signal")
    return _HABITS[jail.signal](jail, most, registry)


class Manners(Window):
    """The offences that jails with the same signal share. The clock of its signal is never set."""

    def __init__(self, limits: Sequence[Limit], tolerance: float, max_clients: int, registry: Registry) -> None:
        super().__init__(limits, tolerance, max_clients)
        self.habit = habit_for(limits[0].jail, max_clients, registry)
        self._registry = registry
        self.moved = 0.0  # by how much the clock was set since the start

    def offences(self, rows: Rows, chosen: Sequence[int]) -> Sequence[int]:
        """Return those of the chosen rows that are offences; the signal learns from all rows."""
        before = self.habit.evicted
        facts = self._registry.facts(rows)
        found = self.habit.find(facts, facts.times - self.moved if self.moved else facts.times)
        self.evicted += self.habit.evicted - before
        if len(chosen) == len(rows):
            return found
        wanted = frozenset(chosen)
        return [row for row in found if row in wanted]

    @property
    def remembered(self) -> int:
        """What the signal remembers of some clients, beside what the crowd has of all."""
        return len(self.habit.clients)

    def carry(self, old: Window) -> None:
        """Take over what an equal one has seen."""
        super().carry(old)
        if isinstance(old, Manners):
            self.habit.carry(old.habit)
            self.moved = old.moved

    def shift(self, seconds: float) -> None:
        """Take note that the clock was set forward by so much."""
        super().shift(seconds)
        self.moved += seconds

    def forget(self, key: bytes) -> None:
        """Forget a client."""
        super().forget(key)
        self.habit.forget(key)
