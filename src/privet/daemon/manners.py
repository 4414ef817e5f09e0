"""Lets the engine know what the files of `[manners]` say, and reads them again when they change."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from privet.adapters.manners import MannersFiles

if TYPE_CHECKING:
    from privet.config.model import Config
    from privet.daemon.rounds import Work
    from privet.daemon.service import Daemon


class MannersKeeper:
    """The files of `[manners]`; `look` is to be called every second."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._files = MannersFiles({}, {})

    def configure(self, config: Config) -> None:
        """Heed a configuration; its files are read at once, servers are asked later."""
        wanted = config.manners
        if self._files.names != (wanted.robots, wanted.crawlers):
            self._files = MannersFiles(wanted.robots, wanted.crawlers)
            self._files.refresh(local=True)
        self._daemon.engine.know(self._files.known())

    def look(self) -> Work | None:
        """Return the work of reading what is due."""
        return self._read(self._files) if self._files.due else None

    async def _read(self, files: MannersFiles) -> None:
        before = self.problems
        changed = await asyncio.to_thread(files.refresh)
        for problem in files.problems:
            if problem not in before:
                self._daemon.log.warning(problem)
        if changed and files is self._files:
            self._daemon.engine.know(files.known())

    @property
    def problems(self) -> list[str]:
        """What cannot be read, and why."""
        return self._files.problems
