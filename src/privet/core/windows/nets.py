"""To which network a client counts, and the keys that networks go by.

A network's key is its address and a byte for its length, as elsewhere, or `ASN` and the 4 bytes of an AS number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from privet.core.addresses.address import Subject, is_pseudonym, mask_bits
from privet.core.cache import Cache

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from privet.core.addresses.networks import Networks
    from privet.core.jails import Jail

_ASN = b"ASN"
_ASN_LENGTH = len(_ASN) + 4


class Keys:
    """The keys of the networks that a jail counts clients with, by the clients' keys; None for those with none."""

    def __init__(self, jail: Jail, networks: Networks | None) -> None:
        self._prefixes, self._networks = jail.prefixes, networks
        self._known = Cache(self._by_prefix if jail.key == "prefix" else self._by_number)
        self._cuts = jail.key == "prefix" and all(length % 8 == 0 for length in jail.prefixes)
        self._tails = [
            bytes(size - length // 8) + bytes([length]) for size, length in zip((4, 16), jail.prefixes, strict=True)
        ]

    def __call__(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the key of each client's network."""
        known = self._known
        if not self._cuts:
            return list(map(known.__getitem__, keys))
        # Of most keys the first bytes are the network: to cut them off takes less than to remember them.
        (four, six), (tail_of_four, tail_of_six) = (length // 8 for length in self._prefixes), self._tails
        return [
            key[:four] + tail_of_four if len(key) == 4 else key[:six] + tail_of_six if len(key) == 8 else known[key]
            for key in keys
        ]

    def clear(self) -> None:
        """Forget what is known: the table has other answers."""
        self._known.clear()

    def _by_prefix(self, key: bytes) -> bytes | None:
        if is_pseudonym(key):
            return None
        return network_key(network_of(Subject.of_key(key), self._prefixes))

    def _by_number(self, key: bytes) -> bytes | None:
        number = self._networks.number(key) if self._networks is not None else None
        return None if number is None else _ASN + number.to_bytes(4)


class Named:
    """The keys of the networks of clients that have one, found out when somebody asks."""

    def __init__(self, networks: Keys, clients: Sequence[bytes]) -> None:
        self._networks, self._clients = networks, clients

    def __iter__(self) -> Iterator[bytes]:
        return (key or b"" for key in self._networks(self._clients))  # the table may have changed


def network_of(subject: Subject, prefixes: tuple[int, int]) -> Subject:
    """Return the network around a subject, with prefixes of these lengths for IPv4 and IPv6."""
    length = min(subject.length, prefixes[subject.version == 6])
    return Subject(mask_bits(subject.packed, length), length)


def network_key(who: Subject | int) -> bytes:
    """Return the key of a network, or of an AS number."""
    return _ASN + who.to_bytes(4) if isinstance(who, int) else who.packed + bytes([who.length])


def number_of(key: bytes) -> int | None:
    """Return the AS number that a key stands for, None if it stands for something else."""
    return int.from_bytes(key[len(_ASN) :]) if len(key) == _ASN_LENGTH else None
