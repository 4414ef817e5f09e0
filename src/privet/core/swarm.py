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

Everything is bounded: clients that fetched assets, sums, and the suspects in them. What is forgotten first are
the sums with the least behind them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from hashlib import blake2b
from itertools import accumulate, chain, compress, islice, pairwise, repeat
from math import exp, inf
from typing import TYPE_CHECKING

import msgspec

from privet.core.assets import Assets
from privet.core.detect import Limit, Reached
from privet.core.durations import DURATIONS, duration_of
from privet.core.mask import sample
from privet.core.shapes import Shapes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from privet.core.parse import Rows
    from privet.core.shapes import Url

LOOK_BACK = 1800.0
"""Seconds for which a client that fetched an asset is a browser."""

GRACE = 5.0  # seconds in which a browser has asked for the assets of a page
WARM = 900.0  # seconds of log before anything is called a swarm
AGAIN = 300.0  # the same where it is known what was usual before a restart
HOURS = 3600.0  # of the mean of what is usual
DAYS = 3 * 86_400.0  # in which the highest sum of the past halves, and more
LEAST = {"page": (7.0, 12.0), "shape": (7.0, 12.0), "site": (36.0, 72.0)}
"""The smallest threshold of each level, where few suspects come and where many do: they pile up by chance, too."""

BUSY = 0.07  # suspects a second that are many
YOUNG = 3 * 3600.0  # seconds of log in which there are many for all we know
FEWEST = 5  # clients that make a swarm, however dear their requests are
DEAR = 0.5  # seconds that a request may take, or twice the mean if that is more, before it counts for several
DEAREST = 4.0  # requests that it counts for at most
TYPICAL = 500  # requests of suspects over which the mean is taken
NEW = 600.0  # seconds after which a suspect that comes again is a regular
REGULAR = 86_400.0  # seconds for which it is one
REGULARS = 32_768
EXCESS = 0.05  # suspects a second beyond the usual that a sum does not count, at least
BEYOND = 1.6  # times the highest sum that came to nothing
CAP = 1.5  # times the threshold that a sum grows to, so that the end of a swarm shows in time
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


class _Sum:
    """How many suspects there are for one aim. What is usual is found out at each `look`, not for each suspect."""

    __slots__ = (
        "at",
        "event",
        "height",
        "level",
        "limit",
        "looked",
        "loss",
        "mass",
        "peak",
        "strangers",
        "sum",
        "suspects",
        "usual",
        "what",
    )

    def __init__(self, level: str, what: bytes, time: float) -> None:
        self.level, self.what = level, what
        self.at = self.looked = time
        self.sum = self.height = 0.0  # height: how high it was since zero
        self.mass = self.peak = 0.0  # suspects, the older the less; the highest sum that came to nothing, likewise
        self.usual, self.loss = 0.0, EXCESS  # suspects a second, by how much the sum falls each second
        self.limit = LEAST[level][1]  # what makes a swarm
        self.suspects: dict[bytes, float] = {}
        self.strangers = 0  # those among them that are no regulars
        self.event: Event | None = None

    def look(self, time: float, start: float, busy: float) -> float:
        """Find out what is usual, and return it; nothing is learnt while a swarm goes on.

        `busy` says from 0 to 1 how many suspects there are elsewhere.
        """
        self.fall(time)
        passed, self.looked = max(0.0, time - self.looked), time
        self.peak *= exp(-passed / DAYS)
        if self.event is None:
            self.mass *= exp(-passed / HOURS)
            self.usual = self.mass / (HOURS * (1.0 - exp(min(start - time, -1.0) / HOURS)))
            self.loss = self.usual + max(EXCESS, self.usual / 2)
        low, high = LEAST[self.level]
        self.limit = max(low + (high - low) * busy, BEYOND * self.peak)
        return self.usual

    def fall(self, time: float) -> None:
        """Let time pass."""
        if time > self.at:
            self.sum -= (time - self.at) * self.loss
            self.at = time
        if self.sum <= 0:
            self.sum = 0.0
            if self.event is None and self.height:
                self.peak = max(self.peak, self.height)
                self.suspects.clear()
                self.strangers = 0
            self.height = 0.0

    @property
    def is_swarm(self) -> bool:
        """Tell whether there are too many, most of them never seen before."""
        return self.sum >= self.limit and self.strangers >= max(FEWEST, len(self.suspects) / 2)

    def add(self, key: bytes, time: float, weight: float, *, regular: bool = False) -> None:
        """Count a suspect."""
        if time > self.at:
            self.sum -= (time - self.at) * self.loss
            self.at = time
        if self.sum <= 0:
            self.fall(time)
        self.suspects[key] = time
        self.strangers += not regular
        self.sum += weight
        if self.event is None:
            self.mass += weight
            self.height = max(self.height, self.sum)
        else:
            self.sum = min(self.sum, CAP * self.limit)
            self.event.members += 1


