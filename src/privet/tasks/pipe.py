"""The intake: lines in from a web server, masked lines to the log, the lines themselves to the daemon.

It stands between the web server and its log, so it never waits for the daemon, never ends on a mistake in
the configuration, and ends on the end of its input only. While lines flow it reads them on a timer: one
wake-up per line would cost more than everything else that is done with it. A file has no web server behind it: there it
takes no more than the daemon takes.

Where its input is a pipe it lends it to the daemon, which reads it in its place and leaves the bytes to it in another
pipe (`core.wire`): then only one of the two wakes up all the time, and this one masks and writes many lines at once. It
takes the input back when it ends, and when the daemon does not keep up or is gone.
"""

from __future__ import annotations

import os
import select
import signal
import time
from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING, Protocol

import msgspec

from privet.adapters.daykeys import DayKeys
from privet.adapters.localtime import local_zone
from privet.adapters.notify import sd_notify
from privet.adapters.privileges import INTAKES
from privet.adapters.progress import Progress
from privet.adapters.sinks.handover import Handover
from privet.adapters.sources.inputs import AT_ONCE, READ, Onward
from privet.config.compile import MASKED_COLUMNS, plan_for
from privet.core.masking.mask import Mask, Masks
from privet.core.masking.rewrite import Rewriter
from privet.core.parsing.lines import LineSplitter, line_feeds
from privet.core.plurals import counted
from privet.core.wire import Hello

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import FrameType

    from privet.config.model import SourceConfig
    from privet.core.parsing.forwarded import Proxies
    from privet.ports import Sink

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
LINGER = 0.016  # seconds that lines may wait for company
HOLD = 0.5  # seconds that they may when the daemon has read them already
BACK = 0.3  # seconds that the daemon may take to give the input back
SOON = 0.005  # seconds between looks meanwhile
AGAIN = 5.0  # seconds until the input is lent again
READS = 64  # reads in a row, some 4 MiB, before everything else gets its turn
TICK = 1.0  # seconds between looks at the clock, the log file and the daemon
STDERR = 2
_MASK = Mask("drop")  # for complaints, which may quote the configuration: a web server writes them to its error log
MOST_COMPLAINTS, LONGEST_COMPLAINT = 20, 1000  # of what the daemon is told: it must fit a packet


class Input(Protocol):
    """Where lines come from; `endless` ones end by SIGTERM, the others by themselves."""

    endless: bool
    patient: bool
    """Whether nobody is kept waiting when it is not read."""
    dropped: int

    @property
    def waiting(self) -> int:
        """How many lines have come into this process and have not been read."""

    @property
    def lendable(self) -> int | None:
        """The descriptor, if somebody else can read it in our place."""

    def fileno(self) -> int:
        """Return what to watch."""

    def read(self) -> bytes | None:
        """Return what has come, None at the end."""

    def finish(self) -> None:
        """Accept nothing more; what has come so far can still be read."""

    def close(self) -> None:
        """Stop listening."""


