"""Longer bans for those who come back: how long the next one is, and how many there were.

The rules:
- the first ban lasts the jail's bantime; the next ones grow by formula or multipliers, as in fail2ban:
  never shorter than bantime, never longer than `maxtime`, and then up to `rndtime` on top;
- what counts is how many bans there were before, in this jail or with `overalljails` in others too;
- who stays without a ban for `forget`, counted from the end of the last one, starts anew.

Nothing here reads a clock or rolls dice: the same bans give the same lengths, in replay as in the daemon.
"""

from __future__ import annotations

import struct
from hashlib import blake2b
from math import inf
from typing import TYPE_CHECKING

import msgspec

from privet.core.bans.formula import FormulaError, Given, compiled
from privet.core.bans.notes import Changed, Note

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LONGEST = 36525 * 86400.0  # seconds: 100 years, as long as any bantime may be
MOST = 1000  # bans before that a formula can be asked about, so that all answers can be tried at load time
_DOUBLINGS = 20
_SWEEP_FROM = 1024  # fewer entries than this are not worth sweeping
_EVICT_SHARE = 8  # at the cap one in eight goes, so that the sort is paid once per cap / 8 new entries

State = tuple[bytes, str, int, float]
"""What is remembered of one client in one jail: token, jail, count of bans, end of the last."""

KIND = b"offences "
"""How the keys of notes begin."""

_DATA = struct.Struct(">Qd")


def state_of(note: Note) -> State:
    """Return what a note says. Raises struct.error for one that says something else."""
    count, end = _DATA.unpack(note.data)
    return note.key[len(KIND) :], note.jail, count, end


class Escalation(msgspec.Struct, frozen=True):
    """How bans grow. Times in seconds."""

    increment: bool = False
    factor: float = 1.0
    multipliers: tuple[float, ...] = ()
    maxtime: float | None = None
    rndtime: float = 0.0
    overalljails: bool = False
    formula: str | None = None
    forget: float = 30 * 86400.0

    def bantime(self, base: float, count: int, draw: float) -> float:
        """Return how long a ban lasts after `count` others; `draw` from 0 to 1 takes that share of `rndtime`.

        Raises FormulaError where the formula has no result, which `check` finds beforehand.
        """
        if not self.increment or count < 1:
            return base
        grown = self._grown(base, min(count, MOST))
        longest = LONGEST if self.maxtime is None else self.maxtime
        bounded = max(base, min(grown, longest)) if grown > base else base  # no number (nan) is not greater either
        return min(bounded + draw * self.rndtime, LONGEST)

    def check(self, base: float) -> None:
        """Try every count that there can be. Raises FormulaError that says which one has no result."""
        if self.formula is None:
            return
        compute = compiled(self.formula)
        for count in range(1, MOST + 1):
            try:
                compute(Given(base, float(count), self.factor))
            except FormulaError as error:
                raise FormulaError(f"{error}, at ban.Count = {count}") from None

    def _grown(self, base: float, count: int) -> float:
        if self.multipliers:
            return base * self.multipliers[min(count, len(self.multipliers) - 1)] * self.factor
        if self.formula is not None:
            return compiled(self.formula)(Given(base, float(count), self.factor))
        return base * 2.0 ** min(count, _DOUBLINGS) * self.factor


def draw_for(token: bytes, jail: str, count: int) -> float:
    """Return a number from 0 to 1 (less than 1) that looks random and is the same every time."""
    digest = blake2b(b"%d %b %b" % (count, jail.encode(), token), digest_size=7, person=b"privet-draw").digest()
    return (int.from_bytes(digest) >> 3) / (1 << 53)


