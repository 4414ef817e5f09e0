"""Jails that count networks: the failures of all clients of a prefix or an autonomous system together.

A verdict falls at the failure that makes `maxretry` of one network within `findtime`, if they are the failures of
`clients` different ones at least; it covers [t, t + bantime), and after it the count starts anew. A failure that
arrives late counts at its own time.

A network's key is its address and a byte for its length, as elsewhere, or `ASN` and the 4 bytes of an AS number.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import TYPE_CHECKING

from privet.core.address import Subject, is_pseudonym, mask_bits
from privet.core.cache import Cache
from privet.core.detect import Limit, Reached

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from privet.core.jails import Jail
    from privet.core.networks import Networks

_ASN = b"ASN"
_ASN_LENGTH = len(_ASN) + 4
_EVICT_SHARE = 8  # at the cap one in eight goes, so that the sort is paid once per cap / 8 new ones


class Keys(Cache[bytes | None]):
    """The key of the network that a jail counts a client with, by the client's key; None for those with none."""

    def __init__(self, jail: Jail, networks: Networks | None) -> None:
        super().__init__(self._by_prefix if jail.key == "prefix" else self._by_number)
        self._prefixes, self._networks = jail.prefixes, networks

    def _by_prefix(self, key: bytes) -> bytes | None:
        if is_pseudonym(key):
            return None
        return network_key(network_of(Subject.of_key(key), self._prefixes))

    def _by_number(self, key: bytes) -> bytes | None:
        network = self._networks.of(Subject.of_key(key)) if self._networks else None
        return _ASN + network.asn.to_bytes(4) if network else None


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


class _Failures:
    """Those of one network: the newest times, sorted, and when each client was seen last."""

    __slots__ = ("clients", "times")

    def __init__(self) -> None:
        self.times: list[float] = []
        self.clients: dict[bytes, float] = {}


class Neighbours:
    """The failures of one jail by network. It stands in the place of a window, see `core.detect`."""

    def __init__(self, limit: Limit, tolerance: float, max_clients: int) -> None:
        self.limits = [limit]
        self.clients: dict[bytes, _Failures] = {}
        self.evicted = 0
        self.accused: dict[bytes, list[bytes]] = {}  # whose failures brought down the networks of the last batch
        self._keep, self._cap = limit.findtime + tolerance, max_clients
        self._room = max_clients  # clients that may come before the next sweep

    def take(
        self, rows: Sequence[int], nets: Sequence[bytes], clients: Sequence[bytes], times: Sequence[float]
    ) -> Iterator[Reached]:
        """Count failures in order of arrival; yield networks that reach the limit, each before the next is counted."""
        limit = self.limits[0]
        self.accused.clear()
        for row, net, client, time in zip(rows, nets, clients, times, strict=True):
            if time < limit.until.get(net, time):
                continue
            seen = self.clients.get(net)
            if seen is None:
                seen = self.clients[net] = _Failures()
            self._enter(seen, client, time)
            if self._is_reached(seen):
                failures = len(seen.times)
                self.accused[net] = list(self.clients.pop(net).clients)
                limit.until[net] = time + limit.bantime
                yield Reached(row, limit, net, time, failures)

    def carry(self, old: Neighbours) -> None:
        """Take over what an equal jail has counted, and its bans if it is unchanged."""
        self.clients, self.evicted, self._room = old.clients, old.evicted, 0
        if self.limits[0].jail == old.limits[0].jail:
            self.limits[0].until = old.limits[0].until

    def shift(self, seconds: float) -> None:
        """Take note that the clock was set forward by so much."""
        for seen in self.clients.values():
            seen.times = [time + seconds for time in seen.times]
            seen.clients = {client: time + seconds for client, time in seen.clients.items()}
        self.limits[0].until = {net: until + seconds for net, until in self.limits[0].until.items()}

    def forget(self, key: bytes) -> None:
        """Forget a network: its count starts anew."""
        self.clients.pop(key, None)
        self.limits[0].until.pop(key, None)

    def failing(self, limit: Limit, now: float) -> int:
        """Return how many networks have failures that still count."""
        return sum(seen.times[-1] >= now - limit.findtime for seen in self.clients.values())

    def _enter(self, seen: _Failures, client: bytes, time: float) -> None:
        jail = self.limits[0].jail
        insort(seen.times, time)
        if client not in seen.clients:
            self._room -= 1
        seen.clients[client] = max(time, seen.clients.get(client, time))
        if len(seen.times) > jail.maxretry:
            del seen.times[0]
        if self._room <= 0:
            self._make_room(seen.times[-1])

    def _is_reached(self, seen: _Failures) -> bool:
        limit, jail, newest = self.limits[0], self.limits[0].jail, seen.times[-1]
        limit.look(newest)
        if len(seen.times) < limit.maxretry or newest - seen.times[-limit.maxretry] > jail.findtime:
            return False
        return (
            jail.clients == 1 or sum(time >= newest - jail.findtime for time in seen.clients.values()) >= jail.clients
        )

    def _make_room(self, now: float) -> None:
        """Drop what left findtime; at the cap also the networks with the fewest failures, longest silent."""
        horizon = now - self._keep
        for net, seen in list(self.clients.items()):
            del seen.times[: bisect_left(seen.times, horizon)]
            seen.clients = {client: time for client, time in seen.clients.items() if time >= horizon}
            if not seen.times:
                del self.clients[net]
        held = sum(len(seen.clients) for seen in self.clients.values())
        if held >= self._cap:
            order = sorted(self.clients, key=lambda net: (len(self.clients[net].times), self.clients[net].times[-1]))
            for net in order[: len(order) // _EVICT_SHARE + 1]:
                held -= len(self.clients.pop(net).clients)
                self.evicted += 1
        limit = self.limits[0]
        limit.until = {net: until for net, until in limit.until.items() if until >= horizon}
        self._room = max(self._cap - held, self._cap // _EVICT_SHARE)
