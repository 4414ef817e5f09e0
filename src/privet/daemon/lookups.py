"""Names where addresses should be: looked up only for filters with `usedns = "yes"`, and never in the way of others."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from privet.adapters.resolve import addresses_of

if TYPE_CHECKING:
    from privet.core.filters.matching import Failure
    from privet.core.filters.model import FilterSpec
    from privet.daemon.service import Daemon

AT_ONCE = 4  # names that are asked for side by side: one name server that hangs does not hold up the others
MOST = 1000  # names that wait: more are an attacker's, and are not asked for
FRESH = 300.0  # seconds for which an answer counts, as with fail2ban


class Lookups:
    """Looks names up, and counts the failures of whoever they stand for."""

    def __init__(self, daemon: Daemon) -> None:
        self.unasked = 0  # failures of names that nobody asked for
        self._daemon = daemon
        self._pool = ThreadPoolExecutor(AT_ONCE, "names")
        self._answers: dict[str, tuple[float, list[bytes]]] = {}
        self._asking: dict[str, asyncio.Task[list[bytes]]] = {}
        self._counting: set[asyncio.Task[None]] = set()

    def observe(self, source: str, spec: FilterSpec, _place: int, failure: Failure) -> None:
        """Take up a failure of a name, if the filter wants that looked up."""
        if failure.kind != "dns" or spec.usedns != "yes":
            return
        if len(self._counting) >= MOST:
            self.unasked += 1
            return
        count = self._count(source, spec, failure.who.lower(), failure.time or self._daemon.clock.now())
        task = asyncio.get_running_loop().create_task(count)
        self._counting.add(task)
        task.add_done_callback(self._counting.discard)

    def close(self) -> None:
        """Wait for no answer any more."""
        for task in (*self._counting, *self._asking.values()):
            task.cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _count(self, source: str, spec: FilterSpec, name: str, time: float) -> None:
        keys = await self._keys(name)
        daemon = self._daemon
        if keys and source in daemon.engine.sources:
            daemon.act(daemon.engine.fail(source, spec, keys, time), daemon.clock.now())

    async def _keys(self, name: str) -> list[bytes]:
        now = self._daemon.clock.now()
        known = self._answers.get(name)
        if known and now - known[0] < FRESH:
            return known[1]
        if name not in self._asking:
            self._asking[name] = asyncio.get_running_loop().create_task(self._ask(name))
        return await asyncio.shield(self._asking[name])

    async def _ask(self, name: str) -> list[bytes]:
        try:
            keys = await asyncio.get_running_loop().run_in_executor(self._pool, addresses_of, name)
        finally:
            del self._asking[name]
        if len(self._answers) >= MOST:
            self._answers.clear()
        self._answers[name] = self._daemon.clock.now(), keys
        return keys
