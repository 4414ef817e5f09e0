"""Recidive: jails whose failures are the bans of other jails.

With the key `address` each ban of a subject counts, and the subject itself is banned. With `prefix` the
subjects of a network are counted together, and the network is banned; with `asn` those of an autonomous
system. There each subject counts once, with its latest ban, since many are not to suffer for one.

Otherwise the rules are those of `core.detect`: a verdict falls at the ban that makes `maxretry` of them
with last - first <= `findtime`, it covers [t, t + bantime), and after it the count starts anew.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from math import inf
from typing import TYPE_CHECKING

from privet.core.address import Subject, mask_bits

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from privet.core.jails import Jail
    from privet.core.networks import Networks
    from privet.core.verdicts import Verdict

_SWEEP_FROM = 1024  # fewer groups than this are not worth sweeping
_EVICT_SHARE = 8  # at the cap one in eight goes, so that the sort is paid once per cap / 8 new groups

Who = Subject | int
"""Whom a jail bans: a subject, or an AS number."""

Seen = tuple[float, Subject]
"""A ban that counts: when, and of whom."""

State = tuple[bytes, int, float]
"""What a store keeps of such a ban: the subject's packed address and prefix length, and the time."""


class Recidive:
    """One jail on bans. `tolerance` bounds how late a ban may come, `cap` how many groups are kept.

    When there are more groups, those whose bans have all left `findtime` go, then one in eight: those with
    the fewest bans, and among these those that were silent longest.
    """

    def __init__(
        self, jail: Jail, jails: Iterable[Jail], tolerance: float, cap: int, networks: Networks | None = None
    ) -> None:
        self.jail = jail
        watched = [one for one in jails if jail.watches(one)]
        self.watched = frozenset(one.name for one in watched)
        self.ignoreip = frozenset(jail.ignoreip).union(*(one.ignoreip for one in watched))
        self.until: dict[Who, float] = {}  # the ends of its own bans
        self.matched = self.evicted = 0
        self.last_match: float | None = None
        self._groups: dict[Who, list[Seen]] = {}
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
        self._enter(group, verdict.subject, verdict.time)
        if not self._is_full(group):
            return None
        del self._groups[group]
        self.until[group] = verdict.time + self.jail.bantime
        return group

    def forget(self, who: Who) -> None:
        """Forget the bans of somebody and those on it, as after an unban."""
        self.until.pop(who, None)
        self._groups.pop(who, None)
        group = self._group(who) if isinstance(who, Subject) else None
        if group in self._groups:
            self._groups[group] = [one for one in self._groups[group] if one[1] != who]

    def export(self) -> Iterator[State]:
        """Yield the bans that count, for a store."""
        for seen in self._groups.values():
            for time, subject in seen:
                yield subject.packed, subject.length, time

    def restore(self, states: Iterable[State]) -> None:
        """Take over what a store kept."""
        for packed, length, time in states:
            subject = Subject(packed, length)
            group = self._group(subject)
            if group is not None:
                self._enter(group, subject, time)

    def carry(self, old: Recidive) -> None:
        """Take over what an old jail of the same name has counted, and its bans if it is unchanged."""
        self.restore(old.export())
        self.matched, self.last_match, self.evicted = old.matched, old.last_match, self.evicted + old.evicted
        if self.jail == old.jail:
            self.until = old.until

    def _group(self, subject: Subject) -> Who | None:
        """Return with whom a subject is counted; pseudonyms have no neighbours."""
        if self.jail.key == "address":
            return subject
        if subject.is_pseudonym:
            return None
        if self.jail.key == "asn":
            network = self._networks.of(subject) if self._networks else None
            return network.asn if network else None
        length = min(subject.length, self.jail.prefixes[subject.version == 6])
        return Subject(mask_bits(subject.packed, length), length)

    def _enter(self, group: Who, subject: Subject, time: float) -> None:
        seen = self._groups.get(group, [])
        if self.jail.key != "address":
            time = max([time, *(at for at, one in seen if one == subject)])
            seen = [one for one in seen if one[1] != subject]
        insort(seen, (time, subject))
        self._groups[group] = seen[bisect_left(seen, (seen[-1][0] - self._keep,)) :]
        if len(self._groups) > self._sweep_at:
            self._make_room(time)

    def _is_full(self, group: Who) -> bool:
        """Tell whether `maxretry` bans of a group lie within findtime."""
        times = [time for time, _ in self._groups.get(group, ())]
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
