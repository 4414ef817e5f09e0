"""Which requests fetch assets, the style sheets, scripts and pictures that browsers load with a page.

What the log says of the type of a response counts first, then the suffix of the path, then what is known of the
shape of its path: from types that other lines told, or from referers. A path that several clients fetch right after a
page of theirs, with that page as the referer, is an asset, unless it is often fetched otherwise.

Most blocks teach nothing, which is found out for all rows at once. Others are gone through row by row.
"""

from __future__ import annotations

import re
from math import inf
from typing import TYPE_CHECKING, Any

from privet.core.arrays import np
from privet.core.cache import LONGEST
from privet.core.parsing.texts import digest
from privet.core.rows.facts import UNTOLD

if TYPE_CHECKING:
    import numpy.typing as npt

    from privet.core.rows.facts import Facts, Registry
    from privet.core.rows.shapes import Shapes

    Numbers = npt.NDArray[np.integer[Any]]
    Answers = npt.NDArray[np.bool_]

AT_ONCE = 5.0
"""Seconds in which a browser asks for what belongs to a page."""

PATHS = 8192  # of which something is known
CLEAR = 5  # fetches with a page that make an asset
RATIO = 4  # how many of them there must be for each one without

_TYPES = re.compile(rb"(?:image|font|video|audio)/|text/css|(?:text|application)/(?:x-)?javascript", re.IGNORECASE)


