"""The masked log on disk: appended to, opened anew when it was renamed."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from privet.core.parsing.lines import line_feeds

if TYPE_CHECKING:
    from pathlib import Path

MODE = 0o640  # as Debian's web servers create their logs


class LogFile:
    """A `ports.Sink`. `complaint` says what is wrong, None if nothing is; `lost` counts unwritten lines."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lost = 0
        self.complaint: str | None = None
        self._descriptor = -1
        self._open()

    def write(self, block: bytes) -> None:
        """Append whole lines."""
        if self._descriptor < 0:
            self._open()
        view = memoryview(block)
        while view and self._descriptor >= 0:
            try:
                view = view[os.write(self._descriptor, view) :]
            except OSError as error:
                self.complaint = f"{self.path}: {error.strerror}"
                break
            self.complaint = None
        if view:
            self.lost += line_feeds(bytes(view))

    def follow(self) -> None:
        """Open the file anew if it was renamed or removed; where that is not allowed, go on with the old one."""
        with suppress(OSError):
            mine = os.fstat(self._descriptor)
            try:
                named = self.path.stat()
            except FileNotFoundError:
                named = None
            if named is None or (named.st_dev, named.st_ino) != (mine.st_dev, mine.st_ino):
                self._open()

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY
        try:
            fresh = os.open(self.path, flags, MODE)
        except OSError as error:
            self.complaint = f"{self.path}: {error.strerror}"
            return
        self.close()
        self._descriptor, self.complaint = fresh, None


class Nowhere:
    """The null sink, for an intake that knows no log: every line is lost, and counted."""

    complaint = "no log to write to: name one with --log, or as `log` of the source"

    def __init__(self) -> None:
        self.lost = 0

    def write(self, block: bytes) -> None:
        """Count what is not written."""
        self.lost += line_feeds(block)

    def follow(self) -> None:
        """Have nothing to follow."""

    def close(self) -> None:
        """Have nothing to close."""
