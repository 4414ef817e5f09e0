"""How far an intake is, in a file that outlives it: so its successor can tell what it lost when it was killed.

Each intake maps a small file of its own and holds a lock on it. Whoever starts next for the same source and finds a
file that nobody locks has found a predecessor that was killed: what that had read and not finished is lost. There are
counts in the file and nothing else.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from contextlib import suppress
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_SIZE = 5 * 8


class Progress:
    """Lines that were `taken`, `written` and `handed` on; what is no more to be done counts as done.

    `unwritten` and `unheard` are those that predecessors lost: for the log, and for the daemon. `complaint` says why
    nothing can be kept for a successor, None if it can.
    """

    def __init__(self) -> None:
        self.complaint: str | None = None
        self._mine: Path | None = None
        self._descriptor = -1
        self._counts = memoryview(bytearray(_SIZE)).cast("Q")

    def begin(self, directory: Path, source: str) -> None:
        """Find out what predecessors lost, and keep a file for a successor."""
        name = blake2b(source.encode("utf-8", "replace"), digest_size=8).hexdigest()
        try:
            before = list(_left_behind(directory, name))
            self._open(directory, name)
        except OSError as error:
            self.complaint = f"{directory}: {error.strerror}; were it killed, nobody would know how many lines it lost"
            return
        self._counts[3] = sum(max(0, taken - written) + lost for taken, written, _, lost, _ in before)
        self._counts[4] = sum(max(0, taken - handed) + lost for taken, _, handed, _, lost in before)

    @property
    def unwritten(self) -> int:
        """How many lines predecessors had read and not written."""
        return self._counts[3]

    @property
    def unheard(self) -> int:
        """How many lines predecessors had read and not handed on."""
        return self._counts[4]

    def note(self, taken: int, written: int, handed: int) -> None:
        """Keep the totals for a successor."""
        self._counts[0], self._counts[1], self._counts[2] = taken, written, handed

    def close(self) -> None:
        """Leave nothing behind: all was done."""
        if self._mine:
            with suppress(OSError):
                self._mine.unlink()
            os.close(self._descriptor)
            self._mine = None

    def _open(self, directory: Path, name: str) -> None:
        """Make a file that has its name only once it is locked."""
        fresh, mine = directory / f".{name}.{os.getpid()}", directory / f"{name}.{os.getpid()}"
        self._descriptor = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(self._descriptor, _SIZE)
        self._counts = memoryview(mmap.mmap(self._descriptor, _SIZE)).cast("Q")
        fresh.rename(mine)
        self._mine = mine


def _left_behind(directory: Path, name: str) -> Iterator[list[int]]:
    """Yield the counts of those of the same name who are no more, and remove their files."""
    directory.mkdir(mode=0o700, exist_ok=True)
    for path in directory.glob(f"{name}.*"):
        data = b""
        with suppress(BlockingIOError, FileNotFoundError), path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # refused while it lives
            data = file.read(_SIZE)
            path.unlink()
        if len(data) == _SIZE:
            yield memoryview(data).cast("Q").tolist()
