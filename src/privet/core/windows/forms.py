"""Jails for forms: who sends one without having fetched it, or faster than anybody fills it in.

The rules:
- a page is what a client fetches by GET with success, assets aside, or gets in answer to a form that was no offence;
- the page of a form is the one that its referer names, where that names more than a site, else any page of the client;
- a form that is sent less than `QUICK` after its page was fetched last is an offence;
- so is one whose page was not fetched in the `LOOK_BACK` before, once the log has been watched for `WARM`.

Offences count as failures do. Pages are remembered by hashes, of each client the last `PAGES`, and of all together so
many as there is room for; what may have been among those that are gone is no offence.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from privet.core.arrays import np
from privet.core.cache import LONGEST
from privet.core.parsing.texts import digest
from privet.core.rows.select import PARTS, values_of
from privet.core.rows.shapes import is_asset
from privet.core.rows.trails import NOWHERE, Trails
from privet.core.windows.detect import Window

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from privet.core.parsing.parse import Rows
    from privet.core.rows.facts import Facts, Registry
    from privet.core.windows.detect import Limit

    Pages = npt.NDArray[np.int32]
    Places = npt.NDArray[np.intp]

QUICK = 3.0
"""Seconds in which nobody reads a form and fills it in."""

LOOK_BACK = 86_400.0
"""Seconds for which a page may stand open before its form is sent."""

WARM = 3600.0
"""Seconds of log before somebody may be told to have fetched nothing."""

PAGES = 1000
"""How many of the pages that a client fetched are looked at for one form."""

COLUMNS = frozenset({"request", "method", "target", "path", "query", "status", "referer"})
"""What is read of each row."""

_FETCHED = frozenset((b"200", b"203", b"206", b"301", b"302", b"303", b"304", b"307", b"308"))


_PER_CLIENT = 1  # pages of a client that there is room for, where all that may be remembered are there


class Forms(Window):
    """The offences that jails on the same forms share."""

    def __init__(self, limits: Sequence[Limit], tolerance: float, max_clients: int, registry: Registry) -> None:
        super().__init__(limits, tolerance, max_clients)
        self.pages = Trails(_PER_CLIENT * max_clients, np.int32)  # that were fetched, in order
        self.start = inf
        self._registry = registry
        self.last = registry.crowd.column(NOWHERE, np.int64)  # where in them those of a client are
        self.first = registry.crowd.column(-inf)  # when a client was seen to fetch any page
        self._asked = registry.requests.fact(_page_asked, np.int32)
        self._fetched = registry.statuses.fact(_is_fetched)

    def offences(self, rows: Rows, chosen: Sequence[int]) -> list[int]:
        """Return which of the chosen rows, the forms, are offences; learn from all rows who has fetched what."""
        facts = self._registry.facts(rows)
        if self.start == inf and rows.times:
            self.start = rows.times[0]
        fetched = self._fetched(facts.statuses)
        pages = self._asked(facts.requests) * fetched  # by row, 0 where none was fetched
        found, referers = [], rows.column("referer") if chosen else ()
        for row in chosen:
            if self._is_offence(facts, pages, row, referers[row]):
                found.append(row)
            elif fetched[row]:
                pages[row] = digest(values_of(rows, "path", [row])[0])
        self._learn(facts, pages)
        return found

    def carry(self, old: Window) -> None:
        """Take over what an equal window has counted and seen."""
        super().carry(old)
        if isinstance(old, Forms):
            self.pages, self.start = old.pages, old.start
            self.last.take(old.last)
            self.first.take(old.first)

    def shift(self, seconds: float) -> None:
        """Take note that the clock was set forward by so much."""
        super().shift(seconds)
        self.pages.shift(seconds)
        self.first.values[:] += seconds
        self.start += seconds

    def _learn(self, facts: Facts, pages: Pages) -> None:
        """Take note of the pages that were fetched."""
        places = pages.nonzero()[0]
        if not len(places):
            return
        clients, times, first = facts.clients[places], facts.times[places], self.first.values
        begun = (times - first[clients] > LOOK_BACK).nonzero()[0][::-1]
        while len(begun):  # as a rule once: then none of them is as long after the first of its client
            first[clients[begun]] = times[begun]
            begun = begun[times[begun] - first[clients[begun]] > LOOK_BACK]
        before = facts.before(places)
        self.pages.enter(self.last.values, clients, times, pages[places], before, times.max() - LOOK_BACK)

    def _is_offence(self, facts: Facts, pages: Pages, row: int, referer: bytes) -> bool:
        """Judge a form, given the pages that were fetched before it in its block."""
        time, page, client = facts.rows.times[row], _page_of(referer), facts.clients.item(row)
        own = (facts.clients[:row] == client).nonzero()[0]
        own = own[pages[own] != 0]
        seen, gone = self._page(facts, pages, own, client, page) if page else (self._any_page(facts, own, client), -inf)
        if time - seen > LOOK_BACK:
            return time - self.start >= WARM and time - gone > LOOK_BACK
        return time - seen < QUICK

    def _page(self, facts: Facts, pages: Pages, own: Places, client: int, path: bytes) -> tuple[float, float]:
        """Return when a page was fetched last, and the newest time when what is forgotten may have been."""
        page = digest(path)
        now = own[pages[own] == page]
        if len(now):
            return facts.times.item(now[-1]), -inf
        return self.pages.find(self.last.values.item(client), page, PAGES)

    def _any_page(self, facts: Facts, own: Places, client: int) -> float:
        """Return when a page was fetched first."""
        first: float = self.first.values.item(client)
        times = facts.times[own]
        while len(begun := (times - first > LOOK_BACK).nonzero()[0]):  # what was too long ago is as if it had not been
            first, times = times.item(begun[0]), times[begun[0] :]
        return first


def _is_fetched(status: bytes) -> bool:
    return status in _FETCHED


def _page_asked(request: bytes) -> int:
    """Return the hash of the page that a request asks for, 0 where that is none."""
    method, path, *_ = PARTS[request]
    return digest(path) if path and method == b"GET" and not is_asset(path) else 0


def _page_of(referer: bytes) -> bytes:
    """Return the path that a referer names; nothing where it names only a site, or nothing."""
    _scheme, colon, rest = referer[:LONGEST].partition(b"://")
    _host, slash, target = rest.partition(b"/")
    path = slash + target.partition(b"?")[0].partition(b"#")[0]
    return path if colon and path != b"/" else b""
