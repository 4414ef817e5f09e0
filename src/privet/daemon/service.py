"""The daemon: sources to the engine, verdicts past the guard to the ledger, orders to the firewall."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import time
from collections import deque
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from privet.adapters.daykeys import DayKeys, filesystem_of
from privet.adapters.denylist import FOLDER, SLOW, DenyList
from privet.adapters.firewall.null import NullFirewall
from privet.adapters.hygiene import give_back
from privet.adapters.localtime import local_zone
from privet.adapters.notify import sd_notify
from privet.adapters.privileges import KEYS, prepare_runtime, user_ids
from privet.adapters.sources.files import FileSource
from privet.adapters.sources.intake import Intake
from privet.adapters.stopwatch import Stopwatch
from privet.config.compile import engine_for
from privet.config.errors import ConfigErrors
from privet.config.loader import load
from privet.core.bans.seen import Seen
from privet.core.engine import Batch
from privet.core.guard import refusal
from privet.core.masking.mask import Masks
from privet.core.parsing.lines import line_feeds
from privet.core.reports.history import COLUMNS as COUNTED
from privet.core.verdicts import Action
from privet.core.watch.lookout import Lookout
from privet.daemon.alone import Alone
from privet.daemon.clock import Clock
from privet.daemon.control import Control
from privet.daemon.decided import Decided
from privet.daemon.enforce import Enforcement
from privet.daemon.epochs import Epochs
from privet.daemon.escrow import Escrow
from privet.daemon.feeds import Files, Intakes
from privet.daemon.keep import Keeper, open_stores
from privet.daemon.lists import Lists
from privet.daemon.loans import Loans
from privet.daemon.lookups import Lookups
from privet.daemon.loop import Loop
from privet.daemon.manners import MannersKeeper
from privet.daemon.news import Herald
from privet.daemon.past import Past
from privet.daemon.pause import Pause
from privet.daemon.protect import Protection
from privet.daemon.rounds import Rounds
from privet.daemon.sight import OnSight
from privet.daemon.swarms import SwarmLog
from privet.daemon.tables import costs, in_words, networks_for, too_dear
from privet.daemon.told import Told
from privet.daemon.vigilance import Vigilance

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from structlog.typing import FilteringBoundLogger

    from privet.adapters.networks import Networks
    from privet.config.model import Config
    from privet.core.addresses.address import Subject
    from privet.core.addresses.prefixes import PrefixSet
    from privet.core.bans.model import Ban
    from privet.core.engine import Engine
    from privet.core.filters.matching import Failure
    from privet.core.filters.model import FilterSpec
    from privet.core.masking.mask import Mask
    from privet.core.verdicts import Verdict
    from privet.core.windows.ahead import Ahead
    from privet.daemon.keep import Changing
    from privet.ports import Firewall, Store

MOST_EVIDENCE = 200  # verdicts of one batch whose lines are kept: masking them costs some 50 µs each
LIFTED = 1000  # bans that were lifted last


class Daemon:
    """One running Privet. `run` returns when it was told to stop."""

    def __init__(
        self, config: Config, runtime: Path, state: Path, firewall: Firewall, log: FilteringBoundLogger
    ) -> None:
        self.config, self.runtime, self.state, self.log = config, runtime, state, log
        self.since = time.time()
        self.clock = Clock(runtime / "clock")
        stores, again = open_stores(state, config.store, time.time()), partial(open_stores, state, config.store)
        self.keeper = Keeper(stores, self._kept, self.clock.now, log, again)
        self.epochs = Epochs(self)
        self.sight = OnSight(self)
        self.seen = Seen()
        self.lookout = Lookout()
        self.networks = networks_for(config.networks)
        self.protection = Protection(self)
        self.told = Told(self)
        self.lookups = Lookups(self)
        self.swarms = SwarmLog(self)
        self.vigilance = Vigilance(self)
        self.past = Past(self)
        self.decided = Decided(self)
        self.escrow = Escrow(self)
        self.herald = Herald(self)
        self.manners = MannersKeeper(self)
        self._keys = DayKeys(runtime / KEYS)
        self.engine = self._engine_for(config, self.networks)
        self.protection.configure(config)
        self.escrow.configure(config)
        self.herald.configure(config)
        self.manners.configure(config)
        told = self.clock.now, None, log  # what a firewall has outlasts the daemon: it is stored within a second
        self.kernel = Enforcement("kernel", firewall, *told, mark=runtime / "kernel.mark")
        deny, slow = (
            DenyList(runtime / folder, config.proxies.group, _boot_time, filesystem_of) for folder in (FOLDER, SLOW)
        )
        self.web = Enforcement("web", deny, *told, mark=runtime / "web.mark")
        self.slow = Enforcement("slow", slow, *told, mark=runtime / "slow.mark")
        programs = Enforcement(
            "programs",
            NullFirewall(time.monotonic),
            self.clock.now,
            self.keeper.wake,
            log,
            mark=runtime / "programs.mark",
        )
        self.places = {
            Action.BAN: self.kernel,
            Action.DENY: self.web,
            Action.TELL: programs,
            Action.SLOW: self.slow,
        }
        self.lists = Lists(self)
        self.lifted: deque[Subject] = deque(maxlen=LIFTED)  # so that a lift can be undone by the pseudonym
        self.pause = Pause(self)
        self.config_problem: str | None = None
        self.unknown_lines = 0  # lines from pipes whose source is not configured
        self._stopwatch = Stopwatch()
        self._alone = Alone()
        self.rounds = Rounds(self)

    async def run(self) -> None:
        """Work until SIGTERM or SIGINT. Raises AlreadyRunningError, OSError, SourceError."""
        prepare_runtime(self.runtime, self.config.daemon.user)
        self._alone.in_runtime(self.runtime)
        if self.config.store.persist != "none":
            self._alone.in_state(self.state)
        loop = Loop.running()
        loop.set_exception_handler(self.rounds.failed)
        if self.kernel.firewall.name == "nftables" and not self._alone.in_network(loop):
            self.log.warning("a user without rights has the name by which daemons keep away from each other")
        await self.protection.start()
        await self._restore()
        await self.protection.tell()
        self.told.configure(self.config)
        self.told.restore(ban for ban in self.bans() if ban.action is not Action.SLOW)
        self.past.open()
        self.swarms.restore()
        self.engine.loads.learn(self.past.loads())
        self.files = Files(loop, self.take)
        self._open_files()
        ids = user_ids(self.config.daemon.user)
        users = {0, os.geteuid(), *([ids[0]] if ids else [])}
        intake = Intake(self.runtime / "intake.sock", users, ids[1] if ids and os.geteuid() == 0 else None)
        loans = Loans(loop, intake, self.take, self.ahead, self.clock.now)
        self.intakes = Intakes(loop, intake, self.take, loans)
        loop.add_signal_handler(signal.SIGHUP, self.reload)  # whoever finds the socket may signal
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        control = Control(self)
        await control.open(self.runtime / "control.sock")
        sd_notify("READY=1")
        self.log.info(
            "running",
            jails=len(self.config.jails),
            sources=len(self.config.sources),
            firewall=self.kernel.firewall.name,
        )
        try:
            await self.rounds.run()
        finally:
            sd_notify("STOPPING=1")
            self.log.info("stopping", **self.kernel.ledger.totals())
            await control.close()
            self.intakes.close()
            for name in list(self.files.sources):
                self.files.close(name)
            await self.rounds.finish()
            self.protection.close()
            self.lookups.close()
            self.vigilance.save()
            self.swarms.save()
            self.past.close()
            await self.told.close()
            await self.escrow.close()
            for place in self.places.values():
                await place.close()
            await self.keeper.close(list(self.bans()))
            self._alone.close()

    def stop(self) -> None:
        """Have `run` come to its end."""
        self.rounds.stop()

    def take(self, source: str, block: bytes, *, old: bool = False) -> None:
        """Feed whole lines of a source to the engine and act on its verdicts; `old` ones were there at the start."""
        if source not in self.engine.sources:
            self.unknown_lines += line_feeds(block)
            return
        now = self.clock.now()
        config = self.config.sources.get(source)
        old = old or (config is not None and config.journal is not None)  # the journal knows when it was written
        with self._stopwatch.over(*self.engine.watches(source)):
            verdicts = self.engine.feed(Batch(source, block, old), now)
        if verdicts:
            self.act(verdicts, now)

    def ahead(self, source: str) -> Ahead | None:
        """Return what tells how long lines can wait; None if they cannot, as when somebody is waited for."""
        if source not in self.engine.sources or any(self.sight.waiting.waiting()):
            return None
        watched = partial(self._stopwatch.over, *self.engine.watches(source))
        return self.engine.ahead(source, self.clock.now(), watched)

    def order(self, verdict: Verdict, now: float, protected: Mapping[str, PrefixSet], why: str = "") -> str | None:
        """Enter a ban unless the guard refuses it; return why it does."""
        refused = refusal(verdict.subject, protected)
        self.enter(verdict, now, refused, why)
        return refused

    def enter(
        self, verdict: Verdict, now: float, refused: str | None, why: str = "", evidence: tuple[str, ...] = ()
    ) -> None:
        """Enter a ban, or that it was refused."""
        self.places[verdict.action].ledger.order(verdict, now, refused, why=why, evidence=evidence)
        if refused is None and verdict.until > now and verdict.action is not Action.SLOW:
            self.told.begin(verdict)

    def lift(self, ban: Ban) -> None:
        """End a ban."""
        self.told.end(ban)
        self.lifted.append(ban.subject)
        self.places[ban.action].ledger.lift(ban.subject, ban.jail)

    def bans(self) -> Iterator[Ban]:
        """Yield all bans, wherever they are enforced."""
        return chain.from_iterable(place.ledger for place in self.places.values())

    def bans_of(self, subject: Subject) -> list[Ban]:
        """Return the bans of one subject."""
        return [ban for place in self.places.values() for ban in place.ledger.of(subject)]

    async def settle(self) -> None:
        """Wait until everything that was ordered is in the firewall and in the store."""
        for place in self.places.values():
            await place.flush()
        await self.keeper.settled()

    @property
    def protected(self) -> dict[str, PrefixSet]:
        """Who must never be banned, by reason."""
        return self.protection.current()

    def name(self, subject: Subject) -> str:
        """Return the pseudonym of a subject, for today."""
        return self.masks().site(b"").name(subject)

    @property
    def keys_complaint(self) -> str | None:
        """Why the pseudonyms here are not those of the pipes, None if they are."""
        return self._keys.complaint

    def mask_of(self, site: str) -> Mask:
        """Return the mask by which the clients of a site are named today."""
        return self.masks().site(site.encode())

    def reload(self) -> None:
        """Read the configuration again: the new state is built whole before the old one goes."""
        sd_notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            config = load(self.config.path)
            same = config.networks.table == self.config.networks.table
            networks = self.networks if same else networks_for(config.networks)
            engine = self._engine_for(config, networks)
        except ConfigErrors as errors:
            self.config_problem = str(errors)
        else:
            self.intakes.loans.flush()
            engine.carry(self.engine)
            if _fixed(config) != _fixed(self.config):
                self.log.warning("what changed in [daemon], [firewall] and [store] waits for a restart")
            self.config, self.engine, self.networks, self.config_problem = config, engine, networks, None
            self.intakes.loans.renew()
            self.protection.configure(config)
            self.told.configure(config)
            self.escrow.configure(config)
            self.herald.configure(config)
            self.manners.configure(config)
            self.files.change(config)
        if self.config_problem:
            self.log.error("configuration not reloaded, the old one stays", errors=self.config_problem.splitlines())
        else:
            self.log.info("configuration reloaded", jails=len(self.config.jails), sources=len(self.config.sources))
        sd_notify("READY=1")

    def _engine_for(self, config: Config, networks: Networks) -> Engine:
        return engine_for(
            config,
            zone=local_zone(),
            want=COUNTED,
            observers=(
                self.seen,
                self.escrow.see,
                lambda _source, rows: self.lookout.see(rows.keys),
                self.sight.see,
                self.past.see,
            ),
            found=self.sight.see,
            secrets=self.epochs.secrets,
            networks=networks,
            proxies=self.protection.proxies,
            observe=self._observe,
            today=time.time(),
        )

    def _observe(self, source: str, spec: FilterSpec, place: int, failure: Failure) -> None:
        """Let everybody concerned know of a failure that a filter found."""
        self.told.observe(source, spec, place, failure)
        self.lookups.observe(source, spec, place, failure)

    def act(self, verdicts: list[Verdict], now: float) -> None:
        """Enter what the engine found, unless the guard refuses it or a command is to be asked before."""
        verdicts = [verdict for verdict in verdicts if not self.told.asks(verdict)]
        for verdict in verdicts:
            for key in self.engine.accused(verdict):
                self.seen.blame(key)
        ranges, protected = costs(self, verdicts), self.protected
        for number, verdict in enumerate(verdicts):
            if verdict.action in self.places:
                cost = ranges.get(verdict.group or verdict.subject)
                dear = too_dear(self, cost)
                if dear:
                    self.herald.tell(f"jail {verdict.jail}: {verdict.group or 'a network'} was not banned: {dear}")
                refused = dear or refusal(verdict.subject, protected)
                evidence = self.engine.evidence(verdict) if number < MOST_EVIDENCE else ()
                self.enter(verdict, now, refused, in_words(cost), evidence)
        for action in {verdict.action for verdict in verdicts} & self.places.keys():
            self.places[action].wake()
        self.decided.note(verdicts)

    async def _restore(self) -> None:
        """Bring back what was in force: before the first source is read, the firewall has confirmed it."""
        gc.disable()  # of a hundred thousand bans none is garbage: looking would take a third of the time
        change = self.clock.start()
        loading = asyncio.ensure_future(self.keeper.load(self.clock.now() - change.jumped))
        await asyncio.gather(loading, *(place.open(change.slept) for place in self.places.values()))
        bans, notes = loading.result()
        if change.jumped:
            for ban in bans:
                ban.since += change.jumped
                ban.until += change.jumped
        self.engine.restore(notes)
        bans = await self.sight.recognised(bans)
        for action, place in self.places.items():
            await place.restore([ban for ban in bans if ban.action is action], rested=self.keeper.stores.bans.rested)
            if change.jumped:
                place.ledger.all_changed()
        if change.jumped:
            self.sight.waiting.all_changed()
        await self.pause.learn()
        gc.freeze()
        gc.enable()
        self.rounds.begin("memory", partial(asyncio.to_thread, give_back))
        if bans:
            self.log.info("restored", **self.kernel.ledger.totals())

    def _kept(self) -> list[tuple[Store[Any], Changing]]:
        stores = self.keeper.stores
        bans: list[Changing] = [*(place.ledger for place in self.places.values()), self.sight.waiting]
        return [*((stores.bans, one) for one in bans), (stores.notes, self.sight.memory(self.engine))]

    def _open_files(self) -> None:
        """Follow the sources that are read here, and read again what may still count, up to the longest findtime."""
        now = self.clock.now()
        for source in self.config.sources.values():
            if not source.pipe:
                since = now - self.longest_findtime(source.name)
                state, lines = self.engine.sources[source.name], self.files.open(source, since)
                if isinstance(lines, FileSource) and not source.tail:
                    for block in lines.rewind(state.time_of, since):
                        self.take(source.name, block, old=True)

    def longest_findtime(self, source: str) -> float:
        """Return the longest findtime of the jails on a source, in seconds."""
        return max((jail.findtime for jail in self.config.jails.values() if source in jail.sources), default=0.0)

    def masks(self) -> Masks:
        """Return the masks by which everybody is named today."""
        day, key = self._keys.today(self.clock.now())
        if day != getattr(self, "_names_day", None):
            self._names_day, self._names_masks = day, Masks("pseudonym", key)
        return self._names_masks


def _fixed(config: Config) -> tuple[object, ...]:
    """Return what a reload cannot change."""
    daemon = config.daemon
    return daemon.runtime, daemon.state, daemon.user, config.firewall, config.store, config.proxies.group


def _boot_time() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)
