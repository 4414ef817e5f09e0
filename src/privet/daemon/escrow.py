"""The escrow: an hour's pseudonyms with their addresses, kept in memory and then sealed for somebody else.

It exists only where it is configured. A crash loses the pairs of the hour that was begun; an orderly end seals them.
What cannot be written stays in memory, up to a limit, and is tried again: in clear it is written nowhere.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from privet.config.escrow import escrowed, idle_escrow
from privet.core.masking.escrow import Collected, text_of
from privet.ports import SealError, StoreError

if TYPE_CHECKING:
    from privet.adapters.escrow import Batches
    from privet.config.model import Config
    from privet.core.masking.mask import Masks
    from privet.core.parsing.parse import Rows
    from privet.daemon.rounds import Work
    from privet.daemon.service import Daemon

FOLDER = "escrow"  # in the directory of what outlasts a restart
HOUR = 3600.0
AGAIN = 60.0  # seconds until what could not be written is tried again
MIDNIGHT = 60.0  # seconds for which lines may still be named by the day before


class Escrow:
    """Collects and seals for one daemon. `problem` says why nothing is sealed, or that something was lost."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._sources: frozenset[str] = frozenset()
        self._batches: Batches | None = None
        self._collected = Collected()
        self._days: list[Masks] = []
        self._begin = self._next = self._tidy = self._midnight = self._keep = 0.0
        self._trouble: str | None = None
        self.sealed = self.lost = 0

    def configure(self, config: Config) -> None:
        """Go by a configuration; without an escrow in it, what was collected is forgotten."""
        self._sources, self._trouble, self._keep = escrowed(config), None, config.escrow.keep
        folder = self._daemon.state / FOLDER
        if config.escrow.recipient is None:
            self._batches, self._collected = None, Collected()
            if any(folder.glob("*.age")):
                self._trouble = f"{folder} holds batches of an escrow that is configured no more: nobody removes them"
            return
        from privet.adapters.escrow import Batches  # noqa: PLC0415  its library is there only for those who want it

        if self._batches is None:
            self._turn(self._daemon.clock.now())
        try:
            self._batches = Batches(folder, config.escrow.recipient)
        except SealError as error:
            self._trouble, self._sources = str(error), frozenset()

    @property
    def problem(self) -> str | None:
        """What is wrong, for the administrator; None if nothing is, or nothing is to be sealed."""
        if self._batches is None:
            return self._trouble
        problems = [
            self._trouble,
            *idle_escrow(self._daemon.config),
            self._daemon.keys_complaint,
            f"{self.lost} pairs were left out, since there were too many" if self.lost else None,
        ]
        return "; ".join(one for one in problems if one) or None

    def state(self) -> dict[str, Any] | None:
        """Return what `privet status` tells; None if there is no escrow."""
        if self._batches is None:
            return None
        return {"waiting": len(self._collected), "sealed": self.sealed, "left_out": self.lost, "problem": self.problem}

    def see(self, source: str, rows: Rows) -> None:
        """Take the clients of a block."""
        if source in self._sources and rows.clients:
            self._collected.see(source.encode(), rows, self._masks())
            self.lost += self._collected.left_out
            self._collected.left_out = 0

    def look(self) -> Work | None:
        """Return the work of sealing the hour that is over, and removing what is too old: to be called every second."""
        now, batches = self._daemon.clock.now(), self._batches
        if batches is None:
            return None
        tidy, seal = now >= self._tidy, not self._begin <= now < self._next
        return self._look_after(batches, now, tidy=tidy, seal=seal) if tidy or seal else None

    async def _look_after(self, batches: Batches, now: float, *, tidy: bool, seal: bool) -> None:
        if tidy:  # first, as that may make room
            self._tidy = now + HOUR
            await self._expire(batches, now - self._keep)
        if seal:
            await self._seal(batches, now)

    async def close(self) -> None:
        """Seal what was collected since the hour began."""
        if self._batches is not None:
            await self._seal(self._batches, self._daemon.clock.now())

    async def _seal(self, batches: Batches, now: float) -> None:
        pairs, begin, end = self._collected.take(), self._begin, max(now, self._begin)
        try:
            await asyncio.to_thread(lambda: batches.put(text_of(pairs, begin, end), begin))
        except (SealError, StoreError) as error:
            self._collected.put_back(pairs)
            self._next = now + AGAIN
            self._tell(f"nothing can be sealed, {len(self._collected):,} pairs wait in memory: {error}")
            return
        self.sealed += 1
        self._turn(now)
        self._tell(None)

    async def _expire(self, batches: Batches, before: float) -> None:
        try:
            await asyncio.to_thread(batches.expire, before)
        except StoreError as error:
            self._tell(f"old batches cannot be removed: {error}")

    def _turn(self, now: float) -> None:
        self._begin, self._next = now, now // HOUR * HOUR + HOUR

    def _masks(self) -> list[Masks]:
        """Return the masks by which lines that come now may have been named: at midnight those of two days."""
        today, now = self._daemon.masks(), self._daemon.clock.now()
        if today not in self._days:
            self._days = [today, *self._days[:1]]
            self._midnight = now + MIDNIGHT
            self._collected.new_day()
        if len(self._days) > 1 and now >= self._midnight:
            del self._days[1:]
        return self._days

    def _tell(self, trouble: str | None) -> None:
        if trouble and not self._trouble:
            self._daemon.log.error("escrow", problem=trouble)
        elif self._trouble and not trouble:
            self._daemon.log.info("the escrow works again")
        self._trouble = trouble
