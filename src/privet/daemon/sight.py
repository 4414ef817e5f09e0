"""`persist = "on-sight"`: bans whose subject was not kept, entered again when somebody comes whom they fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from privet.adapters.store.rows import mark_of
from privet.core.bans.pardons import KIND as PARDON
from privet.core.bans.sight import Sight, Unseen
from privet.core.guard import refusal
from privet.core.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from privet.core.addresses.address import Subject
    from privet.core.bans.model import Ban
    from privet.core.bans.notes import Note
    from privet.core.engine import Engine
    from privet.core.filters.plan import Found
    from privet.core.memory import Memory
    from privet.core.parsing.parse import Rows
    from privet.daemon.keep import Changing
    from privet.daemon.service import Daemon


class OnSight:
    """Waits for those whom the daemon banned before, and does not know."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self.waiting = Sight(daemon.config.engine.max_clients)

    async def recognised(self, stored: list[Ban]) -> list[Ban]:
        """Return those of whom more is stored than a mark, and those that a firewall holds still; wait for the rest."""
        if self._hides:
            self._daemon.engine.memory.pardons.all_changed()  # so that they leave the store
        unseen = [ban for ban in stored if isinstance(ban, Unseen)]
        buckets = self._daemon.keeper.stores.buckets
        if not unseen or buckets is None:
            return stored
        self.waiting.expect(unseen, {number: mark_of(seal) for number, seal in buckets.seals.items()})
        held = [subject for place in self._daemon.places.values() for subject in await place.holding()]
        return [*(ban for ban in stored if not isinstance(ban, Unseen)), *self.waiting.meet(held)]

    def memory(self, engine: Engine) -> Changing:
        """Return what an engine remembers, as it is to be stored."""
        return Faceless(engine.memory) if self._hides else engine.memory

    @property
    def _hides(self) -> bool:
        return self._daemon.keeper.stores.hidden

    def see(self, _source: str, came: Rows | Found) -> None:
        """Ban whoever of these clients is waited for."""
        bans = self.waiting.see(came.keys, self._daemon.config.engine.ipv6_client)
        if bans:
            self._enter(bans)

    def meet(self, whom: Iterable[Sequence[Subject]]) -> None:
        """Ban whoever of these is waited for, as when the administrator asks for him."""
        bans = self.waiting.meet(subject for members in whom for subject in members)
        if bans:
            self._enter(bans)

    def _enter(self, bans: list[Ban]) -> None:
        daemon, now = self._daemon, self._daemon.clock.now()
        protected = daemon.protected
        fresh = [ban for ban in bans if all(one.jail != ban.jail for one in daemon.bans_of(ban.subject))]
        for ban in fresh:
            verdict = Verdict(
                ban.action,
                ban.subject,
                ban.jail,
                ban.since,
                ban.until,
                ban.failures,
                ban.scope,
                ban.origin,
                group=ban.group,
            )
            daemon.places[ban.action].ledger.order(verdict, now, refusal(ban.subject, protected), why=ban.why)
        daemon.told.restore(fresh)
        daemon.log.info("banned on sight", count=len(fresh))
        for place in daemon.places.values():
            place.wake()


class Faceless:
    """The memory of an engine without what it knows by address: pardons are dropped from the store, not put."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def changes(self) -> tuple[list[Note], list[Note]]:
        """Return what to put and to drop."""
        puts, drops = self._memory.changes()
        pardons = [note for note in puts if note.key.startswith(PARDON)]
        return [note for note in puts if not note.key.startswith(PARDON)], [*drops, *pardons]

    def all_changed(self) -> None:
        """Let changes() return everything."""
        self._memory.all_changed()
