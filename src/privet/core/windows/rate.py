"""Failures counted as fail2ban counts them: an estimate of their rate, in place of a window that slides.

The rules, kept for every client:
- while the time since the first failure is within `findtime`, each failure adds one;
- once it is longer, the count so far shrinks to what its rate would make of one `findtime`, the first failure counts
  as if it had been one `findtime` ago, and then one is added;
- after a `findtime` without any failure the count starts anew, as it does after a verdict.

So six failures at once and one a little later than `findtime` make four, not one.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from privet.core.windows.ahead import PLENTY
from privet.core.windows.detect import Limit, Reached
from privet.core.windows.limits import Standing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


_SWEEP_FROM = 1024  # fewer clients than this are not worth sweeping
_EVICT_SHARE = 8  # at the cap one in eight goes


class Rate:
    """The failures of one jail. It does as `detect.Window` does, but has one limit only."""

    def __init__(self, limit: Limit, max_clients: int) -> None:
        self.limits: Sequence[Limit] = [limit]
        self.clients: dict[bytes, list[float]] = {}  # time of the first and of the last failure, and the count
        self.evicted = 0
        self._limit, self._cap = limit, max_clients
        self._sweep_at = min(_SWEEP_FROM, max_clients)
        self._look_at = _SWEEP_FROM  # bans

    def hit(self, rows: Sequence[int], keys: Sequence[bytes], times: Sequence[float]) -> Iterator[Reached]:
        """Count failures in order of arrival; yield those that reach the limit, as `Window.hit` does."""
        limit, clients = self._limit, self.clients
        for row, key, time in zip(rows, keys, times, strict=True):
            if time < limit.until.get(key, time):
                continue
            count = self._count(key, time)
            if count >= limit.maxretry:
                clients.pop(key, None)
                limit.until[key] = time + limit.bantime
                if len(limit.until) >= self._look_at:
                    self._let_go_of_bans(time)
                yield Reached(row, limit, key, time, int(count))

    def carry(self, old: Rate) -> None:
        """Take over what an equal one has counted."""
        self.clients, self.evicted = old.clients, old.evicted
        if self._limit.jail == old.limits[0].jail:
            self._limit.until = old.limits[0].until

    def shift(self, seconds: float) -> None:
        """Take note that the clock was set forward by so much."""
        for seen in self.clients.values():
            seen[0] += seconds
            seen[1] += seconds
        self._limit.until = {key: until + seconds for key, until in self._limit.until.items()}

    def forget(self, key: bytes) -> None:
        """Forget a client: its count starts anew."""
        self.clients.pop(key, None)
        self._limit.until.pop(key, None)

    @property
    def least(self) -> int:
        """Return how many failures it takes at least to reach the limit."""
        return self._limit.lowest

    def left(self, key: bytes, since: float, then: float) -> int:
        """Return how many failures of a client may come between two times, of which the last may reach the limit."""
        if self._limit.until.get(key, then) > then:
            return PLENTY
        seen = self.clients.get(key)
        return self.least - (ceil(seen[2]) if seen and seen[1] >= since - self._limit.findtime else 0)

    def near(self, few: int) -> list[bytes]:
        """Return the keys of those clients who may have no more than a few failures left."""
        enough = self.least - few
        return [key for key, seen in self.clients.items() if seen[2] >= enough]

    def failing(self, limit: Limit, now: float) -> int:
        """Return how many clients have failures that still count."""
        return sum(last >= now - limit.findtime for _, last, _ in self.clients.values())

    def counted(self, _limit: Limit, key: bytes, _time: float) -> int:
        """Return how many failures of a client there are, as they are counted here."""
        return int(self.clients[key][2]) if key in self.clients else 0

    def standing(self, limit: Limit, now: float) -> Iterator[Standing]:
        """Yield how many failures of each client there are, as they are counted here; others may come meanwhile."""
        for key in list(self.clients):
            if key in self.clients:
                _, last, count = self.clients[key]
                yield Standing(limit.jail, key, int(count) if last >= now - limit.findtime else 0, last)

    def _count(self, key: bytes, time: float) -> float:
        """Count a failure; return how many there are."""
        seen, findtime = self.clients.get(key), self._limit.findtime
        if seen is None or time - seen[1] > findtime:
            self.clients[key] = [time, time, 1.0]
            if seen is None and len(self.clients) >= self._sweep_at:
                self._make_room(time)
            return 1.0
        span = time - seen[0]
        if span > findtime:
            seen[0], seen[2] = time - findtime, float(round(seen[2] / span * findtime))
        seen[1], seen[2] = max(seen[1], time), seen[2] + 1
        return seen[2]

    def _make_room(self, now: float) -> None:
        """Drop clients whose failures are over; at the cap also those with the fewest, longest silent."""
        horizon = now - self._limit.findtime
        self.clients = {key: seen for key, seen in self.clients.items() if seen[1] >= horizon}
        self._let_go_of_bans(now)
        excess = len(self.clients) - self._cap
        if excess >= 0:
            order = sorted(self.clients, key=lambda key: (self.clients[key][2], self.clients[key][1]))
            for key in order[: excess + max(1, self._cap // _EVICT_SHARE)]:
                del self.clients[key]
                self.evicted += 1
        self._sweep_at = min(max(_SWEEP_FROM, len(self.clients) * 3 // 2), self._cap)

    def _let_go_of_bans(self, now: float) -> None:
        """Forget bans that are over; at the cap also those that end first."""
        limit, horizon = self._limit, now - self._limit.findtime
        limit.until = {key: until for key, until in limit.until.items() if until >= horizon}
        if len(limit.until) > self._cap:
            for key in sorted(limit.until, key=limit.until.__getitem__)[: -self._cap]:
                del limit.until[key]
        self._look_at = max(_SWEEP_FROM, 2 * len(limit.until))
