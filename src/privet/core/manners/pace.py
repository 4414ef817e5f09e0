"""Programs in a hurry: who asks by HEAD twice before he fetches a page, and who does not slow down when told to."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from privet.core.cache import LONGEST
from privet.core.manners.asked import asked_in
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
_LAST, _NOTED = 2, 3  # of what is heard of a client: number and sum of pauses, the last time, more times to learn from
_MANY = 64  # at which they are learnt from


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
        asked, keys, clients, found = asked_in(rows), rows.keys, self.clients, []
        heads = frozenset(asked.heads)
        who = {keys[row] for row in heads} | clients.among(asked.who) if heads or len(clients) else ()
        if not who:
            return []
        requests = asked.requests
        for row in [row for row, key in enumerate(keys) if key in who]:
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


class _Told:
    """How a client behaves after refusals."""

    __slots__ = ("after", "after_total", "since", "told")

    def __init__(self) -> None:
        self.since = self.told = -inf  # the first refusal of several, and the last one
        self.after, self.after_total = 0, 0.0  # pauses after refusals

    def is_offence(self, time: float, pause: float, heard: Sequence[float], wait: float) -> bool:
        """Tell whether a request after a refusal comes no slower than is usual."""
        pauses, total, _ = heard
        # At least a second: logs do not tell shorter pauses apart.
        usual = max(total / pauses, 1.0) if pauses else 0.0
        if pause >= wait or pause >= REST * usual > 0:
            self.after, self.after_total = 0, 0.0
            return False
        if time - self.since <= FLIGHT:
            return False
        self.after += 1
        self.after_total += pause
        return min(self.after, pauses) >= ENOUGH and self.after_total < SLOWER * usual * self.after

    def refuse(self, time: float, wait: float) -> None:
        """Take note of a refusal."""
        if time - self.told > wait:
            self.since = time
            self.after, self.after_total = 0, 0.0
        self.told = time


def _learn(heard: list[float]) -> None:
    """Learn the usual pauses from the times that were only noted."""
    pauses, total, last = heard[:_NOTED]
    for time in heard[_NOTED:]:
        pause = time - last
        if pause <= 0:
            pauses += 1
            continue
        last = time
        if pause <= SESSION:
            pauses += 1
            total += pause
            if pauses >= _REMEMBERED:
                pauses, total = pauses / 2, total / 2
    heard[:] = pauses, total, last


class Unslowed:
    """Requests of who was just answered 429 or 503, and comes back within `wait` seconds no slower than before.

    Compared are mean pauses, assets left out: those after refusals and all others. Who makes one long pause has
    slowed down. At the cap one in eight clients goes, those who came longest ago.
    """

    columns = frozenset({"request", "method", "target", "path", "query", "status"})

    def __init__(self, most: int, wait: float) -> None:
        self.clients: dict[bytes, list[float]] = {}  # what is heard of each: most are never refused
        self.evicted = 0
        self.pauses: list[float] = []  # before each of the offences that were found last
        self._told: dict[bytes, _Told] = {}  # who was ever refused
        self._waiting: set[bytes] = set()  # who was refused by the last answer
        self._most, self._wait = most, wait

    def know(self, _known: Known) -> None:
        """Need no files."""

    def find(self, rows: Rows, times: Sequence[float]) -> list[int]:
        """Return the rows that are offences."""
        asked, clients, waiting, found = asked_in(rows), self.clients, self._waiting, []
        self.pauses = []
        columns = zip(rows.keys, times, asked.assets, asked.refused, strict=True)
        for row, (key, time, asset, refused) in enumerate(columns):
            if asset:
                continue
            if key in waiting:
                if self._is_offence(key, time):
                    found.append(row)
            elif key in clients:
                heard = clients[key]
                heard.append(time)
                if len(heard) >= _MANY:
                    _learn(heard)
            else:
                if len(clients) >= self._most:
                    clients = self._make_room(time)
                clients[key] = [0.0, 0.0, time]
            if refused:
                self._refuse(key, time)
        return found

    def forget(self, key: bytes) -> None:
        """Forget a client."""
        self.clients.pop(key, None)
        self._told.pop(key, None)
        self._waiting.discard(key)

    def _is_offence(self, key: bytes, time: float) -> bool:
        """Tell whether somebody who was refused comes back too soon."""
        self._waiting.discard(key)
        heard = self.clients[key]
        _learn(heard)
        pause, heard[_LAST] = max(0.0, time - heard[_LAST]), max(heard[_LAST], time)
        is_offence = self._told[key].is_offence(time, pause, heard, self._wait)
        if is_offence:
            self.pauses.append(pause)
        return is_offence

    def _refuse(self, key: bytes, time: float) -> None:
        """Take note that somebody was refused."""
        self._waiting.add(key)
        self._told.setdefault(key, _Told()).refuse(time, self._wait)

    def _make_room(self, time: float) -> dict[bytes, list[float]]:
        """Forget whose session is over, and at the cap one in eight; return those who are left."""
        clients = {key: heard for key, heard in self.clients.items() if max(heard[_LAST:]) >= time - SESSION}
        excess = len(clients) - self._most
        if excess >= 0:
            order = sorted(clients, key=lambda key: max(clients[key][2:]))
            gone = order[: excess + 1 + self._most // 8]
            self.evicted += len(gone)
            for key in gone:
                del clients[key]
        self.clients = clients
        self._told = {key: told for key, told in self._told.items() if key in clients}
        self._waiting.intersection_update(clients)
        return clients


def _target(request: bytes) -> int:
    """Return a number that stands for what a request asks for."""
    return hash(request[:LONGEST].split(b" ", 2)[1])
