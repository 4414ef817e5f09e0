"""Jails that count networks: the failures of all clients of a prefix or an autonomous system together.

A verdict falls at the failure that makes `maxretry` of one network within `findtime`, if they are the failures of
`clients` different ones at least; it covers [t, t + bantime), and after it the count starts anew. A failure that
arrives late counts at its own time.

A network's key is its address and a byte for its length, as elsewhere, or `ASN` and the 4 bytes of an AS number.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from itertools import chain
from typing import TYPE_CHECKING, Any

from privet.core.address import Subject, is_pseudonym, mask_bits
from privet.core.cache import Cache
from privet.core.detect import Limit, Reached
from privet.core.limits import Standing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from privet.core.jails import Jail
    from privet.core.networks import Networks

_ASN = b"ASN"
_ASN_LENGTH = len(_ASN) + 4
_EVICT_SHARE = 8  # at the cap one in eight goes, so that the sort is paid once per cap / 8 new ones


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
        number = self._networks.number(key) if self._networks else None
        return None if number is None else _ASN + number.to_bytes(4)


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
    """Those of one network that has many: the newest times, sorted, and when each client was seen last."""

    __slots__ = ("clients", "times", "wait")

    def __init__(self, pairs: Sequence[tuple[float, bytes]]) -> None:
        self.times = [time for time, _ in pairs]
        self.clients = {client: time for time, client in pairs}
        self.wait = 0  # failures that must come before there can be clients enough

    def enter(self, client: bytes, time: float, most: int) -> None:
        """Count a failure; keep so many times at the most."""
        times, clients = self.times, self.clients
        if time >= times[-1]:
            times.append(time)
            clients[client] = time
        else:
            insort(times, time)
            clients[client] = max(time, clients.get(client, time))
        if len(times) > most:
            del times[0]
        self.wait -= 1


class Neighbours:
    """The failures of one jail by network. It stands in the place of a window, see `core.detect`.

    Most networks never come near the limit. Their failures are a plain list, time and client in turn, that nobody looks
    at before it is long enough for a verdict; then those within `findtime` are sorted out.
    """

    def __init__(self, limit: Limit, tolerance: float, max_clients: int) -> None:
        self.limits = [limit]
        self.clients: dict[bytes, list[Any] | _Failures] = {}
        self.evicted = 0
        self.accused: dict[bytes, list[bytes]] = {}  # whose failures brought down the networks of the last batch
        self._keep, self._cap = limit.findtime + tolerance, max_clients
        self._room = max_clients  # failures that may come before the next sweep

    def take(
        self, rows: Sequence[int], nets: Sequence[bytes], clients: Sequence[bytes], times: Sequence[float]
    ) -> Iterator[Reached]:
        """Count failures in order of arrival; yield networks that reach the limit, each before the next is counted."""
        limit, held, room = self.limits[0], self.clients, self._room
        get, most, until = held.get, limit.jail.maxretry, limit.until
        full = 2 * limit.lowest
        self.accused.clear()
        for row, net, client, time in zip(rows, nets, clients, times, strict=True):
            if until and time < until.get(net, time):
                continue
            room -= 1
            seen = get(net)
            if seen is None:
                seen = held[net] = []
            if isinstance(seen, list):
                seen += (time, client)
                much = self._much(net, seen) if len(seen) >= full else None
            else:
                seen.enter(client, time, most)
                much = seen
            if much is not None and self._is_reached(much):
                since = much.times[-1] - limit.findtime
                self.accused[net] = [one for one, at in much.clients.items() if at >= since]
                del held[net]
                until[net] = time + limit.bantime
                yield Reached(row, limit, net, time, sum(at >= since for at in much.times))
            if room <= 0:
                room, until = self._make_room(time), limit.until
        self._room = room

    def carry(self, old: Neighbours) -> None:
        """Take over what an equal jail has counted, and its bans if it is unchanged."""
        self.clients, self.evicted, self._room = old.clients, old.evicted, 0
        if self.limits[0].jail == old.limits[0].jail:
            self.limits[0].until = old.limits[0].until

    def shift(self, seconds: float) -> None:
        """Take note that the clock was set forward by so much."""
        for seen in self.clients.values():
            if isinstance(seen, list):
                seen[::2] = [time + seconds for time in seen[::2]]
            else:
                seen.times = [time + seconds for time in seen.times]
                seen.clients = {client: time + seconds for client, time in seen.clients.items()}
        self.limits[0].until = {net: until + seconds for net, until in self.limits[0].until.items()}

    def forget(self, key: bytes) -> None:
        """Forget a network: its count starts anew."""
        self.clients.pop(key, None)
        self.limits[0].until.pop(key, None)

    def failing(self, limit: Limit, now: float) -> int:
        """Return how many networks have failures that still count."""
        return sum(_newest(seen) >= now - limit.findtime for seen in self.clients.values())

    def counted(self, limit: Limit, key: bytes, _time: float) -> int:
        """Return how many failures of a network count, as far as the limit."""
        seen = self.clients.get(key)
        if seen is None:
            return 0
        times = seen[::2] if isinstance(seen, list) else seen.times
        since = _newest(seen) - limit.findtime
        return sum(time >= since for time in times)

    def standing(self, limit: Limit, now: float) -> Iterator[Standing]:
        """Yield how many failures of each network count now, as far as the limit; others may be counted meanwhile."""
        since = now - limit.findtime
        for key in list(self.clients):
            seen = self.clients.get(key)
            if isinstance(seen, list):
                pairs = _since(seen, since)
                yield Standing(limit.jail, key, len(pairs), _newest(seen), len({client for _, client in pairs}))
            elif seen is not None:
                clients = sum(time >= since for time in seen.clients.values())
                yield Standing(limit.jail, key, sum(time >= since for time in seen.times), _newest(seen), clients)

    def _much(self, net: bytes, seen: list[Any]) -> _Failures | None:
        """Look at a list that is long enough for a verdict; None if without what has left `findtime` it is short."""
        limit = self.limits[0]
        pairs = _since(seen, _newest(seen) - limit.findtime)
        if len(pairs) < limit.lowest and 2 * len(pairs) <= limit.lowest:
            seen[:] = chain.from_iterable(pairs)
            return None
        much = self.clients[net] = _Failures(sorted(pairs))
        return much

    def _is_reached(self, seen: _Failures) -> bool:
        limit, times, newest = self.limits[0], seen.times, seen.times[-1]
        limit.look(newest)
        most = limit.maxretry
        if seen.wait > 0 or len(times) < most or newest - times[-most] > limit.findtime:
            return False
        needed = limit.jail.clients
        if needed > 1:  # each failure makes them one more at the most
            seen.wait = needed - sum(time >= newest - limit.findtime for time in seen.clients.values())
        return seen.wait <= 0

    def _make_room(self, now: float) -> int:
        """Drop what left findtime; at the cap also the networks with the fewest failures, longest silent.

        Return how many failures may come before the next time.
        """
        horizon, clients = now - self._keep, self.clients
        held = 0
        for net, seen in list(clients.items()):
            held += _kept(seen, horizon)
            if not _size(seen):
                del clients[net]
        if held >= self._cap:
            order = sorted(clients, key=lambda net: (_size(clients[net]), _newest(clients[net])))
            for net in order[: len(order) // _EVICT_SHARE + 1]:
                held -= _kept(clients.pop(net), horizon)
                self.evicted += 1
        limit = self.limits[0]
        limit.until = {net: until for net, until in limit.until.items() if until >= horizon}
        return max(self._cap - held, self._cap // _EVICT_SHARE)


def _since(seen: list[Any], start: float) -> list[tuple[float, bytes]]:
    """Return times and clients of a list from a time on."""
    return [(time, client) for time, client in zip(seen[::2], seen[1::2], strict=True) if time >= start]


def _newest(seen: list[Any] | _Failures) -> float:
    newest: float = max(seen[::2]) if isinstance(seen, list) else seen.times[-1]
    return newest


def _size(seen: list[Any] | _Failures) -> int:
    """Return how many failures there are."""
    return len(seen) // 2 if isinstance(seen, list) else len(seen.times)


def _kept(seen: list[Any] | _Failures, start: float) -> int:
    """Drop what is older than a time; return how many clients are left."""
    if isinstance(seen, list):
        seen[:] = chain.from_iterable(_since(seen, start))
        return len(set(seen[1::2]))
    del seen.times[: bisect_left(seen.times, start)]
    seen.clients = {client: time for client, time in seen.clients.items() if time >= start}
    return len(seen.clients)
