"""The way of lines from `privet pipe` to the daemon: bounded, losses counted; waited for where nobody else waits."""

from __future__ import annotations

import select
import socket
import time
from collections import deque
from typing import TYPE_CHECKING

from privet.core.parsing.lines import line_feeds
from privet.core.wire import BACK, Hello, Lines, Loan, pack_hello, pack_lines, pack_loan

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BUFFER = 4 << 20  # bytes kept while the daemon is away or slow: some 20,000 lines
FAREWELL = 1.0  # seconds that a slow daemon may take for the last lines
PATIENCE = 3.0  # seconds that it may take none, where it is waited for
RETRY = 1.0  # seconds between attempts to reach it
ANSWER = 0.5  # seconds that it may take to answer
_SEND_BUFFER = 1 << 20  # bytes asked of the kernel, which may grant less


class Handover:
    """Packets to the daemon's intake socket. `hello` is asked for at each connection, and after `greet`."""

    def __init__(self, path: Path, hello: Callable[[], Hello]) -> None:
        self.missed = 0  # lines that were lost before they came here
        self._dropped = self._sent = 0
        self._path, self._hello = path, hello
        self._socket: socket.socket | None = None
        self._greeted = self._given_up = False
        self._waiting: deque[bytes] = deque()
        self._told: Lines | None = None  # the totals, while nothing else says them
        self._size = 0
        self._next_try = 0.0

    @property
    def lost(self) -> int:
        """How many lines do not reach the daemon."""
        return self.missed + self._dropped

    @property
    def connected(self) -> bool:
        """Whether the daemon is there."""
        return self._socket is not None

    @property
    def done(self) -> int:
        """How many lines the daemon has got, or will not get any more."""
        return self._sent + self._dropped

    def fileno(self) -> int | None:
        """Return the descriptor to watch for room to send, None when there is nothing to send."""
        return self._socket.fileno() if self._socket and (self._waiting or not self._greeted) else None

    def greet(self) -> None:
        """Have the next push say hello again, with what is new."""
        self._greeted = False

    def put(self, data: bytes, taken: int, unwritten: int, now: float) -> None:
        """Hand lines on, or keep them; of what is kept too long the oldest goes first. `now` is monotonic."""
        self._waiting.append(data)
        self._size += len(data)
        while self._size > BUFFER:
            oldest = self._waiting.popleft()
            self._size -= len(oldest)
            self._dropped += line_feeds(oldest)
        self.push(taken, unwritten, now)

    def push(self, taken: int, unwritten: int, now: float) -> None:
        """Send what is waiting, as far as the daemon takes it."""
        if self._socket is None and now >= self._next_try:
            self._next_try = now + RETRY
            self._connect()
        if self._socket and not self._greeted:
            self._greeted = self._send(pack_hello(self._hello()))
        while self._greeted and self._waiting:
            if not self._send(pack_lines(Lines(self._waiting[0], taken, self.lost, unwritten))):
                break
            self._told = Lines(b"", taken, self.lost, unwritten)
            self._size -= len(self._waiting[0])
            self._sent += line_feeds(self._waiting.popleft())
            self._given_up = False

    def catch_up(self, taken: int, unwritten: int) -> bool:
        """Wait for a daemon that is behind, unless it stands still; tell whether it is to be waited for again."""
        room = self.fileno()
        if room is None or self._given_up:
            return False
        self._given_up = not select.select([], [room], [], PATIENCE)[1]
        self.push(taken, unwritten, time.monotonic())
        return not self._given_up

    @property
    def ready(self) -> bool:
        """Whether the daemon is there and has got everything."""
        return self._greeted and not self._waiting

    @property
    def line(self) -> int | None:
        """The descriptor to watch for what the daemon says."""
        return self._socket.fileno() if self._socket else None

    def lend(self, descriptor: int, tail: bytes) -> int | None:
        """Have the daemon read the input, of which this has read the beginning of a line.

        Return the descriptor from where it comes then, None if the daemon does not want to. To be asked when `ready`.
        """
        while self._socket and select.select([self._socket], [], [], 0)[0]:  # what it said during the loan before
            self.listen()
        if self._socket is None:
            return None
        try:
            socket.send_fds(self._socket, [pack_loan(Loan(tail))], [descriptor])
            if select.select([self._socket], [], [], ANSWER)[0]:
                answer, descriptors, _, _ = socket.recv_fds(self._socket, 1, 1)
                if answer:
                    return descriptors[0] if descriptors else None
        except OSError:
            pass
        self._hang_up()  # or else it might begin to read later
        self._next_try = time.monotonic() + RETRY
        return None

    def ask_back(self) -> None:
        """Have the daemon give the input back: what it has read ends then."""
        self._send(BACK)

    def listen(self) -> None:
        """Take what the daemon says; it has nothing to say but that something is there to be read, or its end."""
        if self._socket:
            try:
                said = self._socket.recv(1)
            except BlockingIOError:
                return
            except OSError:
                said = b""
            if not said:
                self._hang_up()

    def heard(self, lines: int) -> None:
        """Take note of lines that the daemon has read itself."""
        self._sent += lines

    def tell(self, taken: int, unwritten: int) -> None:
        """Let the daemon know of the totals, unless it does."""
        totals = Lines(b"", taken, self.lost, unwritten)
        if self._greeted and totals != self._told and self._send(pack_lines(totals)):
            self._told = totals

    def part(self) -> None:
        """Hang up on a daemon that does not answer."""
        self._hang_up()

    def finish(self, taken: int, unwritten: int) -> None:
        """Hand on what is left, count what could not be, and hang up. A slow daemon is waited for a moment."""
        end = time.monotonic() + FAREWELL
        self.push(taken, unwritten, end)
        while (room := self.fileno()) is not None and time.monotonic() < end:
            select.select([], [room], [], FAREWELL)
            self.push(taken, unwritten, end)
        self._dropped += sum(map(line_feeds, self._waiting))
        self._waiting.clear()
        self.tell(taken, unwritten)
        self._hang_up()

    def _connect(self) -> None:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        try:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
            connection.connect(str(self._path))
        except OSError:
            connection.close()
            return
        self._socket, self._greeted, self._told = connection, False, None

    def _send(self, packet: bytes) -> bool:
        if self._socket is None:
            return False
        try:
            self._socket.send(packet)
        except BlockingIOError:
            return False
        except OSError:
            self._hang_up()
            return False
        return True

    def _hang_up(self) -> None:
        if self._socket:
            self._socket.close()
            self._socket, self._greeted = None, False
