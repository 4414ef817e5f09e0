"""Robots that do not keep to `robots.txt`: paths that it disallows, and the pauses that it asks for.

Judged are those who can know what stands there: who fetched the file within a day, or calls himself as somebody who
did, and agents that say that they are robots.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from privet.core.cache import LONGEST, Cache
from privet.core.manners.asked import ask_of, is_browser, is_robot, requests_of, site_of
from privet.core.manners.memory import Clients

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from privet.core.manners.asked import Ask
    from privet.core.manners.known import Known
    from privet.core.parse import Rows

KNOWS = 86_400.0
"""Seconds for which somebody knows what stands in the file: robots may keep it so long."""

AGENTS = 8192  # that are known to have fetched the file
EVERYWHERE = "*"
"""In place of a site: all those that are not named."""

ROBOTS = b"/robots.txt"
_LONGEST_AGENT = 128
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
        self.delay = Cache(rules.delay)
        self._allowed = Cache(lambda both: rules.allows(*_apart(both)))

    def allows(self, agent: bytes, target: bytes) -> bool:
        """Tell whether an agent may ask for this."""
        agent = agent[:_LONGEST_AGENT]
        return self._allowed[bytes([len(agent)]) + agent + target[: LONGEST - 1 - len(agent)]]


def _apart(both: bytes) -> tuple[bytes, bytes]:
    return both[1 : 1 + both[0]], both[1 + both[0] :]


class _Robots:
    """Finds requests of those who know what stands in `robots.txt`."""

    columns = frozenset({"host", "request", "method", "target", "path", "query", "agent"})

    def __init__(self, most: int) -> None:
        self.clients: Clients[bytes, None] = Clients(most, KNOWS)  # who fetched the file
        self._agents: Clients[bytes, None] = Clients(AGENTS, KNOWS)
        self._is_robot, self._is_browser, self._asks = Cache(is_robot), Cache(is_browser), Cache(ask_of)
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

    def _informed(self, rows: Rows, times: Sequence[float]) -> Iterator[tuple[int, Ask, Site]]:
        """Yield what those ask for who know what stands in the file of a site that has one."""
        if not self._any:
            return
        keys, agents, hosts, requests = rows.keys, rows.column("agent"), rows.column("host"), requests_of(rows)
        for row in self._concerned(keys, agents, requests):
            key, agent, ask, time = keys[row], agents[row], self._asks[requests[row]], times[row]
            if ask.path == ROBOTS:
                self._learn(key, agent, time)
                continue
            site = self._sites[hosts[row]]
            if site is not None and self._knows(key, agent, time):
                yield row, ask, site

    def _concerned(self, keys: Sequence[bytes], agents: Sequence[bytes], requests: Sequence[bytes]) -> Sequence[int]:
        """Return the rows of those who may know, or learn with one of these rows."""
        fetches = {row for row, request in enumerate(requests) if ROBOTS in request}
        flags = zip(
            map(self._is_robot.__getitem__, agents),
            map(self.clients.holds, keys),
            map(self._agents.holds, agents),
            strict=True,
        )
        if not fetches:
            return [row for row, flag in enumerate(flags) if True in flag]
        new, called = {keys[row] for row in fetches}, {agents[row] for row in fetches}
        return [
            row
            for row, flag in enumerate(flags)
            if True in flag or row in fetches or keys[row] in new or agents[row] in called
        ]

    def _learn(self, key: bytes, agent: bytes, time: float) -> None:
        self.clients.put(key, time, None)
        if len(agent) <= LONGEST and len(agent) > 1 and not self._is_browser[agent]:
            self._agents.put(agent, time, None)

    def _knows(self, key: bytes, agent: bytes, time: float) -> bool:
        since = time - KNOWS
        return self._is_robot[agent] or self.clients.since(key, since) or self._agents.since(agent, since)


class Disallowed(_Robots):
    """Requests for what `robots.txt` disallows."""

    def find(self, rows: Rows, times: Sequence[float]) -> list[int]:
        """Return the rows that are offences."""
        agents = rows.column("agent")
        return [row for row, ask, site in self._informed(rows, times) if not site.allows(agents[row], ask.target)]


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
        agents, found = rows.column("agent"), []
        self.pauses = []
        for row, ask, site in self._informed(rows, times):
            delay = site.delay[agents[row][:_LONGEST_AGENT]]
            if ask.is_asset or not delay:
                continue
            key, time = rows.keys[row], times[row]
            last = self._last.get(key, time)
            if last is not None and abs(time - last) <= delay - _WHOLE_SECONDS:
                found.append(row)
                self.pauses.append(abs(time - last))
            self._last.put(key, time, time)
        return found

    def forget(self, key: bytes) -> None:
        """Forget a client."""
        super().forget(key)
        self._last.drop(key)
