"""Who made a request that a proxy passed on, by `X-Forwarded-For` or `Forwarded` (RFC 7239).

Each proxy writes behind what it was told whom it got the request from, so the header is read from its end,
across trusted hops only: the first address that is no trusted proxy's is the client. What stands before it
the client may have written himself, and counts for nothing. A header from somebody who is not trusted is
not looked at.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from privet.core.addresses.address import Subject, key_of, pack
from privet.core.addresses.prefixes import PrefixSet
from privet.core.cache import Cache

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

BEHIND, DIRECT = b"+", b"-"
"""Values of the column `behind`: whether a row's client came through a proxy."""

MOST_HOPS = 16  # trusted proxies that one request passes
_HEADERS = 16_384  # headers remembered: some 8 MB if an attacker makes them as long as he can
_ABSENT = (b"-", b"")

_NODE = re.compile(
    rb"\[([0-9A-Fa-f:.]{2,45})\](?::[\w.-]{1,32})?|([0-9.]{7,15})(?::[\w.-]{1,32})?|([0-9A-Fa-f:.]{2,45})"
)


class Proxies:
    """The proxies whose word is believed."""

    def __init__(self, trusted: Iterable[Subject] = ()) -> None:
        self.trust(trusted)

    def trust(self, trusted: Iterable[Subject]) -> None:
        """Believe these from now on, and nobody else."""
        self._trusted = PrefixSet(trusted)
        self._passes: Cache[bool] = Cache(self._is_trusted)
        self.clients: Cache[bytes | None] = Cache(self._client, _HEADERS)

    def see_through(
        self, keys: list[bytes | None], peers: Sequence[bytes], columns: dict[str, Sequence[bytes]]
    ) -> list[bytes | None]:
        """Return the keys of the clients, in place of those of trusted peers; the column `behind` says whose.

        None stands where a trusted peer did not tell a client that can be read.
        """
        if not self._trusted or "forwarded" not in columns:
            return keys
        passed = list(map(self._passes.__getitem__, peers))
        if True not in passed:
            return keys
        headers, clients = columns["forwarded"], self.clients
        passed = [one and header not in _ABSENT for one, header in zip(passed, headers, strict=True)]
        before = columns.get("behind") or [DIRECT] * len(keys)
        columns["behind"] = [BEHIND if one else old for one, old in zip(passed, before, strict=True)]
        return [clients[header] if one else key for one, header, key in zip(passed, headers, keys, strict=True)]

    def _is_trusted(self, text: bytes) -> bool:
        packed = pack(text)
        return packed is not None and self._trusts(packed)

    def _trusts(self, packed: bytes) -> bool:
        return self._trusted.covers(Subject(packed, len(packed) * 8))

    def _client(self, header: bytes) -> bytes | None:
        """Return the key of the client that a header tells, None if it cannot be read as far as it counts."""
        key = None
        for number, hop in enumerate(reversed(header.rsplit(b",", MOST_HOPS))):
            packed = _address(hop) if number < MOST_HOPS else None
            if packed is None:
                return None
            key = key_of(packed)
            if not self._trusts(packed):
                break
        return key


def marks(clients: Sequence[bytes], peers: Sequence[bytes]) -> list[bytes]:
    """Return the column `behind` where the server logs both: whom it takes for the client, and who was connected."""
    return [DIRECT if peer in (client, b"-") else BEHIND for client, peer in zip(clients, peers, strict=True)]


def _address(hop: bytes) -> bytes | None:
    """Return the packed address of one hop, None if there is none: `unknown`, a name, or what was made up."""
    hop = hop.replace(b'\\"', b'"').replace(b"\\x22", b'"').strip()  # as Apache and nginx write a quote
    if b"=" in hop:
        told = [value for name, _, value in (pair.partition(b"=") for pair in hop.split(b";")) if _is_for(name)]
        if len(told) != 1:
            return None
        hop = told[0].strip()
    found = _NODE.fullmatch(hop.strip(b'"'))
    packed = pack(found[found.lastindex or 0]) if found else None
    return packed if packed and any(packed) else None


def _is_for(name: bytes) -> bool:
    return name.strip().lower() == b"for"
