"""Programs in a hurry: who asks by HEAD twice before he fetches a page, and who does not slow down when told to."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from privet.core.cache import LONGEST, Cache
from privet.core.manners.asked import REFUSED, ask_of, requests_of
from privet.core.manners.memory import Clients

if TYPE_CHECKING:
    from collections.abc import Sequence

    from privet.core.manners.known import Known
    from privet.core.parse import Rows

TOGETHER = 600.0
"""Seconds within which HEAD and GET belong together."""

PAGES = 16  # of one client that were asked for by HEAD and not yet fetched

FLIGHT = 3.0  # seconds in which requests arrive that were on their way when the first was refused
SLOWER = 1.5  # how much longer pauses must be after refusals to count as slowing down
REST = 4.0  # a pause so much longer than usual: that is slowing down, whatever came before
ENOUGH = 4  # pauses from which on there is a usual one, and as many after refusals
SESSION = 3600.0  # seconds: a longer pause is none, but the end
_REMEMBERED = 32  # pauses of which the usual one is the mean, the older counting less


class Doubled:
    """Pages that are asked for by HEAD twice or more, and then fetched."""

    columns = frozenset({"request", "method", "target", "path", "query"})

    def __init__(self, most: int) -> None:
        self.clients: Clients[bytes, dict[int, int]] = Clients(most, TOGETHER)  # HEADs by what they ask for

    @property
    def evicted(self) -> int:
        """How many clients were forgotten to stay within the cap."""
        return self.clients.evicted

    def know(self, _known: Known) -> None:
        """Need no files."""

    def find(self, rows: Rows, times: Sequence[float]) -> list[int]:
        """Return the rows that are offences: the fetches."""
        clients, found = self.clients, []
        for row, (key, request) in enumerate(zip(rows.keys, requests_of(rows), strict=True)):
            if request.startswith(b"HEAD "):
                self._note(key, times[row], _target(request))
            elif key in clients and request.startswith(b"GET "):
                heads = clients.get(key, times[row])
                if heads is not None and heads.pop(_target(request), 0) > 1:
                    found.append(row)
        return found

    def forget(self, key: bytes) -> None:
        """Forget a client."""
        self.clients.drop(key)

    def _note(self, key: bytes, time: float, target: int) -> None:
        heads = self.clients.get(key, time) or {}
        heads[target] = heads.get(target, 0) + 1
        if len(heads) > PAGES:
            del heads[next(iter(heads))]
        self.clients.put(key, time, heads)


class _Pace:
    """How long a client pauses, usually and after refusals."""

    __slots__ = ("after", "after_total", "last", "pauses", "refused", "since", "told", "total")

    def __init__(self, time: float) -> None:
        self.last = time
        self.pauses, self.total = 0.0, 0.0
        self.refused = False  # by the last answer
        self.since = self.told = -inf  # the first refusal of several, and the last one
        self.begin()

    @property
    def usual(self) -> float:
        """The mean pause, at least a second: logs do not tell shorter ones apart."""
        return max(self.total / self.pauses, 1.0) if self.pauses else 0.0

    def begin(self) -> None:
        """Begin to count pauses after refusals."""
        self.after, self.after_total = 0, 0.0

    def learn(self, pause: float) -> None:
        """Take note of a usual pause."""
        if pause <= SESSION:
            self.pauses += 1
            self.total += pause
            if self.pauses >= _REMEMBERED:
                self.pauses, self.total = self.pauses / 2, self.total / 2


class Unslowed:
    """Requests of who was just answered 429 or 503, and comes back within `wait` seconds no slower than before.

    Compared are mean pauses, assets left out: those after refusals and all others. Who makes one long pause has
    slowed down.
    """

    columns = frozenset({"request", "method", "target", "path", "query", "status"})

    def __init__(self, most: int, wait: float) -> None:
        self.clients: Clients[bytes, _Pace] = Clients(most, SESSION)
        self._wait = wait
        self._asks = Cache(ask_of)

    @property
    def evicted(self) -> int:
        """How many clients were forgotten to stay within the cap."""
        return self.clients.evicted

    def know(self, _known: Known) -> None:
        """Need no files."""

    def find(self, rows: Rows, times: Sequence[float]) -> list[int]:
        """Return the rows that are offences."""
        asks, clients, found = self._asks, self.clients, []
        columns = zip(rows.keys, times, requests_of(rows), rows.column("status"), strict=True)
        for row, (key, time, request, status) in enumerate(columns):
            if asks[request].is_asset:
                continue
            pace = clients.get(key, time)
            if pace is None:
                pace = _Pace(time)
            elif self._is_offence(pace, time):
                found.append(row)
            pace.last = max(pace.last, time)
            clients.put(key, time, pace)
            pace.refused = status in REFUSED
            if pace.refused:
                if time - pace.told > self._wait:
                    pace.since = time
                    pace.begin()
                pace.told = time
        return found

    def forget(self, key: bytes) -> None:
        """Forget a client."""
        self.clients.drop(key)

    def _is_offence(self, pace: _Pace, time: float) -> bool:
        pause, usual = max(0.0, time - pace.last), pace.usual
        if not pace.refused:
            pace.learn(pause)
            return False
        if pause >= self._wait or pause >= REST * usual > 0:
            pace.begin()
            return False
        if time - pace.since <= FLIGHT:
            return False
        pace.after += 1
        pace.after_total += pause
        return min(pace.after, pace.pauses) >= ENOUGH and pace.after_total < SLOWER * usual * pace.after


def _target(request: bytes) -> int:
    """Return a number that stands for what a request asks for."""
    return hash(request[:LONGEST].split(b" ", 2)[1])
