"""Swarms: many clients with one aim, none of which does enough to be noticed alone.

The rules:
- a client is a *suspect* when it asks for a page and fetches no asset in the half hour before or within `GRACE` after;
- suspects are counted once each for the page, for its shape and for the site, by a CUSUM: a sum that grows by one with
  each suspect, shrinks by what is usual and somewhat more, and never falls below zero. It has no bins, so that
  it makes no difference when a swarm begins;
- usual is a mean over hours, and the highest sum that came to nothing of late: feeds that are fetched on the hour;
- a suspect whose request took long, as such requests go, counts for several;
- a suspect that came before, and was no member of a swarm then, is a *regular*, like a search engine: it does not count
  for the site, is no member, and where most are regulars there is no swarm;
- when a sum reaches its threshold a swarm has begun, and all suspects since it was zero are its members. The swarm is
  over when its sum is zero again. Its members count no more for the shape and the site around it.

Clients are numbers of the crowd, and what is known of them are its columns: a block is looked at whole, and only the
suspects in it one by one.

Everything is bounded: who waits, sums, and the suspects in them. What is forgotten first are the sums with the least
behind them; whom the crowd forgets is forgotten here, too.
"""

from __future__ import annotations

from collections import deque
from hashlib import blake2b
from itertools import chain, islice
from math import exp, inf, nextafter
from typing import TYPE_CHECKING

import msgspec

from privet.core.arrays import np
from privet.core.masking.mask import sample
from privet.core.parsing.durations import DURATIONS, duration_of
from privet.core.rows.assets import Assets
from privet.core.rows.crowd import NOBODY
from privet.core.rows.shapes import Shapes
from privet.core.swarms.cusum import DAYS, HOURS, Look, Sum, is_worth
from privet.core.swarms.waiting import UNTOLD, Fetches, Pages, Waiting
from privet.core.windows.detect import Limit, Reached

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy.typing as npt

    from privet.core.parsing.parse import Rows
    from privet.core.rows.facts import Facts, Registry
    from privet.core.rows.shapes import Url

    Numbers = npt.NDArray[np.intp]
    Places = npt.NDArray[np.intp]
    Times = npt.NDArray[np.float64]

LOOK_BACK = 1800.0
"""Seconds for which a client that fetched an asset is a browser."""

GRACE = 5.0  # seconds in which a browser has asked for the assets of a page
WARM = 900.0  # seconds of log before anything is called a swarm
AGAIN = 300.0  # the same where it is known what was usual before a restart
BUSY = 0.07  # suspects a second that are many
YOUNG = 3 * 3600.0  # seconds of log in which there are many for all we know
DEAR = 0.5  # seconds that a request may take, or twice the mean if that is more, before it counts for several
DEAREST = 4.0  # requests that it counts for at most
TYPICAL = 500  # requests of suspects over which the mean is taken
NEW = 600.0  # seconds after which a suspect that comes again is a regular
REGULAR = 86_400.0  # seconds for which it is one, after it came last
SWEEP = 60.0  # seconds of log between looks at all sums
SUMS = 8192
COLUMNS = frozenset({"host", "request", "target", "path", "query", "referer", "content_type", *DURATIONS})
"""What is read of each row."""

SHOWN = 20
"""Swarms that are over and still shown."""


class Event(msgspec.Struct, kw_only=True):
    """One swarm. `what` is its aim, masked; times in seconds since the epoch, `ended` None while it goes on."""

    jail: str
    level: str
    what: str
    began: float
    seen: float
    last: float
    members: int
    ended: float | None = None


class Baseline(msgspec.Struct):
    """What is usual for a jail, to outlast a restart: of each aim, by a digest, its mass and its peak.

    It was learnt from so many `seconds` of log; `typical` and `timed` are about what requests take.
    """

    seconds: float
    sums: dict[str, tuple[float, float]]
    typical: float = 0.0
    timed: int = 0

    @property
    def sound(self) -> bool:
        """Tell whether the numbers are such as can be learnt, as they should be after they were read from a file."""
        numbers = [self.seconds, self.typical, self.timed, *chain.from_iterable(self.sums.values())]
        return all(0 <= number < inf for number in numbers)


