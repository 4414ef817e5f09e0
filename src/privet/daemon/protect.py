"""Who must never be banned, kept up to date: what this machine knows by itself, and what the configuration names."""

from __future__ import annotations

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import chain
from typing import TYPE_CHECKING

from privet.adapters import machine
from privet.adapters.ignore import IgnoreLists
from privet.config.compile import lists_of, trusted_by
from privet.core.addresses.prefixes import PrefixSet
from privet.core.parsing.forwarded import Proxies
from privet.ports import FirewallError

if TYPE_CHECKING:
    from privet.config.model import Config
    from privet.core.addresses.address import Subject
    from privet.daemon.rounds import Work
    from privet.daemon.service import Daemon

FRESH = 5.0  # seconds for which facts are true enough for a ban: to look costs a millisecond or more
SOON = 4.0  # seconds after which they are looked at while bans are made, so that hardly a ban waits for it
OLD = 60.0  # seconds after which they are looked at anyway
FIRST = 5.0  # seconds that the start waits for names and commands
IGNORED, PROXY = "it stands in ignoreip", "a trusted proxy"


class Protection:
    """The prefixes that no ban may touch, by reason. It also knows the trusted proxies, for the engine's plans."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self.proxies = Proxies()
        self.lists = IgnoreLists()
        self.protected: dict[str, PrefixSet] = {}
        self._facts: dict[str, frozenset[Subject]] = {}
        self._configured: dict[str, PrefixSet] = {}
        self._prefixes: frozenset[Subject] = frozenset()  # the same, as single ones
        self._looked = self._asked = float("-inf")
        self._allowed: frozenset[Subject] = frozenset()
        self._spared: dict[str, tuple[Subject, ...]] = {}  # by jail, where somebody changed whom it spares
        self._told: dict[str, frozenset[Subject]] = {}  # by place, what its firewall lets through
        self._pool = ThreadPoolExecutor(1, "lists")
        self._asking: asyncio.Task[None] | None = None

    def configure(self, config: Config) -> None:
        """Heed a configuration; its files are read at once, names and commands are asked later."""
        self._config = config
        self._spared.clear()
        self.lists.want(lists_of(config))
        self.lists.refresh(("file",))
        self._settle()

    def spared_by(self, jail: str) -> tuple[Subject, ...]:
        """Return whom a jail spares by its `ignoreip`, or by what was said since."""
        return self._spared.get(jail, self._config.jails[jail].ignoreip)

    def spare(self, jail: str, subjects: tuple[Subject, ...]) -> None:
        """Have a jail spare these, in place of those that stand in `ignoreip`."""
        self._spared[jail] = subjects
        self._settle()

    def current(self) -> dict[str, PrefixSet]:
        """Return whom no ban may touch, by reason, as it has been true within the last seconds."""
        self._asked = time.monotonic()
        self.learn()
        return self.protected

    def learn(self, age: float = FRESH) -> None:
        """Look at the facts of this machine, unless what is known is young enough."""
        if time.monotonic() - self._looked < age:
            return
        self._looked = time.monotonic()
        facts = machine.facts(os.environ)
        if facts != self._facts:
            self._facts = facts
            self._combine()

    async def start(self) -> None:
        """Ask everything for the first time; who is slow to answer counts later."""
        self.learn()
        self._ask()
        if self._asking:
            await asyncio.wait([self._asking], timeout=FIRST)

    def look(self) -> Work | None:
        """Ask what is due, and return the work of telling the firewalls: to be called every second."""
        self.learn(SOON if time.monotonic() - self._asked < FRESH else OLD)
        self._ask()
        told = [self._told.get(place.name) for place in self._daemon.places.values()]
        return None if told.count(self._allowed) == len(told) else self.tell()

    async def tell(self) -> None:
        """Let the firewalls know whom they are to let through."""
        for place in self._daemon.places.values():
            allowed = self._allowed
            if allowed != self._told.get(place.name):
                with suppress(FirewallError):  # it shows by itself, and the next look tries again
                    await place.call(place.firewall.allow, allowed)
                    self._told[place.name] = allowed

    def close(self) -> None:
        """Wait for no answer any more."""
        if self._asking:
            self._asking.cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _ask(self) -> None:
        if self.lists.due and (self._asking is None or self._asking.done()):
            self._asking = asyncio.get_running_loop().create_task(self._refresh())

    async def _refresh(self) -> None:
        before = self.lists.problems
        changed = await asyncio.get_running_loop().run_in_executor(self._pool, self.lists.refresh)
        for problem in self.lists.problems:
            if problem not in before:
                self._daemon.log.warning(problem)
        if changed:
            self._settle()

    def _settle(self) -> None:
        """Put together what is configured."""
        answers, config = self.lists.answers, self._config
        ignored = chain(config.daemon.ignoreip, *(answers[one] for one in config.daemon.ignorelists))
        trusted = PrefixSet(trusted_by(config, answers))
        self._configured = {IGNORED: PrefixSet(ignored), PROXY: trusted}
        self._prefixes = frozenset(chain.from_iterable(self._configured.values()))
        self.proxies.trust(trusted)
        self._daemon.engine.ignore(answers, self._spared)
        self._combine()

    def _combine(self) -> None:
        """Add what this machine knows: the rest stays as it is, since it may be long."""
        facts = {reason: PrefixSet(subjects) for reason, subjects in self._facts.items()}
        self.protected = {**facts, **self._configured}
        self._allowed = self._prefixes.union(*facts.values())
