"""The daemon: sources to the engine, verdicts past the guard to the ledger, orders to the firewall."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import time
from typing import TYPE_CHECKING, Any

from privet.adapters import machine
from privet.adapters.daykeys import DayKeys
from privet.adapters.localtime import local_zone
from privet.adapters.notify import sd_notify
from privet.adapters.privileges import KEYS, prepare_runtime, user_ids
from privet.adapters.sources.intake import Intake
from privet.config.compile import engine_for
from privet.config.errors import ConfigErrors
from privet.config.loader import load
from privet.core.engine import Batch
from privet.core.guard import refusal
from privet.core.mask import Mask, Masks
from privet.core.verdicts import Action
from privet.daemon.control import Control
from privet.daemon.enforce import Enforcement
from privet.daemon.feeds import Files, Intakes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from structlog.typing import FilteringBoundLogger

    from privet.config.model import Config
    from privet.core.address import Subject
    from privet.core.verdicts import Verdict
    from privet.ports import Firewall

TICK = 1.0  # seconds between looks at files, the firewall and the clock
FACTS_EVERY = 60  # ticks between looks at this machine's addresses
SINGLE_LINES = 20  # verdicts of one batch that the log tells one by one


class AlreadyRunningError(Exception):
    """Another daemon holds the run-time directory."""


class Daemon:
    """One running Privet. `run` returns when it was told to stop."""

    def __init__(self, config: Config, runtime: Path, firewall: Firewall, log: FilteringBoundLogger) -> None:
        self.config, self.runtime, self.log = config, runtime, log
        self.since = time.time()
        self._secret = os.urandom(32)  # of the tokens that repeated bans are counted by
        self.engine = engine_for(config, zone=local_zone(), secret=self._secret)
        self.kernel = Enforcement("kernel", firewall, time.time, log)
        self.config_problem: str | None = None
        self.unknown_lines = 0  # lines from pipes whose source is not configured
        self._keys = DayKeys(runtime / KEYS)
        self._complaints: dict[str, str | None] = {}
        self._protected: dict[str, frozenset[Subject]] = {}
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Work until SIGTERM or SIGINT. Raises AlreadyRunningError, OSError, SourceError."""
        prepare_runtime(self.runtime, self.config.daemon.user)
        lock = _locked(self.runtime / "lock")
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._failed)
        self._learn_facts()
        await self.kernel.open()
        self.files = Files(loop, self.take)
        self._open_files()
        ids = user_ids(self.config.daemon.user)
        users = {0, os.geteuid(), *([ids[0]] if ids else [])}
        intake = Intake(self.runtime / "intake.sock", users, ids[1] if ids and os.geteuid() == 0 else None)
        self.intakes = Intakes(loop, intake, self.take)
        control = Control(self)
        await control.open(self.runtime / "control.sock")
        loop.add_signal_handler(signal.SIGHUP, self.reload)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        sd_notify("READY=1")
        self.log.info(
            "running",
            jails=len(self.config.jails),
            sources=len(self.config.sources),
            firewall=self.kernel.firewall.name,
        )
        try:
            await self._ticks()
        finally:
            sd_notify("STOPPING=1")
            self.log.info("stopping", **self.kernel.ledger.totals())
            await control.close()
            self.intakes.close()
            for name in list(self.files.sources):
                self.files.close(name)
            self.kernel.close()
            os.close(lock)

    def take(self, source: str, block: bytes) -> None:
        """Feed whole lines of a source to the engine and act on its verdicts."""
        if source not in self.engine.sources:
            self.unknown_lines += block.count(b"\n")
            return
        now = time.time()
        verdicts = self.engine.feed(Batch(source, block), now)
        if verdicts:
            self._act(verdicts, now)

    def order(
        self, verdict: Verdict, now: float, protected: Mapping[str, frozenset[Subject]], why: str = ""
    ) -> str | None:
        """Enter a ban unless the guard refuses it; return why it does."""
        refused = refusal(verdict.subject, protected)
        self.kernel.ledger.order(verdict, now, refused, why=why)
        return refused

    @property
    def protected(self) -> dict[str, frozenset[Subject]]:
        """Who must never be banned, by reason."""
        return self._protected

    def name(self, subject: Subject) -> str:
        """Return the pseudonym of a subject, for today."""
        mask = self._names()
        key = subject.key
        return (mask.network(subject) if key is None else mask.clients[key]).decode()

    def reload(self) -> None:
        """Read the configuration again: the new state is built whole before the old one goes."""
        sd_notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            config = load(self.config.path)
            engine = engine_for(config, zone=local_zone(), secret=self._secret)
        except ConfigErrors as errors:
            self.config_problem = str(errors)
        else:
            engine.carry(self.engine)
            if (config.daemon, config.firewall) != (self.config.daemon, self.config.firewall):
                self.log.warning("what changed in [daemon] and [firewall] waits for a restart")
            self.config, self.engine, self.config_problem = config, engine, None
            self.files.change(config)
        if self.config_problem:
            self.log.error("configuration not reloaded, the old one stays", errors=self.config_problem.splitlines())
        else:
            self.log.info("configuration reloaded", jails=len(self.config.jails), sources=len(self.config.sources))
        sd_notify("READY=1")

    def _act(self, verdicts: list[Verdict], now: float) -> None:
        for verdict in verdicts:
            if verdict.action is Action.BAN:
                self.order(verdict, now, self._protected)
        self._tell(verdicts)
        self.kernel.wake()

    def _tell(self, verdicts: list[Verdict]) -> None:
        """Log verdicts: one line each, or one for all when there are many."""
        if len(verdicts) > SINGLE_LINES:
            jails = sorted({verdict.jail for verdict in verdicts})
            self.log.info("verdicts", count=len(verdicts), jails=jails)
            return
        for v in verdicts:
            self.log.info(
                v.action.value, jail=v.jail, client=self.name(v.subject), failures=v.failures, until=round(v.until)
            )

    async def _ticks(self) -> None:
        count = 0
        while not self._stop.is_set():
            try:
                await asyncio.wait_for(self._stop.wait(), TICK)
            except TimeoutError:
                count += 1
                try:
                    await self._tick(count)
                except Exception:  # the one supervisor: what fails here must not end the watch over all the rest
                    self.log.exception("a look around failed, the next one follows")

    def _failed(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Log what went wrong in a callback: by itself asyncio would print it as it is."""
        self.log.error("something failed, everything else goes on", exc_info=context.get("exception"))

    async def _tick(self, count: int) -> None:
        sd_notify("WATCHDOG=1")
        self.files.poll()
        if count % FACTS_EVERY == 0:
            self._learn_facts()
            self.engine.offences.expire(time.time())
        self._voice_complaints()
        self._names()  # the keys of days that are over go
        await self.kernel.look()

    def _open_files(self) -> None:
        """Follow the file sources, and read again what may still count, up to the longest findtime."""
        now = time.time()
        for source in self.config.sources.values():
            if not source.pipe:
                state, files = self.engine.sources[source.name], self.files.open(source)
                for block in files.rewind(state.plan.time_of, now - self.longest_findtime(source.name)):
                    self.take(source.name, block)

    def longest_findtime(self, source: str) -> float:
        """Return the longest findtime of the jails on a source, in seconds."""
        return max((jail.findtime for jail in self.config.jails.values() if source in jail.sources), default=0.0)

    def _learn_facts(self) -> None:
        """Look at what of this machine must never be banned."""
        self._protected = {
            "this machine's own address": machine.own_addresses(),
            "the gateway of this machine": machine.gateways(),
            "the administrator's ssh connection": machine.ssh_peer(os.environ),
        }

    def _voice_complaints(self) -> None:
        """Log each complaint of a source when it arises, and when it is over."""
        for name, state in self.engine.sources.items():
            complaint = state.complaint
            if complaint != self._complaints.get(name):
                if complaint and not self._complaints.get(name):
                    self.log.warning(complaint)
                elif not complaint:
                    self.log.info("source recovered", source=name)
                self._complaints[name] = complaint

    def _names(self) -> Mask:
        day, key = self._keys.today(time.time())
        if day != getattr(self, "_names_day", None):
            self._names_day, self._names_mask = day, Masks("pseudonym", key).site(b"")
        return self._names_mask


def _locked(path: Path) -> int:
    """Return the descriptor of a lock that ends with this process."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise AlreadyRunningError(f"another privet runs here ({path})") from None
    return descriptor
