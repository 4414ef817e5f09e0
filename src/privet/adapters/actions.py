"""Programs that are told of bans: fail2ban's mail, Cloudflare and the like, and the administrator's own.

The rules that hold:
- nothing here waits in the way of reading or banning: callers only queue, threads run the programs;
- one action of one jail runs one command at a time, in order; a few actions run side by side;
- a ban that is over before its turn comes is not begun, one that was begun is always ended;
- a command that takes too long is killed with all that it started; what commands print is thrown away, since it
  may name addresses; values reach them in their environment, which other users cannot read, never as text that a
  shell reads (see `core.actions.shell`).
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from math import inf
from threading import Condition
from typing import TYPE_CHECKING

import msgspec

from privet.core.actions.programs import LINES, Occasion
from privet.core.actions.shell import variable
from privet.core.addresses.address import Subject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from privet.core.actions.programs import Program
    from privet.core.actions.shell import Script

SIDE_BY_SIDE = 4
"""Commands at a time: enough that one that hangs does not stop the others, few enough for a small machine."""

MOST_WAITING = 1000
"""Bans that may wait for one action; more are not told to it, and counted."""

_GRACE = 1.0  # seconds between asking a command to end and ending it
_SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PASSED_ON = ("HOME", "LANG", "LC_ALL", "LOGNAME", "TZ", "USER")


class Counts(msgspec.Struct):
    """What an action has done: commands run and failed, bans that it was not told of, and the last failure.

    `in_a_row` is how many failed since the last that did not.
    """

    runs: int = 0
    failures: int = 0
    in_a_row: int = 0
    untold: int = 0
    last_failure: str | None = None
    last_failure_at: float | None = None


class Behind(msgspec.Struct, frozen=True):
    """An action that has had no pause for some seconds, and how many commands wait for it meanwhile."""

    jail: str
    action: str
    seconds: float
    waiting: int


class ActionState(msgspec.Struct, frozen=True):
    """One action as `privet status` shows it."""

    jail: str
    action: str
    runs: int
    failures: int
    in_a_row: int
    untold: int
    waiting: int
    banned: int
    last_failure: str | None
    last_failure_at: float | None


class _Job(msgspec.Struct, frozen=True):
    """What waits for its turn. Starting and stopping are about nobody; what is over keeps what it was about."""

    kind: str
    subject: Subject | None = None
    over: Occasion | None = None


class _Line:
    """One action with what waits for it, all of it to be touched under the lock only."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.counts = Counts()
        self.waiting: deque[_Job] = deque()
        self.busy = False
        self.since = 0.0  # when it became so
        self.told: dict[Subject, Occasion] = {}  # the bans that it was told of, or that wait for that
        self.unbegun: set[Subject] = set()  # those that wait for that
        self.started: set[str] = set()  # families

    def next(self) -> tuple[_Job, Occasion | None] | None:
        """Take out what is next, unless it has become pointless."""
        job = self.waiting.popleft()
        if job.subject is None:
            return job, None
        occasion = job.over or self.told.get(job.subject)
        if occasion is None or (job.kind == "ban" and job.subject not in self.unbegun):
            return None
        if job.kind == "ban":
            self.unbegun.discard(job.subject)
            unban = self.program.script("actionunban", occasion.family)
            if unban is None or not LINES.intersection(unban.tags):
                self.told[job.subject] = msgspec.structs.replace(occasion, lines=())
        return job, occasion


