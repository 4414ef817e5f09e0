"""The daemon's side of a loan: it reads the input of a `privet pipe`, and leaves the bytes to it in another pipe.

Both are pipes of the kernel, and bytes go from one to the other inside of it: `tee(2)` makes a copy for the daemon,
`splice(2)` moves them on. So there is no moment at which a line is in this process only, and whoever is killed loses
nothing of what he has not masked yet. What is in the first pipe nobody has seen, what is in the second the daemon has.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import stat
import termios
from contextlib import suppress

from privet.core.parsing.lines import LineSplitter

SIZE = 1 << 20  # bytes that the second pipe holds
READ = 1 << 16
NONBLOCK = 2  # SPLICE_F_NONBLOCK


class Copies:
    """A pipe of the daemon's own, empty between two looks.

    `tee(source, *how)` copies what has come from one pipe into it; the arguments are made once.
    """

    def __init__(self) -> None:
        self.out, self._in = os.pipe()
        self.tee = ctypes.PyDLL(None).tee  # which never waits, so other threads need not get their turn
        self.tee.restype = ctypes.c_ssize_t
        self.how = ctypes.c_int(self._in), ctypes.c_size_t(READ), ctypes.c_uint(NONBLOCK)

    def copy(self, source: int) -> int:
        """Copy what has come; return how much that is (-1: nothing; 0: the end)."""
        count: int = self.tee(source, *self.how)
        return count

    def moved(self, source: int, target: int, count: int) -> bytes:
        """Move what was copied; return what of it could be moved."""
        moved = 0
        with suppress(OSError):  # the target is full
            moved = os.splice(source, target, count, flags=NONBLOCK)
        return os.read(self.out, count)[:moved]

    def close(self) -> None:
        """Let go of the pipe."""
        os.close(self.out)
        os.close(self._in)


class Onward:
    """The pipe that leads back to the intake; `splitter` has the beginning of a line that is not at its end."""

    def __init__(self, tail: bytes) -> None:
        self.begin(tail)
        self.out, self.into = os.pipe()
        os.set_blocking(self.out, False)
        os.set_blocking(self.into, False)
        with suppress(OSError):
            fcntl.fcntl(self.into, fcntl.F_SETPIPE_SZ, SIZE)

    def begin(self, tail: bytes) -> None:
        """Begin with the beginning of a line."""
        self.splitter = LineSplitter()
        self.splitter.feed(tail)

    @property
    def waiting(self) -> int:
        """How many bytes nobody has taken."""
        return int.from_bytes(fcntl.ioctl(self.out, termios.FIONREAD, bytes(4)), "little")

    def close(self) -> None:
        """Let go of the pipe: whoever reads it finds its end."""
        os.close(self.out)
        os.close(self.into)


def pipe_of(descriptor: int) -> int | None:
    """Return what tells a pipe from all others, None for what is none, or cannot be read."""
    found, how = os.fstat(descriptor), fcntl.fcntl(descriptor, fcntl.F_GETFL)
    can_be_read = how & (os.O_WRONLY | os.O_PATH) == 0
    return found.st_ino if stat.S_ISFIFO(found.st_mode) and can_be_read else None