class Swarms:
    """The swarms that one jail sees. It stands in the place of a window, see `core.detect`."""

    def __init__(self, limit: Limit, max_clients: int) -> None:
        self.limits = [limit]
        self.clients: dict[bytes, float] = {}  # browsers, by when they fetched an asset last
        self.evicted = 0
        self.over: deque[Event] = deque(maxlen=SHOWN)  # those that are over
        self._shapes, self._assets = Shapes(), Assets()
        self._sums: dict[tuple[str, bytes], _Sum] = {}
        self._of: dict[Url, tuple[_Sum, ...]] = {}  # those that a request belongs to
        self._waiting: deque[tuple[float, bytes, Url, float | None]] = deque()
        self._known: dict[bytes, tuple[float, float]] = {}  # suspects, by when they came first and last
        self._typical, self._timed = 0.0, 0  # seconds that their requests take, and how many that was learnt from
        self._held = 0  # suspects in all sums, or somewhat more
        self._cap = max_clients
        self._now = self._start = self._armed = -inf
        self._before = Baseline(0.0, {})  # what is known of aims that nobody had since the restart
        self._sweep_at = self._forget_at = -inf
        self._busy = 1.0  # from 0 to 1, how many suspects there are

    @property
    def going(self) -> list[Event]:
        """The swarms that are there now."""
        return [one.event for one in self._sums.values() if one.event is not None]

    def take(self, rows: Rows, chosen: Sequence[int]) -> Iterator[Reached]:
        """Count requests in order of arrival; yield members of swarms whom the jail does not hold yet.

        `chosen` are the rows that concern the jail, ascending.
        """
        urls = self._shapes(rows)
        assets = self._assets(rows, urls)
        keys, waiting, duration, place = rows.keys, self._waiting, duration_of(rows), 0
        fetched = list(compress(range(len(assets)), assets))
        for first, end, time in _moments(rows.times, self._now):
            if time > self._now:
                self._pass(time)
                while waiting and waiting[0][0] <= time:
                    _due, key, url, took = waiting.popleft()
                    yield from self._suspect(first, key, url, took)
            after = bisect_left(fetched, end, place)
            asked = chosen[bisect_left(chosen, first) : bisect_left(chosen, end)]
            for row in self._fresh(rows, asked, assets, fetched[place:after]):
                if len(waiting) >= self._cap:
                    waiting.popleft()
                    self.evicted += 1
                waiting.append((time + GRACE, keys[row], urls[row], duration(row) if duration else None))
            self.clients.update(zip(map(keys.__getitem__, fetched[place:after]), repeat(time), strict=False))
            place = after

    def _fresh(self, rows: Rows, asked: Sequence[int], assets: Sequence[bool], fetched: Sequence[int]) -> list[int]:
        """Return which requests of a moment are for pages, by clients that have fetched no asset of late."""
        last, keys, times = self.clients.get, rows.keys, rows.times
        fresh = [row for row in asked if not assets[row] and last(keys[row], -inf) < times[row] - LOOK_BACK]
        if fresh and fetched:
            begun = {keys[row]: row for row in reversed(fetched)}
            fresh = [row for row in fresh if begun.get(keys[row], row) >= row]
        return fresh

    def carry(self, old: Swarms) -> None:
        """Take over what an equal jail has seen; bans go on if it is unchanged."""
        limits, cap = self.limits, self._cap
        self.__dict__.update(old.__dict__)
        self.limits, self._cap = limits, cap
        if limits[0].jail == old.limits[0].jail:
            limits[0].until = old.limits[0].until

    def baseline(self) -> Baseline:
        """Return what is usual."""
        passed = max(0.0, self._now - self._armed) if self._now > self._armed else 0.0
        old = {
            name: (mass * exp(-passed / HOURS), peak * exp(-passed / DAYS))
            for name, (mass, peak) in self._before.sums.items()
        }
        known = {name: what for name, what in old.items() if _is_worth(*what)}
        known |= {
            _digest(one.level, one.what): (one.mass, one.peak) for one in self._sums.values() if _has_meaning(one)
        }
        seconds = self._before.seconds if self._now == -inf else self._now - self._start
        return Baseline(seconds, dict(list(known.items())[-SUMS:]), self._typical, self._timed)

    def learn(self, known: Baseline) -> None:
        """Take over what was usual before, as long as nothing came yet."""
        self._before = Baseline(known.seconds, dict(known.sums))
        self._typical, self._timed = known.typical, min(known.timed, TYPICAL)

    def shift(self, seconds: float) -> None:
        """Take note that the clock was set forward by so much."""
        for key in self.clients:
            self.clients[key] += seconds
        self._waiting = deque((time + seconds, key, url, took) for time, key, url, took in self._waiting)
        self._known = {key: (first + seconds, last + seconds) for key, (first, last) in self._known.items()}
        self._now, self._start, self._armed = (t + seconds for t in (self._now, self._start, self._armed))
        self._sweep_at, self._forget_at = self._sweep_at + seconds, self._forget_at + seconds
        for one in self._sums.values():
            one.at, one.looked = one.at + seconds, one.looked + seconds
        self.limits[0].until = {key: until + seconds for key, until in self.limits[0].until.items()}

    def forget(self, key: bytes) -> None:
        """Forget a client: it is no member of any swarm until it asks again."""
        self.limits[0].until.pop(key, None)
        self._known.pop(key, None)
        for one in self._sums.values():
            one.suspects.pop(key, None)

    def failing(self, _limit: Limit, _now: float) -> int:
        """Return how many clients are members of swarms."""
        return sum(event.members for event in self.going)

    def _pass(self, time: float) -> None:
        """Let time pass: end swarms, and forget what is over."""
        if self._now == -inf:
            before = min(self._before.seconds, DAYS)
            self._start, self._armed = time - before, time + (AGAIN if before >= WARM else WARM)
        self._now = time
        full = len(self._sums) >= SUMS or len(self.clients) >= self._cap or self._held >= 2 * self._cap
        if time < self._sweep_at and not full:
            return
        self._sweep_at = time + SWEEP
        busy, usual = self._busy, 0.0
        for one in self._sums.values():
            suspects = one.look(time, self._start, busy)
            usual += suspects if one.level == "site" else 0.0
            if one.event is not None and one.sum == 0.0:
                self._end(one, time)
        self._busy = min(1.0, usual / BUSY) if time - self._start >= YOUNG else 1.0
        if time >= self._forget_at or len(self.clients) >= self._cap:
            self._forget_at = time + LOOK_BACK / 3
            self._forget_browsers(time)
        self._forget_sums()
        limit = self.limits[0]
        if limit.until:
            limit.until = {key: end for key, end in limit.until.items() if end > time}

    def _end(self, one: _Sum, time: float) -> None:
        if one.event is not None:
            one.event.ended = time
            self.over.append(one.event)
            one.event = None
            one.suspects.clear()
            one.strangers = 0

    def _forget_browsers(self, time: float) -> None:
        """Forget who fetched no asset of late, and at the cap one in eight."""
        for key in [key for key, at in self.clients.items() if at < time - LOOK_BACK]:
            del self.clients[key]
        if len(self.clients) >= self._cap:
            oldest = list(islice(self.clients, self._cap // 8 + 1))
            self.evicted += len(oldest)
            for key in oldest:
                del self.clients[key]
        for key in [key for key, (_, last) in self._known.items() if last < time - REGULAR]:
            del self._known[key]

    def _forget_sums(self) -> None:
        """Forget sums of which nothing is left, those with the least when there are too many, and old suspects."""
        self._sums = {name: one for name, one in self._sums.items() if _has_meaning(one)}
        if len(self._sums) >= SUMS:
            order = sorted(self._sums, key=lambda name: (self._sums[name].event is not None, self._sums[name].mass))
            for name in order[: len(order) // 2]:
                del self._sums[name]
        self._of.clear()
        self._held = sum(len(one.suspects) for one in self._sums.values())
        if self._held >= self._cap:
            for one in self._sums.values():  # the members of a swarm were told of already
                for key in list(islice(one.suspects, len(one.suspects) // 2)):
                    del one.suspects[key]

    def _suspect(self, row: int, key: bytes, url: Url, seconds: float | None) -> Iterable[Reached]:
        """Count a client that fetched no asset in time."""
        now = self._now
        if self.clients.get(key, -inf) >= now - LOOK_BACK - GRACE:
            return ()
        known = self._known.get(key)
        regular = known is not None and now - known[0] >= NEW
        weight = 1.0 if seconds is None else self._weight(seconds)
        sums = self._of.get(url) or self._sums_of(url)
        for one in sums:
            if one.event is not None:
                return () if regular else self._join(one, row, key, weight)
        self._learn(key, now if known is None else known[0], seconds)
        for place, one in enumerate(sums[:-1] if regular else sums):
            if key not in one.suspects:
                one.add(key, now, weight, regular=regular)
                self._held += 1
                if one.is_swarm and now >= self._armed:
                    self._begin(one, sums[place + 1 :])
                    return self._found(row, list(one.suspects))
        return ()

    def _sums_of(self, url: Url) -> tuple[_Sum, ...]:
        page = (self._sum("page", url.page),) if url.page != url.shape else ()
        sums = (*page, self._sum("shape", url.shape), self._sum("site", url.site))
        if len(self._of) >= SUMS:
            self._of.clear()
        self._of[url] = sums
        return sums

    def _is_regular(self, key: bytes) -> bool:
        """Tell whether a suspect was here before."""
        known = self._known.get(key)
        return known is not None and self._now - known[0] >= NEW

    def _learn(self, key: bytes, first: float, seconds: float | None) -> None:
        """Take note of a suspect who was first here at a time, and of how long its request took."""
        self._known.pop(key, None)
        self._known[key] = first, self._now  # the latest last
        if len(self._known) > REGULARS or len(self._known) > self._cap:
            for old in list(islice(self._known, len(self._known) // 8 + 1)):
                del self._known[old]
        if seconds is not None:
            self._timed = min(self._timed + 1, TYPICAL)
            self._typical += (min(seconds, DEAREST * max(DEAR, 2 * self._typical)) - self._typical) / self._timed

    def _weight(self, seconds: float) -> float:
        """Return for how many suspects one counts whose request took so long."""
        return min(DEAREST, max(1.0, seconds / max(DEAR, 2 * self._typical)))

    def _join(self, one: _Sum, row: int, key: bytes, weight: float) -> Iterator[Reached]:
        """Count a client that shares the aim of a swarm."""
        if one.event is not None:
            one.event.last = self._now
        if key not in one.suspects:
            one.add(key, self._now, weight)
            self._held += 1
        yield from self._found(row, [key])

    def _sum(self, level: str, what: bytes) -> _Sum:
        one = self._sums.get((level, what))
        if one is None:
            one = self._sums[level, what] = _Sum(level, what, self._now)
            if self._before.sums:
                one.mass, one.peak = self._before.sums.pop(_digest(level, what), (0.0, 0.0))
            one.look(self._now, self._start, self._busy)
        return one

    def _begin(self, one: _Sum, around: Sequence[_Sum]) -> None:
        """Begin a swarm; what is around it is relieved of the members."""
        since = self._now - LOOK_BACK
        for key in [key for key in one.suspects if self.clients.get(key, -inf) >= since or self._is_regular(key)]:
            del one.suspects[key]
        for larger in around:
            mine = [key for key in one.suspects if larger.suspects.pop(key, None) is not None]
            larger.sum = max(0.0, larger.sum - len(mine))
            larger.mass = max(0.0, larger.mass - len(mine))
        one.mass = max(0.0, one.mass - len(one.suspects))  # a swarm is not usual
        one.event = Event(
            jail=self.limits[0].jail.name,
            level=one.level,
            what=sample(one.what),
            began=min(one.suspects.values(), default=self._now) - GRACE,
            seen=self._now,
            last=self._now,
            members=len(one.suspects),
        )

    def _found(self, row: int, keys: Sequence[bytes]) -> Iterator[Reached]:
        """Yield the members whom the jail does not hold."""
        limit = self.limits[0]
        if limit.jail.answer == "report":
            return
        for key in keys:
            if limit.until.get(key, -inf) <= self._now:
                limit.until[key] = self._now + limit.bantime
                yield Reached(row, limit, key, self._now, 1)


def _moments(times: Sequence[float], now: float) -> Iterator[tuple[int, int, float]]:
    """Yield where rows begin and end between which no time passes, and the time that it is."""
    latest = list(accumulate(times, max, initial=now))[1:]
    starts = [0, *(place for place, (one, other) in enumerate(pairwise(latest), 1) if one != other), len(latest)]
    for first, end in pairwise(starts):
        yield first, end, latest[first]


def _has_meaning(one: _Sum) -> bool:
    """Tell whether forgetting a sum would change what it says next."""
    return one.event is not None or one.sum > 0 or _is_worth(one.mass, one.peak)


def _is_worth(mass: float, peak: float) -> bool:
    """Tell whether what was learnt of an aim says anything."""
    return mass >= 1 or peak > LEAST["shape"][0] / BEYOND


def _digest(level: str, what: bytes) -> str:
    """Return a name for an aim, made of its masked text: no address can be guessed from it."""
    return blake2b(f"{level} {sample(what)}".encode(), digest_size=8).hexdigest()
