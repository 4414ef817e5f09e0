"""Feeds that are fetched too often, or whole each time although they have not changed.

What is a feed says the type of a response where the log has it, and else how its address looks.
"""

from __future__ import annotations

from itertools import compress, repeat
from operator import attrgetter, or_
from typing import TYPE_CHECKING, TypeVar

from privet.core.cache import Cache
from privet.core.manners.asked import REFUSED, UNTOLD, asked_in, is_feed_type
from privet.core.manners.memory import Clients

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from privet.core.manners.asked import Ask, Asked, Fetch, Reader
    from privet.core.manners.known import Known
    from privet.core.parse import Rows

DAY = 86_400.0
FEEDS = 8192  # that are known
FULL, UNCHANGED = b"200", b"304"
_COUNT = frozenset((FULL, UNCHANGED)) | REFUSED  # who is sent elsewhere asks again at once
_UNTYPED = frozenset((UNCHANGED,)) | REFUSED  # answers that do not tell the type
_WHOLE_SECONDS = 1.0  # by which a pause may be longer than the log says

State = TypeVar("State")


class _Feeds:
    """Finds fetches of feeds."""

    columns = frozenset(
        {"host", "request", "method", "target", "path", "query", "status", "size", "agent", "content_type"}
    )

    def __init__(self) -> None:
        self._is_type = Cache(is_feed_type)
        self._told: Clients[int, bool] = Clients(FEEDS, 7 * DAY)  # by what is asked for, what types said

    def know(self, _known: Known) -> None:
        """Need no files."""

    def _fetches(self, rows: Rows, times: Sequence[float]) -> Iterable[Fetch]:
        """Return the rows that fetch feeds, a number for the feed, and the reader."""
        types, asked = rows.columns.get("content_type"), asked_in(rows)
        return asked.fetches if types is None and not len(self._told) else self._typed(asked, types, times)

    def _typed(self, asked: Asked, types: Sequence[bytes] | None, times: Sequence[float]) -> Iterator[Fetch]:
        """Yield the same, of rows that tell their types, or of what was told to be a feed, or none."""
        asks, statuses, hosts = asked.asks, asked.rows.column("status"), asked.hosts
        said = map(self._is_type.__getitem__, types) if types else repeat(0, len(asks))
        seen = map(or_, said, map(attrgetter("is_feed"), asks))
        for row in list(compress(range(len(asks)), map(or_, seen, map(_UNTYPED.__contains__, statuses)))):
            ask = asks[row]
            if types is not None and statuses[row] == FULL and types[row] not in UNTOLD:
                is_feed = self._is_type[types[row]]
                if is_feed is not ask.is_feed:
                    self._told.put(hash((hosts[row], ask.target)), times[row], is_feed)
            else:
                is_feed = self._looks_like_one(ask, hosts[row], times[row])
            if is_feed and ask.method == b"GET":
                yield asked.fetch(row)

    def _looks_like_one(self, ask: Ask, host: bytes, time: float) -> bool:
        told = self._told.get(hash((host, ask.target)), time) if len(self._told) else None
        return ask.is_feed if told is None else told


class TooOften(_Feeds):
    """Fetches of a feed sooner than `every` seconds after the one before, by the same client and agent."""

    def __init__(self, most: int, every: float) -> None:
        super().__init__()
        self.clients: Clients[Reader, float] = Clients(most, max(every, DAY))
        self._every = every
        self.pauses: list[float] = []  # before each of the offences that were found last

    @property
    def evicted(self) -> int:
        """How many readers were forgotten to stay within the cap."""
        return self.clients.evicted

    def find(self, rows: Rows, times: Sequence[float]) -> list[int]:
        """Return the rows that are offences."""
        statuses, found = rows.column("status"), []
        self.pauses = []
        for row, _feed, reader in self._fetches(rows, times):
            if statuses[row] not in _COUNT:
                continue
            time = times[row]
            last = self.clients.swap(reader, time, time)
            if last is not None and abs(time - last) <= self._every - _WHOLE_SECONDS:
                found.append(row)
                self.pauses.append(abs(time - last))
        return found

    def forget(self, key: bytes) -> None:
        """Forget a client."""
        _forget(self.clients, key)


class Whole(_Feeds):
    """Fetches of a feed that bring all of it once more, by who never asked whether it has changed.

    It has not when its size is that of the time before. Only feeds are looked at for which the server answered
    somebody with 304, since some servers never do.
    """

    def __init__(self, most: int) -> None:
        super().__init__()
        self.clients: Clients[Reader, bytes | None] = Clients(most, 7 * DAY)  # the size; None for who asks
        self._willing: Clients[int, None] = Clients(FEEDS, 7 * DAY)  # feeds for which there was a 304

    @property
    def evicted(self) -> int:
        """How many readers were forgotten to stay within the cap."""
        return self.clients.evicted

    def find(self, rows: Rows, times: Sequence[float]) -> list[int]:
        """Return the rows that are offences."""
        statuses, sizes, found = rows.column("status"), rows.column("size"), []
        for row, feed, reader in self._fetches(rows, times):
            time, status = times[row], statuses[row]
            if status == UNCHANGED:
                self._willing.put(feed, time, None)
                self.clients.put(reader, time, None)
            elif status == FULL:
                before = self.clients.get(reader, time) if reader in self.clients else b""
                if before is not None and before == sizes[row] not in UNTOLD and feed in self._willing:
                    found.append(row)
                self.clients.put(reader, time, None if before is None else sizes[row])
        return found

    def forget(self, key: bytes) -> None:
        """Forget a client."""
        _forget(self.clients, key)


def _forget(clients: Clients[Reader, State], key: bytes) -> None:
    for reader in [reader for reader in clients if reader[0] == key]:
        clients.drop(reader)
