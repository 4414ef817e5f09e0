"""How many lines can wait on their way to the detector without keeping a verdict waiting.

After a sleep, a program pays more for waking up than for what it then does with fifteen lines, so they are better fed
many at once. But a verdict must not wait for company. So each line is taken for a failure of its client, and lines wait
as long as none of them can be the one that makes some limit reached. A window knows how many more failures of a client
must come before it has to look at him again (`core.windows.detect`); to ask it for each line would cost nearly as much
as to feed it. So it is asked about a client only when as many lines of his have come as he had left when it was asked
last.

That tells little where few failures are enough, or one, as with the jails for exploits: nearly every line would be fed
at once. There the lines are parsed, and each counts in the windows only that it concerns. To parse them twice costs far
less than to feed them a few at a time.

Detectors that look at whole blocks cannot be asked. They are about what many requests make together, so their verdicts
may wait a moment.

Waiting changes no verdict, only when it falls. Where failures arrive out of order fewer may be left to a client than
is thought here: then the verdict falls with the next block.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from privet.core.addresses.address import text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from contextlib import AbstractContextManager

PLENTY = 1 << 31
"""What is left of a client to whom no limit applies."""

VALID = 60.0
"""Seconds for which an `Ahead` is good; that bounds its memory."""

AHEAD = 60.0
"""Seconds for which a ban must last yet, so that its client need not be minded. Lines wait for far less."""

HOLD = 1.0
"""Seconds that lines may wait if no verdict depends on them."""

MOMENT = 0.1
"""Seconds that they may wait where it cannot be told, with detectors that look at whole blocks."""

PLENTIFUL = 8
"""With fewer failures than this at a limit, lines that cannot be failures are to be told from those that can."""

LATE = 2.0
"""Seconds by which a line may come later than its time, as those of slow requests do, and still be foreseen."""

MANY = 16_384
"""Clients beyond whom those are forgotten who have more than a few failures left."""

REMEMBERED = 1000
"""As many lines of a client may come at most, before it is asked again."""

_PART = 2  # a client has few failures left when it is less than half
_SCARCE = 3  # and so few that he is asked about when all that waited has been fed, when it is a third of that


class Foreseeing(Protocol):
    """A window that knows how many failures are left."""

    @property
    def least(self) -> int:
        """Return how many failures it takes at least."""

    def left(self, key: bytes, since: float, then: float) -> int:
        """Return how many failures of a client may come between two times, of which the last may reach a limit."""

    def near(self, few: int) -> Iterable[bytes]:
        """Return the keys of those clients who may have no more than a few failures left."""


class Clients(Protocol):
    """Who knows lines."""

    @property
    def plain(self) -> Callable[[bytes], Sequence[bytes]]:
        """What does the same as `clients`, but faster, and has b"" for clients that it cannot tell."""

    def clients(self, block: bytes) -> Sequence[bytes | None]:
        """Return who each line is of, by a text as `text_of` makes it; None where that cannot be told at sight."""

    def key_of(self, who: bytes) -> bytes:
        """Return the key of such a client."""


class Ahead(Protocol):
    """What tells how long lines of one source can wait.

    It holds as long as the windows get nothing but lines that were added here before.
    """

    hold: float
    """Seconds that they can, while none of them matters."""

    @property
    def add(self) -> Callable[[bytes], bool]:
        """What takes lines that wait, and tells whether all of them can."""

    def fed(self, now: float) -> None:
        """Take note that all that waited has been fed."""


class ByClient:
    """Counts the lines of each client, without parsing them.

    It runs every few milliseconds, when little is in the processor's caches. So it does as little as it can for most
    lines: of each client it has a number of lines that may come for sure, and asks the windows when that is used up.
    """

    def __init__(self, plan: Clients, windows: Sequence[Foreseeing], now: float, hold: float) -> None:
        self.hold = hold
        self._plan, self._windows, self._now = plan, windows, now
        self._few = min((window.least for window in windows), default=PLENTY) // _PART or 1
        self._room = self._of_few()
        self._waiting: list[Sequence[bytes | None]] = []  # whose lines wait
        self._scarce: list[bytes | None] = []  # those of them who have few left
        self.add = self._adding()

    def _adding(self) -> Callable[[bytes], bool]:
        """Return `add`, as a function that has at hand all that it needs."""
        room, few, has_more, note = self._room, self._few, self._has_more, self._waiting.append
        left, plain, clients = room.get, self._plan.plain, self._plan.clients
        scarce, note_scarce = few // _SCARCE, self._scarce.append

        def add(block: bytes) -> bool:
            patient = True
            found: Sequence[bytes | None] = plain(block)
            if b"" in found:
                found = clients(block)
            note(found)
            for who in found:
                room[who] = some = left(who, few) - 1
                if some <= scarce:
                    note_scarce(who)
                    if some <= 0:
                        patient = has_more(who) and patient
            return patient

        return add

    def fed(self, now: float) -> None:
        """Take note that all that waited has been fed."""
        self._now = now
        if len(self._room) > MANY:
            self._room.clear()
            self._room.update(self._of_few())
        else:
            self._ask_again()
        self._scarce.clear()
        self._waiting.clear()

    def _ask_again(self) -> None:
        """Ask about those who have few lines left: now nothing waits that is to be counted, and caches are warm."""
        for who in set(self._scarce):
            if who is not None:
                self._room[who] = min(self._left(self._plan.key_of(who)), REMEMBERED)

    def _of_few(self) -> dict[bytes | None, int]:
        """Return how many lines may come of those clients who have only a few left."""
        keys = {key for window in self._windows for key in window.near(self._few)}
        room: dict[bytes | None, int] = {text_of(key): self._left(key) for key in keys}
        room[None] = 0  # who cannot be told is never sure
        return room

    def _has_more(self, who: bytes | None) -> bool:
        """Ask how many lines of a client may yet come; tell whether there are some."""
        if who is None:
            return False
        some = self._left(self._plan.key_of(who))
        waiting = sum(found.count(who) for found in self._waiting)
        self._room[who] = min(some - waiting, REMEMBERED)
        return some > waiting

    def _left(self, key: bytes) -> int:
        return min([window.left(key, self._now - LATE, self._now + AHEAD) for window in self._windows], default=PLENTY)


class ByWindow:
    """Counts failures in each window: `failures(block)` finds them, which may take long and so has to be `watched`."""

    def __init__(
        self,
        failures: Callable[[bytes], Iterable[tuple[Foreseeing, Iterable[bytes]]]],
        watched: Callable[[], AbstractContextManager[None]],
        now: float,
        hold: float,
    ) -> None:
        self.hold = hold
        self._failures, self._watched, self._now = failures, watched, now
        self._room: dict[tuple[Foreseeing, bytes], int] = {}  # failures that may still come, where some wait

    def add(self, block: bytes) -> bool:
        """Take lines that wait; tell whether all of them can."""
        room, since, then, patient = self._room, self._now - LATE, self._now + AHEAD, True
        with self._watched():
            for window, keys in self._failures(block):
                for key in keys:
                    some = room.get((window, key))
                    room[window, key] = some = (window.left(key, since, then) if some is None else some) - 1
                    patient = patient and some > 0
        return patient

    def fed(self, now: float) -> None:
        """Take note that all that waited has been fed."""
        self._now = now
        self._room.clear()