class Pipe:
    """One intake. With `raw` the lines are of any shape: masked and written, not handed on.

    `proxies` are those whose word about a client is believed.
    """

    def __init__(  # noqa: PLR0913  each is a thing of its own
        self,
        source: SourceConfig,
        lines: Input,
        log: Sink,
        runtime: Path,
        *,
        raw: bool = False,
        proxies: Proxies | None = None,
    ) -> None:
        self.source = source
        self.complaints: list[str] = []
        self.taken = 0
        self._input, self._log, self._raw = lines, log, raw
        self._splitter = LineSplitter()
        self._site = source.name.encode()
        self._rewriter = Rewriter(plan_for(source, MASKED_COLUMNS, local_zone(), proxies), self._site)
        self._keys = DayKeys(runtime / "keys")
        self._day, self._masks = "", Masks("drop", None)
        self._handover = Handover(runtime / "intake.sock", self._hello)
        self._stopping = self._flowing = False
        self._source = None if raw else lines.lendable
        self._onward: Onward | None = None
        self._abandoned: Onward | None = None  # what a daemon that did not answer was reading
        self._lend_at, self._back_by = 0.0, inf  # when it is lent next, and until when it has to be given back
        self._next_tick = 0.0
        self._written = 0
        self._runtime, self._progress = runtime, Progress()
        self._said: set[str] = set()
        self._troubles: list[str] = []  # complaints that may end

    def run(self) -> None:
        """Work until the input ends."""
        self._find_losses()
        for number in SIGNALS:
            signal.signal(number, self._answer_to(number))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        if self._input.endless:
            sd_notify("READY=1")
        watch = select.poll()
        watch.register(self._input.fileno(), select.POLLIN)
        if not self._raw:
            self._handover.push(0, 0, time.monotonic())
        while self._turn(watch):
            now = time.monotonic()
            if now >= self._next_tick:
                self._next_tick = now + TICK
                self._tick(now)
        self._finish()

    def _turn(self, watch: select.poll) -> bool:
        """Wait for lines and take them; False at the end of the input."""
        if self._onward or self._lend():
            return self._onward is None or self._turn_onward(self._onward)
        if self._stopping:
            self._input.finish()
            return self._read(READS)
        if self._input.patient:
            return self._handover.catch_up(self.taken, self._log.lost) or self._read(1)
        # While lines flow, the timer alone: another look at the descriptor would be another wake-up.
        if not (self._flowing and self._handover.fileno() is None) and not self._wait(watch):
            return True
        time.sleep(LINGER)
        before = self.taken
        more = self._read(READS)
        self._flowing = self.taken > before
        return more

    def _lend(self) -> bool:
        """Have the daemon read the input, if that can be; tell whether it does."""
        now, tail = time.monotonic(), self._splitter.tail
        if self._source is None or tail is None or self._stopping or now < self._lend_at or not self._handover.ready:
            return False
        self._lend_at = now + AGAIN
        found = self._handover.lend(self._source, tail)
        if found is None:
            return False
        if self._abandoned:
            self._drain(self._abandoned)
            self._abandoned.close()
        self._onward = Onward(self._source, found, endless=self._input.endless)
        self._abandoned, self._back_by = None, inf
        return True

    def _turn_onward(self, onward: Onward) -> bool:
        """Wait for lines that the daemon has read, and take them."""
        handover, asked = self._handover, self._back_by < inf
        doubtful = self._flowing or onward.is_late
        seconds = SOON if asked else HOLD if doubtful else TICK
        idle = not doubtful and not asked
        said = onward.wait(handover.line, seconds, lines=idle)
        if not said and idle and not onward.ended:  # for company
            said = onward.wait(handover.line, HOLD, lines=False)
        if said:
            handover.listen()
        before, now = self.taken, time.monotonic()
        if not self._drain(onward):
            self._onward, self._flowing = None, False
            onward.close()
            return True
        self._flowing = self.taken > before
        if not asked and (self._stopping or onward.ended or onward.is_stuck(came=self._flowing)):
            handover.ask_back()
            self._back_by = now + BACK
        elif now >= self._back_by:  # it may still move what it has begun to move
            handover.part()
            self._onward, self._abandoned = None, onward
        return True

    def _drain(self, onward: Onward) -> bool:
        """Take what the daemon has read; False when no more comes."""
        while data := onward.read():
            self._take(self._splitter.feed(data), heard=True)
            if len(data) < AT_ONCE:
                break
        return data is not None

    def _finish(self) -> None:
        """Write and hand on what is left."""
        self._take(self._splitter.flush())
        if not self._raw:
            self._handover.finish(self.taken, self._log.lost)
        self._log.close()
        self._input.close()
        self._progress.close()
        if self._handover.lost:
            self._say(f"{counted(self._handover.lost, 'line')} did not reach the daemon")

    def complain(self, message: str) -> None:
        """Say something, on stderr and to the daemon; addresses in it are masked."""
        self.complaints.append(message)
        self._handover.greet()
        self._say(message)

    def _wait(self, watch: select.poll) -> bool:
        """Wait for lines, for room to send, or for the next tick; tell whether lines are there."""
        room = self._handover.fileno()
        if room is not None:
            watch.register(room, select.POLLOUT)
        try:
            events = dict(watch.poll(0 if self._stopping else TICK * 1000))
        finally:
            if room is not None:
                watch.unregister(room)
        if room in events:
            self._handover.push(self.taken, self._log.lost, time.monotonic())
            self._note()
        return self._input.fileno() in events

    def _read(self, times: int) -> bool:
        """Take what has come; False at the end of the input."""
        if self._abandoned and not self._drain(self._abandoned):
            self._abandoned.close()
            self._abandoned = None
        for _ in range(times):
            data = self._input.read()
            if data is None:
                return False
            if not data:
                return not self._stopping
            self._take(self._splitter.feed(data))
            if len(data) < READ:
                break
        return True

    def _take(self, block: bytes, *, heard: bool = False) -> None:
        """Mask and write whole lines, and hand them on unless the daemon has heard them."""
        if not block:
            return
        lines = line_feeds(block)
        self.taken += lines
        self._note()
        self._handover.missed = self._input.dropped + self._splitter.too_long
        masks = self._masks_of(time.time())
        if self._raw:
            self._log.write(masks.site(self._site).scrub(block))
        else:
            if heard:
                self._handover.heard(lines)
            else:
                self._handover.put(block, self.taken, self._log.lost, time.monotonic())
            self._note()
            self._log.write(self._rewriter.masked(block, masks))
        self._written = self.taken
        self._note()

    def _note(self) -> None:
        """Leave word for a successor of how far this is."""
        heard = self._written if self._raw else self._handover.done
        self._progress.note(self.taken + self._input.waiting, self._written, heard)

    def _find_losses(self) -> None:
        """Tell what those before had read and not finished when they were killed."""
        self._progress.begin(self._runtime / INTAKES, f"{self.source.name}\n{self._raw}")
        if self._progress.complaint:
            self.complain(self._progress.complaint)
        unwritten, unheard = self._progress.unwritten, self._progress.unheard
        if unwritten or unheard:
            self.complain(
                f"of the lines that intakes had read before they were killed, {unwritten} are not in the log and "
                f"{unheard} did not reach the daemon"
            )

    def _masks_of(self, now: float) -> Masks:
        if self.source.mask == "pseudonym":
            day, key = self._keys.today(now)
            if day != self._day:
                self._day, self._masks = day, Masks("pseudonym", key)
        elif self._masks.mode != self.source.mask:
            self._masks = Masks(self.source.mask, None, self.source.truncate)
        return self._masks

    def _tick(self, now: float) -> None:
        self._log.follow()
        self._masks_of(time.time())  # a key is gone in time even when no lines come
        troubles = [complaint for complaint in (self._log.complaint, self._keys.complaint) if complaint]
        if troubles != self._troubles:
            self._troubles = troubles
            self._handover.greet()
            for complaint in troubles:
                self._say(complaint)
        if not self._raw:
            self._handover.push(self.taken, self._log.lost, now)
            self._handover.tell(self.taken, self._log.lost)
        self._note()

    def _hello(self) -> Hello:
        complaints = [*self._troubles, *self.complaints][:MOST_COMPLAINTS]
        return Hello(
            self.source.name,
            os.getpid(),
            self.source.mask,
            tuple(_masked(text)[:LONGEST_COMPLAINT] for text in complaints),
            self._progress.unheard,
            self._progress.unwritten,
        )

    def _stop(self, _number: int, _frame: object) -> None:
        self._stopping = True

    def _answer_to(self, number: int) -> Callable[[int, FrameType | None], None] | signal.Handlers:
        if self._input.endless:
            return self._stop
        return self._leave if self._raw and number == signal.SIGTERM else signal.SIG_IGN

    def _leave(self, _number: int, _frame: object) -> None:
        """Go on in a child: a restart of Apache waits 3 s for the program of its main ErrorLog, then kills it."""
        if os.fork():
            os._exit(0)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def _say(self, message: str) -> None:
        if message not in self._said:
            self._said.add(message)
            with suppress(OSError):  # whoever listened may be gone: no reason to end
                os.write(STDERR, f"{_masked(f'privet pipe {self.source.name}: {message}')}\n".encode())


def _masked(text: str) -> str:
    return _MASK.scrub(text.encode("utf-8", "replace")).decode("utf-8", "replace")


def fallback(source: SourceConfig) -> SourceConfig:
    """Return what to do when the configuration cannot be used: mask everything, recognise the format."""
    return msgspec.structs.replace(source, mask="drop", format="auto")
