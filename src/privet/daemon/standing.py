"""What the windows of the running engine hold now: behind `privet report limits`, `manners` and `networks`.

There may be hundreds of thousands of clients in them, so they are looked at a few hundred at a time, and lines are
fed meanwhile.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from privet.core.addresses.address import Subject
from privet.core.addresses.networks import as_text
from privet.core.windows.limits import TENTHS
from privet.core.windows.nets import number_of
from privet.daemon.byhand import no_such
from privet.daemon.past import token_name
from privet.daemon.who import reveal
from privet.daemon.whom import Refusal, gently, shown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence

    from privet.core.jails import Jail
    from privet.core.windows.limits import Standing
    from privet.daemon.service import Daemon

T = TypeVar("T")

MOST = 5_000  # rows of an answer: to sort hundreds of thousands would keep everything else waiting
NO_MANNERS = "no jail looks at manners: put [builtin.manners] into the configuration, which has one for each"
NO_NETWORKS = 'no jail counts networks: give one key = "prefix" or key = "asn" in the configuration'
NAME_A_LOG = "or name a log: privet report {} /var/log/apache2/access.log"


async def limits(daemon: Daemon, pid: int, user: int, request: Mapping[str, Any]) -> dict[str, Any]:
    """Tell who came to such a `share` of a jail's limit, the closest first, and how close all came, by tenths."""
    share, chosen = float(request["share"]), _jails(daemon, request.get("jails") or ())
    await _seen_by(daemon, pid, user, "limits", request)
    load, held = daemon.engine.loads.at(daemon.clock.now()), Counter(ban.jail for ban in daemon.bans())
    most = {name: jail.limit_at(load) for name, jail in chosen.items()}
    tenths = {name: [0] * TENTHS + [held[name]] for name in chosen}
    close: _First[tuple[float, Standing]] = _First(lambda pair: (-pair[0], pair[1].jail.name, -pair[1].time))
    async for one in _counting(daemon, chosen):
        subject, name = _subject(daemon, one), one.jail.name
        if subject is None or not daemon.engine.spares(name, subject):
            reached = min(one.count / most[name], 1.0)
            tenths[name][min(int(reached * TENTHS), TENTHS - 1)] += 1
            if reached >= share:
                close.add((reached, one))
    return {
        "items": [
            {
                "jail": one.jail.name,
                "client": _name(daemon, one, request),
                "count": min(one.count, most[one.jail.name]),
                "limit": most[one.jail.name],
                "share": int(reached * 100),
                "time": one.time,
            }
            async for reached, one in gently(close.take(request.get("limit")))
        ],
        "tenths": tenths,
        "forgotten": daemon.engine.evicted,
        "total": close.total,
    }


async def manners(daemon: Daemon, pid: int, user: int, request: Mapping[str, Any]) -> dict[str, Any]:
    """Tell who has offences against good manners that count now, the most first."""
    jails = [jail for jail in daemon.engine.jails if jail.kind == "manners"]
    if not jails:
        raise Refusal(f"{NO_MANNERS}, {NAME_A_LOG.format('manners')}")
    await _seen_by(daemon, pid, user, "manners", request)
    found: defaultdict[bytes, list[Standing]] = defaultdict(list)
    async for one in _counting(daemon, {jail.name for jail in jails}):
        found[one.key].append(one)
    ranked: _First[list[Standing]] = _First(lambda some: (-sum(_by_signal(some).values()), -some[0].time))
    async for some in gently(list(found.values())):
        ranked.add(some)
    return {
        "items": [
            {
                "client": _name(daemon, some[0], request),
                "habits": _by_signal(some),
                "jails": [_offences(daemon, one) for one in some],
                "time": max(one.time for one in some),
            }
            async for some in gently(ranked.take(request.get("limit")))
        ],
        "total": ranked.total,
    }


