"""What the daemon looks after every second: each thing for itself, so that what fails or hangs holds up nothing."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from privet.adapters.hygiene import give_back
from privet.adapters.notify import sd_notify
from privet.adapters.pressure import load_now
from privet.daemon.tables import look as look_at_networks

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from privet.daemon.service import Daemon

    Work = Coroutine[Any, Any, None]

TICK = 1.0  # seconds between looks at files, the firewall and the clock
MINUTE = 60  # ticks


class Rounds:
    """Goes the rounds of a daemon until it is told to stop."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._going: dict[str, asyncio.Task[None]] = {}  # what was begun and is not done
        self._complaints: dict[str, str | None] = {}  # of the sources
        self._slow: frozenset[str] = frozenset()  # what is too slow to see every line, as it was told
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Go round every second until `stop` is called."""
        self._wait(1)
        try:
            await self._stop.wait()
        finally:
            self._timer.cancel()

    def _wait(self, count: int) -> None:
        self._timer = asyncio.get_running_loop().call_later(TICK, self._go_round, count)

    def _go_round(self, count: int) -> None:
        self._wait(count + 1)
        try:
            self._look(everything=count % MINUTE == 0)
        except Exception:  # the one supervisor: what fails here must not end the watch over all the rest
            self._daemon.log.exception("a look around failed, the next one follows")

    def stop(self) -> None:
        """Have `run` come to its end."""
        self._stop.set()

    async def finish(self) -> None:
        """Wait for what was begun."""
        if self._going:
            await asyncio.wait(self._going.values())

    def begin(self, name: str, look: Callable[[], Work | None]) -> None:
        """Look, and begin the work that there is, unless that of the same name is not done yet.

        So what hangs holds up nothing. Mostly there is none, and to see that costs less than a task.
        """
        if name in self._going:
            return
        try:
            work = look()
        except Exception:  # as if the work had failed
            self._daemon.log.exception("a look around failed, the next one follows", what=name)
            return
        if work is not None:
            task = self._going[name] = asyncio.get_running_loop().create_task(work)
            task.add_done_callback(partial(self._done, name))

    def failed(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Log what went wrong in a callback: by itself asyncio would print it as it is."""
        self._daemon.log.error("something failed, everything else goes on", exc_info=context.get("exception"))

    def _done(self, name: str, task: asyncio.Task[None]) -> None:
        del self._going[name]
        if error := task.exception():
            self._daemon.log.error("a look around failed, the next one follows", what=name, exc_info=error)

    def _look(self, *, everything: bool) -> None:
        sd_notify("WATCHDOG=1")
        daemon, begin = self._daemon, self.begin
        change = daemon.clock.look()
        if change.jumped:
            self._jumped(change.jumped)
        daemon.decided.look()
        daemon.engine.loads.note(daemon.clock.now(), load_now())
        daemon.files.poll()
        if everything:
            daemon.engine.memory.expire(daemon.clock.now())
            daemon.sight.waiting.expire(daemon.clock.now())
            begin("vigilance", daemon.vigilance.look)
            begin("swarms", daemon.swarms.keep)
            daemon.herald.look_at_canary()
            begin("history", daemon.past.look)
            begin("epochs", daemon.epochs.look)
            begin("memory", partial(asyncio.to_thread, give_back))
            self._voice_slowness()
        self._voice_complaints()
        daemon.swarms.look()
        daemon.masks()  # the keys of days that are over go
        daemon.told.look(everything=everything)
        for place in daemon.places.values():
            if change.slept:
                begin(f"{place.name} after a suspension", partial(place.overslept, change.slept))
            begin(place.name, place.look)
        begin("store", daemon.keeper.look)
        begin("lists", daemon.lists.look)
        begin("protection", daemon.protection.look)
        begin("escrow", daemon.escrow.look)
        begin("news", daemon.herald.look)
        begin("manners", daemon.manners.look)
        if daemon.config.networks.table:
            begin("networks", partial(look_at_networks, daemon))

    def _jumped(self, seconds: float) -> None:
        """Go on as if nothing was, after somebody set the clock: bans and counts last as long as before."""
        daemon = self._daemon
        daemon.log.warning("the clock was set: bans last as long as before", seconds=round(seconds))
        daemon.intakes.loans.flush()
        daemon.engine.shift(seconds)
        daemon.herald.shift(seconds)
        for place in daemon.places.values():
            place.ledger.shift(seconds)
        daemon.sight.waiting.shift(seconds)
        daemon.keeper.wake()

    def _voice_slowness(self) -> None:
        """Log each expression that a line made too slow: whoever wrote that line is not found by it any more."""
        slow = {
            f"source {name}: {one}" for name in self._daemon.engine.sources for one in self._daemon.engine.slow(name)
        }
        for one in sorted(slow - self._slow):
            self._daemon.log.warning(one)
        self._slow = frozenset(slow)

    def _voice_complaints(self) -> None:
        """Log each complaint of a source when it arises, and when it is over."""
        for name, state in self._daemon.engine.sources.items():
            complaint = state.complaint
            if complaint != self._complaints.get(name):
                if complaint and not self._complaints.get(name):
                    self._daemon.log.warning(complaint)
                elif not complaint:
                    self._daemon.log.info("source recovered", source=name)
                self._complaints[name] = complaint
