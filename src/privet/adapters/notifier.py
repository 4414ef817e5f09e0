"""How the administrator is told: by a program of his own, which gets the message on its standard input."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

PATIENCE = 30.0
"""Seconds that the program may take."""

_SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class CommandNotifier:
    """Runs a program for each message; no shell is involved, and what it prints is thrown away."""

    def __init__(self, command: Sequence[str], patience: float = PATIENCE) -> None:
        self._command, self._patience = tuple(command), patience

    def tell(self, message: str) -> str | None:
        """Run the program; return what went wrong, None if nothing did."""
        try:
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={"PATH": _SEARCH_PATH, "LANG": "C.UTF-8", "HOME": os.environ.get("HOME", "/")},
                start_new_session=True,
            )
        except OSError as error:
            return f"cannot be run: {error.strerror}"
        try:
            process.communicate(message.encode(), self._patience)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return f"did not end within {self._patience:g} s"
        code = process.returncode
        if code < 0:
            return f"was killed by signal {-code}"
        return f"exited with {code}" if code else None


class NullNotifier:
    """Tells nobody, and remembers the last messages."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def tell(self, message: str) -> str | None:
        """Remember a message."""
        self.told = [*self.told[-9:], message]
        return None
