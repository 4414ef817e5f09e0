"""Jails for manners: a signal says which requests are offences, and a window counts them like any failures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from privet.core.detect import Window
from privet.core.manners.feeds import TooOften, Whole
from privet.core.manners.liars import FakeBrowser, FakeRobot
from privet.core.manners.pace import Doubled, Unslowed
from privet.core.manners.robots import Disallowed, TooSoon

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence, Sized

    from privet.core.detect import Limit
    from privet.core.jails import Jail, Signal
    from privet.core.manners.known import Known
    from privet.core.parse import Rows


class Habit(Protocol):
    """Finds offences of one kind. What it says depends on the rows that it has seen, and not on how they were cut."""

    @property
    def clients(self) -> Sized:
        """What is remembered."""

    @property
    def evicted(self) -> int:
        """How many clients were forgotten to stay within the cap."""

    def find(self, rows: Rows, times: Sequence[float]) -> Sequence[int]:
        """Return the rows that are offences, ascending."""

    def know(self, known: Known) -> None:
        """Heed what the administrator's files say."""

    def forget(self, key: bytes) -> None:
        """Forget a client."""


_HABITS: Mapping[Signal, Callable[[Jail, int], Habit]] = {
    "robots": lambda _jail, most: Disallowed(most),
    "crawl-delay": lambda _jail, most: TooSoon(most),
    "heads": lambda _jail, most: Doubled(most),
    "backoff": lambda jail, most: Unslowed(most, jail.wait),
    "feeds": lambda jail, most: TooOften(most, jail.every),
    "whole-feeds": lambda _jail, most: Whole(most),
    "fake-browser": lambda _jail, most: FakeBrowser(most),
    "fake-robot": lambda _jail, most: FakeRobot(most),
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


def habit_for(jail: Jail, most: int) -> Habit:
    """Make what finds the offences of a jail, of `most` clients."""
    if jail.signal is None:
        raise TypeError("a jail for manners has a signal")
    return _HABITS[jail.signal](jail, most)


class Manners(Window):
    """The offences that jails with the same signal share. The clock of its signal is never set."""

    def __init__(self, limits: Sequence[Limit], tolerance: float, max_clients: int) -> None:
        super().__init__(limits, tolerance, max_clients)
        self.habit = habit_for(limits[0].jail, max_clients)
        self.moved = 0.0  # by how much the clock was set since the start

    def offences(self, rows: Rows, chosen: Sequence[int]) -> Sequence[int]:
        """Return those of the chosen rows that are offences; the signal learns from all rows."""
        before = self.habit.evicted
        times = [time - self.moved for time in rows.times] if self.moved else rows.times
        found = self.habit.find(rows, times)
        self.evicted += self.habit.evicted - before
        if len(chosen) == len(rows):
            return found
        wanted = frozenset(chosen)
        return [row for row in found if row in wanted]

    @property
    def remembered(self) -> int:
        """How many clients the signal remembers."""
        return len(self.habit.clients)

    def carry(self, old: Window) -> None:
        """Take over what an equal one has seen."""
        super().carry(old)
        if isinstance(old, Manners):
            self.habit, self.moved = old.habit, old.moved

    def shift(self, seconds: float) -> None:
        """Take note that the clock was set forward by so much."""
        super().shift(seconds)
        self.moved += seconds

    def forget(self, key: bytes) -> None:
        """Forget a client."""
        super().forget(key)
        self.habit.forget(key)
