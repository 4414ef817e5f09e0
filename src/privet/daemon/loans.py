"""Inputs that pipes have lent to the daemon: it looks at all of them by one timer, and feeds lines when it matters.

Of pipe and daemon only one has to wake up for a few lines. The daemon is the one, as verdicts are its own: lines that
can wait (`core.windows.ahead`) are fed together, the others at once; the pipe takes them half a second later.
"""

from __future__ import annotations

import ctypes
import os
import time
from typing import TYPE_CHECKING

import msgspec

from privet.adapters.sources.intake import Peer
from privet.adapters.sources.loans import NONBLOCK, READ, Copies, Onward, pipe_of
from privet.core.windows.ahead import VALID

if TYPE_CHECKING:
    from collections.abc import Callable

    from privet.adapters.sources.intake import Intake
    from privet.core.windows.ahead import Ahead
    from privet.daemon.loop import Loop

EVERY = 0.017  # seconds between looks, while lines flow
KEPT = 60.0  # seconds that what an intake left behind when it was killed waits for its successor
SOME = READ // 2  # bytes of one look: more are a crowd
NEWLINE, CR = b"\n\r"  # numbers: to look for a text of one byte, Python makes an exception first, 20 µs after a sleep
READS = 8  # looks in a row, some 512 KiB, before everything else gets its turn


class Loan(msgspec.Struct, eq=False):
    """One input: its source, what it is, and where it leads; lines that wait are fed when they are `due`."""

    peer: Peer
    source: str
    descriptor: int
    identity: int
    onward: Onward
    held: list[bytes] = []
    due: float = 0.0

    def __repr__(self) -> str:
        """Never show lines, which have addresses."""
        return f"Loan(source={self.source!r}, held={sum(map(len, self.held))} bytes, due={self.due})"


