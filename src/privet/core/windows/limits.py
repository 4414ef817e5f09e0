"""How close clients came to the limits of jails: what is behind `privet report limits`.

An engine that is watched tells for each failure how many then count, by its own windows. The highest of them is kept
for each client of a jail. Memory is bounded: beyond the cap the lower half is forgotten and counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from privet.core.jails import Jail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TENTHS = 10


class Peak(msgspec.Struct, frozen=True):
    """The most failures of a client that counted at once, when they did, and whether they reached the limit."""

    jail: str
    key: bytes
    count: int
    limit: int
    time: float
    reached: bool

    def __repr__(self) -> str:
        """Never show the key, which is an address."""
        return f"Peak(jail={self.jail!r}, count={self.count}, limit={self.limit}, time={self.time})"

    @property
    def share(self) -> float:
        """How much of the limit that was."""
        return self.count / self.limit


class Standing(msgspec.Struct, frozen=True):
    """How many failures of somebody count for a jail now, and the time of the last.

    The key is a client's or a network's, of which so many different clients failed; with `token`, it is that of an
    epoch (see `core.addresses.tokens`).
    """

    jail: Jail
    key: bytes
    count: int
    time: float
    clients: int = 1
    token: bool = False

    def __repr__(self) -> str:
        """Never show the key, which is an address."""
        return f"Standing(jail={self.jail.name!r}, count={self.count}, time={self.time})"


class Peaks:
    """The highest counts by jail and client; `evicted` counts the clients that were forgotten."""

    def __init__(self, most: int = 500_000) -> None:
        self.evicted = 0
        self._most = most
        self._limits: dict[str, int] = {}
        self._counts: dict[str, dict[bytes, tuple[int, float]]] = {}
        self._reached: dict[str, set[bytes]] = {}

    def see(self, jail: Jail, key: bytes, time: float, count: int) -> None:
        """Note how many failures of a client count for a jail at a time."""
        counts = self._counts.get(jail.name)
        if counts is None:
            counts = self._counts[jail.name] = {}
            self._limits[jail.name] = jail.maxretry
        if count > counts.get(key, (0, 0.0))[0]:
            counts[key] = min(count, jail.maxretry), time
            if len(counts) > self._most:
                self._forget(counts)

    def reach(self, jail: Jail, key: bytes, time: float) -> None:
        """Note that a client reached the limit of a jail."""
        self.see(jail, key, time, jail.maxretry)
        self._reached.setdefault(jail.name, set()).add(key)

    def __iter__(self) -> Iterator[Peak]:
        for jail, counts in self._counts.items():
            reached, limit = self._reached.get(jail, set()), self._limits[jail]
            for key, (count, time) in counts.items():
                yield Peak(jail, key, count, limit, time, key in reached)

    def _forget(self, counts: dict[bytes, tuple[int, float]]) -> None:
        for key in sorted(counts, key=lambda key: counts[key])[: self._most // 2]:
            del counts[key]
            self.evicted += 1


def hovering(peaks: Peaks, share: float, spares: Callable[[Peak], bool]) -> list[Peak]:
    """Return who came to such a share of a limit without reaching it, the closest first."""
    close = [one for one in peaks if not one.reached and one.share >= share and not spares(one)]
    return sorted(close, key=lambda one: (-one.share, one.jail, -one.time))


def tenths(peaks: Peaks, spares: Callable[[Peak], bool]) -> dict[str, list[int]]:
    """Return for each jail how many clients came to each tenth of the limit at most; the last reached it."""
    found: dict[str, list[int]] = {}
    for one in peaks:
        counts = found.setdefault(one.jail, [0] * (TENTHS + 1))
        if not spares(one):
            counts[TENTHS if one.reached else min(int(one.share * TENTHS), TENTHS - 1)] += 1
    return found
