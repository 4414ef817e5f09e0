"""Tells of swarms: in the log when they begin and end, and in `privet status`; remembers what is usual."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from privet.adapters.learnt import read_learnt, write_learnt
from privet.core.swarms.swarm import Baseline

if TYPE_CHECKING:
    from privet.core.swarms.swarm import Event
    from privet.daemon.service import Daemon

FILE = "swarms.json"
"""In the state directory: how many suspects are usual for which aim, by digests of masked texts."""

HOURLY = 60  # looks


class SwarmLog:
    """Looks at the swarms of the engine; `look` is to be called every second."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._told: dict[tuple[str, str, str, float], bool] = {}  # whether the end was told, too
        self._path = daemon.state / FILE if daemon.config.store.persist == "sealed" else None
        self._looks = 0

    def restore(self) -> None:
        """Bring back what was usual, before the first line is read."""
        known = read_learnt(self._path, dict[str, Baseline]) or {}
        self._daemon.engine.learn({jail: one for jail, one in known.items() if one.sound})

    async def keep(self) -> None:
        """Write down what is usual, once an hour; to be called every minute."""
        self._looks += 1
        if self._looks % HOURLY == 0:
            await asyncio.to_thread(write_learnt, self._path, self._daemon.engine.baselines())

    def save(self) -> None:
        """Write down what is usual, at the end."""
        write_learnt(self._path, self._daemon.engine.baselines())

    def look(self) -> None:
        """Log what is new."""
        events = {(one.jail, one.level, one.what, one.seen): one for one in self._daemon.engine.swarms()}
        self._told = {name: self._told[name] for name in self._told if name in events}
        for name, event in events.items():
            if name not in self._told:
                self._daemon.log.warning("swarm", **_facts(event))
                self._daemon.herald.tell(_said(event))
                self._told[name] = False
            if event.ended is not None and not self._told[name]:
                self._daemon.log.info("swarm over", **_facts(event), seconds=round(event.last - event.began))
                self._daemon.herald.tell(f"over: {_said(event)}")
                self._told[name] = True

    def state(self) -> list[dict[str, Any]]:
        """Return the swarms that are there, and those that were lately."""
        return [msgspec.to_builtins(event) for event in self._daemon.engine.swarms()]

    @property
    def problems(self) -> list[str]:
        """Name the swarms that are there now."""
        return [_said(one) for one in self._daemon.engine.swarms() if one.ended is None]


def _said(one: Event) -> str:
    return f"swarm on the {one.level} {one.what} (jail {one.jail}): {one.members} clients that never fetch an asset"


def _facts(event: Event) -> dict[str, Any]:
    return {"jail": event.jail, "level": event.level, "what": event.what, "members": event.members}