async def networks(daemon: Daemon, pid: int, user: int, request: Mapping[str, Any]) -> dict[str, Any]:
    """Tell which networks have how many failures, of how many clients, that count now, the most first."""
    jails = {jail.name for jail in daemon.engine.jails if jail.key != "address" and jail.bans_of is None}
    if not jails:
        raise Refusal(f"{NO_NETWORKS}, {NAME_A_LOG.format('networks')}")
    await _seen_by(daemon, pid, user, "networks", request)
    found: _First[Standing] = _First(lambda one: (-one.count, -one.clients, one.jail.name))
    async for one in _counting(daemon, jails):
        found.add(one)
    load = daemon.engine.loads.at(daemon.clock.now())
    return {
        "items": [
            {
                "network": _name(daemon, one, request),
                "name": _owner(daemon, one),
                "jail": one.jail.name,
                "clients": one.clients,
                "hits": one.count,
                "limit": one.jail.limit_at(load),
                "needed": one.jail.clients,
                "within": one.jail.findtime,
                "time": one.time,
            }
            async for one in gently(found.take(request.get("limit")))
        ],
        "total": found.total,
    }


async def _seen_by(daemon: Daemon, pid: int, user: int, report: str, request: Mapping[str, Any]) -> None:
    """Refuse addresses to all but root; these are visitors, most of whom did nothing, so that it is noted."""
    if request.get("reveal"):
        await reveal(daemon, pid, user, report)


class _First(Generic[T]):
    """The first of many things in an order, at most `MOST`; `total` counts all."""

    def __init__(self, order: Callable[[T], tuple[Any, ...]]) -> None:
        self.total = 0
        self._order = order
        self._kept: list[T] = []

    def add(self, thing: T) -> None:
        """Add a thing."""
        self.total += 1
        self._kept.append(thing)
        if len(self._kept) >= 2 * MOST:
            self._kept = self.take(MOST)

    def take(self, limit: int | None) -> list[T]:
        """Return so many of them."""
        return sorted(self._kept, key=self._order)[: min(limit or MOST, MOST)]


async def _counting(daemon: Daemon, jails: Collection[str]) -> AsyncIterator[Standing]:
    """Yield who has failures that count for these jails now."""
    async for one in gently(daemon.engine.standings(daemon.clock.now())):
        if one.count and one.jail.name in jails:
            yield one


def _jails(daemon: Daemon, names: Sequence[str]) -> dict[str, Jail]:
    """Return the jails of these names, or all, that have a limit for each client or network."""
    for name in names:
        if name not in daemon.config.jails:
            raise no_such(daemon, str(name))
    return {
        jail.name: jail for jail in daemon.engine.jails if jail.kind != "swarm" and (not names or jail.name in names)
    }


def _offences(daemon: Daemon, one: Standing) -> dict[str, Any]:
    limit = one.jail.limit_at(daemon.engine.loads.at(daemon.clock.now()))
    known = {"jail": one.jail.name, "signal": one.jail.signal, "count": one.count}
    return {**known, "limit": limit, "within": one.jail.findtime}


def _by_signal(some: Sequence[Standing]) -> dict[str, int]:
    """Return how many offences there are by signal, for which there may be several jails."""
    counts: dict[str, int] = {}
    for one in some:
        counts[str(one.jail.signal)] = max(one.count, counts.get(str(one.jail.signal), 0))
    return counts


def _subject(daemon: Daemon, one: Standing) -> Subject | None:
    """Return whom it is about; None for who is known by a token or an AS number."""
    if one.token or number_of(one.key) is not None:
        return None
    return Subject.of_key(one.key, daemon.config.engine.ipv6_client)


def _name(daemon: Daemon, one: Standing, request: Mapping[str, Any]) -> str:
    subject = _subject(daemon, one)
    if subject is not None:
        return shown(daemon, subject, reveal=bool(request.get("reveal")))
    number = None if one.token else number_of(one.key)
    return token_name(one.key) if number is None else as_text(number)


def _owner(daemon: Daemon, one: Standing) -> str:
    """Return the name of the autonomous system that a network is or belongs to, "" if the table does not tell."""
    number, subject = number_of(one.key), _subject(daemon, one)
    if number is not None:
        return daemon.networks.name(number)
    network = daemon.networks.of(subject) if subject else None
    return network.name if network else ""
