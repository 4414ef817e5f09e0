"""One daemon at a time: in a run-time directory, in a state directory, and for the firewall of a network."""

from __future__ import annotations

import fcntl
import os
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from privet.adapters.firewall.claim import claim
from privet.ports import FirewallError

if TYPE_CHECKING:
    import asyncio
    from pathlib import Path


class AlreadyRunningError(Exception):
    """Another daemon holds the run-time directory, or the firewall."""


class Alone:
    """Keeps other daemons away until it is closed, or until the process ends, however it does."""

    def __init__(self) -> None:
        self._ends = ExitStack()

    def in_runtime(self, folder: Path) -> None:
        """Have a run-time directory for oneself. Raises AlreadyRunningError, OSError."""
        self._lock(folder / "lock")

    def in_state(self, folder: Path) -> None:
        """Have a state directory for oneself; where nothing can be stored there is nothing to lock."""
        with suppress(OSError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock(folder / "lock")

    def in_network(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Have the table of this network for oneself, whatever the directories; False if no name can be had for that.

        Raises AlreadyRunningError.
        """
        try:
            line = claim()
        except FirewallError as error:
            raise AlreadyRunningError(str(error)) from None
        if line is None:
            return False

        def answer() -> None:  # who asks wants to know who is here, and no more
            line.accept()[0].close()

        loop.add_reader(line, answer)
        self._ends.callback(line.close)
        self._ends.callback(loop.remove_reader, line)
        return True

    def close(self) -> None:
        """Let others in."""
        self._ends.close()

    def _lock(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise AlreadyRunningError(f"another privet runs here ({path})") from None
        self._ends.callback(os.close, descriptor)
