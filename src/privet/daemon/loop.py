"""An event loop that can have something looked at every few milliseconds at little cost.

After a sleep of some milliseconds code runs several times slower, until it is back in the processor's caches. So what
is to be done that often has to touch little code, and a turn of an event loop is a lot of it: timers, handles,
contexts. Here the look takes place where the loop waits, and only when it finds something to do, the loop turns.
"""

from __future__ import annotations

import asyncio
import select
import selectors
import time
from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Waiting(selectors.EpollSelector):
    """Waits as any selector does, and looks meanwhile: `glance(now)` every `every` seconds, until it tells of work."""

    def __init__(self) -> None:
        super().__init__()
        self.glance: Callable[[float], bool] | None = None
        self.every = inf
        self._due = 0.0
        self._any = select.poll()
        self._any.register(self.fileno(), select.POLLIN)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready."""
        if self.glance is None:
            return super().select(timeout)
        now = time.monotonic()
        end = inf if timeout is None else now + timeout
        while True:
            if now >= self._due:
                if now > self._due + self.every and self._any.poll(0):  # whoever was held up hears first what is new
                    self._due = now
                    break
                self._due = now + self.every
                if self.glance(now):
                    break
            if now >= end or self._any.poll((min(self._due, end) - now) * 1000):
                break
            now = time.monotonic()
        return super().select(0)


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
