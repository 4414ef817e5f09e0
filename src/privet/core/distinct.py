"""Windows that count different values: who showed `maxretry` of them within `findtime`.

The rules, kept for every client:
- a failure notes its value; the value counts for `findtime` after the client's last failure with it;
- a verdict falls at the failure after which `maxretry` values count, seen from the client's newest failure;
- it covers [t, t + bantime): failures inside do not count, and after it the count starts anew;
- a failure that arrives late counts at its own time; one `findtime` behind the client's newest counts no more.

A value is remembered by its hash, with a time: `maxretry` - 1 of them at most, as more are a verdict.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from privet.core.detect import Limit, Reached
from privet.core.limits import Standing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SWEEP_FROM = 4096  # fewer clients than this are not worth sweeping
_EVICT_SHARE = 8  # at the cap one in eight goes, so that the sort is paid once per cap / 8 new clients


class Distinct:
    """The values that one jail counts. It stands in the place of a window, see `core.detect`."""

    def __init__(self, limit: Limit, tolerance: float, max_clients: int) -> None:
        self.limits: Sequence[Limit] = [limit]
        self.clients: dict[bytes, dict[int, float]] = {}  # by hash of the value, when it was seen last
        self.evicted = 0
        self._limit, self._cap = limit, max_clients
        self._keep = limit.findtime + tolerance
        self._room = min(_SWEEP_FROM, max_clients)  # new clients that may come before the next sweep

    def take(
        self, rows: Sequence[int], keys: Sequence[bytes], times: Sequence[float], values: Sequence[bytes]
    ) -> Iterator[Reached]:
        """Count failures in order of arrival; yield those that reach the limit, as `Window.hit` does."""
        limit, clients, most = self._limit, self.clients, self._limit.maxretry
        until, get = limit.until, clients.get
        for row, key, time, name in zip(rows, keys, times, map(hash, values), strict=True):
            if key in until and time < until[key]:
                continue
            seen = get(key)
            if seen is None:
                seen = clients[key] = {name: time}
                self._room -= 1
            elif name in seen:  # no new value: the count does not rise
                if time > seen[name]:  # noqa: PLR1730  max() costs more
                    seen[name] = time
                continue
            else:
                seen[name] = time
            if len(seen) >= most and self._is_reached(key, seen):
                del clients[key]
                until[key] = time + limit.bantime
                yield Reached(row, limit, key, time, most)
                until = limit.until  # whoever takes it may shift the clock or forget clients
            if self._room <= 0:
                self._make_room(time)
                until = limit.until

    def carry(self, old: Distinct) -> None:
        """Take over what an equal jail has counted, and its bans if it is unchanged."""
        self.clients, self.evicted, self._room = old.clients, old.evicted, 0
        if self._limit.jail == old.limits[0].jail:
            self._limit.until = old.limits[0].until

    def shift(self, seconds: float) -> None:
        """Take note that the clock was set forward by so much."""
        for seen in self.clients.values():
            for name in seen:
                seen[name] += seconds
        self._limit.until = {key: until + seconds for key, until in self._limit.until.items()}

    def forget(self, key: bytes) -> None:
        """Forget a client: its count starts anew."""
        self.clients.pop(key, None)
        self._limit.until.pop(key, None)

    def failing(self, limit: Limit, now: float) -> int:
        """Return how many clients have values that still count."""
        return sum(max(seen.values()) >= now - limit.findtime for seen in self.clients.values())

    def counted(self, limit: Limit, key: bytes, _time: float) -> int:
        """Return how many values of a client count."""
        seen = self.clients.get(key)
        return len(_within(seen, limit.findtime)) if seen else 0

    def standing(self, limit: Limit, now: float) -> Iterator[Standing]:
        """Yield how many values of each client count now; others may be counted meanwhile."""
        for key in list(self.clients):
            if key in self.clients:
                times = self.clients[key].values()
                yield Standing(limit.jail, key, sum(time >= now - limit.findtime for time in times), max(times))

    def _is_reached(self, key: bytes, seen: dict[int, float]) -> bool:
        """Tell whether enough values count; forget those that do not."""
        kept = self.clients[key] = _within(seen, self._limit.findtime)
        return len(kept) >= self._limit.maxretry

    def _make_room(self, now: float) -> None:
        """Drop clients whose values are over; at the cap also those with the fewest, longest silent."""
        horizon = now - self._keep
        for key in [key for key, seen in self.clients.items() if max(seen.values()) < horizon]:
            del self.clients[key]
        excess = len(self.clients) - self._cap
        if excess >= 0:
            order = sorted(self.clients, key=lambda key: (len(self.clients[key]), max(self.clients[key].values())))
            for key in order[: excess + max(1, self._cap // _EVICT_SHARE)]:
                del self.clients[key]
                self.evicted += 1
        limit = self._limit
        limit.until = {key: until for key, until in limit.until.items() if until >= horizon}
        if len(limit.until) > self._cap:
            for key in sorted(limit.until, key=limit.until.__getitem__)[: -self._cap]:
                del limit.until[key]
        self._room = min(max(_SWEEP_FROM, len(self.clients)), self._cap - len(self.clients))


def _within(seen: dict[int, float], findtime: float) -> dict[int, float]:
    """Return the values that count, seen from the newest."""
    since = max(seen.values()) - findtime
    return {name: time for name, time in seen.items() if time >= since}