class Swarms:
    """The swarms that one jail sees. It stands in the place of a window, see `core.windows.detect`."""

    def __init__(self, limit: Limit, max_clients: int, registry: Registry) -> None:
        self.limits = [limit]
        self.clients: frozenset[bytes] = frozenset()  # they are in the crowd
        self.evicted = 0
        self.over: deque[Event] = deque(maxlen=SHOWN)  # those that are over
        self._registry, self._cap = registry, max_clients
        self._shapes = Shapes(registry)
        self._assets = Assets(registry, self._shapes)
        crowd = registry.crowd
        self._fetched = crowd.column(-inf)  # when clients fetched an asset last
        self._fetching = crowd.column(0, np.bool_)  # who does in the block that is looked at
        self._first, self._last = crowd.column(-inf), crowd.column(-inf)  # when they came as suspects
        self._noted = crowd.column(0, np.bool_)  # who may be in `_waiting`, or in a sum
        self._forgotten = crowd.forgotten
        self._sums: dict[tuple[str, bytes], Sum] = {}
        self._of: dict[Url, tuple[Sum, ...]] = {}  # those that a request belongs to
        self._waiting = Waiting()
        self._typical, self._timed = 0.0, 0  # seconds that their requests take, and how many that was learnt from
        self._held = 0  # suspects in all sums, or somewhat more
        self._now = self._start = self._armed = self._sweep_at = -inf
        self._before = Baseline(0.0, {})  # what is known of aims that nobody had since the restart
        self._busy = 1.0  # from 0 to 1, how many suspects there are
        self._any = False  # whether there is a swarm now, or was at the last look

    @property
    def going(self) -> list[Event]:
        """The swarms that are there now."""
        return [one.event for one in self._sums.values() if one.event is not None]

    def take(self, rows: Rows, chosen: Sequence[int] | Places) -> Iterator[Reached]:
        """Count requests in order of arrival; yield members of swarms whom the jail does not hold yet.

        `chosen` are the rows that concern the jail, ascending.
        """
        facts = self._registry.facts(rows)
        self._drop_forgotten()
        moments = np.maximum(np.maximum.accumulate(facts.times), self._now)
        if self._now == -inf:
            self._start_at(float(moments[0]))
        urls = self._shapes(facts)
        assets = self._assets(facts, urls)
        fetches = Fetches((self._fetched, self._fetching), facts.clients, np.flatnonzero(assets), moments)
        self._wait(facts, chosen, urls, assets, fetches, moments)
        due = self._waiting.until(moments[-1])
        if len(due.due):
            yield from self._count(due, fetches, moments)
        self._pass(float(moments[-1]), moments)
        fetches.keep()
        self._bound()

    def _wait(  # noqa: PLR0913, PLR0917  what is known of a block
        self,
        facts: Facts,
        chosen: Sequence[int] | Places,
        urls: Numbers,
        assets: npt.NDArray[np.bool_],
        fetches: Fetches,
        moments: Times,
    ) -> None:
        """Let pages wait whose clients have fetched no asset of late."""
        pages = ~assets
        if len(chosen) < len(facts):
            concerned = np.zeros(len(facts), np.bool_)
            concerned[chosen] = True
            pages &= concerned
        fresh = np.flatnonzero(pages)
        fresh = fresh[fetches.last(facts.clients[fresh], fresh) < facts.times[fresh] - LOOK_BACK]
        clients, duration = facts.clients[fresh], duration_of(facts.rows)
        self._noted.values[clients] = True
        took = np.full(len(fresh), UNTOLD)
        if duration is not None:
            seconds = map(duration, fresh.tolist())
            took[:] = [UNTOLD if one is None else one for one in seconds]
        self._waiting.add(Pages(moments[fresh] + GRACE, clients, self._shapes.urls[urls[fresh]], took))

    def _count(self, pages: Pages, fetches: Fetches, moments: Times) -> Iterator[Reached]:
        """Count clients who fetched no asset in time, each in the first row that came after."""
        rows = np.searchsorted(moments, pages.due)
        left = np.flatnonzero(fetches.last(pages.clients, rows) < moments[rows] - LOOK_BACK - GRACE)
        rows, clients = rows[left], pages.clients[left]
        times = moments[rows]
        first = np.where(self._last.values[clients] >= times - REGULAR, self._first.values[clients], inf)
        columns = (column.tolist() for column in (rows, clients, times, first, pages.urls[left], pages.took[left]))
        firsts, lasts, of, held = dict[int, float](), dict[int, float](), self._of, 0
        for row, client, now, since, url, seconds in zip(*columns, strict=True):
            if now >= self._sweep_at:
                self._pass(now, moments)
            self._now = now
            if client in lasts:  # what this block told
                since = firsts[client] if lasts[client] >= now - REGULAR else inf  # noqa: PLW2901
            weight = 1.0 if seconds < 0 else self._weight(seconds)
            sums, regular = of.get(url) or self._sums_of(url), now - since >= NEW
            swarm = _swarm_among(sums) if self._any else None
            if swarm is not None:
                if not regular:
                    yield from self._join(swarm, row, client, weight)
                continue
            firsts[client] = since if since <= now else now  # noqa: FURB136  a call of min takes longer
            lasts[client] = now
            if seconds >= 0:
                self._learn_time(seconds)
            for one in sums[:-1] if regular else sums:
                if client not in one.suspects:
                    held += 1
                    if one.add(client, now, weight, regular=regular) and now >= self._armed and one.is_swarm:
                        self._keep(firsts, lasts)
                        self._begin(one, sums[sums.index(one) + 1 :], fetches, row)
                        yield from self._found(row, one.suspects)
                        break
        self._held += held
        self._keep(firsts, lasts)

    def _keep(self, firsts: dict[int, float], lasts: dict[int, float]) -> None:
        """Take note of when suspects of this block came first and last."""
        clients = np.fromiter(lasts, np.intp, len(lasts))
        self._first.values[clients] = np.fromiter(firsts.values(), np.float64, len(firsts))
        self._last.values[clients] = np.fromiter(lasts.values(), np.float64, len(lasts))

    def carry(self, old: Swarms) -> None:
        """Take over what an equal jail has seen; bans go on if it is unchanged."""
        own = {name: self.__dict__[name] for name in _OWN}
        self.__dict__.update(old.__dict__)
        self.__dict__.update(own)
        for name in ("_fetched", "_first", "_last", "_noted"):
            own[name].take(old.__dict__[name])
        self._shapes.carry(old._shapes)
        self._assets.carry(old._assets)
        if self.limits[0].jail == old.limits[0].jail:
            self.limits[0].until = old.limits[0].until

    def baseline(self) -> Baseline:
        """Return what is usual."""
        passed = max(0.0, self._now - self._armed) if self._now > self._armed else 0.0
        old = {
            name: (mass * exp(-passed / HOURS), peak * exp(-passed / DAYS))
            for name, (mass, peak) in self._before.sums.items()
        }
        known = {name: what for name, what in old.items() if is_worth(*what)}
        known |= {_digest(one.level, one.what): (one.mass, one.peak) for one in self._sums.values() if one.has_meaning}
        seconds = self._before.seconds if self._now == -inf else self._now - self._start
        return Baseline(seconds, dict(list(known.items())[-SUMS:]), self._typical, self._timed)

    def learn(self, known: Baseline) -> None:
        """Take over what was usual before, as long as nothing came yet."""
        self._before = Baseline(known.seconds, dict(known.sums))
        self._typical, self._timed = known.typical, min(known.timed, TYPICAL)

    def shift(self, seconds: float) -> None:
        """Take note that the clock was set forward by so much."""
        for column in (self._fetched, self._first, self._last):
            column.values[:] += seconds
        self._assets.shift(seconds)
        self._waiting.shift(seconds)
        self._now, self._start, self._armed = (t + seconds for t in (self._now, self._start, self._armed))
        self._sweep_at += seconds
        for one in self._sums.values():
            one.at, one.looked = one.at + seconds, one.looked + seconds
        self.limits[0].until = {key: until + seconds for key, until in self.limits[0].until.items()}

    def forget(self, key: bytes) -> None:
        """Forget a client: it is no member of any swarm until it asks again."""
        self.limits[0].until.pop(key, None)
        number = self._registry.crowd.number(key)
        if number != NOBODY:
            self._first.values[number] = self._last.values[number] = -inf
            for one in self._sums.values():
                one.suspects.pop(number, None)

    def failing(self, _limit: Limit, _now: float) -> int:
        """Return how many clients are members of swarms."""
        return sum(event.members for event in self.going)

    def _start_at(self, time: float) -> None:
        """Begin with the first request."""
        before = min(self._before.seconds, DAYS)
        self._now, self._start, self._armed = time, time - before, time + (AGAIN if before >= WARM else WARM)

    def _pass(self, time: float, moments: Times) -> None:
        """Let time pass: look at all sums in the first of the moments at which that is due, and again."""
        while self._sweep_at <= time:
            self._now = float(moments[np.searchsorted(moments, self._sweep_at)])
            self._sweep(self._now)
        self._now = time

    def _sweep(self, time: float) -> None:
        """End swarms, and forget what is over."""
        self._sweep_at = time + SWEEP
        look, usual = Look(time, self._start, self._busy), 0.0
        for one in self._sums.values():
            suspects = one.look(look)
            usual += suspects if one.level == "site" else 0.0
            if one.event is not None and one.sum == 0.0:
                self._end(one, time)
        self._busy = min(1.0, usual / BUSY) if time - self._start >= YOUNG else 1.0
        self._forget_sums()
        self._any = bool(self.going)
        limit = self.limits[0]
        if limit.until:
            limit.until = {key: end for key, end in limit.until.items() if end > time}

    def _end(self, one: Sum, time: float) -> None:
        if one.event is not None:
            one.event.ended = time
            self.over.append(one.event)
            one.event = None
            one.suspects.clear()
            one.strangers = 0

    def _forget_sums(self) -> None:
        """Forget sums of which nothing is left, those with the least when there are too many, and old suspects."""
        sums = {name: one for name, one in self._sums.items() if one.has_meaning}
        if len(sums) >= SUMS:
            order = sorted(sums, key=lambda name: (sums[name].event is not None, sums[name].mass))
            for name in order[: len(order) // 2]:
                del sums[name]
        gone = {one for name, one in self._sums.items() if name not in sums}
        self._sums = sums
        if gone:
            for url in [url for url, mine in self._of.items() if not gone.isdisjoint(mine)]:
                del self._of[url]
        self._held = sum(len(one.suspects) for one in self._sums.values())
        if self._held >= self._cap:
            for one in self._sums.values():  # the members of a swarm were told of already
                for client in list(islice(one.suspects, len(one.suspects) // 2)):
                    del one.suspects[client]

    def _bound(self) -> None:
        """Stay within the cap."""
        excess = len(self._waiting) - self._cap
        if excess > 0:
            self._waiting.drop(excess)
            self.evicted += excess
        if self._held >= 2 * self._cap:
            self._sweep_soon()

    def _sweep_soon(self) -> None:
        """Look at all sums at the next moment."""
        self._sweep_at = min(self._sweep_at, nextafter(self._now, inf))

    def _drop_forgotten(self) -> None:
        """Forget whom the crowd has forgotten, as their numbers will be given to others."""
        if self._forgotten != self._registry.crowd.forgotten:
            self._forgotten = self._registry.crowd.forgotten
            noted = self._noted.values
            self._waiting.keep(noted)
            known = noted.tobytes()  # in which one is looked up sooner than in an array
            for one in self._sums.values():
                for client in [client for client in one.suspects if not known[client]]:
                    del one.suspects[client]

    def _join(self, one: Sum, row: int, client: int, weight: float) -> Iterator[Reached]:
        """Count a client that shares the aim of a swarm."""
        if one.event is not None:
            one.event.last = self._now
        if client not in one.suspects:
            one.add(client, self._now, weight)
            self._held += 1
        yield from self._found(row, [client])

    def _sums_of(self, url: Url) -> tuple[Sum, ...]:
        page = (self._sum("page", url.page),) if url.page != url.shape else ()
        sums = (*page, self._sum("shape", url.shape), self._sum("site", url.site))
        if len(self._of) >= SUMS:
            self._of.clear()
        self._of[url] = sums
        return sums

    def _sum(self, level: str, what: bytes) -> Sum:
        one = self._sums.get((level, what))
        if one is None:
            one = self._sums[level, what] = Sum(level, what, self._now)
            if self._before.sums:
                one.mass, one.peak = self._before.sums.pop(_digest(level, what), (0.0, 0.0))
            one.look(Look(self._now, self._start, self._busy))
            if len(self._sums) >= SUMS:
                self._sweep_soon()
        return one

    def _begin(self, one: Sum, around: Sequence[Sum], fetches: Fetches, row: int) -> None:
        """Begin a swarm; what is around it is relieved of the members."""
        now, clients = self._now, np.fromiter(one.suspects, np.intp, len(one.suspects))
        last, first = self._last.values[clients], self._first.values[clients]
        browsers = fetches.last(clients, np.full(len(clients), row)) >= now - LOOK_BACK
        regulars = (last >= now - REGULAR) & (now - first >= NEW)
        for client in clients[browsers | regulars].tolist():
            del one.suspects[client]
        for larger in around:
            mine = [client for client in one.suspects if larger.suspects.pop(client, None) is not None]
            larger.sum = max(0.0, larger.sum - len(mine))
            larger.mass = max(0.0, larger.mass - len(mine))
        one.mass = max(0.0, one.mass - len(one.suspects))  # a swarm is not usual
        self._any = True
        one.event = Event(
            jail=self.limits[0].jail.name,
            level=one.level,
            what=sample(one.what),
            began=min(one.suspects.values(), default=self._now) - GRACE,
            seen=self._now,
            last=self._now,
            members=len(one.suspects),
        )

    def _found(self, row: int, clients: Iterable[int]) -> Iterator[Reached]:
        """Yield the members whom the jail does not hold."""
        limit = self.limits[0]
        if limit.jail.answer == "report":
            return
        for key in list(map(self._registry.crowd.key, clients)):
            if limit.until.get(key, -inf) <= self._now:
                limit.until[key] = self._now + limit.bantime
                yield Reached(row, limit, key, self._now, 1)

    def _learn_time(self, seconds: float) -> None:
        """Take note of how long a suspect's request took."""
        self._timed = min(self._timed + 1, TYPICAL)
        self._typical += (min(seconds, DEAREST * max(DEAR, 2 * self._typical)) - self._typical) / self._timed

    def _weight(self, seconds: float) -> float:
        """Return for how many suspects one counts whose request took so long."""
        return min(DEAREST, max(1.0, seconds / max(DEAR, 2 * self._typical)))


_OWN = ("limits", "_cap", "_registry", "_shapes", "_assets", "_fetched", "_first", "_last", "_noted", "_fetching")


def _swarm_among(sums: Iterable[Sum]) -> Sum | None:
    """Return the first that is a swarm."""
    return next((one for one in sums if one.event is not None), None)


def _digest(level: str, what: bytes) -> str:
    """Return a name for an aim, made of its masked text: no address can be guessed from it."""
    return blake2b(f"{level} {sample(what)}".encode(), digest_size=8).hexdigest()
