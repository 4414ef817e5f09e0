"""What an engine remembers of earlier bans, and what of it a store is to keep.

Who was banned, and how often, stands here by tokens only (`core.addresses.tokens`); who was pardoned must be known by
his address until the lines that accuse him are too old to be read again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from privet.core.addresses.address import Subject
from privet.core.addresses.tokens import Tokens
from privet.core.bans.escalate import KIND as OFFENCES
from privet.core.bans.escalate import Offences, draw_for
from privet.core.bans.escalate import state_of as offence_of
from privet.core.bans.pardons import KIND as PARDON
from privet.core.bans.pardons import Pardons
from privet.core.bans.pardons import state_of as pardon_of
from privet.core.windows.patience import Patience
from privet.core.windows.recidive import KIND as RECIDIVE
from privet.core.windows.recidive import Recidive
from privet.core.windows.recidive import state_of as recidive_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from privet.core.addresses.networks import Networks
    from privet.core.bans.notes import Note
    from privet.core.jails import Jail
    from privet.core.windows.recidive import Who

BATCH = 10_000  # notes that a store gets at once
_NUMBER = b"\xff"  # before an AS number; no prefix is that long


class Memory:
    """Offences, bans that count as failures, pardons, and patience, under the secrets of the epochs."""

    def __init__(
        self,
        jails: Sequence[Jail],
        tolerance: float,
        cap: int,
        networks: Networks | None,
        secrets: Sequence[bytes],
    ) -> None:
        longest = max((jail.findtime for jail in jails), default=0.0)
        self.offences = Offences(cap, max((jail.escalation.forget for jail in jails), default=0.0))
        self.pardons = Pardons(cap, longest + tolerance)
        self._tokens = Tokens(secrets)
        self.recidives = [
            Recidive(jail, jails, tolerance, cap, networks, tokens=self._tokens)
            for jail in jails
            if jail.bans_of is not None
        ]
        self._counted = _counted_with(jails)
        self.patience = Patience(cap)
        self._jails = {jail.name: jail for jail in jails}

    @property
    def _parts(self) -> list[Offences | Recidive | Pardons]:
        return [self.offences, *self.recidives, self.pardons]

    @property
    def evicted(self) -> int:
        """How many were forgotten to stay within the cap."""
        return sum(recidive.evicted for recidive in self.recidives) + self.offences.evicted + self.patience.evicted

    def carry(self, old: Memory) -> None:
        """Take over what one that this replaces knows."""
        self.offences.carry(old.offences)
        self.pardons.carry(old.pardons)
        self.patience.carry(old.patience)
        named = {recidive.jail.name: recidive for recidive in old.recidives}
        for recidive in self.recidives:
            if recidive.jail.name in named:
                recidive.carry(named[recidive.jail.name])

    def restore(self, notes: Iterable[Note]) -> None:
        """Take over what a store kept, and collect the changes for it from now on."""
        for part in self._parts:
            part.changed.begin()
        known = list(notes)
        self.offences.restore(offence_of(note) for note in known if note.key.startswith(OFFENCES))
        for recidive in self.recidives:
            own = [note for note in known if note.jail == recidive.jail.name and note.key.startswith(RECIDIVE)]
            recidive.restore(map(recidive_of, own))
        self.pardons.restore(pardon_of(note) for note in known if note.key.startswith(PARDON))

    def changes(self) -> tuple[list[Note], list[Note]]:
        """Return what a store is to put and to drop since this was asked last, or a part; nothing when that is all."""
        told = [self.offences.note_of(*one) for one in self.offences.changed.take(BATCH)]
        told += [self.pardons.note_of(one) for one in self.pardons.changed.take(BATCH)]
        for recidive in self.recidives:
            told += [recidive.note_of(one) for one in recidive.changed.take(BATCH)]
        return [note for note, stays in told if stays], [note for note, stays in told if not stays]

    def all_changed(self) -> None:
        """Let changes() return everything: a store has lost it."""
        for part in self._parts:
            part.all_changed()

    def shift(self, seconds: float) -> None:
        """Take note that the clock was set forward by so much."""
        for part in (*self._parts, self.patience):
            part.shift(seconds)

    def expire(self, now: float) -> None:
        """Forget what no jail asks for any more."""
        self.offences.expire(now)
        self.pardons.expire(now)
        self.patience.expire(self._jails, now)

    def forget(self, who: Who, now: float, jail: str = "") -> None:
        """Forget the bans of somebody (by one jail only, if named) and pardon what he did until now."""
        for recidive in self.recidives:
            recidive.forget(who, jail)
        self.offences.forgive(self._token(who), jail)
        self.pardons.grant(_packed(who), jail, now)
        self.patience.forget(who, jail)

    def pardoned(self) -> Iterator[tuple[Who, str, float]]:
        """Yield who was pardoned, for what a jail (all, if it has no name) has against him until when."""
        for packed, jail, time in self.pardons.export():
            yield _unpacked(packed), jail, time

    def recall(self, subject: Subject, jail: str, count: int, until: float) -> None:
        """Take note of bans that somebody had elsewhere before, the last one up to a time."""
        if jail in self._counted:
            self.offences.restore([(self._token(subject), jail, count, until)])
            self.offences.changed.add((self._token(subject), jail))

    def history(self, who: Who) -> dict[str, int]:
        """Return how often somebody was banned of late, by jail."""
        return self.offences.of(self._token(who))

    def escalated(self, jail: Jail, who: Who, time: float) -> tuple[int, float]:
        """Return how many bans count before this one and how long this one is; note it for the next."""
        counted = self._counted.get(jail.name)
        if counted is None:
            return 0, jail.bantime
        escalation, token, count, bantime = jail.escalation, self._token(who), 0, jail.bantime
        if escalation.increment:
            count = self.offences.before(token, jail.name, counted, time, escalation.forget)
            bantime = escalation.bantime(bantime, count, draw_for(token, jail.name, count))
        self.offences.note(token, jail.name, time, time + bantime, escalation.forget)
        return count, bantime

    def turn(self, secrets: Sequence[bytes]) -> None:
        """Begin a new epoch."""
        self._tokens = Tokens(secrets)
        for recidive in self.recidives:
            recidive.tokens = self._tokens

    def renew(self, who: Who) -> None:
        """Let what is remembered of somebody go on in this epoch, as for who is banned for longer than one lasts."""
        self._token(who)
        for recidive in self.recidives:
            recidive.renew(who)

    def _token(self, who: Who) -> bytes:
        """Return what stands for somebody in `offences`, to which what was known before this epoch is brought."""
        token = self._tokens.of(who)
        for before in self._tokens.before(who):
            self.offences.rename(before, token)
        return token


def _packed(who: Who) -> bytes:
    """Return whom a pardon is for in bytes that `_unpacked` reads."""
    return bytes([who.length]) + who.packed if isinstance(who, Subject) else _NUMBER + who.to_bytes(4)


def _unpacked(packed: bytes) -> Who:
    return int.from_bytes(packed[1:]) if packed.startswith(_NUMBER) else Subject(packed[1:], packed[0])


def _counted_with(jails: Sequence[Jail]) -> dict[str, frozenset[str]]:
    """Map the jails whose bans must be noted to the other jails whose bans count with theirs.

    Others count for jails with `overalljails` only: those that ban for requests. A dry run bans nobody, and
    a ban for bans is no new offence.
    """
    shared = frozenset(jail.name for jail in jails if jail.bans_of is None and not jail.dry_run)
    overall = {j.name for j in jails if j.escalation.increment and j.escalation.overalljails and j.bans_of is None}
    noted = {jail.name for jail in jails if jail.escalation.increment} | (shared if overall else frozenset())
    return {name: shared if name in overall else frozenset() for name in noted}
