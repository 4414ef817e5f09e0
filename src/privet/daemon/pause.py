"""All bans off for a while: for the administrator who looks for what keeps somebody out."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from privet.ports import FirewallError

if TYPE_CHECKING:
    from privet.daemon.service import Daemon


class Pause:
    """When everybody is let through, and until when. The firewalls end a pause by themselves."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._until = 0.0

    @property
    def until(self) -> float | None:
        """The end of the pause, None if there is none."""
        return self._until if self._until > self._daemon.clock.now() else None

    async def begin(self, seconds: float) -> None:
        """Let everybody through. Raises FirewallError."""
        for place in self._daemon.places.values():
            await place.call(place.firewall.pause, seconds)
        self._until = self._daemon.clock.now() + seconds
        self._daemon.log.warning("all bans are off", until=round(self._until))

    async def end(self) -> None:
        """Let bans hold again. Raises FirewallError."""
        for place in self._daemon.places.values():
            await place.call(place.firewall.resume)
        if self.until:
            self._daemon.log.info("bans hold again")
        self._until = 0.0

    async def learn(self) -> None:
        """Find out about a pause that an earlier daemon began."""
        for place in self._daemon.places.values():
            with suppress(FirewallError):
                self._until = max(self._until, self._daemon.clock.now() + await place.call(place.firewall.paused))
