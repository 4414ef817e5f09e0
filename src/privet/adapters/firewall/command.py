"""The firewall that is somebody else's: two programs of the administrator's, one closes and one opens.

They get the addresses as JSON lines on standard input, since arguments are seen by everyone on the machine, and
are run without a shell. What they print is thrown away, since it may name addresses, but for the numbers of the
lines that they could not carry out.
"""

from __future__ import annotations

import fcntl
import math
import os
import re
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from privet.core.addresses.prefixes import PrefixSet
from privet.core.bans.model import Held
from privet.ports import FirewallError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from privet.core.addresses.address import Subject
    from privet.core.bans.model import Order

_LINES = 10_000  # for one run of a program
_WITHIN = 30.0  # seconds for one run
_SAYS = 1 << 17  # bytes: ten thousand numbers
_NUMBER = re.compile(rb"^[ \t]*([0-9]{1,6})[ \t\r]*$", re.MULTILINE)
_SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

Element = tuple["Subject", str]


class CommandFirewall:
    """Bans carried out by two programs; who knows what they hold is this object alone.

    So the programs are told to open everything when it opens, and to open each ban that is over.
    """

    name = "command"

    def __init__(self, ban: Sequence[str], unban: Sequence[str], clock: Callable[[], float]) -> None:
        """Run nothing yet; `clock` tells the time in seconds."""
        self._ban, self._unban, self._clock = tuple(ban), tuple(unban), clock
        self._ends: dict[Element, float] = {}
        self._closed: set[Element] = set()  # what the programs were told last
        self._allowed = PrefixSet()
        self._paused_until = -math.inf
        self._next = math.inf  # when repair() has something to do

    def open(self) -> None:
        """Have everything opened: what was closed before, and for how long, nobody knows."""
        for program in (self._ban[0], self._unban[0]):
            if not os.access(program, os.X_OK):
                raise FirewallError(f"{program} is missing or no program")
        self._open_all()

    def _open_all(self) -> None:
        if _run(self._unban, [{"all": True}]):
            raise FirewallError(f"{self._unban[0]} refuses to open everything", transient=True)
        self._closed.clear()

    def apply(self, orders: Sequence[Order]) -> list[str | None]:
        """Carry out orders; of several for one element the last counts."""
        wishes = {(order.subject, order.service): order.seconds for order in orders}
        closing = {element: seconds for element, seconds in wishes.items() if seconds is not None}
        steps = [(self._ban_for, batch) for batch in _batches(list(closing))]
        steps += [(self._lift, batch) for batch in _batches([element for element in wishes if element not in closing])]
        answers: dict[Element, str | None] = {}
        for step, batch in steps:
            try:
                refused = step({element: closing.get(element, 0.0) for element in batch})
            except FirewallError as error:
                if not answers:
                    raise
                answers = {element: answers.get(element, str(error)) for element in wishes}
                break
            answers |= {element: refused.get(element) for element in batch}
        return [answers[order.subject, order.service] for order in orders]

    def _ban_for(self, wishes: Mapping[Element, float]) -> dict[Element, str]:
        now, refused = self._clock(), self._close(wishes)
        ends = {element: now + seconds for element, seconds in wishes.items() if element not in refused}
        self._ends |= ends
        self._next = min(self._next, *ends.values(), math.inf)
        return refused

    def _lift(self, wishes: Mapping[Element, float]) -> dict[Element, str]:
        refused = self._open(wishes)
        for element in wishes.keys() - refused.keys():
            self._ends.pop(element, None)
        return refused

    def _close(self, wishes: Mapping[Element, float]) -> dict[Element, str]:
        """Close what may be closed now; return the words for what is refused."""
        told = [] if self.paused() else [element for element in wishes if not self._allowed.overlaps(element[0])]
        lines = [_line(element) | {"seconds": _finite(wishes[element])} for element in told]
        refused = self._carry_out(self._ban, told, lines)
        self._closed.update(element for element in told if element not in refused)
        return refused

    def _open(self, elements: Collection[Element]) -> dict[Element, str]:
        """Open what is closed; return the words for what is refused."""
        told = [element for element in elements if element in self._closed]
        refused = self._carry_out(self._unban, told, [_line(element) for element in told])
        self._closed.difference_update(element for element in told if element not in refused)
        return refused

    def _carry_out(
        self, command: Sequence[str], elements: Sequence[Element], lines: Sequence[dict[str, Any]]
    ) -> dict[Element, str]:
        reason = f"{Path(command[0]).name} refused it"
        return {elements[number]: reason for number in (_run(command, lines) if lines else ())}

    def repair(self) -> bool:
        """Open what is over, and what the allow set opens; close the rest, again when a pause is over."""
        now = self._clock()
        if now < self._next:
            return False
        self._ends = {element: end for element, end in self._ends.items() if end > now}
        self._next = now  # again the next time, if anything fails
        wanted = {} if self.paused() else {element: end - now for element, end in self._ends.items()}
        for element in [element for element in wanted if self._allowed.overlaps(element[0])]:
            del wanted[element]
        refused: dict[Element, str] = {}
        for batch in _batches(list(self._closed - wanted.keys())):
            refused |= self._open(batch)
        for batch in _batches([element for element in wanted if element not in self._closed]):
            refused |= self._close({element: wanted[element] for element in batch})
        if refused:
            raise FirewallError(f"{next(iter(refused.values()))} ({len(refused)} of them)", transient=True)
        self._next = min(self._ends.values(), default=math.inf)
        if self.paused():
            self._next = min(self._next, self._paused_until)
        return False

    def held(self) -> Iterator[Held]:
        """List what is banned now."""
        now = self._clock()
        ends = [(element, end - now) for element, end in self._ends.items() if end > now]
        return (Held(subject, _finite(seconds), service) for (subject, service), seconds in ends)

    def mark(self) -> None:
        """Return nothing: asking is as quick."""

    def allow(self, subjects: Collection[Subject]) -> None:
        """Open these; whoever shares an address with them is not closed while that holds."""
        self._allowed = PrefixSet(subjects)
        self._look_again()

    def pause(self, seconds: float) -> None:
        """Open everything for a while; if this process ends, until the next one begins."""
        self._paused_until = self._clock() + seconds
        self._look_again()

    def resume(self) -> None:
        """Close again."""
        self._paused_until = -math.inf
        self._look_again()

    def _look_again(self) -> None:
        self._next = -math.inf
        self.repair()

    def paused(self) -> float:
        """Return how long the pause lasts still."""
        return max(0.0, self._paused_until - self._clock())

    def watch(self) -> None:
        """Return nothing: what others do to the programs' work cannot be seen."""

    def seen(self) -> bool:
        """Say that nothing happened."""
        return False

    def counters(self) -> Mapping[str, tuple[int, int]]:
        """Return nothing: the programs count, if anybody does."""
        return {}

    def show(self) -> str:
        """Name the programs."""
        return f"# bans are carried out by {self._ban[0]}, lifted by {self._unban[0]}\n"

    def remove(self) -> None:
        """Have everything opened."""
        self._open_all()
        self._ends.clear()
        self._paused_until, self._allowed = -math.inf, PrefixSet()

    def close(self) -> None:
        """Do nothing: the bans stay."""