class Assets:
    """Tells of rows whether they fetched assets, and learns from them."""

    def __init__(self, registry: Registry, shapes: Shapes) -> None:
        self._shapes = shapes
        self._types = registry.types.fact(_answer_of, np.int8)
        self._targets = registry.referers.fact(_target, np.int32)
        self._pages = registry.crowd.column(0, np.int32)  # the last page of each client, and when
        self._paged = registry.crowd.column(-inf)
        self._forget()

    def _forget(self) -> None:
        self._places: dict[bytes, int] = {}  # of paths of which something is known, in what follows
        self._told = np.full(PATHS + 1, -1, np.int8)  # what the type of a response said, -1 where none did
        self._clear = np.zeros(PATHS + 1, np.bool_)
        self._voted = np.zeros(PATHS + 1, np.bool_)
        self._votes: list[tuple[int, int, int]] = [(0, 0, -1)]  # fetched with a page, without, and by whom last
        self._of = np.zeros(1024, np.intp)  # places by the paths of the shapes
        self._looked = 0
        self._renewed = self._shapes.renewed

    def __call__(self, facts: Facts, urls: Numbers) -> Answers:
        """Tell for each row whether it fetched an asset."""
        answers: Answers = self._shapes.assets[urls]
        if facts.rows.columns.get("content_type"):
            answers = self._by_type(self._types(facts.types), urls, answers)
        elif self._places:
            answers |= self._told[self._places_of(urls)] == 1
        if facts.rows.columns.get("referer"):
            self._learn(facts, urls, answers)
        return answers

    def carry(self, old: Assets) -> None:
        """Take over what another has learnt."""
        self._places, self._told, self._clear = old._places, old._told, old._clear
        self._voted, self._votes, self._looked = old._voted, old._votes, 0
        self._pages.take(old._pages)
        self._paged.take(old._paged)

    def shift(self, seconds: float) -> None:
        """Take note that the clock was set forward by so much."""
        self._paged.values[:] += seconds

    def _places_of(self, urls: Numbers) -> Numbers:
        """Return the places of the paths of rows, 0 for those of which nothing is known."""
        names = self._shapes.names
        if self._renewed != self._shapes.renewed:
            self._renewed, self._looked = self._shapes.renewed, 0
        if self._looked < len(names):
            if len(names) > len(self._of):
                self._of = np.resize(self._of, 2 * len(names))
            self._of[self._looked : len(names)] = [self._places.get(name, 0) for name in names[self._looked :]]
            self._looked = len(names)
        return self._of[self._shapes.paths[urls]]

    def _place(self, path: bytes) -> int:
        """Return the place of a path of which something is learnt."""
        place = self._places.get(path, 0)
        if not place:
            if len(self._places) >= PATHS:
                self._forget()
            place = self._places[path] = len(self._votes)
            self._votes.append((0, 0, -1))
            name = self._shapes.places.get(path, self._looked)
            if name < self._looked:
                self._of[name] = place
        return place

    def _by_type(self, types: npt.NDArray[np.int8], urls: Numbers, by_suffix: Answers) -> Answers:
        told = self._told[self._places_of(urls)]
        if ((types >= 0) & (types != by_suffix) & (types != told)).any():
            return self._by_type_of_each(types, urls)
        answers: Answers = np.where(types >= 0, types == 1, by_suffix | (told == 1))
        return answers

    def _by_type_of_each(self, types: npt.NDArray[np.int8], urls: Numbers) -> Answers:
        answers = []
        for kind, number in zip(types.tolist(), urls.tolist(), strict=True):
            url = self._shapes.urls[number]
            told = self._told[self._places.get(url.path, 0)]
            if kind >= 0 and kind not in (url.asset, told):
                self._told[self._place(url.path)] = kind
            answers.append(kind == 1 if kind >= 0 else url.asset or bool(told == 1))
        return np.array(answers, np.bool_)

    def _learn(self, facts: Facts, urls: Numbers, answers: Answers) -> None:
        """Look at pages with a referer: those that came with the page before them are assets, or become some."""
        rows = np.flatnonzero(~answers)
        if not len(rows):
            return
        clients, times, urls = facts.clients[rows], facts.times[rows], urls[rows]
        targets, pages = self._targets(facts.referers)[rows], self._shapes.pages[urls]
        places = self._places_of(urls) if self._places else np.empty(0, np.intp)
        if self._clear[places].any() or self._any_with_page(facts, rows, pages, targets):
            self._learn_from_each(rows, (clients, times, urls, pages, targets), answers)
            return
        for place in places[self._voted[places]].tolist():
            fetched, without, by = self._votes[place]
            self._votes[place] = fetched, without + 1, by
        self._pages.values[clients], self._paged.values[clients] = pages, times

    def _any_with_page(
        self,
        facts: Facts,
        rows: npt.NDArray[np.intp],
        pages: Numbers,
        targets: Numbers,
    ) -> bool:
        """Tell whether a client fetched something with the page before as the referer, if none did so earlier."""
        asked = np.flatnonzero(targets)
        if not len(asked):
            return False
        before, who = facts.before(rows)[asked], facts.clients[rows[asked]]
        last = np.where(before < 0, self._pages.values[who], pages[before])
        same = np.flatnonzero(targets[asked] == last)
        if not len(same):
            return False
        before, who = before[same], who[same]
        last = np.where(before < 0, self._paged.values[who], facts.times[rows[before]])
        passed = facts.times[rows[asked[same]]] - last
        return bool(((passed >= 0) & (passed <= AT_ONCE)).any())

    def _learn_from_each(
        self, rows: npt.NDArray[np.intp], columns: tuple[npt.NDArray[np.generic], ...], answers: Answers
    ) -> None:
        pages, paged, begun = self._pages.values, self._paged.values, dict[int, tuple[int, float]]()
        for row, client, time, url, page, target in zip(
            rows.tolist(), *(column.tolist() for column in columns), strict=True
        ):
            path = self._shapes.urls[url].path
            place = self._places.get(path, 0)
            if target:
                last = begun.get(client) or (pages[client], paged[client])
                if target == last[0] and 0 <= time - last[1] <= AT_ONCE:
                    answers[row] = self._clear[place]
                    self._vote(path, client)
                    continue
            if self._voted[place]:
                answers[row] = self._clear[place]
                fetched, without, by = self._votes[place]
                self._count(place, fetched, without + 1, by)
                if answers[row]:
                    continue
            begun[client] = page, time
        for client, (page, time) in begun.items():
            pages[client], paged[client] = page, time

    def _vote(self, path: bytes, client: int) -> None:
        """Count a fetch with a page, once for each client in a row."""
        place = self._place(path)
        fetched, without, by = self._votes[place]
        if by != client:
            self._count(place, fetched + 1, without, client)

    def _count(self, place: int, fetched: int, without: int, by: int) -> None:
        self._votes[place] = fetched, without, by
        self._voted[place] = True
        self._clear[place] = fetched >= CLEAR and fetched >= RATIO * without


def is_asset_type(kind: bytes) -> bool:
    """Tell whether a content type is that of an asset."""
    return _TYPES.match(kind[:LONGEST]) is not None


def _answer_of(kind: bytes) -> int:
    """Tell whether a content type is that of an asset, 1 or 0; -1 for what is none."""
    return -1 if kind in UNTOLD else int(is_asset_type(kind))


def _target(referer: bytes) -> int:
    """Return a digest of path and query of a referer, 0 if it has none."""
    _scheme, colon, rest = referer.partition(b"://")
    _host, slash, target = rest.partition(b"/")
    return digest(slash + target) if colon and slash else 0
