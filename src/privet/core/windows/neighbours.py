"""Jails that count networks: the failures of all clients of a prefix or an autonomous system together.

A verdict falls at the failure that makes `maxretry` of one network within `findtime`, if they are the failures of
`clients` different ones at least; it covers [t, t + bantime), and after it the count starts anew. A failure that
arrives late counts at its own time.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from math import inf
from typing import TYPE_CHECKING

from privet.core.arrays import np
from privet.core.parsing.blocks.columns import some_of
from privet.core.rows.crowd import NOBODY, Crowd
from privet.core.rows.facts import order_of, previous
from privet.core.rows.trails import NOWHERE, Trails
from privet.core.windows.detect import Limit, Reached
from privet.core.windows.limits import Standing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import numpy.typing as npt

    Places = npt.NDArray[np.intp]
    Clients = npt.NDArray[np.object_]
    Networked = Callable[[Sequence[bytes]], Sequence[bytes | None]]

_EVICT_SHARE = 8  # at the cap one in eight goes, so that the sort is paid once per cap / 8 new ones
_UNKNOWN, _NONE = NOBODY, -2  # in place of the number of a client's network: not asked yet, and none
_NEAR = 1 << 40  # the depth of networks whose failures are not in the ring
_PER_CLIENT = 3  # failures of a client that there is room for, where all that may be remembered are there


class _Failures:
    """Those of one network that has many: the newest times, sorted, and when each client was seen last.

    `most` times are kept.
    """

    __slots__ = ("clients", "most", "since", "times", "wait")

    def __init__(self, pairs: Iterable[tuple[float, bytes]], most: int) -> None:
        ordered = sorted(pairs)
        self.times, self.most = [time for time, _ in ordered[-most:]], most
        self.clients = {client: time for time, client in ordered}
        self.wait = 0  # failures that must come before there can be enough of them, and of clients
        self.since = inf  # those of clients who came since then are not among them, as they make no more clients

    def enter(self, client: bytes, time: float) -> bool:
        """Count a failure; tell whether there may be enough now."""
        times, last = self.times, self.clients.get(client, -inf)
        if not times or time >= times[-1]:
            times.append(time)
        else:
            insort(times, time)
        if time > last:
            self.clients[client] = time
        if len(times) > self.most:
            del times[0]
        if last < self.since:
            self.wait -= 1
        return self.wait <= 0

    def extend(self, clients: Sequence[bytes], times: Sequence[float]) -> bool:
        """Count failures in the order of their times, unless there may be enough then, or some are late."""
        count = len(times)
        if self.since < inf:
            count = sum(self.clients.get(client, -inf) < self.since for client in set(clients))
        if count >= self.wait or (self.times and times[0] < self.times[-1]):
            return False
        self.times += times
        self.clients.update(zip(clients, times, strict=True))
        del self.times[: -self.most]
        self.wait -= count
        return True


class _Ends(dict[bytes, float]):
    """When the last ban of each network ends; of those with a number in a column too."""

    def __init__(self, nets: Crowd, ends: Mapping[bytes, float]) -> None:
        super().__init__(ends)
        self._nets = nets
        self.column = nets.column(-inf)

    def __setitem__(self, net: bytes, end: float) -> None:
        super().__setitem__(net, end)
        number = self._nets.number(net)
        if number != NOBODY:
            self.column.values[number] = end


class Neighbours:
    """The failures of one jail by network. It stands in the place of a window, see `core.windows.detect`.

    Most networks never come near the limit. Their failures lie in a ring, and nobody looks at them before there are
    failures and clients enough for a verdict; then those of the network that are within `findtime` are sorted out.

    Networks have numbers, valid until more are asked for. `depth` is how far back in the ring there may be failures
    of a network within `findtime`, and no more than `members` different clients have made them.
    """

    def __init__(self, limit: Limit, tolerance: float, max_clients: int, crowd: Crowd) -> None:
        self.limits = [limit]
        self.clients = Crowd(max_clients, limit.findtime + 2 * tolerance)  # the networks
        self.accused: dict[bytes, list[bytes]] = {}  # whose failures brought down the networks of the last batch
        self.net_of = crowd.column(_UNKNOWN, np.int32)  # of each client
        self.ring = Trails(_PER_CLIENT * max_clients, np.object_)
        self.last = self.clients.column(NOWHERE, np.int64)  # where in it those of a network are
        self.depth = self.clients.column(0, np.int64)
        self.members = self.clients.column(0, np.int64)
        self.newest = self.clients.column(-inf)  # of the failures in the ring
        self.near: dict[int, _Failures] = {}  # networks that have many, by number
        self.forgotten = 0  # of these
        self._keep, self._cap = limit.findtime + tolerance, max_clients
        self._room = max_clients  # failures of such networks that may come before the next sweep
        limit.until = self._ends = _Ends(self.clients, limit.until)

    @property
    def evicted(self) -> int:
        """How many networks were forgotten to stay within the cap."""
        return self.clients.evicted + self.forgotten

    def numbers(
        self,
        networks: Networked,
        keys: Sequence[bytes],
        times: npt.NDArray[np.float64],
        clients: Places | None = None,
    ) -> Places:
        """Return the number of each client's network, negative for none; `clients` are their own where they have."""
        self._drop(self.clients.make_room())
        if clients is None:
            return self._ask(networks, keys, times)
        numbers: Places = self.net_of.values[clients].astype(np.intp)
        unknown = (numbers == _UNKNOWN).nonzero()[0]
        if len(unknown):
            found = self._ask(networks, some_of(keys, unknown).tolist(), times[unknown])
            numbers[unknown] = self.net_of.values[clients[unknown]] = found
        return numbers

    def networks_changed(self) -> None:
        """Forget to which networks clients belong."""
        self.net_of.clear()

    def take(
        self,
        rows: Sequence[int] | Places,
        nets: Places | Sequence[int],
        clients: Sequence[bytes],
        times: npt.NDArray[np.float64] | Sequence[float],
    ) -> Iterator[Reached]:
        """Count failures in order of arrival; yield networks that reach the limit, each before the next is counted."""
        self.accused.clear()
        nets, times = np.asarray(nets, np.intp), np.asarray(times, np.float64)
        self.clients.see(nets, times)
        places = (times >= self._ends.column.values[nets]).nonzero()[0]
        nets, times = nets[places], times[places]
        depth, limit = self.depth.values, self.limits[0]
        np.add.at(depth, nets, 1)
        enough = np.where(self.members.values[nets] >= limit.jail.clients, limit.lowest, _NEAR)
        many = depth[nets] >= enough
        if many.any():
            named = nets[many].tolist()
            if some := set(named).difference(self.near):
                for net in some:
                    self._look(net, named.count(net))
                many = depth[nets] >= enough
        few, held = (~many).nonzero()[0], some_of(clients, places)
        if len(few):
            nets_of_few, when = nets[few], times[few]
            np.maximum.at(self.newest.values, nets_of_few, when)
            before, horizon = previous(nets_of_few), when.max() - self._keep
            self.ring.enter(self.last.values, nets_of_few, when, held[few], before, horizon)
        if len(few) < len(nets):
            yield from self._judge(rows, places[many], nets[many], held[many], times[many])

    def carry(self, old: Neighbours) -> None:
        """Take over what an equal jail has counted, and its bans if it is unchanged."""
        self.clients.carry(old.clients)
        self.ring, self.near, self.forgotten, self._room = old.ring, old.near, old.forgotten, 0
        for seen in self.near.values():
            seen.wait, seen.most = 0, self.limits[0].jail.maxretry  # which may have changed
        self.last.take(old.last)
        self.depth.take(old.depth)
        self.members.take(old.members)
        self.newest.take(old.newest)
        if self.limits[0].jail == old.limits[0].jail:
            self._end_at(old.limits[0].until)

    def shift(self, seconds: float) -> None:
        """Take note that the clock was set forward by so much."""
        self.clients.shift(seconds)
        self.ring.shift(seconds)
        self.newest.values[:] += seconds
        for seen in self.near.values():
            seen.times, seen.since = [time + seconds for time in seen.times], seen.since + seconds
            seen.clients = {client: time + seconds for client, time in seen.clients.items()}
        self._end_at({net: until + seconds for net, until in self.limits[0].until.items()})

    def forget(self, key: bytes) -> None:
        """Forget a network: its count starts anew."""
        self._ends.pop(key, None)
        number = self.clients.number(key)
        if number != NOBODY:
            self._ends.column.values[number] = -inf
            self._clear(number)

    def failing(self, limit: Limit, now: float) -> int:
        """Return how many networks have failures that still count."""
        since = now - limit.findtime
        near = sum(bool(seen.times) and seen.times[-1] >= since for seen in self.near.values())
        return int((self.newest.values >= since).sum()) + near

    def counted(self, limit: Limit, key: bytes, _time: float) -> int:
        """Return how many failures of a network count, as far as the limit."""
        number = self.clients.number(key)
        if number == NOBODY:
            return 0
        if number not in self.near:
            self._take_out(number, self._in_ring(number, 0))  # who asks once asks again
        times = self.near[number].times
        return len(times) - bisect_left(times, times[-1] - limit.findtime) if times else 0

    def standing(self, limit: Limit, now: float) -> Iterator[Standing]:
        """Yield how many failures of each network count now, as far as the limit; others may be counted meanwhile."""
        since = now - limit.findtime
        for key in list(self.clients):
            number = self.clients.number(key)
            seen = self._seen(number) if number != NOBODY else None
            if seen is not None and seen.times:
                clients = sum(time >= since for time in seen.clients.values())
                yield Standing(limit.jail, key, sum(time >= since for time in seen.times), seen.times[-1], clients)

    def _ask(self, networks: Networked, keys: Sequence[bytes], times: npt.NDArray[np.float64]) -> Places:
        """Find out the networks of clients."""
        names = networks(keys)
        known = [name for name in names if name is not None]
        if len(known) == len(names):
            found = self.clients.meet(known, times)
        else:
            there = np.array([name is not None for name in names])
            found = np.full(len(names), _NONE)
            found[there] = self.clients.meet(known, times[there])
        np.add.at(self.members.values, found[found >= 0], 1)
        if self._ends:
            ends = self._ends
            for name in ends.keys() & set(known):
                ends[name] = ends[name]  # as of this moment it has a number
        return found

    def _drop(self, gone: npt.NDArray[np.intp]) -> None:
        """Take note that networks have no number any more."""
        if not len(gone):
            return
        is_gone = np.zeros(len(self.last.values), np.bool_)
        is_gone[gone] = True
        net_of = self.net_of.values
        net_of[(net_of >= 0) & is_gone[net_of]] = _UNKNOWN
        for net in self.near.keys() & set(gone.tolist()):
            del self.near[net]

    def _end_at(self, ends: Mapping[bytes, float]) -> None:
        """Set the ends of all bans."""
        self._ends.clear()
        self._ends.column.clear()
        for net, end in ends.items():
            self._ends[net] = end

    def _clear(self, number: int) -> None:
        """Let the count of a network start anew."""
        self.near.pop(number, None)
        for column in (self.last, self.depth, self.newest):
            column.values[number] = column.empty

    def _in_ring(self, net: int, later: int) -> list[tuple[float, bytes]]:
        """Return times and clients of the failures of a network in the ring, which the last `later` are not yet."""
        depth = max(0, self.depth.values.item(net) - later)
        return self.ring.follow(self.last.values.item(net), depth, self.newest.values.item(net) - self._keep)

    def _seen(self, net: int) -> _Failures:
        """Return the failures of a network, wherever they are."""
        return self.near.get(net) or _Failures(self._in_ring(net, 0), self.limits[0].jail.maxretry)

    def _look(self, net: int, later: int) -> None:
        """Look at a network whose failures may be enough for a verdict: as many more come now.

        Without what has left `findtime` there may be few, else they are taken out of the ring.
        """
        seen, lowest = self._in_ring(net, later), self.limits[0].lowest
        since = self.newest.values.item(net) - self.limits[0].findtime
        kept = [place for place, (time, _) in enumerate(seen) if time >= since]
        depth = (kept[-1] + 1 if kept else 0) + later
        if 2 * depth <= lowest:
            self.depth.values[net] = depth
        else:
            self._take_out(net, [seen[place] for place in kept])

    def _take_out(self, net: int, pairs: list[tuple[float, bytes]]) -> None:
        """Take the failures of a network out of the ring."""
        self._clear(net)
        self.near[net], self.depth.values[net] = _Failures(pairs, self.limits[0].jail.maxretry), _NEAR

    def _judge(
        self,
        rows: Sequence[int] | Places,
        places: Places,
        nets: Places,
        clients: Clients,
        times: npt.NDArray[np.float64],
    ) -> Iterator[Reached]:
        """Count failures of networks that have many."""
        self._room -= len(places)
        left = self._count_together(nets, clients, times)
        limit, near, until = self.limits[0], self.near, self.limits[0].until
        told: dict[int, bytes] = {}  # the networks that were brought down by failures before
        most = limit.jail.maxretry
        columns = places[left].tolist(), nets[left].tolist(), clients[left].tolist(), times[left].tolist()
        for place, net, client, time in zip(*columns, strict=True):
            if told and net in told and time < until.get(told[net], time):
                continue
            seen = near.get(net)
            if seen is None:  # it was brought down, or there was no room
                seen = near[net] = _Failures((), most)
                self.depth.values[net] = _NEAR
            if seen.enter(client, time) and self._is_reached(seen):
                told[net] = key = self.clients.key(net)
                since = seen.times[-1] - limit.findtime
                self.accused[key] = [one for one, at in seen.clients.items() if at >= since]
                self._clear(net)
                until[key] = time + limit.bantime
                yield Reached(int(rows[place]), limit, key, time, sum(at >= since for at in seen.times))
        if self._room <= 0:
            self._make_room(times.item(-1))

    def _count_together(self, nets: Places, clients: Clients, times: npt.NDArray[np.float64]) -> Places:
        """Count failures by network where they cannot be enough for a verdict; return the places of the others."""
        if (times[1:] < times[:-1]).any():
            return np.arange(len(nets))
        order = order_of(nets)
        named = nets[order]
        ends = np.append((named[1:] != named[:-1]).nonzero()[0] + 1, len(nets)).tolist()
        whose, when, start, left = clients[order].tolist(), times[order].tolist(), 0, []
        for net, end in zip(named[np.array(ends) - 1].tolist(), ends, strict=True):
            seen = self.near.get(net)
            if seen is None or not seen.extend(whose[start:end], when[start:end]):
                left.append(order[start:end])
            start = end
        return np.sort(np.concatenate(left)) if left else np.arange(0)

    def _is_reached(self, seen: _Failures) -> bool:
        """Tell whether there are failures and clients enough; each failure makes them one more at the most."""
        limit, newest = self.limits[0], seen.times[-1]
        limit.look(newest)
        since = newest - limit.findtime
        count = len(seen.times) - bisect_left(seen.times, since)
        seen.wait, seen.since = limit.lowest - count, inf
        if count < limit.maxretry:
            return False
        if limit.jail.clients > 1:
            seen.wait, seen.since = limit.jail.clients - sum(time >= since for time in seen.clients.values()), since
        return seen.wait <= 0

    def _make_room(self, now: float) -> None:
        """Drop what left findtime; at the cap also the networks with the fewest failures, longest silent."""
        horizon, near = now - self._keep, self.near
        held = 0
        for net, seen in list(near.items()):
            held += _kept(seen, horizon)
            if not seen.times:
                self._clear(net)
        if held >= self._cap:
            order = sorted(near, key=lambda net: (len(near[net].times), near[net].times[-1]))
            for net in order[: len(order) // _EVICT_SHARE + 1]:
                held -= len(near[net].clients)
                self._clear(net)
                self.forgotten += 1
        for key in [key for key, until in self._ends.items() if until < horizon]:
            del self._ends[key]
        self._room = max(self._cap - held, self._cap // _EVICT_SHARE)


def _kept(seen: _Failures, start: float) -> int:
    """Drop what is older than a time; return how many clients are left."""
    del seen.times[: bisect_left(seen.times, start)]
    seen.clients = {client: time for client, time in seen.clients.items() if time >= start}
    return len(seen.clients)
