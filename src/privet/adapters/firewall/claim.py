"""One guard for each table: who has the claim says so on a socket whose name lives in the network namespace.

Tables belong to a network namespace, and so do abstract sockets: whatever directories two daemons have, the second
one finds the first, and two in namespaces of their own do not meet. The name goes with the process that has it.
"""

from __future__ import annotations

import os
import socket
import struct

from privet.adapters.firewall.layout import FAMILY, TABLE
from privet.ports import FirewallError

_NAME = f"\0privet/{FAMILY}/{TABLE}"
_PEER = struct.Struct("iII")  # struct ucred: pid, uid, gid


def claim() -> socket.socket | None:
    """Claim the table until the socket is closed; None where a user without rights took the name, to be a nuisance.

    Raises FirewallError when another process guards the table.
    """
    line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        line.bind(_NAME)
        line.listen()  # so that others can ask who has it
    except OSError:
        line.close()
        holder = _holder()
        if holder is None:
            return None
        raise FirewallError(
            f"process {holder} guards the table {FAMILY} {TABLE} of this network already: stop that privet first; "
            'or let this one close nothing, with backend = "null" in [firewall]'
        ) from None
    return line


def _holder() -> int | None:
    """Return the process that has the name, None if it has no right to guard a table."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as line:
        line.settimeout(1.0)
        try:
            line.connect(_NAME)
        except OSError:
            return None
        pid, user, _group = _PEER.unpack(line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
    return pid if user in (0, os.geteuid()) else None
