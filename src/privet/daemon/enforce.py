"""One place where bans are enforced: a ledger of what is wanted, a firewall, and the task that brings it up to date.

The kernel is one such place, the web server's deny list another; each has a thread of its own, so that
neither a slow firewall nor a large batch stands in the way of reading.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from privet.core.ledger import Ledger
from privet.ports import FirewallError

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.typing import FilteringBoundLogger

    from privet.ports import Firewall

    P = ParamSpec("P")
    T = TypeVar("T")


class Enforcement:
    """Bans in one place. `clock` tells the time that the ledger counts by."""

    def __init__(self, name: str, firewall: Firewall, clock: Callable[[], float], log: FilteringBoundLogger) -> None:
        self.name, self.firewall = name, firewall
        self.ledger = Ledger()
        self.problem: str | None = None
        self._clock, self._log = clock, log
        self._flushing: asyncio.Task[None] | None = None
        self._pool = ThreadPoolExecutor(1, name)  # one call at a time

    async def open(self) -> None:
        """Make the firewall's structure ready and take over what it holds."""
        try:
            await self.call(self.firewall.open)
            held = list(await self.call(self.firewall.held))
        except FirewallError as error:
            self._says(str(error))
            return
        count = self.ledger.adopt(held, self._clock())
        if count:
            self._log.info("adopted what the firewall held", place=self.name, bans=count)

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

    async def look(self) -> None:
        """Make again what somebody removed, and book what is over: to be called every second."""
        self.ledger.expire(self._clock())
        try:
            lost = await self.call(self.firewall.repair)
        except FirewallError as error:
            self._says(str(error))
        else:
            if lost:
                self._log.warning(
                    "somebody removed the firewall's rules: made again, all bans are ordered anew", place=self.name
                )
                self.ledger.forget_kernel()
        await self.flush()

    def close(self) -> None:
        """Let go of the firewall; the bans stay."""
        self._pool.shutdown()
        self.firewall.close()

    async def _flush(self) -> None:
        while orders := self.ledger.orders(self._clock()):
            try:
                answers = await self.call(self.firewall.apply, orders)
            except FirewallError as error:
                self._says(str(error))
                return  # the next tick tries again
            self.ledger.confirm(orders, answers)
            self._says(next((answer for answer in answers if answer), None))

    def _says(self, problem: str | None) -> None:
        if problem and problem != self.problem:
            self._log.error("firewall", place=self.name, problem=problem)
        self.problem = problem
