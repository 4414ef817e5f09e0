"""An event loop that can have something looked at every few milliseconds at little cost.

After a sleep of some milliseconds code runs several times slower, until it is back in the processor's caches. So what
is to be done that often has to touch little code, and a turn of an event loop is a lot of it: timers, handles,
contexts. Here the look takes place where the loop waits, and only when it finds something to do, the loop turns.
"""

from __future__ import annotations

import asyncio
import select
import selectors
from math import inf
from time import monotonic, sleep
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SELDOM = 2
"""One in so many looks, the first among them, is followed by a wait for everything else: a mere sleep costs less."""


class Waiting(selectors.EpollSelector):
    """Waits as any selector does, and looks meanwhile: `glance(now)` every `every` seconds, until it tells of work."""

    def __init__(self) -> None:
        super().__init__()
        self.glance: Callable[[float], bool] | None = None
        self.every = inf
        self._due = 0.0
        any_of_them = select.poll()
        any_of_them.register(self.fileno(), select.POLLIN)
        self._wait = any_of_them.poll

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready."""
        if self.glance is not None:
            self._look(self.glance, monotonic(), timeout)
            timeout = 0
        return super().select(timeout)

    def _look(self, glance: Callable[[float], bool], now: float, timeout: float | None) -> None:
        """Wait and look, until something is ready or the time is over."""
        wait, every = self._wait, self.every
        end = inf if timeout is None else now + timeout
        if now < self._due:
            if wait((min(self._due, end) - now) * 1000) or end < self._due:
                return
            now = monotonic()
        if now > self._due + every and wait(0):  # whoever was held up hears first what is new
            self._due = now
            return
        calm = 0
        while not glance(now):  # what is in here runs cold each time, so it is as little as can be
            rest = end - now
            if rest < every:
                self._due = now + every
                wait(max(0.0, rest) * 1000)  # less would be for ever
                return
            if calm % SELDOM:
                sleep(every)
            elif wait(every * 1000):
                break
            calm += 1
            now = monotonic()
        self._due = now + every


class Loop(asyncio.SelectorEventLoop):
    """An event loop that waits by way of `waiting`."""

    def __init__(self) -> None:
        self.waiting = Waiting()
        super().__init__(self.waiting)

    @classmethod
    def running(cls) -> Loop:
        """Return the loop that runs, which is one of these."""
        loop = asyncio.get_running_loop()
        if not isinstance(loop, cls):
            raise TypeError("the daemon needs an event loop of its own kind")
        return loop
