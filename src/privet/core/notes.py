"""What jails remember of earlier bans, in the form in which a store keeps it."""

from __future__ import annotations

import msgspec


class Note(msgspec.Struct, frozen=True, gc=False):
    """Something about somebody that a jail needs until `until`; `key` is by what it is found again."""

    jail: str
    key: bytes
    until: float
    data: bytes = b""

    def __repr__(self) -> str:
        """Never show the key, in which there may be an address."""
        return f"Note(jail={self.jail!r}, until={self.until})"
