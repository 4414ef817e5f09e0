"""Feeds that are fetched too often, or whole each time although they have not changed.

What is a feed says the type of a response where the log has it, and else how its address looks.

Behind one address may be many readers, told apart by their agents and by what they fetch: each has a number of its own,
as clients have.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, NamedTuple

from privet.core.arrays import np
from privet.core.manners.asked import FEED, FEED_TYPE, FULL, GET, REFUSED, UNCHANGED, UNTYPED, Asked, before, mixed
from privet.core.manners.memory import Clients
from privet.core.parsing.blocks.columns import Counts, some_of
from privet.core.rows.crowd import NOBODY, Crowd
from privet.core.rows.facts import previous

if TYPE_CHECKING:
    from typing import Self

    import numpy.typing as npt

    from privet.core.manners.asked import Bits, Hashes, Places, Times
    from privet.core.manners.known import Known
    from privet.core.rows.facts import Facts, Registry

    Numbers = npt.NDArray[np.intp]

KEEP = 604_800.0  # seconds, a week: for so long readers and feeds are known
FEEDS = 8192  # that are known
_WHOLE_SECONDS = 1.0  # by which a pause may be longer than the log says


class Fetched(NamedTuple):
    """Rows that fetch feeds, with the number of each one's reader and the hash of its feed."""

    rows: Places
    readers: Numbers
    feeds: Hashes

    def where(self, chosen: Places) -> Fetched:
        """Return some of them."""
        return Fetched(self.rows[chosen], self.readers[chosen], self.feeds[chosen])


class Fetches:
    """Finds fetches of feeds, and who reads them."""

    def __init__(self, registry: Registry) -> None:
        self.clients = Crowd(registry.max_clients, KEEP)  # the readers
        self._client = self.clients.column(NOBODY, np.int32)  # whose reader it is
        self._asked, self._crowd = Asked(registry), registry.crowd
        self._told: Clients[int, bool] = Clients(FEEDS, KEEP)  # by what is asked for, what types said
        self._moved = 0.0  # by how much the clock was set since the start

    @property
    def evicted(self) -> int:
        """How many readers were forgotten to stay within the cap."""
        return self.clients.evicted

    def of(self, facts: Facts) -> Fetched | None:
        """Return the rows that fetch feeds, None if there are none."""
        return facts.once(self._of)

    def carry(self, old: Self) -> None:
        """Take over what an equal one knows."""
        self.clients.carry(old.clients)
        self._client.take(old._client)
        self._told, self._moved = old._told, old._moved

    def shift(self, seconds: float) -> None:
        """Take note that the clock was set forward by so much."""
        self._moved += seconds

    def of_client(self, key: bytes) -> Places:
        """Return the readers of a client."""
        number = self._crowd.number(key)
        return np.flatnonzero(self._client.values == number) if number >= 0 else np.empty(0, np.intp)

    def _of(self, facts: Facts) -> Fetched | None:
        times = facts.times - self._moved
        rows = self._find(facts, times, self._asked.statuses(facts))
        return self._fetched(facts, times, rows) if len(rows) else None

    def _find(self, facts: Facts, times: Times, statuses: Bits) -> Places:
        kinds, types = self._asked.kinds(facts), self._asked.types(facts)
        if types is None and not len(self._told):
            return np.flatnonzero(kinds & (GET | FEED) == GET | FEED)
        if types is None:
            types = np.full(len(facts), UNTYPED, np.uint8)
        looks = kinds & FEED > 0
        sure = (statuses & FULL > 0) & (types & UNTYPED == 0)
        feeds = np.where(sure, types & FEED_TYPE > 0, looks)
        news = sure & (feeds != looks)
        if len(self._told) or news.any():
            unsure = ~sure & (looks | (statuses & (UNCHANGED | REFUSED) > 0))
            self._learn(facts, times, feeds, news, np.flatnonzero(news | unsure))
        return np.flatnonzero(feeds & (kinds & GET > 0))

    def _learn(
        self, facts: Facts, times: Times, feeds: npt.NDArray[np.bool_], news: npt.NDArray[np.bool_], rows: Places
    ) -> None:
        """Learn what is a feed, from types, and set that of the rows without one."""
        for row, target in zip(rows.tolist(), self._asked.targets(facts, rows).tolist(), strict=True):
            if news[row]:
                self._told.put(target, float(times[row]), bool(feeds[row]))
            elif (told := self._told.get(target, float(times[row]))) is not None:
                feeds[row] = told

    def _fetched(self, facts: Facts, times: Times, rows: Places) -> Fetched:
        feeds = self._asked.targets(facts, rows)
        clients = np.fromiter(map(hash, some_of(facts.rows.keys, rows)), np.int64, len(rows))
        names = mixed(mixed(clients, feeds), self._asked.names(facts, rows)).tobytes()
        each = [names[place : place + 8] for place in range(0, len(names), 8)]
        readers = self.clients.numbers(each, times[rows])
        self._client.values[readers] = facts.clients[rows]
        return Fetched(rows, readers, feeds)


