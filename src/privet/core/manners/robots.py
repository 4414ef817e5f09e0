"""Robots that do not keep to `robots.txt`: paths that it disallows, and the pauses that it asks for.

Judged are those who can know what stands there: who fetched the file within a day, or calls himself as somebody who
did, and agents that say that they are robots.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Protocol

from privet.core.arrays import np
from privet.core.cache import LONGEST, SIZE, Cache
from privet.core.manners.asked import ASSET, NAMED, ROBOT, RULES, Asked, before, mixed, site_of, target_of
from privet.core.manners.memory import Clients

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from privet.core.manners.asked import Hashes, Places, Times
    from privet.core.manners.known import Known
    from privet.core.rows.facts import Facts, Registry

KNOWS = 86_400.0
"""Seconds for which somebody knows what stands in the file: robots may keep it so long."""

AGENTS = 8192  # that are known to have fetched the file
EVERYWHERE = "*"
"""In place of a site: all those that are not named."""

_LONGEST_AGENT = 128
_ANSWERS = SIZE // 2  # that are remembered: a power of two
_WHOLE_SECONDS = 1.0  # by which a pause may be longer than the log says


class Rules(Protocol):
    """What a `robots.txt` says. It answers from memory, and never raises."""

    def allows(self, agent: bytes, target: bytes) -> bool:
        """Tell whether an agent may ask for this."""

    def delay(self, agent: bytes) -> float:
        """Return the seconds that are to lie between two requests of an agent, 0 for any."""


class Informed:
    """Who knows what stands in `robots.txt`."""

    clients = ()  # the crowd remembers them
    evicted = 0

    def __init__(self, registry: Registry) -> None:
        self._registry, self._asked = registry, Asked(registry)
        self._fetched = registry.crowd.column(-inf)  # when the file was, last
        self._agents: Clients[bytes, float] = Clients(AGENTS, KNOWS)  # who are no robots, by the same
        self._moved = 0.0  # by how much the clock was set since the start

    def rows(self, facts: Facts) -> Places:
        """Return the rows of those who know, without those that fetch the file."""
        return facts.once(self._find)

    def carry(self, old: Self) -> None:
        """Take over what an equal one knows."""
        self._fetched.take(old._fetched)
        self._agents, self._moved = old._agents, old._moved

    def shift(self, seconds: float) -> None:
        """Take note that the clock was set forward by so much."""
        self._moved += seconds

    def forget(self, key: bytes) -> None:
        """Forget a client."""
        number = self._registry.crowd.number(key)
        if number >= 0:
            self._fetched.values[number] = -inf

    def _find(self, facts: Facts) -> Places:
        times = facts.times - self._moved
        agents, fetches = self._asked.agents(facts), np.flatnonzero(self._asked.kinds(facts) & RULES)
        if not self._fetched.is_used and not len(fetches):
            return np.flatnonzero(agents & ROBOT)
        since = self._fetched.values[facts.clients]
        called = self._called(facts, np.flatnonzero(agents & NAMED))
        for row in fetches.tolist():
            client, time = facts.clients[row], float(times[row])
            self._fetched.values[client] = time
            since[row + 1 :][facts.clients[row + 1 :] == client] = time
            agent = facts.rows.column("agent")[row]
            if agents[row] & NAMED and len(agent) <= LONGEST:
                self._agents.put(agent, time, time)
                called[row + 1 :][facts.agents[row + 1 :] == facts.agents[row]] = time
        knows = (np.maximum(since, called) >= times - KNOWS) | (agents & ROBOT > 0)
        knows[fetches] = False
        return np.flatnonzero(knows)

    def _called(self, facts: Facts, named: Places) -> Times:
        """Return for each row when somebody who calls himself so fetched the file."""
        called = np.full(len(facts), -inf)
        if len(self._agents) and len(named):
            agents = facts.rows.column("agent")
            for agent in self._agents.among(frozenset(agents[row] for row in named.tolist())):
                since = self._agents.get(agent, -inf)
                called[facts.agents == self._registry.agents[agent]] = -inf if since is None else since
        return called


class Answers:
    """What was answered to questions, by their hashes: each has one place, and what was there before is forgotten."""

    def __init__(self) -> None:
        self._questions = np.zeros(_ANSWERS, np.int64)
        self._answers = np.zeros(_ANSWERS)

    def __call__(self, questions: Hashes, find: Callable[[int], float]) -> Times:
        """Return the answers, what is not known found by the place of its question."""
        places = questions & (_ANSWERS - 1)
        new = np.flatnonzero(self._questions[places] != questions)
        answers: Times = self._answers[places]
        for one in new.tolist():
            place, question = int(places[one]), questions[one]
            if self._questions[place] != question:
                self._questions[place], self._answers[place] = question, find(one)
            answers[one] = self._answers[place]
        return answers


class _Robots:
    """Finds requests of those who know what stands in `robots.txt`."""

    columns = frozenset({"host", "request", "method", "target", "path", "query", "agent"})
    clients = ()
    evicted = 0

    def __init__(self, registry: Registry) -> None:
        self._asked, self._informed, self._crowd = Asked(registry), registry.shared(Informed), registry.crowd
        self._sites: Cache[Rules | None] = Cache(lambda _: None)
        self._any = False
        self._answers = Answers()

    def know(self, known: Known) -> None:
        """Heed what stands in the files."""
        sites = {name.encode(): rules for name, rules in known.robots.items()}
        rest = sites.get(EVERYWHERE.encode())
        self._sites = Cache(lambda host: sites.get(site_of(host), rest))
        self._any = bool(sites)
        self._answers = Answers()

    def carry(self, old: Self) -> None:
        """Take over what an equal one knows."""
        self._sites, self._any = old._sites, old._any

    def forget(self, key: bytes) -> None:
        """Forget a client."""
        self._informed.forget(key)

    def _rules(self, facts: Facts, row: int) -> tuple[Rules | None, bytes]:
        """Return the rules that hold for a row, and its agent."""
        return self._sites[self._asked.host(facts, row)], facts.rows.column("agent")[row][:_LONGEST_AGENT]


class Disallowed(_Robots):
    """Requests for what `robots.txt` disallows."""

    def find(self, facts: Facts, _times: Times) -> list[int]:
        """Return the rows that are offences."""
        if not self._any:
            return []
        rows = self._informed.rows(facts)
        if not len(rows):
            return []
        questions = mixed(self._asked.names(facts, rows), self._asked.targets(facts, rows))
        found: list[int] = rows[self._answers(questions, lambda one: self._forbids(facts, int(rows[one]))) > 0].tolist()
        return found

    def _forbids(self, facts: Facts, row: int) -> bool:
        rules, agent = self._rules(facts, row)
        return rules is not None and not rules.allows(agent, target_of(self._asked.request(facts, row)))


class TooSoon(_Robots):
    """Requests that come sooner after the one before than `robots.txt` asks for; those for assets do not count."""

    def __init__(self, registry: Registry) -> None:
        super().__init__(registry)
        self._last = registry.crowd.column(-inf)
        self.pauses: list[float] = []  # before each of the offences that were found last

    def find(self, facts: Facts, times: Times) -> list[int]:
        """Return the rows that are offences."""
        self.pauses = []
        if not self._any:
            return []
        rows = self._informed.rows(facts)
        rows = rows[self._asked.kinds(facts)[rows] & ASSET == 0]
        if not len(rows):
            return []
        questions = mixed(self._asked.names(facts, rows), self._asked.sites(facts, rows))
        delays = self._answers(questions, lambda one: self._delay(facts, int(rows[one])))
        told = np.flatnonzero(delays)
        rows, delays = rows[told], delays[told]
        clients, at = facts.clients[rows], times[rows]
        pauses = np.abs(at - before(facts.before(rows), clients, at, self._last))
        soon = np.flatnonzero(pauses <= delays - _WHOLE_SECONDS)
        self.pauses = pauses[soon].tolist()
        found: list[int] = rows[soon].tolist()
        return found

    def carry(self, old: Self) -> None:
        """Take over what an equal one knows."""
        super().carry(old)
        self._last.take(old._last)

    def forget(self, key: bytes) -> None:
        """Forget a client."""
        super().forget(key)
        number = self._crowd.number(key)
        if number >= 0:
            self._last.values[number] = -inf

    def _delay(self, facts: Facts, row: int) -> float:
        rules, agent = self._rules(facts, row)
        return 0.0 if rules is None else rules.delay(agent)
