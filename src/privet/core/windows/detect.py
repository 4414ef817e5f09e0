"""Sliding windows: who made `maxretry` failures within `findtime`. Exact, in any order of arrival.

The rules, kept for every client and limit:
- a verdict falls at the failure that makes `maxretry` failures with last - first <= `findtime`;
- it covers [t, t + bantime): failures inside do not count, and after it the count starts anew;
- a failure that arrives late counts at its own time.

A client's state is one sorted list: slot 0 holds the length at which the list must be looked at again,
the others the times of its failures. One more failure adds at most one to any count, so a client with
n of m failures needs no look before m - n more: most failures cost one dictionary look-up, one append
and one comparison, however many limits share the window.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

import msgspec

from privet.core.windows.ahead import PLENTY
from privet.core.windows.limits import Standing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from privet.core.jails import Jail
    from privet.core.windows.loads import Loads

_SWEEP_FROM = 1024  # fewer clients than this are not worth sweeping
_EVICT_SHARE = 8  # at the cap one in eight goes, so that the sort is paid once per cap / 8 new clients


class Limit:
    """One jail's limit over a window; `until` maps clients to the end of their last ban.

    Where the limit depends on the load of the machine, `maxretry` is that of the last `look`, at first the largest, and
    `lowest` the smallest.
    """

    def __init__(self, jail: Jail, order: int, loads: Loads | None = None) -> None:
        self.jail = jail
        self.order = order
        self.maxretry, self.findtime, self.bantime = jail.maxretry, jail.findtime, jail.bantime
        self.lowest = jail.by_load[-1][1] if jail.by_load else jail.maxretry
        self.until: dict[bytes, float] = {}
        self._loads = loads if jail.by_load else None

    def look(self, time: float) -> None:
        """Find the limit that holds at a time."""
        if self._loads is not None:
            self.maxretry = self.jail.limit_at(self._loads.at(time))


class Reached(msgspec.Struct, frozen=True):
    """A client reached a limit with the failure in row `row` of the batch, at `time`."""

    row: int
    limit: Limit
    key: bytes
    time: float
    failures: int

    def __repr__(self) -> str:
        """Never show the key, which is an address."""
        return f"Reached(jail={self.limit.jail.name!r}, time={self.time}, failures={self.failures})"


class Window:
    """The failures that jails with equal predicates share. `tolerance` bounds how late one may arrive."""

    def __init__(self, limits: Sequence[Limit], tolerance: float, max_clients: int) -> None:
        self.limits = limits
        self.clients: dict[bytes, list[float]] = {}
        self.evicted = 0
        self._cap = max_clients
        self._first_look = 1 + min(limit.lowest for limit in limits)
        self._longest = max(limit.maxretry for limit in limits)
        self._tolerance = tolerance
        self._keep = max(limit.findtime for limit in limits) + tolerance
        self._room = min(_SWEEP_FROM, max_clients)  # new clients that may come before the next sweep

    def hit(self, rows: Sequence[int], keys: Sequence[bytes], times: Sequence[float]) -> Iterator[Reached]:
        """Count failures in order of arrival; yield the limits that they reach, each before the next row is seen.

        Whoever takes one may make the ban longer: `limit.until[key]` is looked at again afterwards. All must
        be taken.
        """
        clients, room = self.clients, self._room
        get, first_look = clients.get, self._first_look
        for row, key, time in zip(rows, keys, times, strict=True):
            seen = get(key)
            if seen is None:
                seen = clients[key] = [first_look, time]
                room -= 1
                if room <= 0:
                    room = self._make_room(time)
            elif time < seen[-1]:
                yield from self._late(row, key, seen, time)
                continue
            else:
                seen.append(time)
            if len(seen) >= seen[0]:
                yield from self._look(row, key, seen, time)
        self._room = room

    def carry(self, old: Window) -> None:
        """Take over what an equal window has counted; bans go to the limits of unchanged jails."""
        self.clients, self.evicted, self._room = old.clients, old.evicted, 0
        before = {limit.jail: limit for limit in old.limits}
        for limit in self.limits:
            if limit.jail in before:
                limit.until = before[limit.jail].until
        for seen in self.clients.values():
            seen[0] = 0  # limits may have changed: look at each client's next failure

    def shift(self, seconds: float) -> None:
        """Take note that the clock was set forward by so much."""
        for seen in self.clients.values():
            seen[1:] = [time + seconds for time in seen[1:]]
        for limit in self.limits:
            limit.until = {key: until + seconds for key, until in limit.until.items()}

    def forget(self, key: bytes) -> None:
        """Forget a client: its count starts anew."""
        self.clients.pop(key, None)
        for limit in self.limits:
            limit.until.pop(key, None)

    @property
    def least(self) -> int:
        """Return how many failures it takes at least to reach a limit."""
        return self._first_look - 1

    def left(self, key: bytes, since: float, then: float) -> int:
        """Return how many failures of a client may come between two times, of which the last may reach a limit.

        Where they come out of order it may be fewer.
        """
        seen, left = self.clients.get(key), PLENTY
        for limit in self.limits:
            until = limit.until.get(key, 0.0)
            if until <= then:
                start = max(since - limit.findtime, until)
                left = min(left, limit.lowest - (len(seen) - bisect_left(seen, start, 1) if seen else 0))
        return left

    def near(self, few: int) -> list[bytes]:
        """Return the keys of those clients who may have no more than a few failures left."""
        enough = self._first_look - few
        return [key for key, seen in self.clients.items() if len(seen) >= enough]

    def failing(self, limit: Limit, now: float) -> int:
        """Return how many clients have failures that still count for a limit."""
        since, until = now - limit.findtime, limit.until
        return sum(seen[-1] >= max(since, until.get(key, since)) for key, seen in self.clients.items())

    def counted(self, limit: Limit, key: bytes, time: float) -> int:
        """Return the most failures of a client that count together with one at this time."""
        seen, until = self.clients.get(key), limit.until.get(key, 0.0)
        if seen is None or time < until:
            return 0
        most = 0
        for last in range(bisect_right(seen, time, 1) - 1, len(seen)):
            if seen[last] - limit.findtime > time:
                break
            most = max(most, last + 1 - bisect_left(seen, max(seen[last] - limit.findtime, until), 1))
        return most

    def standing(self, limit: Limit, now: float) -> Iterator[Standing]:
        """Yield how many failures of each client count for a limit now; others may be counted meanwhile."""
        for key in list(self.clients):
            seen = self.clients.get(key)
            if seen is not None:
                since = max(now - limit.findtime, limit.until.get(key, 0.0))
                yield Standing(limit.jail, key, len(seen) - bisect_left(seen, since, 1), seen[-1])

    def _look(self, row: int, key: bytes, seen: list[float], time: float) -> Iterator[Reached]:
        """Check every limit for failures that end at the newest, `time`; set when to look again."""
        slack, keep = self._longest, time
        for limit in self.limits:
            limit.look(time)
            start, until = time - limit.findtime, limit.until.get(key, 0.0)
            count = len(seen) - bisect_left(seen, max(start, until), 1)
            if count >= limit.maxretry:
                limit.until[key] = time + limit.bantime
                yield Reached(row, limit, key, time, count)
                until, count = limit.until[key], 0
            slack = min(slack, limit.lowest - count)
            keep = min(keep, max(start - self._tolerance, until))
        del seen[1 : bisect_left(seen, keep, 1, len(seen) - 1)]  # the newest always stays
        seen[0] = len(seen) + slack

    def _late(self, row: int, key: bytes, seen: list[float], time: float) -> Iterator[Reached]:
        """Insert a failure before the newest and check the limits around it."""
        counting = [(limit, until) for limit in self.limits if time >= (until := limit.until.get(key, 0.0))]
        if not counting:
            return
        place = bisect_right(seen, time, 1)
        seen.insert(place, time)
        for limit, until in counting:
            limit.look(time)
            if any(self._spans(limit, seen, place, until)):
                limit.until[key] = time + limit.bantime
                yield Reached(row, limit, key, time, limit.maxretry)
        seen[0] = 0  # so that the next failure looks: what follows may be one closer to a limit

    @staticmethod
    def _spans(limit: Limit, seen: list[float], place: int, until: float) -> Iterator[bool]:
        """Yield, for each run of `maxretry` failures around `place`, whether it is within `findtime`."""
        reach = limit.maxretry - 1
        first = max(place - reach, bisect_left(seen, max(seen[place] - limit.findtime, until), 1))
        for start in range(first, min(place, len(seen) - 1 - reach) + 1):
            yield seen[start + reach] - seen[start] <= limit.findtime

    def _make_room(self, now: float) -> int:
        """Drop clients whose failures left every findtime; at the cap also those with the fewest, longest silent.

        Return how many new ones may come before the next time.
        """
        horizon = now - self._keep
        for key in [key for key, seen in self.clients.items() if seen[-1] < horizon]:
            del self.clients[key]
        excess = len(self.clients) - self._cap
        if excess >= 0:
            order = sorted(self.clients, key=lambda key: (len(self.clients[key]), self.clients[key][-1]))
            for key in order[: excess + max(1, self._cap // _EVICT_SHARE)]:
                del self.clients[key]
                self.evicted += 1
        for limit in self.limits:
            limit.until = {key: until for key, until in limit.until.items() if until >= horizon}
            if len(limit.until) > self._cap:
                for key in sorted(limit.until, key=limit.until.__getitem__)[: -self._cap]:
                    del limit.until[key]
        return min(max(_SWEEP_FROM, len(self.clients)), self._cap - len(self.clients))
