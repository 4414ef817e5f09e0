"""One place where bans are enforced: a ledger of what is wanted, a firewall, and the task that brings it up to date.

The kernel is one such place, the web server's deny list another; each has a thread of its own, so that
neither a slow firewall nor a large batch stands in the way of reading.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, ParamSpec, TypeVar

from privet.core.bans.ledger import Ledger, told
from privet.core.bans.model import Later
from privet.ports import FirewallError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from pathlib import Path

    from structlog.typing import FilteringBoundLogger

    from privet.core.addresses.address import Subject
    from privet.core.bans.ledger import Told
    from privet.core.bans.model import Ban
    from privet.daemon.rounds import Work
    from privet.ports import Firewall

    P = ParamSpec("P")
    T = TypeVar("T")

SELDOM = 10  # seconds between looks at a firewall that is to hold nothing, or tells what others do
CALM = 0.05  # seconds after somebody changed the rules before the next look, however often that happens


class _Answer(NamedTuple):
    """What a firewall told that it holds, when it was asked, and how many seconds it took to answer."""

    told: Told
    at: float
    took: float


class Enforcement:
    """Bans in one place. `clock` tells the time that the ledger counts by, `changed` has changes stored at once.

    `mark` is a file for the next daemon of this boot.
    """

    def __init__(  # noqa: PLR0913  each is a thing of its own
        self,
        name: str,
        firewall: Firewall,
        clock: Callable[[], float],
        changed: Callable[[], None] | None,
        log: FilteringBoundLogger,
        *,
        mark: Path,
    ) -> None:
        self.name, self.firewall, self._mark = name, firewall, mark
        self.ledger = Ledger()
        self.problem: str | None = None
        self.losses = 0  # how often somebody changed rules or bans
        self.last_loss: float | None = None
        self.brought_back = 0  # elements that were ordered anew for that
        self._clock, self._changed, self._log = clock, changed, log
        self._asked = False  # what it held when we came
        self._answer: _Answer | None = None
        self._slept = 0.0
        self._unchanged = False  # since another daemon left it
        self._suspect = self._to_compare = False  # whether bans are, or may be, missing in the firewall
        self._idle = 0  # seconds without anything to look after
        self._looking = asyncio.Lock()
        self._flushing: asyncio.Task[None] | None = None
        self._stirred: asyncio.Task[None] | None = None
        self._watched: int | None = None
        self._pool = ThreadPoolExecutor(1, name)  # one call at a time

    async def open(self, slept: float = 0.0) -> None:
        """Make the structure ready, and ask what is held; `slept` is for how long its timers stood still."""
        self._slept = slept
        try:
            await self.call(self.firewall.open)
            self._unchanged = await self.call(self._as_left)
            if not self._unchanged:
                self._answer = await self.call(self._ask)
        except FirewallError as error:
            self._says(str(error))

    async def restore(self, stored: Collection[Ban], *, rested: bool = False) -> None:
        """Take over what was stored and what is held, bring the firewall up to date, and listen to others then.

        `rested` tells that the store is as the last daemon left it. When the firewall is, too, the two agree; that is
        believed for now, and looked at when there is time.
        """
        if self._unchanged and rested:
            self.ledger.resume(stored, self._clock())
            if self._slept:
                self.ledger.overslept(self._slept)
            self._to_compare = True
        else:
            if self._unchanged:
                self._answer = await self.call(self._ask)
            self._adopt(self._answer or _Answer({}, self._clock(), 0.0), stored)
        self._asked = self._unchanged or self._answer is not None
        self._answer, self._slept = None, 0.0
        if self.problem:  # which may have taken half a minute already: reading is not to wait for that again
            self.wake()
        else:
            await self.flush()
            await self._watch()

    async def holding(self) -> Collection[Subject]:
        """Return whom it holds, asked before restore(); nobody if it does not answer."""
        if self._unchanged:
            self._unchanged = False
            try:
                self._answer = await self.call(self._ask)
            except FirewallError as error:
                self._says(str(error))
        return {subject for ends in self._answer.told.values() for subject in ends} if self._answer else ()

    async def call(self, work: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        """Do some work on the firewall, in its thread. Raises FirewallError."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: work(*arguments, **options))

    def wake(self) -> None:
        """See to it that the firewall is brought up to date, now or right after what it does now."""
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.get_running_loop().create_task(self._flush())

    async def flush(self) -> None:
        """Bring the firewall up to date with the ledger."""
        self.wake()
        if self._flushing is not None:
            await asyncio.shield(self._flushing)

    def look(self) -> Work | None:
        """Book what is over; return the work of making again what somebody removed: to be called every second.

        Where nothing is banned, and nothing was a moment ago, or the firewall tells what others do, that is done every
        `SELDOM` seconds: it takes a thread.
        """
        self.ledger.expire(self._clock())
        self._idle = self._idle + 1 if self._is_idle() else 0
        return self._look() if self._idle <= SELDOM or self._idle % SELDOM == 0 else None

    def _is_idle(self) -> bool:
        """Tell whether there is nothing that somebody could have removed unnoticed, and nothing to be tried again."""
        holds = self._watched is None and next(iter(self.ledger), None) is not None
        return self._asked and not (holds or self.ledger.pending or self.problem or self._suspect or self._to_compare)

    async def _look(self) -> None:
        async with self._looking:
            try:
                await self._repair()
            except FirewallError as error:
                self._says(str(error))
            if self.ledger.pending or not (self._flushing is None or self._flushing.done()):
                await self.flush()

    async def overslept(self, seconds: float) -> None:
        """Shorten what the firewall holds, after its timers stood still."""
        await self.flush()  # so that no answer is out for what was ordered before
        self.ledger.overslept(seconds)
        await self.flush()

    async def close(self) -> None:
        """Let go of the firewall; the bans stay."""
        self._unwatch()
        if self._stirred is not None:
            await asyncio.wait([self._stirred])
        await self.flush()
        with suppress(FirewallError, OSError):  # then the next start asks for all
            await self.call(self._leave)
        self._pool.shutdown()
        self.firewall.close()

    def _leave(self) -> None:
        """Leave word of what the firewall looks like, if it is as it should be. Raises FirewallError, OSError."""
        mark = self.firewall.mark() if self.ledger.quiet else None
        if mark is None:
            self._mark.unlink(missing_ok=True)
        else:
            self._mark.touch(0o600)
            self._mark.write_text(mark)

    def _as_left(self) -> bool:
        """Tell whether nobody has changed the firewall since the last daemon left it. Raises FirewallError."""
        with suppress(OSError):
            return self._mark.read_text() == self.firewall.mark()
        return False

    def _ask(self) -> _Answer:
        """Ask the firewall what it holds."""
        at = self._clock()
        ends = told(self.firewall.held(), at, self._slept)
        return _Answer(ends, at, self._clock() - at)

    def _adopt(self, answer: _Answer, stored: Iterable[Ban] = ()) -> None:
        count = self.ledger.adopt(answer.told, answer.at, stored, answer.took)
        if self._slept:
            self.ledger.overslept(self._slept)
        if count:
            self._log.info("adopted what only the firewall held", place=self.name, bans=count)

    def _mend(self) -> tuple[bool, int | None]:
        """Make again what somebody removed; tell whether that was so, and what to watch, if it is not watched yet."""
        return self.firewall.repair(), self.firewall.watch() if self._watched is None else None

    async def _repair(self) -> None:
        lost, watched = await self.call(self._mend)
        if watched is not None:
            self._listen_to(watched)
        if lost:
            self._suspect = True
            self.losses += 1
            self.last_loss = self._clock()
        if not self._asked:
            self._adopt(await self.call(self._ask))
            self._asked = True
        if self._suspect or self._to_compare:
            answer = await self.call(self._ask)
            count = self.ledger.compare(answer.told, answer.at, answer.took)
            if count or self._suspect:
                self._log.warning("somebody changed the firewall's rules: made again", place=self.name, bans=count)
            self.brought_back += count
            self._suspect = self._to_compare = False

    async def _watch(self) -> None:
        watched = await self.call(self.firewall.watch)
        if watched is not None:
            self._listen_to(watched)

    def _listen_to(self, watched: int) -> None:
        self._watched = watched
        asyncio.get_running_loop().add_reader(watched, self._stir)

    def _unwatch(self) -> None:
        if self._watched is not None:
            asyncio.get_running_loop().remove_reader(self._watched)

    def _stir(self) -> None:
        self._unwatch()
        self._stirred = asyncio.get_running_loop().create_task(self._see())

    async def _see(self) -> None:
        """Look at what somebody changed, and go on listening."""
        if await self.call(self.firewall.seen):
            await self._look()
        await asyncio.sleep(CALM)
        await self._watch()

    async def _flush(self) -> None:
        while orders := self.ledger.orders(self._clock()):
            try:
                answers = await self.call(self.firewall.apply, orders)
            except FirewallError as error:
                self._says(str(error))
                break  # the next tick tries again
            self.ledger.confirm(orders, answers)
            self._says(next((answer for answer in answers if answer), None))
            if all(isinstance(answer, Later) for answer in answers):
                break  # as above
        if self._changed:
            self._changed()

    def _says(self, problem: str | None) -> None:
        if problem and problem != self.problem:
            self._log.error("firewall", place=self.name, problem=problem)
        self.problem = problem
