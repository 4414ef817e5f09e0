"""Tell systemd how the daemon is doing: the sd_notify protocol, one datagram per state."""

from __future__ import annotations

import os
import socket
from contextlib import suppress


def sd_notify(state: str) -> None:
    """Send a state such as `READY=1`; without systemd nothing happens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
        line.sendto(state.encode(), address)