class _Feeds:
    """Finds offences of those who read feeds."""

    columns = frozenset(
        {"host", "request", "method", "target", "path", "query", "status", "size", "agent", "content_type"}
    )

    clients = ()
    evicted = 0

    def __init__(self, registry: Registry) -> None:
        self._asked, self._fetches = Asked(registry), registry.shared(Fetches)

    def know(self, _known: Known) -> None:
        """Need no files."""


class TooOften(_Feeds):
    """Fetches of a feed sooner than `every` seconds after the one before, by the same client and agent."""

    def __init__(self, every: float, registry: Registry) -> None:
        super().__init__(registry)
        self._every = every
        self._last = self._fetches.clients.column(-inf)
        self.pauses: list[float] = []  # before each of the offences that were found last

    def find(self, facts: Facts, times: Times) -> list[int]:
        """Return the rows that are offences."""
        self.pauses = []
        fetched = self._fetches.of(facts)
        if fetched is None:
            return []
        # Who is sent elsewhere asks again at once.
        statuses = self._asked.statuses(facts)[fetched.rows]
        rows, readers, _ = fetched.where(np.flatnonzero(statuses & (FULL | UNCHANGED | REFUSED)))
        pauses = np.abs(times[rows] - before(previous(readers), readers, times[rows], self._last))
        soon = np.flatnonzero(pauses <= self._every - _WHOLE_SECONDS)
        self.pauses = pauses[soon].tolist()
        found: list[int] = rows[soon].tolist()
        return found

    def carry(self, old: Self) -> None:
        """Take over what an equal one knows."""
        self._last.take(old._last)

    def forget(self, key: bytes) -> None:
        """Forget a client."""
        self._last.values[self._fetches.of_client(key)] = -inf


class Whole(_Feeds):
    """Fetches of a feed that bring all of it once more, by who never asked whether it has changed.

    It has not when its size is that of the time before. Only feeds are looked at for which the server answered
    somebody with 304, since some servers never do.
    """

    def __init__(self, registry: Registry) -> None:
        super().__init__(registry)
        self._size = self._fetches.clients.column(0, np.int64)  # and one, 0 if there was none
        self._asks = self._fetches.clients.column(0, np.bool_)  # whether it has changed
        self._willing: Clients[int, None] = Clients(FEEDS, KEEP)  # feeds for which there was a 304

    def find(self, facts: Facts, times: Times) -> list[int]:
        """Return the rows that are offences."""
        fetched = self._fetches.of(facts)
        if fetched is None:
            return []
        statuses = self._asked.statuses(facts)[fetched.rows]
        rows, readers, feeds = fetched
        asking = np.flatnonzero(statuses & UNCHANGED)
        found = []
        for place in self._same(facts, fetched, np.flatnonzero(statuses & FULL)).tolist():
            earlier = asking[asking < place]
            asks = self._asks.values[readers[place]] or (readers[earlier] == readers[place]).any()
            if not asks and (int(feeds[place]) in self._willing or (feeds[earlier] == feeds[place]).any()):
                found.append(int(rows[place]))
        self._asks.values[readers[asking]] = True
        for place in asking.tolist():
            self._willing.put(int(feeds[place]), float(times[rows[place]]), None)
        return found

    def _same(self, facts: Facts, fetched: Fetched, full: Places) -> Places:
        """Return the places of whole fetches that brought as much as the ones before."""
        column, rows, readers = facts.rows.column("size"), fetched.rows[full], fetched.readers[full]
        if isinstance(column, Counts):
            sizes = column.places[rows] + 1
        else:
            told = (column[row] for row in rows.tolist())
            sizes = np.array([1 + int(size[:18]) if size.isdigit() else 0 for size in told], np.int64)
        same = (before(previous(readers), readers, sizes, self._size) == sizes) & (sizes != 0)
        return full[np.flatnonzero(same)]

    def carry(self, old: Self) -> None:
        """Take over what an equal one knows."""
        self._size.take(old._size)
        self._asks.take(old._asks)
        self._willing = old._willing

    def forget(self, key: bytes) -> None:
        """Forget a client."""
        readers = self._fetches.of_client(key)
        self._size.values[readers], self._asks.values[readers] = 0, False
