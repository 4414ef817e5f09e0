"""Ends what regular expressions take too long for: a timer of the kernel, since `re` has none.

The rules that hold:
- the timer runs only while a block is fed, and counts time that this process computes: what other threads compute
  meanwhile is no fault of an expression, so the main thread's own time is what counts in the end;
- whoever matches says so (`core.filters.watch`), and may be interrupted only then;
- what is still at the same text when the timer comes again is interrupted, so after one to two intervals.
"""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from privet.core.filters.watch import Overrun

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

    from privet.core.filters.watch import Watch

INTERVAL = 0.02
"""Seconds. A line of 16 kB takes an ordinary expression a tenth of a millisecond."""


class Stopwatch:
    """Watches whoever matches. One at a time, since a process has one such timer."""

    def __init__(self, interval: float = INTERVAL) -> None:
        self._interval = interval
        self._watches: Sequence[Watch] = ()
        self._before: tuple[object, object] = (None, None)
        self._since = 0.0  # the main thread's time then

    @contextmanager
    def over(self, *watches: Watch) -> Iterator[None]:
        """Watch over what is matched meanwhile; must be called on the main thread."""
        if not watches:
            yield
            return
        before = signal.signal(signal.SIGVTALRM, self._tick)
        self._watches, self._before = watches, (None, None)
        signal.setitimer(signal.ITIMER_VIRTUAL, self._interval, self._interval)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            self._watches = ()
            signal.signal(signal.SIGVTALRM, before)

    def _tick(self, _number: int, _frame: FrameType | None) -> None:
        watch = next((one for one in self._watches if one.at is not None), None)
        if watch is None:
            self._before = (None, None)
            return
        now = (watch.at, watch.text)
        if now[0] is self._before[0] and now[1] is self._before[1]:
            if time.thread_time() - self._since < self._interval / 2:
                return
            self._before = (None, None)
            raise Overrun
        self._before, self._since = now, time.thread_time()
