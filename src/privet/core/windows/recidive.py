"""Recidive: jails whose failures are the bans of other jails.

With the key `address` each ban of a subject counts, and the subject itself is banned. With `prefix` the
subjects of a network are counted together, and the network is banned; with `asn` those of an autonomous
system. There each subject counts once, with its latest ban, since many are not to suffer for one.

Otherwise the rules are those of `core.windows.detect`: a verdict falls at the ban that makes `maxretry` of them
with last - first <= `findtime`, it covers [t, t + bantime), and after it the count starts anew.

Who was banned is remembered by tokens only, groups as well as the subjects in them.
"""

from __future__ import annotations

import struct
from bisect import bisect_left, insort
from math import inf
from typing import TYPE_CHECKING

from privet.core.addresses.address import Subject
from privet.core.addresses.tokens import Tokens
from privet.core.bans.notes import Changed, Note
from privet.core.windows.limits import Standing
from privet.core.windows.nets import network_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from privet.core.addresses.networks import Networks
    from privet.core.jails import Jail
    from privet.core.verdicts import Verdict

_SWEEP_FROM = 1024  # fewer groups than this are not worth sweeping
_EVICT_SHARE = 8  # at the cap one in eight goes, so that the sort is paid once per cap / 8 new groups

PLAIN = Tokens()

Who = Subject | int
"""Whom a jail bans: a subject, or an AS number."""

Seen = tuple[float, bytes, str]
"""A ban that counts: when, the token of whom, and of which jail."""

State = tuple[bytes, Seen]
"""What is remembered of such a ban: the token of the group it counts for, and the ban."""

KIND = b"bans of "
"""How the keys of notes begin."""

_KEY = struct.Struct(">dBB")


def state_of(note: Note) -> State:
    """Return what a note says. Raises struct.error or ValueError for one that says something else."""
    time, width, length = _KEY.unpack_from(note.key, len(KIND))
    rest = note.key[len(KIND) + _KEY.size :]
    return rest[:width], (time, rest[width : width + length], rest[width + length :].decode())


