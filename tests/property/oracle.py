"""Detection in the words of the manual, and in no other: keeps everything, counts anew at every failure."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from privet.core.jails import Jail
    from privet.core.windows.loads import Loads


class Ban(NamedTuple):
    """One verdict: by the failure in line `row`, of a jail, for a client, at a time."""

    row: int
    jail: str
    key: bytes
    time: float
    failures: int


class Oracle:
    """Jails that count the same failures."""

    def __init__(self, jails: Sequence[Jail], loads: Loads | None = None) -> None:
        self.jails, self.loads = jails, loads
        self.failures: dict[tuple[str, bytes], list[float]] = {}
        self.bans: dict[tuple[str, bytes], list[tuple[float, float]]] = {}

    def hit(self, row: int, key: bytes, time: float) -> list[Ban]:
        """Take a failure; return the bans that it makes."""
        return [
            Ban(row, jail.name, key, time, self._most(jail, time))
            for jail in self.jails
            if self._makes_a_ban(jail, key, time)
        ]

    def _most(self, jail: Jail, time: float) -> int:
        """Return the limit that holds at a time."""
        load = self.loads.at(time) if self.loads else 0.0
        return min([jail.maxretry, *(limit for above, limit in jail.by_load if load > above)])

    def _makes_a_ban(self, jail: Jail, key: bytes, time: float) -> bool:
        bans = self.bans.setdefault((jail.name, key), [])
        anew = max((end for _, end in bans), default=-inf)
        if time < anew:
            return False  # inside of a ban, or before one that has counted all there was
        failures = self.failures.setdefault((jail.name, key), [])
        failures.append(time)
        counting = sorted(failure for failure in failures if failure >= anew)
        # The failure makes the ban if it is one of `maxretry` in a row that are close enough.
        most = self._most(jail, time)
        for first in range(len(counting) - most + 1):
            run = counting[first : first + most]
            if run[-1] - run[0] <= jail.findtime and run[0] <= time <= run[-1]:
                bans.append((time, time + jail.bantime))
                return True
        return False
