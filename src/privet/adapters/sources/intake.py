"""The daemon's end of the intake: packets from every `privet pipe`, read as they come."""

from __future__ import annotations

import os
import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from privet.core.wire import HURRY, LARGEST, Hello, Lines, Loan, pack_loan, unpack

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

_PEER = struct.Struct("iII")  # struct ucred: pid, uid, gid
_BACKLOG = 64
_ANCILLARY = socket.CMSG_SPACE(struct.calcsize("i"))


class Peer(msgspec.Struct, eq=False):
    """One connected pipe and what it last said of itself."""

    connection: socket.socket
    hello: Hello | None = None
    taken: int = 0
    dropped: int = 0
    unwritten: int = 0
    lent: tuple[int, bytes] | None = None
    """The descriptor of its input, and the beginning of a line that it had read, until somebody takes them."""
    wants_back: bool = False

    def __repr__(self) -> str:
        """Never show what was read, which has addresses."""
        return f"Peer(connection={self.connection.fileno()}, taken={self.taken}, dropped={self.dropped})"


class Intake:
    """A SOCK_SEQPACKET server. Only processes of the given users may speak, others are refused and counted."""

    def __init__(self, path: Path, users: Collection[int], group: int | None = None) -> None:
        self.refused = 0
        self._buffer = memoryview(bytearray(LARGEST))  # a fresh one for each packet would cost more than reading it
        self._path, self._users = path, frozenset(users)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        path.unlink(missing_ok=True)
        mask = os.umask(0o117)
        try:
            self._socket.bind(str(path))
        finally:
            os.umask(mask)
        if group is not None:
            os.chown(path, -1, group)
        self._socket.listen(_BACKLOG)

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when a pipe connects."""
        return self._socket.fileno()

    def accept(self) -> Peer | None:
        """Return a pipe that connected, None if there is none or it may not speak.

        Raises OSError when no more can be accepted for now: then it still waits, and the descriptor stays readable.
        """
        try:
            connection, _ = self._socket.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return None
        _pid, user, _group = _PEER.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
        if user not in self._users:
            self.refused += 1
            connection.close()
            return None
        connection.settimeout(0)
        return Peer(connection)

    def receive(self, peer: Peer) -> tuple[bytes, bool]:
        """Return the lines of the next packet of a pipe, and whether the pipe is still there."""
        try:
            size, ancillary, _, _ = peer.connection.recvmsg_into([self._buffer], _ANCILLARY)
        except BlockingIOError:
            return b"", True
        except OSError:
            return b"", False
        descriptors = _descriptors(ancillary)
        try:
            message = unpack(self._buffer[:size].tobytes()) if size else None
            if isinstance(message, Loan) and descriptors and peer.lent is None:
                peer.lent = (descriptors.pop(), message.tail)
        except ValueError:
            return b"", False
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        if isinstance(message, Hello):
            peer.hello = message
        elif isinstance(message, Lines):
            peer.taken, peer.dropped, peer.unwritten = message.taken, message.dropped, message.unwritten
            return message.data, True
        elif message is None:
            peer.wants_back = size > 0
        return b"", size > 0

    @staticmethod
    def answer(peer: Peer, descriptor: int) -> bool:
        """Take a loan: send the descriptor of the pipe that leads onward. False if the other is gone."""
        try:
            socket.send_fds(peer.connection, [pack_loan(Loan(b""))], [descriptor])
        except OSError:
            return False
        return True

    @staticmethod
    def decline(peer: Peer) -> None:
        """Let the other read its input itself."""
        with suppress(OSError):
            peer.connection.send(pack_loan(Loan(b"")))

    @staticmethod
    def hurry(peer: Peer) -> None:
        """Tell that the pipe that leads onward fills up."""
        with suppress(OSError):  # then enough of these wait already
            peer.connection.send(HURRY)

    def close(self) -> None:
        """Take the socket away."""
        with suppress(OSError):
            self._path.unlink()
        self._socket.close()


def _descriptors(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    rights = [data for level, kind, data in ancillary if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)]
    return [number for data in rights for (number,) in struct.iter_unpack("i", data[: len(data) // 4 * 4])]