class Recidive:
    """One jail on bans. `tolerance` bounds how late a ban may come, `cap` how many groups are kept.

    When there are more groups, those whose bans have all left `findtime` go, then one in eight: those with
    the fewest bans, and among these those that were silent longest.
    """

    def __init__(  # noqa: PLR0913  each is a thing of its own
        self,
        jail: Jail,
        jails: Iterable[Jail],
        tolerance: float,
        cap: int,
        networks: Networks | None = None,
        *,
        tokens: Tokens = PLAIN,
    ) -> None:
        self.jail, self.tokens = jail, tokens
        self.watched = frozenset(one.name for one in jails if jail.watches(one))
        self.until: dict[Who, float] = {}  # the ends of its own bans
        self.matched = self.evicted = 0
        self.last_match: float | None = None
        self.changed: Changed[State] = Changed(cap)
        self._groups: dict[bytes, list[Seen]] = {}  # by token
        self._networks = networks
        self._keep = jail.findtime + tolerance
        self._cap = cap
        self._sweep_at = min(_SWEEP_FROM, cap)

    def __len__(self) -> int:
        return len(self._groups)

    def hit(self, verdict: Verdict) -> Who | None:
        """Count a ban; return whom to ban if that reaches the limit.

        Its end is in `until` then, by the jail's bantime; who makes the ban longer enters the new end there.
        """
        group = self._group(verdict.subject) if verdict.jail in self.watched else None
        if group is None:
            return None
        self.matched += 1
        self.last_match = verdict.time
        if verdict.time < self.until.get(group, -inf):
            return None
        name, member = self._known(group), self.tokens.of(verdict.subject)
        self._rename(name, member, self.tokens.before(verdict.subject))
        self._enter(name, (verdict.time, member, verdict.jail))
        if not self._is_full(name):
            return None
        self._touch(name, self._groups.pop(name))
        self.until[group] = verdict.time + self.jail.bantime
        return group

    def counted(self, verdict: Verdict) -> tuple[Who, int] | None:
        """Return with whom a ban is counted, and the most bans that count together with it; None if it is not."""
        group = self._group(verdict.subject) if verdict.jail in self.watched else None
        if group is None or verdict.time < self.until.get(group, -inf):
            return None
        times = [time for time, *_ in self._groups.get(self._known(group), ())]
        reach = self.jail.findtime
        lasts = [last for last in times if verdict.time <= last <= verdict.time + reach]
        return group, max((sum(last - reach <= time <= last for time in times) for last in lasts), default=0)

    def standing(self, now: float) -> Iterator[Standing]:
        """Yield how many bans of each group count now, by tokens; others may be counted meanwhile."""
        for token, seen in list(self._groups.items()):
            count = sum(time >= now - self.jail.findtime for time, *_ in seen)
            if seen:
                yield Standing(self.jail, token, count, seen[-1][0], token=True)

    def forget(self, who: Who, jail: str = "") -> None:
        """Forget the bans of somebody (by one jail only, if named) and those on it, as after an unban."""
        if jail in ("", self.jail.name):
            self.until.pop(who, None)
            name = self._known(who)
            self._touch(name, self._groups.pop(name, ()))
        group = self._group(who) if isinstance(who, Subject) else None
        if group is not None and (name := self._known(group)) in self._groups:
            own = {self.tokens.of(who), *self.tokens.before(who)}
            gone = [one for one in self._groups[name] if one[1] in own and jail in ("", one[2])]
            self._touch(name, gone)
            self._groups[name] = [one for one in self._groups[name] if one not in gone]

    def export(self) -> Iterator[State]:
        """Yield the bans that count."""
        for name, seen in self._groups.items():
            for one in seen:
                yield name, one

    def restore(self, states: Iterable[State]) -> None:
        """Take over what was kept."""
        for name, one in states:
            self._enter(name, one)

    def note_of(self, state: State) -> tuple[Note, bool]:
        """Return what a store is to keep of a ban, and whether it is to keep it still."""
        name, (time, member, jail) = state
        key = _KEY.pack(time, len(name), len(member)) + name + member + jail.encode()
        stays = state[1] in self._groups.get(name, ())
        return Note(self.jail.name, KIND + key, time + self._keep), stays

    def renew(self, who: Who) -> None:
        """Let what was noted of somebody in an earlier epoch go on in this one."""
        group = self._group(who) if isinstance(who, Subject) else who
        if group is not None:
            name = self._known(group)
            self._rename(name, self.tokens.of(who), self.tokens.before(who))

    def shift(self, seconds: float) -> None:
        """Take note that the clock was set forward by so much."""
        for group, seen in self._groups.items():
            self._touch(group, seen)
            self._groups[group] = [(time + seconds, subject, jail) for time, subject, jail in seen]
        self.until = {group: until + seconds for group, until in self.until.items()}
        self.all_changed()

    def all_changed(self) -> None:
        """Have a store told of everything."""
        for group, seen in self._groups.items():
            self._touch(group, seen)

    def _touch(self, group: bytes, seen: Iterable[Seen]) -> None:
        for one in seen:
            self.changed.add((group, one))

    def carry(self, old: Recidive) -> None:
        """Take over what an old jail of the same name has counted alike, and its bans if it is unchanged."""
        self.changed.carry(old.changed)
        if (self.jail.key, self.jail.prefixes) == (old.jail.key, old.jail.prefixes):
            self.restore(old.export())
        self.matched, self.last_match, self.evicted = old.matched, old.last_match, self.evicted + old.evicted
        if self.jail == old.jail:
            self.until = old.until

    def _known(self, group: Who) -> bytes:
        """Return the token of a group, to which what was noted in earlier epochs is brought."""
        name = self.tokens.of(group)
        for before in self.tokens.before(group):
            if before in self._groups:
                seen = self._groups.pop(before)
                self._touch(before, seen)
                self._touch(name, seen)
                self._groups[name] = sorted([*seen, *self._groups.get(name, ())])
        return name

    def _rename(self, group: bytes, member: bytes, before: Collection[bytes]) -> None:
        """Let what was noted of a subject in earlier epochs go on under its token of this one."""
        seen = self._groups.get(group, ())
        old = [one for one in seen if one[1] in before] if before else ()
        if old:
            fresh = [(time, member, jail) for time, _, jail in old]
            self._touch(group, (*old, *fresh))
            self._groups[group] = sorted([*(one for one in seen if one not in old), *fresh])

    def _group(self, subject: Subject) -> Who | None:
        """Return with whom a subject is counted; pseudonyms have no neighbours."""
        if self.jail.key == "address":
            return subject
        if subject.is_pseudonym:
            return None
        if self.jail.key == "asn":
            network = self._networks.of(subject) if self._networks else None
            return network.asn if network else None
        return network_of(subject, self.jail.prefixes)

    def _enter(self, group: bytes, one: Seen) -> None:
        seen = self._groups.get(group, [])
        if one in seen:  # told again, as after a restart
            return
        if self.jail.key != "address":
            before = [other for other in seen if other[1] == one[1]]
            self._touch(group, before)
            one = max([one, *before])
            seen = [other for other in seen if other[1] != one[1]]
        insort(seen, one)
        self._touch(group, [one])
        self._groups[group] = seen[bisect_left(seen, (seen[-1][0] - self._keep,)) :]
        if len(self._groups) > self._sweep_at:
            self._make_room(one[0])

    def _is_full(self, group: bytes) -> bool:
        """Tell whether `maxretry` bans of a group lie within findtime."""
        times = [time for time, *_ in self._groups.get(group, ())]
        reach = self.jail.maxretry - 1
        return any(last - first <= self.jail.findtime for first, last in zip(times, times[reach:], strict=False))

    def _make_room(self, now: float) -> None:
        horizon = now - self._keep
        self._groups = {group: seen for group, seen in self._groups.items() if seen and seen[-1][0] >= horizon}
        self.until = {group: until for group, until in self.until.items() if until >= horizon}
        excess = len(self._groups) - self._cap
        if excess > 0:
            order = sorted(self._groups, key=lambda group: (len(self._groups[group]), self._groups[group][-1][0]))
            for group in order[: excess + max(1, self._cap // _EVICT_SHARE)]:
                del self._groups[group]
                self.evicted += 1
        self._sweep_at = min(max(_SWEEP_FROM, len(self._groups) * 3 // 2), self._cap)
