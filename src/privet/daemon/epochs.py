"""Epochs: the secrets by which those who were banned are known again turn by the clock, and old ones are destroyed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from privet.adapters.store.ring import EPOCH
from privet.core.addresses.networks import as_number
from privet.daemon.whom import gently

if TYPE_CHECKING:
    from collections.abc import Mapping

    from privet.core.jails import Jail
    from privet.daemon.service import Daemon


class Epochs:
    """Keeps an engine's secrets those of the time."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._renewed: tuple[bytes, ...] = ()
        self.secrets = self._now()

    async def look(self) -> None:
        """Begin an epoch when it is time: to be called now and then.

        Who is banned then is brought into it, once in each: else who was banned for long would come back as nobody.
        """
        daemon = self._daemon
        secrets = await daemon.keeper.call(self._now)
        if secrets != self.secrets:
            self.secrets = secrets
            daemon.engine.memory.turn(secrets)
            daemon.log.info("the tokens of those who were banned have a new key")
        if secrets != self._renewed:
            self._renewed = secrets
            if len(secrets) > 1:
                async for ban in gently(list(daemon.bans())):
                    daemon.engine.memory.renew(as_number(ban.group) or ban.subject)
                daemon.keeper.wake()

    def _now(self) -> tuple[bytes, ...]:
        return self._daemon.keeper.stores.ring.secrets(self._daemon.clock.now(), length_for(self._daemon.config.jails))


def length_for(jails: Mapping[str, Jail]) -> float:
    """Return how many seconds an epoch lasts: no shorter than earlier bans may count for one of the jails."""
    forget = [jail.escalation.forget for jail in jails.values() if jail.escalation.increment]
    findtime = [jail.findtime for jail in jails.values() if jail.bans_of is not None]
    return max([EPOCH, *forget, *findtime])
