"""The load of the machine over time, for jails whose limits depend on it. What is not known is calm."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MINUTE = 60.0
MOST = 8192
"""Changes that are remembered: of the daemon some hours, of a history two days."""


class Loads:
    """What the load was when."""

    def __init__(self) -> None:
        self._times: list[float] = []
        self._loads: list[float] = []

    def __bool__(self) -> bool:
        return bool(self._times)

    def note(self, time: float, load: float) -> None:
        """Take note of the load from a time on; times only go forward."""
        if self._loads and (load == self._loads[-1] or time <= self._times[-1]):
            return
        self._times.append(time)
        self._loads.append(load)
        if len(self._times) > MOST:
            del self._times[: MOST // 2], self._loads[: MOST // 2]

    def learn(self, minutes: Iterable[tuple[float, float]]) -> None:
        """Take over the loads of minutes, by their beginnings, ascending; between them nothing is known."""
        end = None
        for start, load in minutes:
            if end is not None and start > end:
                self.note(end, 0.0)
            self.note(start, load)
            end = start + MINUTE
        if end is not None:
            self.note(end, 0.0)

    def at(self, time: float) -> float:
        """Return the load at a time."""
        place = bisect_right(self._times, time)
        return self._loads[place - 1] if place else 0.0

    def carry(self, old: Loads) -> None:
        """Take over what others know."""
        self._times, self._loads = old._times, old._loads

    def shift(self, seconds: float) -> None:
        """Take note that the clock was set forward by so much."""
        self._times[:] = [time + seconds for time in self._times]
