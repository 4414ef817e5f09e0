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
        requests, keys, clients, found = requests_of(rows), rows.keys, self.clients, []
        heads = {row for row, request in enumerate(requests) if request.startswith(b"HEAD ")}
        if not heads and not len(clients):
            return []
        who = {keys[row] for row in heads}
        for row in [row for row, key in enumerate(keys) if key in who or key in clients]:
            key, request = keys[row], requests[row]
            if row in heads:
                self._note(key, times[row], _target(request))
            elif request.startswith(b"GET "):
                waiting = clients.get(key, times[row])
                if waiting is not None and waiting.pop(_target(request), 0) > 1:
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
        self.after, self.after_total = 0, 0.0  # pauses after refusals

    def learn(self, pause: float) -> None:
        """Take note of a usual pause."""
        if pause <= SESSION:
            self.pauses += 1
            self.total += pause
            if self.pauses >= _REMEMBERED:
                self.pauses, self.total = self.pauses / 2, self.total / 2

    def is_offence(self, time: float, wait: float) -> bool:
        """Tell whether a request after a refusal comes no slower than is usual."""
        pause = max(0.0, time - self.last)
        # At least a second: logs do not tell shorter pauses apart.
        usual = max(self.total / self.pauses, 1.0) if self.pauses else 0.0
        if pause >= wait or pause >= REST * usual > 0:
            self.after, self.after_total = 0, 0.0
            return False
        if time - self.since <= FLIGHT:
            return False
        self.after += 1
        self.after_total += pause
        return min(self.after, self.pauses) >= ENOUGH and self.after_total < SLOWER * usual * self.after

    def refuse(self, time: float, wait: float) -> None:
        """Take note of a refusal."""
        if time - self.told > wait:
            self.since = time
            self.after, self.after_total = 0, 0.0
        self.told, self.refused = time, True


class Unslowed:
    """Requests of who was just answered 429 or 503, and comes back within `wait` seconds no slower than before.

    Compared are mean pauses, assets left out: those after refusals and all others. Who makes one long pause has
    slowed down. At the cap one in eight clients goes, those who came longest ago.
    """

    columns = frozenset({"request", "method", "target", "path", "query", "status"})

    def __init__(self, most: int, wait: float) -> None:
        self.clients: dict[bytes, _Pace] = {}
        self.evicted = 0
        self.pauses: list[float] = []  # before each of the offences that were found last
        self._most, self._wait = most, wait
        self._is_asset = Cache(lambda request: ask_of(request).is_asset)

    def know(self, _known: Known) -> None:
        """Need no files."""

    def find(self, rows: Rows, times: Sequence[float]) -> list[int]:
        """Return the rows that are offences."""
        clients, wait, found = self.clients, self._wait, []
        self.pauses = []
        assets = map(self._is_asset.__getitem__, requests_of(rows))
        columns = zip(rows.keys, times, assets, rows.column("status"), strict=True)
        for row, (key, time, asset, status) in enumerate(columns):
            if asset:
                continue
            pace = clients.get(key)
            if pace is None:
                pace = self._new(key, time)
                clients = self.clients
            elif pace.refused:
                if pace.is_offence(time, wait):
                    found.append(row)
                    self.pauses.append(max(0.0, time - pace.last))
                pace.refused = False
            elif time > pace.last:
                pace.learn(time - pace.last)
            else:
                pace.pauses += 1
            pace.last = max(pace.last, time)
            if status in REFUSED:
                pace.refuse(time, wait)
        return found

    def forget(self, key: bytes) -> None:
        """Forget a client."""
        self.clients.pop(key, None)

    def _new(self, key: bytes, time: float) -> _Pace:
        if len(self.clients) >= self._most:
            self._make_room(time)
        pace = self.clients[key] = _Pace(time)
        return pace

    def _make_room(self, time: float) -> None:
        """Forget whose session is over, and at the cap one in eight."""
        self.clients = {key: pace for key, pace in self.clients.items() if pace.last >= time - SESSION}
        excess = len(self.clients) - self._most
        if excess >= 0:
            order = sorted(self.clients, key=lambda key: self.clients[key].last)
            gone = order[: excess + 1 + self._most // 8]
            self.evicted += len(gone)
            for key in gone:
                del self.clients[key]


def _target(request: bytes) -> int:
    """Return a number that stands for what a request asks for."""
    return hash(request[:LONGEST].split(b" ", 2)[1])
