"""Jails for forms: who sends one without having fetched it, or faster than anybody fills it in.

The rules:
- a page is what a client fetches by GET with success, assets aside, or gets in answer to a form that was no offence;
- the page of a form is the one that its referer names, where that names more than a site, else any page of the client;
- a form that is sent less than `QUICK` after its page was fetched last is an offence;
- so is one whose page was not fetched in the `LOOK_BACK` before, once the log has been watched for `WARM`.

Offences count as failures do. Pages are remembered by hashes, at most as many as the window may have clients: when
there are half as many, those before them are forgotten.
"""

from __future__ import annotations

from itertools import compress
from math import inf
from operator import xor
from typing import TYPE_CHECKING

from privet.core.cache import LONGEST, Cache
from privet.core.detect import Window
from privet.core.select import PARTS, REMEMBERED, values_of
from privet.core.shapes import is_asset

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from privet.core.detect import Limit
    from privet.core.parse import Rows

QUICK = 3.0
"""Seconds in which nobody reads a form and fills it in."""

LOOK_BACK = 86_400.0
"""Seconds for which a page may stand open before its form is sent."""

WARM = 3600.0
"""Seconds of log before somebody may be told to have fetched nothing."""

COLUMNS = frozenset({"request", "method", "target", "path", "query", "status", "referer"})
"""What is read of each row."""

_FETCHED = frozenset((b"200", b"203", b"206", b"301", b"302", b"303", b"304", b"307", b"308"))


class Forms(Window):
    """The offences that jails on the same forms share."""

    def __init__(self, limits: Sequence[Limit], tolerance: float, max_clients: int) -> None:
        super().__init__(limits, tolerance, max_clients)
        self.pages: dict[int, float] = {}  # by the hash of client and page, when it was fetched last
        self.first: dict[bytes, float] = {}  # when a client was seen to fetch any page
        self.older: tuple[dict[int, float], dict[bytes, float]] = {}, {}  # those before
        self._half = max(1, max_clients // 2)
        self.start = inf
        self._asked = Cache(lambda request: _page_asked(*PARTS[request][:2]), REMEMBERED)

    def offences(self, rows: Rows, chosen: Sequence[int]) -> list[int]:
        """Return which of the chosen rows, the forms, are offences; learn from all rows who has fetched what."""
        if self.start == inf and rows.times:
            self.start = rows.times[0]
        found, start, statuses = [], 0, rows.column("status")
        fetched = map(_FETCHED.__contains__, statuses)
        pages = [page if was else 0 for page, was in zip(self._pages_in(rows), fetched, strict=True)]
        for row in chosen:
            self._learn(rows, pages, start, row)
            start = row + 1
            if self._is_offence(rows.keys[row], rows.times[row], rows.column("referer")[row]):
                found.append(row)
            elif statuses[row] in _FETCHED:
                pages[row] = hash(values_of(rows, "path", [row])[0])
                self._learn(rows, pages, row, start)
        self._learn(rows, pages, start, len(rows))
        return found

    def _learn(self, rows: Rows, pages: Sequence[int], start: int, end: int) -> None:
        """Take note of the pages that were fetched in some rows."""
        part = pages[start:end]
        keys, times = list(compress(rows.keys[start:end], part)), list(compress(rows.times[start:end], part))
        names = list(map(xor, map(hash, keys), compress(part, part)))
        if len(self.pages) + len(names) < self._half:
            self.pages.update(zip(names, times, strict=True))
            first = self.first
            for key, time in zip(keys, times, strict=True):
                if key not in first or time - first[key] > LOOK_BACK:
                    self._begin(key, time)
            return
        for key, name, time in zip(keys, names, times, strict=True):
            self.pages[name] = time
            if key not in self.first or time - self.first[key] > LOOK_BACK:
                self._begin(key, time)
            if len(self.pages) >= self._half:  # begin anew, and forget what was before
                self.evicted += len(self.older[1].keys() - self.first.keys())
                self.older = self.pages, self.first
                self.pages, self.first = {}, {}

    def _begin(self, key: bytes, time: float) -> None:
        """Take note of the first page that a client fetches, or of the first after so long."""
        since = self.older[1].get(key, time)
        self.first[key] = since if time - since <= LOOK_BACK else time

    def _pages_in(self, rows: Rows) -> Iterable[int]:
        """Return the hash of the path of each row that asks for a page, else 0."""
        if "request" in rows.columns and "path" not in rows.columns:
            return map(self._asked.__getitem__, rows.columns["request"])
        every = range(len(rows))
        return map(_page_asked, values_of(rows, "method", every), values_of(rows, "path", every))

    def carry(self, old: Window) -> None:
        """Take over what an equal window has counted and seen."""
        super().carry(old)
        if isinstance(old, Forms):
            self.pages, self.first, self.older, self.start = old.pages, old.first, old.older, old.start

    def shift(self, seconds: float) -> None:
        """Take note that the clock was set forward by so much."""
        super().shift(seconds)
        for times in (self.pages, self.older[0]):
            times.update({name: time + seconds for name, time in times.items()})
        for since in (self.first, self.older[1]):
            since.update({key: time + seconds for key, time in since.items()})
        self.start += seconds

    def _is_offence(self, key: bytes, time: float, referer: bytes) -> bool:
        page = _page_of(referer)
        name, (pages, first) = hash(key) ^ hash(page), self.older
        seen = self.pages.get(name, pages.get(name)) if page else self.first.get(key, first.get(key))
        if seen is None or time - seen > LOOK_BACK:
            return time - self.start >= WARM
        return time - seen < QUICK


def _page_asked(method: bytes, path: bytes) -> int:
    return hash(path) if path and method == b"GET" and not is_asset(path) else 0


def _page_of(referer: bytes) -> bytes:
    """Return the path that a referer names; nothing where it names only a site, or nothing."""
    _scheme, colon, rest = referer[:LONGEST].partition(b"://")
    _host, slash, target = rest.partition(b"/")
    path = slash + target.partition(b"?")[0].partition(b"#")[0]
    return path if colon and path != b"/" else b""
