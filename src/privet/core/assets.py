"""Which requests fetch assets, the style sheets, scripts and pictures that browsers load with a page.

What the log says of the type of a response counts first, then the suffix of the path, then what is known of the
shape of its path: from types that other lines told, or from referers. A path that several clients fetch right after a
page of theirs, with that page as the referer, is an asset, unless it is often fetched otherwise.
"""

from __future__ import annotations

import re
from collections import Counter
from itertools import compress
from operator import attrgetter
from typing import TYPE_CHECKING

from privet.core.cache import LONGEST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from privet.core.parse import Rows
    from privet.core.shapes import Url

AT_ONCE = 5.0
"""Seconds in which a browser asks for what belongs to a page."""

PATHS = 8192  # of which something is known
CLIENTS = 8192  # whose last page is known
CLEAR = 5  # fetches with a page that make an asset
RATIO = 4  # how many of them there must be for each one without

_TYPES = re.compile(rb"(?:image|font|video|audio)/|text/css|(?:text|application)/(?:x-)?javascript", re.IGNORECASE)
_page_of, _path_of = attrgetter("page"), attrgetter("path")
_UNTOLD = frozenset((b"-", b""))


class Assets:
    """Tells of rows whether they fetched assets, and learns from them."""

    def __init__(self) -> None:
        self._told: dict[bytes, bool] = {}  # by the shape of the path, what the type of a response said
        self._votes: dict[bytes, tuple[int, int, bytes]] = {}  # fetched with a page, without, and by whom last
        self._pages: dict[bytes, tuple[bytes, float]] = {}  # by client

    def __call__(self, rows: Rows, urls: Sequence[Url]) -> list[bool]:
        """Tell for each row whether it fetched an asset."""
        types = rows.columns.get("content_type")
        answers = self._by_type(types, urls) if types else self._by_path(urls)
        referers = rows.columns.get("referer")
        if referers:
            self._learn(rows, urls, referers, answers)
        return answers

    def _by_type(self, types: Sequence[bytes], urls: Sequence[Url]) -> list[bool]:
        told, answers = self._told, []
        for kind, url in zip(types, urls, strict=True):
            if kind in _UNTOLD:
                answers.append(url.asset or told.get(url.path, False))
                continue
            asset = is_asset_type(kind)
            if asset != url.asset and told.get(url.path) is not asset:
                if len(told) >= PATHS:
                    told.clear()
                told[url.path] = asset
            answers.append(asset)
        return answers

    def _by_path(self, urls: Sequence[Url]) -> list[bool]:
        if not self._told:
            return [url.asset for url in urls]
        return [url.asset or self._told.get(url.path, False) for url in urls]

    def _learn(self, rows: Rows, urls: Sequence[Url], referers: Sequence[bytes], answers: list[bool]) -> None:
        """Look at pages with a referer: those that came with the page before them are assets, or become some."""
        if self._is_plain(rows, urls, referers, answers):
            return
        pages, votes = self._pages, self._votes
        for row, (key, time, url, referer) in enumerate(zip(rows.keys, rows.times, urls, referers, strict=True)):
            if answers[row]:
                continue
            known = votes.get(url.path)
            if len(referer) > 1:
                last = pages.get(key)
                if last and 0 <= time - last[1] <= AT_ONCE and _target(referer) == last[0]:
                    self._vote(url.path, known, key)
                    answers[row] = _is_clear(known)
                    continue
            if known:
                votes[url.path] = known[0], known[1] + 1, known[2]
                if _is_clear(known):
                    answers[row] = True
                    continue
            if len(pages) >= CLIENTS:
                pages.clear()
            pages[key] = url.page, time

    def _is_plain(self, rows: Rows, urls: Sequence[Url], referers: Sequence[bytes], answers: Sequence[bool]) -> bool:
        """Learn from rows all at once, as row by row; False if some came with the page before them, or may be assets.

        Then nothing is learnt.
        """
        pages, votes = self._pages, self._votes
        if len(pages) + len(urls) >= CLIENTS:
            return False
        others = [not answer for answer in answers]
        keys = list(compress(rows.keys, others))
        mine = list(zip(map(_page_of, compress(urls, others)), compress(rows.times, others), strict=True))
        once = set(keys)
        again = pages.keys() & once
        if len(once) < len(keys):
            again |= {key for key, times in Counter(keys).items() if times > 1}
        if again and self._any_with_page(again, keys, mine, list(compress(referers, others))):
            return False
        if votes:
            paths = Counter(map(_path_of, compress(urls, others)))
            known = votes.keys() & paths.keys()
            if any(_is_clear(votes[path]) for path in known):
                return False
            for path in known:
                fetched, without, by = votes[path]
                votes[path] = fetched, without + paths[path], by
        pages.update(zip(keys, mine, strict=True))
        return True

    def _any_with_page(
        self, again: set[bytes], keys: Sequence[bytes], mine: Sequence[tuple[bytes, float]], referers: Sequence[bytes]
    ) -> bool:
        """Tell whether one of the clients who had a page before fetched something with it as the referer."""
        begun: dict[bytes, tuple[bytes, float]] = {}
        for row in compress(range(len(keys)), map(again.__contains__, keys)):
            key, referer = keys[row], referers[row]
            last = begun.get(key) or self._pages.get(key)
            if last and len(referer) > 1 and 0 <= mine[row][1] - last[1] <= AT_ONCE and _target(referer) == last[0]:
                return True
            begun[key] = mine[row]
        return False

    def _vote(self, path: bytes, known: tuple[int, int, bytes] | None, key: bytes) -> None:
        """Count a fetch with a page, once for each client in a row."""
        if known is None:
            if len(self._votes) >= PATHS:
                self._votes.clear()
            self._votes[path] = 1, 0, key
        elif known[2] != key:
            self._votes[path] = known[0] + 1, known[1], key


def is_asset_type(kind: bytes) -> bool:
    """Tell whether a content type is that of an asset."""
    return _TYPES.match(kind[:LONGEST]) is not None


def _is_clear(known: tuple[int, int, bytes] | None) -> bool:
    return known is not None and known[0] >= CLEAR and known[0] >= RATIO * known[1]


def _target(referer: bytes) -> bytes:
    """Return path and query of a referer."""
    _scheme, colon, rest = referer[:LONGEST].partition(b"://")
    _host, slash, target = rest.partition(b"/")
    return slash + target if colon else b""
