"""The store that forgets: for dry runs, demonstrations and tests, and for those who want nothing on the disk."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from privet.core.address import Subject
    from privet.core.bans import Ban

MOST = 200_000


class MemoryStore:
    """A `ports.Store` that ends with the process."""

    def __init__(self, most: int = MOST) -> None:
        """Start empty; more than `most` bans are not kept."""
        self.refused = self.evicted = self.losses = 0
        self.complaint: str | None = None
        self._most = most
        self._bans: dict[tuple[Subject, str], Ban] = {}

    def open(self) -> None:
        """Do nothing: memory is ready."""

    def load(self, now: float) -> list[Ban]:
        """Return the bans that have not ended, none of them confirmed."""
        return [_copy(ban) for ban in self._bans.values() if ban.until > now]

    def put(self, bans: Iterable[Ban]) -> None:
        """Store bans; each replaces the one of the same subject and jail."""
        for ban in bans:
            self._bans[ban.subject, ban.jail] = _copy(ban)
        excess = len(self._bans) - self._most
        if excess > 0:
            for key in heapq.nsmallest(excess, self._bans, key=lambda key: self._bans[key].until):
                del self._bans[key]
            self.evicted += excess

    def drop(self, bans: Iterable[Ban]) -> None:
        """Forget bans by subject and jail."""
        for ban in bans:
            self._bans.pop((ban.subject, ban.jail), None)

    def expire(self, now: float) -> int:
        """Forget the bans that have ended; return how many those were."""
        ended = [key for key, ban in self._bans.items() if ban.until <= now]
        for key in ended:
            del self._bans[key]
        return len(ended)

    def size(self) -> int:
        """Return how many bans are stored."""
        return len(self._bans)

    def close(self) -> None:
        """Do nothing: the bans stay until the process ends."""


def _copy(ban: Ban) -> Ban:
    return msgspec.structs.replace(ban, confirmed=False)