class Loans:
    """What is lent now. `take(source, block)` gets the lines; `ahead(source)` tells which can wait."""

    def __init__(
        self,
        loop: Loop,
        intake: Intake,
        take: Callable[[str, bytes], None],
        ahead: Callable[[str], Ahead | None],
        now: Callable[[], float],
    ) -> None:
        self._loop, self._intake, self._take, self._ask, self._now = loop, intake, take, ahead, now
        self._copies = Copies()
        self._loans: dict[Peer, Loan] = {}
        self._flowing: list[Loan] = []
        self._ahead: dict[str, tuple[Ahead | None, float]] = {}  # with the time until which it is good
        self._left: dict[tuple[str, int], tuple[Onward, int]] = {}  # by source and input, with whose it was
        loop.waiting.every = EVERY

    def borrow(self, peer: Peer, source: str) -> None:
        """Take what a pipe lends. One whose predecessor was killed gets what that left behind."""
        if peer.lent is None:
            return
        (descriptor, tail), peer.lent = peer.lent, None
        identity = pipe_of(descriptor)
        if identity is None or peer in self._loans:
            os.close(descriptor)
            self._intake.decline(peer)
            return
        for other in [one.peer for one in self._loans.values() if (one.source, one.identity) == (source, identity)]:
            self.lose(other)
        onward, pid = self._left.pop((source, identity), (None, 0))
        if onward and peer.hello and peer.hello.pid == pid:  # it has read on by itself
            onward.begin(tail)
        try:
            onward = onward or Onward(tail)
        except OSError:  # too many are open
            os.close(descriptor)
            self._intake.decline(peer)
            return
        if not self._intake.answer(peer, onward.out):
            os.close(descriptor)
            self._leave(peer, source, identity, onward)
            return
        loan = self._loans[peer] = Loan(peer, source, descriptor, identity, onward)
        self._flow(loan)

    def give_back(self, peer: Peer) -> None:
        """Read what is there, and let the pipe read what follows."""
        loan = self._loans.get(peer)
        if loan:
            self._look(loan, time.monotonic())
            self._end(loan)
            loan.onward.close()

    def lose(self, peer: Peer) -> None:
        """Take note that a pipe is gone: its input is for its successor, and what it has not read."""
        if peer.lent is not None:
            os.close(peer.lent[0])
            peer.lent = None
        loan = self._loans.get(peer)
        if loan:
            self._end(loan)
            self._leave(peer, loan.source, loan.identity, loan.onward)

    def flush(self) -> None:
        """Feed all lines that have waited."""
        for source in {loan.source for loan in self._loans.values()}:
            self._feed(source)

    def renew(self) -> None:
        """Take note that another engine is fed from now on."""
        self._ahead.clear()
        self._arrange()

    def close(self) -> None:
        """Let go of everything."""
        for peer in list(self._loans):
            self.give_back(peer)
        for key, (onward, _) in list(self._left.items()):
            self._forget(key, onward)
        self._copies.close()

    def _end(self, loan: Loan) -> None:
        self._feed(loan.source)
        del self._loans[loan.peer]
        if self._ahead.get(loan.source, (None, 0.0))[0] is None:  # nor is anything for sources that do not exist
            self._ahead.pop(loan.source, None)
        self._rest(loan)
        self._loop.remove_reader(loan.descriptor)
        os.close(loan.descriptor)

    def _leave(self, peer: Peer, source: str, identity: int, onward: Onward) -> None:
        """Keep what nobody has taken for a while."""
        if onward.waiting or onward.splitter.pending:
            self._left[source, identity] = onward, peer.hello.pid if peer.hello else 0
            self._loop.call_later(KEPT, self._forget, (source, identity), onward)
        else:
            onward.close()

    def _forget(self, key: tuple[str, int], onward: Onward) -> None:
        if key in self._left and self._left[key][0] is onward:
            del self._left[key]
            onward.close()

    def _flow(self, loan: Loan) -> None:
        """Look at an input by the timer, from now on."""
        self._loop.remove_reader(loan.descriptor)
        self._flowing.append(loan)
        self._arrange()

    def _rest(self, loan: Loan) -> None:
        if loan in self._flowing:
            self._flowing.remove(loan)
            self._arrange()

    def _arrange(self) -> None:
        """Have all inputs looked at where lines flow."""
        looks = [self._looking(loan) for loan in self._flowing]

        def look_at_all(now: float) -> bool:
            return sum(look(now) for look in looks) > 0

        self._loop.waiting.glance = (looks[0] if len(looks) == 1 else look_at_all) if looks else None

    def _dry(self, loan: Loan) -> None:
        """Wait for the first line of those that follow."""
        self._feed(loan.source)
        if loan in self._flowing:
            self._rest(loan)
            self._loop.add_reader(loan.descriptor, self._flow, loan)

    def _looking(self, loan: Loan) -> Callable[[float], bool]:
        """Return what looks at an input, takes what has come, and tells whether there is something to do now.

        It runs after each sleep, with little in the processor's caches. So most looks get by with what it has at hand,
        and with one other function, which knows which lines can wait.
        """
        ahead, _ = self._ahead.get(loan.source, (None, 0.0))
        if ahead is None:
            return lambda now: self._has_work(loan, now, came=self._look(loan, now))
        copies, splitter, held, add, hold = self._copies, loan.onward.splitter, loan.held, ahead.add, ahead.hold
        source, target, out = loan.descriptor, loan.onward.into, copies.out
        tee, of_source, how, splice, read = copies.tee, ctypes.c_int(source), copies.how, os.splice, os.read
        whole = not splitter.pending

        def look(now: float) -> bool:
            nonlocal whole
            count = tee(of_source, *how)
            if not whole or not 0 < count < SOME:
                came = self._look(loan, now, count)
                whole = not splitter.pending
                return self._has_work(loan, now, came=came)
            try:
                moved = splice(source, target, count, None, None, NONBLOCK)
            except OSError:  # the target is full
                moved = 0
            data = read(out, count)
            if moved == count and data[-1] == NEWLINE and CR not in data:
                if not held:
                    loan.due = now + hold
                held.append(data)
                if add(data) and now < loan.due:
                    return False
                loan.due = now
            else:
                self._came(loan, data[:moved], count, now)
                whole = not splitter.pending
            return self._has_work(loan, now, came=True)

        return look

    def _has_work(self, loan: Loan, now: float, *, came: bool) -> bool:
        """Have done what is to be done after a look, if there is something; tell whether there is."""
        if not came:
            self._loop.call_soon(self._dry, loan)
        elif loan.held and loan.due <= now:
            self._loop.call_soon(self._feed, loan.source)
        else:
            return False
        return True

    def _look(self, loan: Loan, now: float, count: int | None = None) -> bool:
        """Take what has come, of which so much is copied already, if that was tried.

        Tells whether there was something, or is an end of it that the pipe has to see.
        """
        came = False
        for _ in range(READS):
            if count is None:
                count = self._copies.copy(loan.descriptor)
            if count <= 0:
                return came or count == 0
            came = True
            data = self._copies.moved(loan.descriptor, loan.onward.into, count)
            self._came(loan, data, count, now)
            if len(data) < count or count < SOME:
                break
            count = None
        return True

    def _came(self, loan: Loan, data: bytes, count: int, now: float) -> None:
        """Take what could be moved, of so much."""
        block = loan.onward.splitter.feed(data)
        if block:
            self._wait(loan, block, now)
        if len(data) < count or count > SOME:
            self._intake.hurry(loan.peer)

    def _wait(self, loan: Loan, block: bytes, now: float) -> None:
        """Have lines wait; they are due at once if a verdict may depend on them."""
        ahead, _ = self._ahead.get(loan.source, (None, 0.0))
        if ahead and not loan.held:
            loan.due = now + ahead.hold
        loan.held.append(block)
        if ahead is None or len(block) > SOME or not ahead.add(block):
            loan.due = now

    def _feed(self, source: str) -> None:
        """Feed all lines of a source that wait, by whichever pipe they came."""
        for loan in list(self._loans.values()):
            if loan.source == source and loan.held:
                block = b"".join(loan.held)
                loan.held.clear()
                self._take(source, block)
        now = self._loop.time()
        ahead, valid = self._ahead.get(source, (None, 0.0))
        if now >= valid:
            self._ahead[source] = self._ask(source), now + VALID
            self._arrange()
        elif ahead:
            ahead.fed(self._now())
