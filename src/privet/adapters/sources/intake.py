"""The daemon's end of the intake: packets from every `privet pipe`, read as they come."""

from __future__ import annotations

import os
import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from privet.core.wire import LARGEST, Hello, unpack

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

_PEER = struct.Struct("iII")  # struct ucred: pid, uid, gid
_BACKLOG = 64


class Peer(msgspec.Struct):
    """One connected pipe and what it last said of itself."""

    connection: socket.socket
    hello: Hello | None = None
    taken: int = 0
    dropped: int = 0
    unwritten: int = 0


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
        """Return a pipe that connected, None if there is none or it may not speak."""
        try:
            connection, _ = self._socket.accept()
        except OSError:
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
            packet = self._buffer[: peer.connection.recv_into(self._buffer)].tobytes()
            message = unpack(packet) if packet else None
        except BlockingIOError:
            return b"", True
        except (OSError, ValueError):
            return b"", False
        if isinstance(message, Hello):
            peer.hello = message
        elif message:
            peer.taken, peer.dropped, peer.unwritten = message.taken, message.dropped, message.unwritten
            return message.data, True
        return b"", message is not None

    def close(self) -> None:
        """Take the socket away."""
        with suppress(OSError):
            self._path.unlink()
        self._socket.close()
