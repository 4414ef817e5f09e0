"""The daemon's clock: the time of day, but one that never jumps unnoticed.

A ban lasts for a time, whatever becomes of the date: the kernel counts it by a timer of its own, so the daemon
must too. It counts by the time since boot, and learns from the difference to the time of day how far somebody
set the clock, and from the difference to the timers of the kernel how long the machine was suspended.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

JUMP = 2.0  # seconds: less is what time services do to keep a clock right, and is followed without a word
NAP = 0.5  # seconds of suspension that no ban needs to be corrected for
_AT_ONCE = 0.1  # seconds within which clocks must be read to be compared
_BOOT = Path("/proc/sys/kernel/random/boot_id")


class Change(NamedTuple):
    """What happened between two looks: seconds by which the clock was set forward, and those spent suspended."""

    jumped: float = 0.0
    slept: float = 0.0


class Clocks(NamedTuple):
    """Where the time comes from: the time of day, the time since boot, and that without suspension."""

    day: Callable[[], float] = time.time
    boot: Callable[[], float] = lambda: time.clock_gettime(time.CLOCK_BOOTTIME)
    awake: Callable[[], float] = time.monotonic


class Clock:
    """Tells the time; `look` says what became of it. `path` is on tmpfs, for the next daemon of this boot."""

    def __init__(self, path: Path, clocks: Clocks | None = None) -> None:
        self.jumps = self.naps = 0
        self._path, self._clocks = path, clocks or Clocks()
        self._date, self._asleep = self._read()
        self._written: tuple[float, float] | None = None

    def now(self) -> float:
        """Return the seconds since the epoch as of the last look, and those since."""
        return self._clocks.boot() + self._date

    def start(self) -> Change:
        """Return what happened since an earlier daemon looked last, as far as that is known."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            known = json.loads(self._path.read_text())
            if known["boot"] == _boot():
                self._date, self._asleep = float(known["date"]), float(known["asleep"])
        return self.look()

    def look(self) -> Change:
        """Return what happened since the last look, and go by the new time from now on."""
        date, asleep = self._read()
        jumped, slept = date - self._date, asleep - self._asleep
        change = Change(jumped if abs(jumped) >= JUMP else 0.0, slept if slept >= NAP else 0.0)
        self._date = date
        if change.slept:
            self._asleep = asleep
        self.jumps += change.jumped != 0
        self.naps += change.slept != 0
        self._note()
        return change

    def _read(self) -> tuple[float, float]:
        """Return the epoch's distance from boot, and the seconds spent suspended since then."""
        while True:
            before, day, awake, after = (
                self._clocks.boot(),
                self._clocks.day(),
                self._clocks.awake(),
                self._clocks.boot(),
            )
            if after - before < _AT_ONCE:  # or else we were stopped in between
                return day - before, before - awake

    def _note(self) -> None:
        """Leave word for the next daemon; without it, it takes the clocks for what they are."""
        known = (self._date, self._asleep)
        if self._written and all(abs(a - b) < NAP for a, b in zip(known, self._written, strict=True)):
            return
        draft = self._path.with_name(f".{self._path.name}.new")
        with suppress(OSError):
            draft.touch(0o600)
            draft.write_text(json.dumps({"boot": _boot(), "date": self._date, "asleep": self._asleep}))
            draft.replace(self._path)
            self._written = known


def _boot() -> str:
    """Return what tells one boot from another."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return f"unknown to {os.getpid()}"