class Offences:
    """How often each client was banned in each jail, and when its last ban ends.

    Clients are tokens: any bytes. Pairs of client and jail whose last ban ended more than `keep` seconds ago
    are dropped now and then. At most `cap` pairs are kept: when there are more, one in eight goes, those
    with the fewest bans, and among these those whose ban ended first.
    """

    def __init__(self, cap: int, keep: float) -> None:
        self.evicted = 0
        self._cap, self._keep = cap, keep
        self._sweep_at = min(_SWEEP_FROM, cap)
        self._jails: dict[str, dict[bytes, tuple[int, float]]] = {}
        self.changed: Changed[tuple[bytes, str]] = Changed(cap)  # tokens and jails

    def __len__(self) -> int:
        return sum(map(len, self._jails.values()))

    def before(self, token: bytes, jail: str, others: Iterable[str], time: float, forget: float) -> int:
        """Return how many bans of a client precede one of `jail` at `time`, those in other jails included.

        A time inside the last ban means that this ban is told again, as after a restart: it does not precede itself.
        """
        own, end = self._fresh(token, jail, time - forget)
        return (
            own - (time < end) + sum(self._fresh(token, other, time - forget)[0] for other in others if other != jail)
        )

    def note(self, token: bytes, jail: str, time: float, until: float, forget: float) -> None:
        """Note a ban from `time` to `until`."""
        count, end = self._fresh(token, jail, time - forget)
        self._jails.setdefault(jail, {})[token] = (count + (time >= end), max(until, end))
        self.changed.add((token, jail))
        if len(self) > self._sweep_at:
            self._make_room(time)

    def of(self, token: bytes) -> dict[str, int]:
        """Return how many bans of a client are remembered, by jail."""
        return {jail: clients[token][0] for jail, clients in self._jails.items() if token in clients}

    def forgive(self, token: bytes, jail: str = "") -> None:
        """Forget a client (of one jail only, if named), as after an unban."""
        for name, clients in self._jails.items():
            if jail in ("", name) and token in clients:
                del clients[token]
                self.changed.add((token, name))

    def rename(self, old: bytes, token: bytes) -> None:
        """Let what is known of a client go on under another token."""
        for jail, clients in self._jails.items():
            if old in clients:
                count, end = clients.pop(old)
                more, later = clients.get(token, (0, -inf))
                clients[token] = (count + more, max(end, later))
                self.changed.add((old, jail))
                self.changed.add((token, jail))

    def expire(self, now: float) -> None:
        """Drop what no jail asks for any more."""
        horizon = now - self._keep
        for jail, clients in self._jails.items():
            self._jails[jail] = {token: bans for token, bans in clients.items() if bans[1] >= horizon}

    def export(self) -> Iterator[State]:
        """Yield everything."""
        for jail, clients in self._jails.items():
            for token, (count, end) in clients.items():
                yield token, jail, count, end

    def restore(self, states: Iterable[State]) -> None:
        """Take over what was kept; what is here already stays if its last ban ends later."""
        newest = -inf
        for token, jail, count, end in states:
            clients = self._jails.setdefault(jail, {})
            if token not in clients or clients[token][1] < end:
                clients[token] = (count, end)
            newest = max(newest, end)
        if len(self) > self._sweep_at:
            self._make_room(newest)

    def carry(self, old: Offences) -> None:
        """Take over the state of those that these replace."""
        self.evicted += old.evicted
        self.changed.carry(old.changed)
        self.restore(old.export())

    def note_of(self, token: bytes, jail: str) -> tuple[Note, bool]:
        """Return what a store is to keep of a client in a jail, and whether it is to keep it still."""
        count, end = self._jails.get(jail, {}).get(token, (0, -inf))
        return Note(jail, KIND + token, end + self._keep, _DATA.pack(count, end)), count > 0

    def shift(self, seconds: float) -> None:
        """Take note that the clock was set forward by so much."""
        for jail, clients in self._jails.items():
            self._jails[jail] = {token: (count, end + seconds) for token, (count, end) in clients.items()}
        self.all_changed()

    def all_changed(self) -> None:
        """Have a store told of everything."""
        for token, jail, _, _ in self.export():
            self.changed.add((token, jail))

    def _fresh(self, token: bytes, jail: str, since: float) -> tuple[int, float]:
        """Return count and end of the last ban, unless that is before `since`."""
        count, end = self._jails.get(jail, {}).get(token, (0, -inf))
        return (count, end) if end >= since else (0, -inf)

    def _make_room(self, now: float) -> None:
        self.expire(now)
        excess = len(self) - self._cap
        if excess > 0:
            order = sorted((count, end, jail, token) for token, jail, count, end in self.export())
            for _count, _end, jail, token in order[: excess + max(1, self._cap // _EVICT_SHARE)]:
                del self._jails[jail][token]
                self.evicted += 1
        self._sweep_at = min(max(_SWEEP_FROM, len(self) * 3 // 2), self._cap)
