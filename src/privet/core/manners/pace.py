"""Programs in a hurry: who asks by HEAD twice before he fetches a page, and who does not slow down when told to."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from privet.core.arrays import np
from privet.core.manners.asked import ASSET, GET, HEAD, REFUSED, Asked
from privet.core.manners.memory import Clients
from privet.core.parsing.blocks.columns import some_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    import numpy.typing as npt

    from privet.core.manners.asked import Times
    from privet.core.manners.known import Known
    from privet.core.rows.facts import Facts, Registry

TOGETHER = 600.0
"""Seconds within which HEAD and GET belong together."""

PAGES = 16  # of one client that were asked for by HEAD and not yet fetched

FLIGHT = 3.0  # seconds in which requests arrive that were on their way when the first was refused
SLOWER = 1.5  # how much longer pauses must be after refusals to count as slowing down
REST = 4.0  # a pause so much longer than usual: that is slowing down, whatever came before
ENOUGH = 4  # pauses from which on there is a usual one, and as many after refusals
SESSION = 3600.0  # seconds: a longer pause is none, but the end
_REMEMBERED = 16  # pauses of which the usual one is the mean, the older counting less
_LATEST = 1 << 16  # pages, of all clients, among which those of a client are sought when he is refused
_ROOM = _LATEST + (1 << 15)  # and those of a block


class Doubled:
    """Pages that are asked for by HEAD twice or more, and then fetched."""

    columns = frozenset({"request", "method", "target", "path", "query"})

    def __init__(self, most: int, registry: Registry) -> None:
        self.clients: Clients[bytes, dict[int, int]] = Clients(most, TOGETHER)  # HEADs by what they ask for
        self._asked, self._crowd = Asked(registry), registry.crowd
        self._latest = self._crowd.column(-inf)  # when each asked by HEAD

    @property
    def evicted(self) -> int:
        """How many clients were forgotten to stay within the cap."""
        return self.clients.evicted

    def know(self, _known: Known) -> None:
        """Need no files."""

    def carry(self, old: Self) -> None:
        """Take over what an equal one knows."""
        self._latest.take(old._latest)
        self.clients = old.clients

    def find(self, facts: Facts, times: Times) -> list[int]:
        """Return the rows that are offences: the fetches."""
        kinds = self._asked.kinds(facts)
        heads = np.flatnonzero(kinds & HEAD)
        if not len(heads) and not len(self.clients):
            return []
        np.maximum.at(self._latest.values, facts.clients[heads], times[heads])
        lately = self._latest.values[facts.clients] >= times - TOGETHER
        found, keys = [], facts.rows.keys
        for row in np.flatnonzero(lately & (kinds & (HEAD | GET) > 0)).tolist():
            target = hash(self._asked.request(facts, row).split(b" ", 2)[1])
            if kinds[row] & HEAD:
                self._note(keys[row], times[row], target)
                continue
            waiting = self.clients.get(keys[row], times[row])
            if waiting is not None and waiting.pop(target, 0) > 1:
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
    """How a client behaves after refusals, and what is usual for him: number and sum of pauses, the last time."""

    __slots__ = ("after", "after_total", "last", "page", "pauses", "since", "told", "total")

    def __init__(self) -> None:
        self.since = self.told = -inf  # the first refusal of several, and the last one
        self.after, self.after_total = 0, 0.0  # pauses after refusals
        self.pauses, self.total, self.last = 0.0, 0.0, -inf
        self.page = -1  # up to which this is known

    def learn(self, pages: Sequence[tuple[float, bool]]) -> None:
        """Learn what is usual from the times of pages, and whether they were refused."""
        was_refused = False
        for time, is_refused in pages:
            pause = time - self.last
            if not was_refused and pause <= SESSION:
                self.pauses += 1
                if pause > 0:
                    self.total += pause
                    if self.pauses >= _REMEMBERED:
                        self.pauses, self.total = self.pauses / 2, self.total / 2
            if pause > 0:
                self.last = time
            was_refused = is_refused

    def is_offence(self, time: float, wait: float) -> bool:
        """Tell whether a request after a refusal comes no slower than is usual."""
        # At least a second: logs do not tell shorter pauses apart.
        usual = max(self.total / self.pauses, 1.0) if self.pauses else 0.0
        pause, self.last = max(0.0, time - self.last), max(self.last, time)
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
        self.told = time


class _Pages:
    """The latest pages of all clients: when each was fetched, and the mark of the one before by the same client.

    A mark is twice the number of a page, and one more if it was refused; -2 is that of none.
    """

    def __init__(self) -> None:
        self.count = 0
        self._times, self._marks = np.zeros(_ROOM), np.zeros(_ROOM, np.int64)

    def put(self, times: Times, marks: npt.NDArray[np.int64]) -> None:
        """Add the pages of a block."""
        start, done = self.count % _ROOM, 0
        while done < len(times):  # the room is a ring
            end = min(_ROOM, start + len(times) - done)
            self._times[start:end] = times[done : done + end - start]
            self._marks[start:end] = marks[done : done + end - start]
            start, done = end % _ROOM, done + end - start
        self.count += len(times)

    def before(self, page: int, since: int) -> list[tuple[float, bool]]:
        """Return when the last pages of a client were fetched before one, after another, and if they were refused."""
        times, marks = self._times.data, self._marks.data
        oldest = max(since + 1, page - _LATEST, self.count - _ROOM)
        found: list[tuple[float, bool]] = []
        mark = marks[page % _ROOM]
        for _ in range(_REMEMBERED + 1):
            if mark >> 1 < oldest:
                break
            place = (mark >> 1) % _ROOM
            found.append((times[place], mark & 1 > 0))
            mark = marks[place]
        found.reverse()
        return found


class Unslowed:
    """Requests of who was just answered 429 or 503, and comes back within `wait` seconds no slower than before.

    Compared are mean pauses, assets left out: those after refusals and all others. Who makes one long pause has
    slowed down. What is usual for somebody is found out when he is refused, from his last pages among the latest of
    all: most are never refused.
    """

    columns = frozenset({"request", "method", "target", "path", "query", "status"})

    def __init__(self, most: int, wait: float, registry: Registry) -> None:
        self.clients: Clients[bytes, _Told] = Clients(most, wait)  # who was refused
        self.pauses: list[float] = []  # before each of the offences that were found last
        self._asked, self._crowd, self._wait = Asked(registry), registry.crowd, wait
        self._last = self._crowd.column(-2, np.int64)  # the mark of each client's last page
        self._pages = _Pages()

    @property
    def evicted(self) -> int:
        """How many clients were forgotten to stay within the cap."""
        return self.clients.evicted

    def know(self, _known: Known) -> None:
        """Need no files."""

    def carry(self, old: Self) -> None:
        """Take over what an equal one knows."""
        self._last.take(old._last)
        self.clients, self._pages = old.clients, old._pages

    def find(self, facts: Facts, times: Times) -> list[int]:
        """Return the rows that are offences."""
        self.pauses = []
        rows = np.flatnonzero(self._asked.kinds(facts) & ASSET == 0)
        if not len(rows):
            return []
        clients, at = facts.clients[rows], times[rows]
        before = facts.before(rows)
        refused = self._asked.statuses(facts)[rows] & REFUSED
        first = self._pages.count
        marks = 2 * np.arange(first, first + len(rows)) + refused
        links = np.where(before >= 0, marks[before], self._last.values[clients])
        self._last.values[clients] = marks
        self._pages.put(at, links)
        events = np.flatnonzero(links & 1 | refused)
        if not len(events):
            return []
        rows = rows[events]
        columns = (rows, some_of(facts.rows.keys, rows), at[events], events + first, links[events] & 1, refused[events])
        found = []
        for row, key, time, page, was_refused, is_refused in zip(*(column.tolist() for column in columns), strict=True):
            if was_refused and self._is_offence(key, time, page):
                found.append(row)
            if is_refused:
                self._refuse(key, time)
        return found

    def forget(self, key: bytes) -> None:
        """Forget a client."""
        self.clients.drop(key)
        number = self._crowd.number(key)
        if number >= 0:
            self._last.values[number] = -2

    def _is_offence(self, key: bytes, time: float, page: int) -> bool:
        """Tell whether somebody who was refused comes back too soon."""
        told = self.clients.get(key, time)
        if told is None:
            return False
        told.learn(self._pages.before(page, told.page))
        told.page = page
        pause = max(0.0, time - told.last)
        if told.is_offence(time, self._wait):
            self.pauses.append(pause)
            return True
        return False

    def _refuse(self, key: bytes, time: float) -> None:
        """Take note that somebody was refused."""
        told = self.clients.get(key, time) or _Told()
        told.refuse(time, self._wait)
        self.clients.put(key, time, told)