def _batches(elements: Sequence[Element]) -> list[Sequence[Element]]:
    return [elements[start : start + _LINES] for start in range(0, len(elements), _LINES)]


def _finite(seconds: float) -> float | None:
    """Return how long a ban lasts, None for good."""
    return None if seconds == math.inf else round(seconds, 3)


def _line(element: Element) -> dict[str, Any]:
    """Return what a program is told about an element."""
    subject, service = element
    protocol, _, port = service.partition("/")
    return {
        "subject": subject.reveal(),
        "version": subject.version,
        "protocol": protocol or None,
        "port": int(port) if port else None,
    }


def _run(command: Sequence[str], lines: Sequence[dict[str, Any]]) -> set[int]:
    """Run a program; return the positions of the lines that it could not carry out. Raises FirewallError."""
    with os.fdopen(os.memfd_create("lines"), "w+b") as told, os.fdopen(_small_file(), "r+b") as said:
        told.write(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
        told.seek(0)
        try:
            process = subprocess.Popen(  # the administrator's own words, no shell
                command,
                stdin=told,
                stdout=said,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={"PATH": _SEARCH_PATH, "LC_ALL": "C"},
                start_new_session=True,
            )
        except OSError as error:
            raise FirewallError(f"{command[0]} cannot be run: {error.strerror}") from None
        code = _wait(process)
        said.seek(0)
        numbers = {int(number) - 1 for number in _NUMBER.findall(said.read().replace(b"\0", b""))}
    if code is None:
        raise FirewallError(f"{command[0]} did not end within {_WITHIN:.0f} s", transient=True)
    failed = numbers & set(range(len(lines)))
    if code and not failed:
        raise FirewallError(f"{command[0]} failed without naming a line", transient=True)
    return failed if code else set()


def _small_file() -> int:
    """Return a descriptor of a file in memory that takes no more than fits."""
    descriptor = os.memfd_create("said", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.truncate(descriptor, _SAYS)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW)
    return descriptor


def _wait(process: subprocess.Popen[bytes]) -> int | None:
    """Return the exit code of a program; kill it, and what it has started, when it takes too long."""
    try:
        return process.wait(_WITHIN)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return None
