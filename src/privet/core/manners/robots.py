"""Robots that do not keep to `robots.txt`: paths that it disallows, and the pauses that it asks for.

Judged are those who can know what stands there: who fetched the file within a day, or calls himself as somebody who
did, and agents that say that they are robots.
"""

from __future__ import annotations

from itertools import compress
from typing import TYPE_CHECKING, Protocol

from privet.core.cache import LONGEST, SIZE, Cache
from privet.core.manners.asked import asked_in, is_browser, site_of
from privet.core.manners.memory import Clients

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from privet.core.manners.asked import Asked
    from privet.core.manners.known import Known
    from privet.core.parse import Rows

KNOWS = 86_400.0
"""Seconds for which somebody knows what stands in the file: robots may keep it so long."""

AGENTS = 8192  # that are known to have fetched the file
EVERYWHERE = "*"
"""In place of a site: all those that are not named."""

_LONGEST_AGENT = 128
_PAIRS = SIZE // 2  # of agents and targets that are remembered
_WHOLE_SECONDS = 1.0  # by which a pause may be longer than the log says


class Rules(Protocol):
    """What a `robots.txt` says. It answers from memory, and never raises."""

    def allows(self, agent: bytes, target: bytes) -> bool:
        """Tell whether an agent may ask for this."""

    def delay(self, agent: bytes) -> float:
        """Return the seconds that are to lie between two requests of an agent, 0 for any."""


class Site:
    """The answers for one site, each of them found out once."""

    def __init__(self, rules: Rules) -> None:
        self.delay = Cache(lambda agent: rules.delay(agent[:_LONGEST_AGENT]))
        self.allows = _Allowed(rules)


class _Allowed(dict[tuple[bytes, bytes], bool]):
    """Whether an agent may ask for a target, which is no longer than `LONGEST`."""

    def __init__(self, rules: Rules) -> None:
        super().__init__()
        self._rules = rules

    def __missing__(self, both: tuple[bytes, bytes]) -> bool:
        agent, target = both
        found = self._rules.allows(agent[:_LONGEST_AGENT], target)
        if len(agent) <= LONGEST:
            if len(self) >= _PAIRS:
                self.clear()
            self[both] = found
        return found


class _Robots:
    """Finds requests of those who know what stands in `robots.txt`."""

    columns = frozenset({"host", "request", "method", "target", "path", "query", "agent"})

    def __init__(self, most: int) -> None:
        self.clients: Clients[bytes, None] = Clients(most, KNOWS)  # who fetched the file
        self._agents: Clients[bytes, None] = Clients(AGENTS, KNOWS)
        self._sites: Cache[Site | None] = Cache(lambda _: None)
        self._any = False

    @property
    def evicted(self) -> int:
        """How many clients were forgotten to stay within the cap."""
        return self.clients.evicted

    def know(self, known: Known) -> None:
        """Heed what stands in the files."""
        sites = {name.encode(): Site(rules) for name, rules in known.robots.items()}
        rest = sites.get(EVERYWHERE.encode())
        self._sites = Cache(lambda host: sites.get(site_of(host), rest))
        self._any = bool(sites)

    def forget(self, key: bytes) -> None:
        """Forget a client."""
        self.clients.drop(key)

    def _informed(self, asked: Asked, times: Sequence[float]) -> Iterable[int]:
        """Return the rows of those who know what stands in the file, if there is any."""
        if not self._any:
            return ()
        robots, keys, agents = asked.robots, asked.rows.keys, asked.agents
        if not asked.robots_txt and not len(self.clients) and not len(self._agents):
            return compress(range(len(keys)), robots)
        found, fetches = [], frozenset(asked.robots_txt)
        for row in self._concerned(asked, keys, agents):
            if row in fetches:
                self._learn(keys[row], agents[row], times[row])
            elif robots[row] or self._knows(keys[row], agents[row], times[row]):
                found.append(row)
        return found

    def _concerned(self, asked: Asked, keys: Sequence[bytes], agents: Sequence[bytes]) -> Iterable[int]:
        """Return the rows of those who may know, or learn with one of these rows."""
        fetches = asked.robots_txt
        who = self.clients.among(asked.who) | {keys[row] for row in fetches}
        called = self._agents.among(frozenset(agents)) if len(self._agents) else set()
        called |= {agents[row] for row in fetches}
        columns = zip(asked.robots, keys, agents, strict=True)
        return [row for row, (robot, key, agent) in enumerate(columns) if robot or key in who or agent in called]

    def _learn(self, key: bytes, agent: bytes, time: float) -> None:
        self.clients.put(key, time, None)
        if len(agent) <= LONGEST and len(agent) > 1 and not is_browser(agent):
            self._agents.put(agent, time, None)

    def _knows(self, key: bytes, agent: bytes, time: float) -> bool:
        since = time - KNOWS
        return self.clients.since(key, since) or self._agents.since(agent, since)


class Disallowed(_Robots):
    """Requests for what `robots.txt` disallows."""

    def find(self, rows: Rows, times: Sequence[float]) -> list[int]:
        """Return the rows that are offences."""
        asked, sites = asked_in(rows), self._sites
        asks, agents, hosts = asked.asks, asked.agents, asked.hosts
        return [
            row
            for row in self._informed(asked, times)
            if (site := sites[hosts[row]]) is not None and not site.allows[agents[row], asks[row].target]
        ]


class TooSoon(_Robots):
    """Requests that come sooner after the one before than `robots.txt` asks for; those for assets do not count."""

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self._last: Clients[bytes, float] = Clients(most, KNOWS)
        self.pauses: list[float] = []  # before each of the offences that were found last

    @property
    def evicted(self) -> int:
        """How many clients were forgotten to stay within the cap."""
        return self.clients.evicted + self._last.evicted

    def find(self, rows: Rows, times: Sequence[float]) -> list[int]:
        """Return the rows that are offences."""
        asked, found, swap = asked_in(rows), [], self._last.swap
        agents, hosts, assets, sites = asked.agents, asked.hosts, asked.assets, self._sites
        self.pauses = []
        for row in self._informed(asked, times):
            site = None if assets[row] else sites[hosts[row]]
            if site is None or not (delay := site.delay[agents[row]]):
                continue
            time = times[row]
            last = swap(rows.keys[row], time, time)
            if last is not None and abs(time - last) <= delay - _WHOLE_SECONDS:
                found.append(row)
                self.pauses.append(abs(time - last))
        return found

    def forget(self, key: bytes) -> None:
        """Forget a client."""
        super().forget(key)
        self._last.drop(key)
