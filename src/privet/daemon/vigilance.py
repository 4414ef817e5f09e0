"""The daemon's eye on what goes dead: learns the rhythms, asks what the machine knows of causes, and tells."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import msgspec

from privet.adapters.learnt import read_learnt, write_learnt
from privet.adapters.localtime import local_zone
from privet.adapters.machine import listening
from privet.adapters.nearby import gone_to
from privet.adapters.sources.files import FileSource
from privet.adapters.suit import unsuitable
from privet.core.watch.vigil import LATER, Remembered, Vigil

if TYPE_CHECKING:
    from pathlib import Path

    from privet.core.watch.vigil import Alarm
    from privet.daemon.service import Daemon

FILE = "rhythm.json"
"""In the state directory: counts by hour of the week, and no address."""

WEB = frozenset((80, 443))  # ports
HOURLY = 60  # looks
QUIET = 300.0  # seconds without a line, after which other files are looked at
MISSED = 5.0  # lines that were to be expected meanwhile


class Vigilance:
    """Looks about once a minute; `problems` is what there is to warn of."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._path = daemon.state / FILE if daemon.config.store.persist == "sealed" else None
        self.vigil = Vigil(_read(self._path))
        self._moved: dict[str, tuple[str, bool]] = {}  # by source, where its lines go, and whether by rotation
        self._served: frozenset[int] = frozenset()  # ports of web servers on which somebody listens
        self._unsuitable: list[str] = []
        self._told: list[str] = []
        self._looks = 0

    async def look(self) -> None:
        """Look around; to be called every minute."""
        daemon, now = self._daemon, self._daemon.clock.now()
        self.vigil.look(now, daemon.engine.sources, daemon.engine.jails, daemon.engine.matches())
        self._moved = {
            name: path
            for name, source in list(daemon.files.sources.items())
            if isinstance(source, FileSource) and (path := await self._gone_to(source, now))
        }
        if any(alarm.kind == "silence" for alarm in self.vigil.alarms):
            self._served = await asyncio.to_thread(listening) & WEB
        if self._looks % HOURLY == 0:
            self._unsuitable = await asyncio.to_thread(unsuitable, daemon.config, local_zone(), time.time())
            await asyncio.to_thread(self.save)
        self._looks += 1
        self._tell()

    def save(self) -> None:
        """Write down the rhythms."""
        write_learnt(self._path, self.vigil.remembered)

    @property
    def problems(self) -> list[str]:
        """What there is to warn of."""
        silent = {alarm.source for alarm in self.vigil.alarms if alarm.kind == "silence"}
        moved = [f"source {name}: {self._cause(name)}" for name in self._moved if name not in silent]
        return [*map(self._said, self.vigil.alarms), *moved, *self._unsuitable]

    def state(self) -> list[dict[str, Any]]:
        """Return the alarms."""
        return [{**msgspec.to_builtins(alarm), "text": self._said(alarm)} for alarm in self.vigil.alarms]

    async def _gone_to(self, source: FileSource, now: float) -> tuple[str, bool] | None:
        """Return where the lines of a source that has stopped go now."""
        state = self._daemon.engine.sources[source.name]
        last = max(state.requests.newest, state.failures.newest)
        if now - self.vigil.heard(source.name, now) < QUIET or self.vigil.missed(source.name, now) < MISSED or last < 0:
            return None
        return await asyncio.to_thread(gone_to, source.paths, source.patterns, last, state.time_of)

    def _said(self, alarm: Alarm) -> str:
        if alarm.jail:
            return f"jail {alarm.jail}: {alarm.text}"
        cause = f"; {self._cause(alarm.source)}" if alarm.kind == "silence" else ""
        return f"source {alarm.source}: {alarm.text}{cause}"

    def _cause(self, name: str) -> str:
        """Say why a source may be silent."""
        daemon = self._daemon
        if name in self._moved:
            path, rotated = self._moved[name]
            why = "was it rotated, and its server not told?" if rotated else "was the log moved?"
            return f"its lines go to {path} now: {why}"
        if name in daemon.files.sources:
            problems = daemon.files.sources[name].problems
            if problems:
                return "; ".join(f"{path}: {problem}" for path, problem in problems.items())
        elif not any(peer.hello and peer.hello.source == name for peer in daemon.intakes.peers.values()):
            return f"no privet pipe is connected for it: see the server's log, or run privet pipe {name} by hand"
        now = daemon.clock.now()
        others = [one for one in daemon.engine.sources if one != name and now - self.vigil.heard(one, 0.0) < LATER]
        if others:
            return f"{others[0]} goes on: did the server's log change its place?"
        if self._served and daemon.engine.sources[name].plan is not None:
            ports = " and ".join(map(str, sorted(self._served)))
            return f"a server listens on port {ports}: where does it log?"
        return "does the server run, and where does it log?"

    def _tell(self) -> None:
        """Log what is new and what is over."""
        problems = self.problems
        for text in problems:
            if text not in self._told:
                self._daemon.log.warning(text)
                self._daemon.herald.tell(text)
        for text in self._told:
            if text not in problems:
                self._daemon.log.info("over", what=text)
                self._daemon.herald.tell(f"over: {text}")
        self._told = problems


def _read(path: Path | None) -> Remembered | None:
    """Return what an earlier daemon learnt, None if there is nothing that can be used."""
    known = read_learnt(path, Remembered)
    if known is None:
        return None
    rhythms = (*known.sources.values(), *known.jails.values())
    for rhythm in rhythms:
        rhythm.pause()
    return known if all(rhythm.sound for rhythm in rhythms) else None