class Actions:
    """All actions of all jails. Begin with `change`, end with `stop`; only that and `ask` keep the caller waiting."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lines: dict[tuple[str, str], _Line] = {}
        self._leaving: list[_Line] = []
        self._pool = ThreadPoolExecutor(SIDE_BY_SIDE, "action")
        self._calm = Condition()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    def change(self, programs: Iterable[Program]) -> None:
        """Have these from now on: what is not among them ends its bans and stops, what is new starts."""
        wanted = {(one.jail, one.name): one for one in programs}
        for place, line in list(self._lines.items()):
            if wanted.get(place) != line.program:
                del self._lines[place]
                self._leaving = [one for one in self._leaving if one.busy]
                self._leaving.append(line)
                self._finish(line)
        for place, program in wanted.items():
            if place not in self._lines:
                line = self._lines[place] = _Line(program)
                if not program.on_demand:  # or else it waits for its first ban
                    self._queue(line, _Job("start"))

    def wanted(self, jail: str) -> bool:
        """Tell whether bans of a jail concern anybody here."""
        return any(name == jail for name, _ in self._lines)

    def ban(self, jail: str, occasion: Occasion) -> None:
        """Tell the actions of a jail of a ban; those that know of it already learn of its new end, if they care."""
        for line in self._of(jail):
            if not (occasion.restored and line.program.norestored):
                self._tell(line, occasion)

    def unban(self, jail: str, subject: Subject) -> None:
        """Tell those that were told of a ban that it is over."""
        for line in self._of(jail):
            self._untell(line, subject)

    def told(self, until: float = inf) -> list[tuple[str, Subject]]:
        """Return the bans that some action was told of, by jail, and that were to end by some time."""
        with self._calm:
            found = {
                (jail, subject): None
                for (jail, _), line in self._lines.items()
                for subject, occasion in line.told.items()
                if occasion.until <= until
            }
        return list(found)

    def ask(self, script: Script, occasion: Occasion, seconds: float) -> str | None:
        """Run a command that answers with its exit code, and wait for it; return None for 0, else what it was."""
        return self._run(script.text, self._values(script, occasion), seconds)

    def state(self) -> list[ActionState]:
        """Return what the actions do."""
        with self._calm:
            return [
                ActionState(
                    jail,
                    name,
                    line.counts.runs,
                    line.counts.failures,
                    line.counts.in_a_row,
                    line.counts.untold,
                    len(line.waiting) + line.busy,
                    len(line.told),
                    line.counts.last_failure,
                    line.counts.last_failure_at,
                )
                for (jail, name), line in self._lines.items()
            ]

    def behind(self) -> list[Behind]:
        """Return the actions for which something waits."""
        now = time.monotonic()
        with self._calm:
            return [
                Behind(jail, name, now - line.since, len(line.waiting))
                for (jail, name), line in self._lines.items()
                if line.busy and line.waiting
            ]

    def settle(self, seconds: float) -> bool:
        """Wait until nothing waits; tell whether that came about in time."""
        with self._calm:
            return self._calm.wait_for(lambda: not any(line.busy for line in self._all), seconds)

    def stop(self, seconds: float) -> bool:
        """End the bans that the actions know of, and stop them; tell whether all of it was done in time.

        Whoever calls on it after that is not heard any more.
        """
        for line in self._lines.values():
            self._finish(line)
        done = self.settle(seconds)
        with self._calm:
            self._stopped = True
            for line in self._all:
                line.waiting.clear()
            for process in self._running:
                _signal(process, signal.SIGKILL)
        self._pool.shutdown()
        return done

    @property
    def _all(self) -> list[_Line]:
        return [*self._lines.values(), *self._leaving]

    def _finish(self, line: _Line) -> None:
        """Have an action end its bans, and stop."""
        flush = line.program.script("actionflush", line.program.families[-1])
        with self._calm:
            told = list(line.told)
            if flush:
                line.told.clear()
                line.unbegun.clear()
        if flush:
            self._queue(line, _Job("flush"))
        for subject in () if flush else told:
            self._untell(line, subject)
        self._queue(line, _Job("stop"))

    def _of(self, jail: str) -> list[_Line]:
        return [line for (name, _), line in self._lines.items() if name == jail]

    def _tell(self, line: _Line, occasion: Occasion) -> None:
        subject = occasion.subject
        with self._calm:
            known = subject in line.told
            if not known and len(line.unbegun) >= MOST_WAITING:
                line.counts.untold += 1
                return
            line.told[subject] = occasion
            if not known:
                line.unbegun.add(subject)
            elif subject in line.unbegun or line.program.script("actionprolong", occasion.family) is None:
                return
        self._queue(line, _Job("prolong" if known else "ban", subject))

    def _untell(self, line: _Line, subject: Subject) -> None:
        with self._calm:
            occasion = line.told.pop(subject, None)
            if occasion is None:
                return
            if subject in line.unbegun:
                line.unbegun.discard(subject)
                return
        self._queue(line, _Job("unban", subject, occasion))

    def _queue(self, line: _Line, job: _Job) -> None:
        with self._calm:
            if self._stopped:
                return
            line.waiting.append(job)
            if line.busy:
                return
            line.busy, line.since = True, time.monotonic()
        self._pool.submit(self._work, line)

    def _work(self, line: _Line) -> None:
        """Do one thing for an action, and let it queue again if there is more, behind the others."""
        with self._calm:
            found = line.next() if line.waiting else None
        try:
            if found:
                self._do(line, *found)
        finally:
            with self._calm:
                line.busy = bool(line.waiting)
                if line.busy:
                    self._pool.submit(self._work, line)
                self._calm.notify_all()

    def _do(self, line: _Line, job: _Job, occasion: Occasion | None) -> None:
        program = line.program
        if occasion is None:
            families = program.families if job.kind == "start" else tuple(sorted(line.started))
            for family in families:
                self._step(line, f"action{job.kind}", family)
            if job.kind != "flush":
                line.started = set(families) if job.kind == "start" else set()
            return
        family = occasion.family if len(program.families) > 1 else ""
        if job.kind == "ban" and family not in line.started:
            self._step(line, "actionstart", family)
            line.started.add(family)
        self._carry_out(line, f"action{job.kind}", occasion, family)

    def _carry_out(self, line: _Line, command: str, occasion: Occasion, family: str) -> None:
        """Run a command; if it fails, see whether what it needs is there, repair that, and try once more."""
        script = line.program.script(command, family)
        if script is None or self._ran(line, command, script, occasion):
            return
        check = line.program.script("actioncheck", family)
        if check is None or command == "actionunban":
            return
        if not self._ran(line, "actioncheck", check, None):
            if line.program.script("actionrepair", family):
                self._step(line, "actionrepair", family)
            else:
                self._step(line, "actionstop", family)
                self._step(line, "actionstart", family)
            if not self._ran(line, "actioncheck", check, None):
                return
        self._ran(line, command, script, occasion)

    def _step(self, line: _Line, command: str, family: str) -> None:
        script = line.program.script(command, family)
        if script:
            self._ran(line, command, script, None)

    def _ran(self, line: _Line, command: str, script: Script, occasion: Occasion | None) -> bool:
        """Run a script, and count it; tell whether it succeeded."""
        reason = self._run(script.text, self._values(script, occasion), line.program.timeout)
        with self._calm:
            line.counts.runs += 1
            line.counts.in_a_row = line.counts.in_a_row + 1 if reason else 0
            if reason:
                line.counts.failures += 1
                line.counts.last_failure = f"{command} {reason}"
                line.counts.last_failure_at = self._clock()
        return not reason

    def _values(self, script: Script, occasion: Occasion | None) -> dict[str, str]:
        return {variable(tag): self._value(tag, occasion) for tag in script.tags}

    def _value(self, tag: str, occasion: Occasion | None) -> str:
        if tag == "sh-hostname":
            return socket.gethostname()
        if tag == "fq-hostname":
            return socket.getfqdn()
        if occasion is not None:
            return occasion.value(tag)
        return str(int(self._clock())) if tag == "time" else ""

    def _run(self, text: str, values: Mapping[str, str], seconds: float) -> str | None:
        """Run a script; return what went wrong, None if nothing did."""
        passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        try:
            process = subprocess.Popen(  # the administrator's own words; what is not theirs is in the environment
                ("/bin/sh", "-c", text),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={**passed_on, "PATH": _SEARCH_PATH, **values},
                start_new_session=True,
            )
        except OSError as error:
            return f"cannot be run: {error.strerror}"
        with self._calm:
            self._running.add(process)
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            _kill(process)
            return f"did not end within {seconds:g} s"
        finally:
            with self._calm:
                self._running.discard(process)
        if code < 0:
            return f"was killed by signal {-code}"
        return f"exited with {code}" if code else None


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a program and what it has started, first by asking."""
    _signal(process, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_GRACE)
    _signal(process, signal.SIGKILL)
    process.wait()


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
