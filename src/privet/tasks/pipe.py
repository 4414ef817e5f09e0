"""The intake: lines in from a web server, masked lines to the log, the lines themselves to the daemon.

It stands between the web server and its log, so it never waits for the daemon, never ends on a mistake in
the configuration, and ends on the end of its input only. While lines flow it reads them on a timer: one
wake-up per line would cost more than everything else that is done with it.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from typing import TYPE_CHECKING, Protocol

import msgspec

from privet.adapters.daykeys import DayKeys
from privet.adapters.localtime import local_zone
from privet.adapters.sinks.handover import Handover
from privet.config.compile import MASKED_COLUMNS, plan_for
from privet.core.lines import LineSplitter
from privet.core.mask import Masks, masked_log
from privet.core.wire import Hello

if TYPE_CHECKING:
    from pathlib import Path

    from privet.adapters.sinks.logfile import LogFile, Nowhere
    from privet.config.model import SourceConfig

LINGER = 0.015  # seconds that lines may wait for company
READS = 64  # reads in a row, some 4 MiB, before everything else gets its turn
TICK = 1.0  # seconds between looks at the clock, the log file and the daemon


class Input(Protocol):
    """Where lines come from; `endless` ones end by SIGTERM, the others by themselves."""

    endless: bool
    dropped: int

    def fileno(self) -> int:
        """Return what to watch."""

    def read(self) -> bytes | None:
        """Return what has come, None at the end."""

    def close(self) -> None:
        """Stop listening."""


class Pipe:
    """One intake. With `raw` the lines are of any shape: masked and written, not handed on."""

    def __init__(
        self, source: SourceConfig, lines: Input, log: LogFile | Nowhere, runtime: Path, *, raw: bool = False
    ) -> None:
        self.source = source
        self.complaints: list[str] = []
        self.taken = 0
        self._input, self._log, self._raw = lines, log, raw
        self._splitter = LineSplitter()
        self._plan = plan_for(source, MASKED_COLUMNS, local_zone())
        self._site = source.name.encode()
        self._keys = DayKeys(runtime / "keys")
        self._day, self._masks = "", Masks("drop", None)
        self._handover = Handover(runtime / "intake.sock", self._hello)
        self._stopping = False
        self._said: set[str] = set()

    def run(self) -> None:
        """Work until the input ends."""
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, self._stop if self._input.endless else signal.SIG_IGN)
        watch = select.poll()
        watch.register(self._input.fileno(), select.POLLIN)
        next_tick = 0.0
        while True:
            ready = self._wait(watch)
            if ready and not self._stopping:
                time.sleep(LINGER)
            if (ready or self._stopping) and not self._read():
                break
            now = time.monotonic()
            if now >= next_tick:
                next_tick = now + TICK
                self._tick(now)
        self._take(self._splitter.flush())
        self._handover.finish(self.taken, self._log.lost)
        self._log.close()
        self._input.close()
        if self._handover.lost:
            self._say(f"{self._handover.lost} lines did not reach the daemon")

    def complain(self, message: str) -> None:
        """Say something once, on stderr and to the daemon."""
        self.complaints.append(message)
        self._say(message)

    def _wait(self, watch: select.poll) -> bool:
        """Wait for lines, for room to send, or for the next tick; tell whether lines are there."""
        room = self._handover.fileno()
        if room is not None:
            watch.register(room, select.POLLOUT)
        try:
            events = dict(watch.poll(TICK * 1000))
        finally:
            if room is not None:
                watch.unregister(room)
        if room in events:
            self._handover.push(self.taken, self._log.lost, time.monotonic())
        return self._input.fileno() in events

    def _read(self) -> bool:
        """Take what has come; False at the end of the input."""
        for _ in range(READS):
            data = self._input.read()
            if data is None:
                return False
            if not data:
                return not self._stopping
            self._take(self._splitter.feed(data))
        return True

    def _take(self, block: bytes) -> None:
        """Mask and write whole lines, and hand them on."""
        if not block:
            return
        self.taken += block.count(b"\n")
        self._handover.missed = self._input.dropped + self._splitter.too_long
        masks = self._masks_of(time.time())
        if self._raw:
            scrub = masks.site(self._site).scrub
            self._log.write(b"".join(scrub(line) + b"\n" for line in block.split(b"\n")[:-1]))
            return
        self._handover.put(block, self.taken, self._log.lost, time.monotonic())
        self._log.write(masked_log(self._plan.parse(block), self._plan, masks, self._site))

    def _masks_of(self, now: float) -> Masks:
        if self.source.mask == "pseudonym":
            day, key = self._keys.today(now)
            if day != self._day:
                self._day, self._masks = day, Masks("pseudonym", key)
        elif self._masks.mode != self.source.mask:
            self._masks = Masks(self.source.mask, None)
        return self._masks

    def _tick(self, now: float) -> None:
        self._log.follow()
        for complaint in (self._log.complaint, self._keys.complaint):
            if complaint and complaint not in self._said:
                self.complain(complaint)
        if not self._raw:
            self._handover.push(self.taken, self._log.lost, now)

    def _hello(self) -> Hello:
        return Hello(self.source.name, os.getpid(), self.source.mask, tuple(self.complaints))

    def _stop(self, _number: int, _frame: object) -> None:
        self._stopping = True

    def _say(self, message: str) -> None:
        if message not in self._said:
            self._said.add(message)
            sys.stderr.write(f"privet pipe {self.source.name}: {message}\n")
            sys.stderr.flush()


def fallback(source: SourceConfig) -> SourceConfig:
    """Return what to do when the configuration cannot be used: mask everything, recognise the format."""
    return msgspec.structs.replace(source, mask="drop", format="auto")
