"""Which addresses a name stands for, as the system's resolver says."""

from __future__ import annotations

import socket

from privet.core.addresses.address import key_of, pack

MOST = 16
"""Addresses of one name that count: whoever owns a name can let it stand for anybody."""


def addresses_of(name: str) -> list[bytes]:
    """Return the client keys of a name; nothing if it has none, or nobody knows. Blocks."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    packed = dict.fromkeys(pack(str(address[0]).encode()) for *_, address in found)
    return [key_of(one) for one in packed if one and any(one)][:MOST]
