"""Tells of swarms: in the log when they begin and end, and in `privet status`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from privet.core.swarm import Event
    from privet.daemon.service import Daemon


class SwarmLog:
    """Looks at the swarms of the engine; `look` is to be called every second."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._told: dict[tuple[str, str, str, float], bool] = {}  # whether the end was told, too

    def look(self) -> None:
        """Log what is new."""
        events = {(one.jail, one.level, one.what, one.seen): one for one in self._daemon.engine.swarms()}
        self._told = {name: self._told[name] for name in self._told if name in events}
        for name, event in events.items():
            if name not in self._told:
                self._daemon.log.warning("swarm", **_facts(event))
                self._told[name] = False
            if event.ended is not None and not self._told[name]:
                self._daemon.log.info("swarm over", **_facts(event), seconds=round(event.ended - event.began))
                self._told[name] = True

    def state(self) -> list[dict[str, Any]]:
        """Return the swarms that are there, and those that were lately."""
        return [msgspec.to_builtins(event) for event in self._daemon.engine.swarms()]

    @property
    def problems(self) -> list[str]:
        """Name the swarms that are there now."""
        return [
            f"swarm on the {one.level} {one.what} (jail {one.jail}): {one.members} clients that never fetch an asset"
            for one in self._daemon.engine.swarms()
            if one.ended is None
        ]


def _facts(event: Event) -> dict[str, Any]:
    return {"jail": event.jail, "level": event.level, "what": event.what, "members": event.members}
