"""Where `privet pipe` gets its lines: standard input, a FIFO, or a datagram socket that speaks syslog."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import select
import socket
import stat
import termios
import threading
from collections import deque
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PIPE_SIZE = 1 << 20  # bytes: a web server's writes wait when its pipe is full
READ = 1 << 16  # bytes: blocks of this size stay in the cache, and fit a packet to the daemon
AT_ONCE = 1 << 17  # bytes of what the daemon has read: no more is lost of it when an intake is killed
_RECEIVE_BUFFER = 64 << 20  # bytes asked of the kernel, which may grant less
_DATAGRAM = 1 << 16
_KEPT, _ROOM = 100_000, 64 << 20  # datagrams not yet taken, and their bytes; more are dropped and counted
_SYSLOG = re.compile(rb"^<\d{1,3}>(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d )?(?:[^ :]+ )?[\w.-]+: ")


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Add the path to errors of calls that do not tell it."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno or 0, error.strerror or str(error), str(path)) from None


class StreamInput:
    """Standard input or a FIFO; a FIFO is held open for writing too, so that it has no end."""

    def __init__(self, fifo: Path | None = None) -> None:
        self.endless = fifo is not None
        if fifo is None:
            self._descriptor = 0
        else:
            if not fifo.exists():
                with _named(fifo):
                    os.mkfifo(fifo, 0o600)
            if not stat.S_ISFIFO(fifo.stat().st_mode):
                raise OSError(errno.EINVAL, "is no FIFO", str(fifo))
            self._descriptor = os.open(fifo, os.O_RDWR | os.O_CLOEXEC)
        os.set_blocking(self._descriptor, False)
        with suppress(OSError):
            fcntl.fcntl(self._descriptor, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
        self.patient = stat.S_ISREG(os.fstat(self._descriptor).st_mode)
        self.dropped = 0

    waiting = 0

    def fileno(self) -> int:
        """Return what to watch for lines."""
        return self._descriptor

    @property
    def lendable(self) -> int | None:
        """The descriptor, if somebody else can read it in our place."""
        return self._descriptor if stat.S_ISFIFO(os.fstat(self._descriptor).st_mode) else None

    def read(self) -> bytes | None:
        """Return what has come, b"" when nothing has, None at the end."""
        return _read(self._descriptor, READ)

    def finish(self) -> None:
        """Have nothing to do: what has come waits in the pipe."""

    def close(self) -> None:
        """Stop listening; standard input stays, as it was."""
        if self._descriptor:
            os.close(self._descriptor)
        else:
            os.set_blocking(self._descriptor, True)


class Onward:
    """What comes by way of the daemon, while it reads an input in our place: it tells when that has to end.

    An `endless` input never ends by itself.
    """

    def __init__(self, source: int, descriptor: int, *, endless: bool = False) -> None:
        self._source, self._descriptor, self._endless = source, descriptor, endless
        self._idle = 0  # times in a row that nothing came

    def wait(self, line: int | None, seconds: float, *, lines: bool) -> bool:
        """Wait until the daemon says something or ends, the input ends, or, if asked for, lines come.

        Tell whether it said something. Its end shows on the line first, and only then its pipe is watched: each time
        that bytes are moved, whoever watches a pipe that they go into is woken up, even if he waits for its end only.
        So is he who watches a FIFO that they come from, if he has it open for writing, too; such a one never ends.
        """
        watch, events = select.poll(), select.POLLIN if lines else 0
        if not self.ended and (lines or not self._endless):
            watch.register(self._source, events)
        if lines or line is None:
            watch.register(self._descriptor, events)
        if line is not None:
            watch.register(line, select.POLLIN)
        return line in dict(watch.poll(seconds * 1000))

    @property
    def is_late(self) -> bool:
        """Whether something waited in the input at the last look, and did not come."""
        return self._idle > 0

    def read(self) -> bytes | None:
        """Return what has come, b"" when nothing has, None when no more comes this way."""
        return _read(self._descriptor, AT_ONCE)

    @property
    def ended(self) -> bool:
        """Whether nobody writes to the input any more."""
        watch = select.poll()
        watch.register(self._source, 0)
        return bool(watch.poll(0))

    def is_stuck(self, *, came: bool) -> bool:
        """Tell whether the daemon does not keep up with the input, by what waits there, after a look."""
        waiting = int.from_bytes(fcntl.ioctl(self._source, termios.FIONREAD, bytes(4)), "little")
        self._idle = self._idle + 1 if waiting and not came else 0
        return waiting > PIPE_SIZE // 2 or self._idle > 1

    def close(self) -> None:
        """Let go of it."""
        os.close(self._descriptor)


def _read(descriptor: int, size: int) -> bytes | None:
    try:
        return os.read(descriptor, size) or None
    except BlockingIOError:
        return b""


class DatagramInput:
    """A unix datagram socket; a thread empties it as fast as the kernel allows, since few datagrams wait there."""

    endless = True
    patient = False
    lendable = None

    def __init__(self, path: Path, group: int | None = None) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path.unlink(missing_ok=True)
        mask = os.umask(0o117)
        try:
            with _named(path):
                self._socket.bind(str(path))
        except OSError:
            self._socket.close()
            raise
        finally:
            os.umask(mask)
        if group is not None:
            os.chown(path, -1, group)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        self.dropped = 0
        self._lines: deque[bytes] = deque()
        self._came = self._taken = 0  # bytes: each is counted by one thread only
        self._ready, self._wake = os.pipe()
        os.set_blocking(self._ready, False)
        self._finished = False
        self._thread = threading.Thread(target=self._drain, daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many lines have come and have not been read."""
        return len(self._lines)

    def fileno(self) -> int:
        """Return what to watch for lines."""
        return self._ready

    def read(self) -> bytes | None:
        """Return what has come, as far as it fits a packet, without the syslog header, b"" when nothing has."""
        with suppress(BlockingIOError):
            os.read(self._ready, 64)
        block, size = [], 0
        while self._lines and size < READ:
            datagram = self._lines.popleft()
            self._taken += len(datagram)
            line = _SYSLOG.sub(b"", datagram, count=1).rstrip(b"\n") + b"\n"
            block.append(line)
            size += len(line)
        if self._lines:  # the thread wakes nobody for lines that follow others
            os.write(self._wake, b"!")
        return b"".join(block)

    def finish(self) -> None:
        """Accept nothing more; what has come so far is read to its end."""
        self._finished = True
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RD)  # the thread still gets what waits in the kernel
        self._thread.join()

    def close(self) -> None:
        """Take the socket away, where the directory belongs to the user that this process has become."""
        self.finish()
        with suppress(OSError):
            self._path.unlink()
        self._socket.close()
        os.close(self._ready)
        os.close(self._wake)

    def _drain(self) -> None:
        receive = self._socket.recv
        while True:
            try:
                line = receive(_DATAGRAM)
            except OSError:
                return  # closed
            if self._finished and not line:
                return
            if len(self._lines) < _KEPT and self._came - self._taken + len(line) <= _ROOM:
                self._came += len(line)
                self._lines.append(line)
                if len(self._lines) == 1:
                    os.write(self._wake, b"!")
            else:
                self.dropped += 1
