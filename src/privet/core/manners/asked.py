"""What requests ask for and who says he is asking: found out once for each text, and once for all signals."""

from __future__ import annotations

import re
from functools import cached_property
from itertools import compress
from operator import attrgetter
from typing import TYPE_CHECKING

import msgspec

from privet.core.cache import LONGEST, Cache
from privet.core.parse import Rows
from privet.core.select import split_request
from privet.core.shapes import is_asset

if TYPE_CHECKING:
    from collections.abc import Sequence

_FEED_PATH = re.compile(
    rb"/(?:feeds?|rss|atom)/?\Z|\.(?:rss|atom|rdf)\Z|/(?:[^/]*[-_.])?(?:feed|index|rss2?|atom)(?:[-_.][^/]*)?\.xml\Z",
    re.IGNORECASE,
)
_FEED_QUERY = re.compile(rb"(?:\A|[&;])(?:feed=|[a-z]{1,16}=(?:rss|atom))", re.IGNORECASE)
_FEED_TYPE = re.compile(rb"(?:application|text)/(?:atom\+xml|rss\+xml|rdf\+xml|feed\+json)", re.IGNORECASE)
_ROBOT = re.compile(rb"(?<!cu)bot(?![a-z])|crawl|spider|slurp|scrapy", re.IGNORECASE)  # Cubot makes telephones
_BROWSER = re.compile(rb"Mozilla/5\.0 [^\n]*(?:Chrome|Firefox|Safari)/")
_NO_BROWSER = re.compile(rb"compatible;|https?://", re.IGNORECASE)

UNTOLD = frozenset((b"-", b""))
REFUSED = frozenset((b"429", b"503"))
"""Statuses that ask the client to come back later."""

ROBOTS = b"/robots.txt"
HEAD, FEED, RULES = 1, 2, 4

Reader = tuple[bytes, int]
"""A client's key, and a number for the agent and the feed: behind one address may be many readers."""

Fetch = tuple[int, int, Reader]


class Ask(msgspec.Struct, frozen=True, gc=False):
    """What a request asks for, cut to `LONGEST` bytes; assets and feeds by their looks alone."""

    method: bytes
    path: bytes
    target: bytes
    is_asset: bool
    is_feed: bool
    kind: int = 0
    """What signals seek of this: `HEAD`, `FEED`, `RULES`, or several of them."""


def ask_of(request: bytes) -> Ask:
    """Take a request line apart."""
    method, path, query = split_request(request[:LONGEST])
    target = path + b"?" + query if query else path
    is_feed = _FEED_PATH.search(path) is not None or _FEED_QUERY.search(query) is not None
    kind = HEAD * (method == b"HEAD") | FEED * is_feed | RULES * (path == ROBOTS)
    return Ask(method, path, target, is_asset(path), is_feed, kind)


def requests_of(rows: Rows) -> Sequence[bytes]:
    """Return the request lines, put together where the log has them in parts."""
    columns = rows.columns
    if "request" in columns:
        return columns["request"]
    methods = rows.column("method")
    if "target" in columns:
        return [method + b" " + target + b" -" for method, target in zip(methods, columns["target"], strict=True)]
    queries = [b"" if query in UNTOLD else b"?" + query.removeprefix(b"?") for query in rows.column("query")]
    paths = rows.column("path")
    return [m + b" " + path + query + b" -" for m, path, query in zip(methods, paths, queries, strict=True)]


def is_feed_type(kind: bytes) -> bool:
    """Tell whether a content type is that of feeds."""
    return _FEED_TYPE.match(kind[:LONGEST]) is not None


def is_robot(agent: bytes) -> bool:
    """Tell whether an agent says that it is a robot."""
    return _ROBOT.search(agent[:LONGEST]) is not None


def is_browser(agent: bytes) -> bool:
    """Tell whether an agent says that it is a browser, and nothing else."""
    agent = agent[:LONGEST]
    return _BROWSER.match(agent) is not None and not _ROBOT.search(agent) and not _NO_BROWSER.search(agent)


def site_of(host: bytes) -> bytes:
    """Return the name of a site without its port, in lower case."""
    name, colon, port = host.rpartition(b":")
    return (name if colon and port.isdigit() else host).lower()


_ASKS, _IS_ROBOT, _IS_BROWSER = Cache(ask_of), Cache(is_robot), Cache(is_browser)


class Asked:
    """What the rows of one batch ask for, and what their agents say: each column is found out when first wanted."""

    def __init__(self, rows: Rows) -> None:
        self.rows, self.hosts, self.agents = rows, rows.column("host"), rows.column("agent")

    @cached_property
    def requests(self) -> Sequence[bytes]:
        """The request lines."""
        return requests_of(self.rows)

    @cached_property
    def asks(self) -> list[Ask]:
        """What each row asks for."""
        return list(map(_ASKS.__getitem__, self.requests))

    @cached_property
    def assets(self) -> list[bool]:
        """Whether each row is for an asset, by its looks."""
        return list(map(attrgetter("is_asset"), self.asks))

    @cached_property
    def feeds(self) -> list[int]:
        """The rows for feeds, by their looks."""
        return self._of_kind(FEED)

    @cached_property
    def fetches(self) -> list[Fetch]:
        """The rows that fetch what looks like a feed."""
        return [self.fetch(row) for row in self.feeds if self.asks[row].method == b"GET"]

    def fetch(self, row: int) -> Fetch:
        """Return a row, a number for the feed that it fetches, and who reads it."""
        feed = hash((self.hosts[row], self.asks[row].target))
        return row, feed, (self.rows.keys[row], hash((feed, self.agents[row])))

    @cached_property
    def heads(self) -> list[int]:
        """The rows that ask by HEAD."""
        return self._of_kind(HEAD)

    @cached_property
    def robots_txt(self) -> list[int]:
        """The rows for `robots.txt`."""
        return self._of_kind(RULES)

    @cached_property
    def _kinds(self) -> list[int]:
        return list(map(attrgetter("kind"), self.asks))

    def _of_kind(self, kind: int) -> list[int]:
        return list(compress(range(len(self.rows)), map(kind.__and__, self._kinds)))

    @cached_property
    def refused(self) -> list[bool]:
        """Whether each row was asked to come back later."""
        return list(map(REFUSED.__contains__, self.rows.column("status")))

    @cached_property
    def robots(self) -> list[bool]:
        """Whether each row's agent says that it is a robot."""
        return list(map(_IS_ROBOT.__getitem__, self.agents))

    @cached_property
    def browsers(self) -> list[bool]:
        """Whether each row's agent says that it is a browser, and nothing else."""
        return list(map(_IS_BROWSER.__getitem__, self.agents))

    @cached_property
    def who(self) -> frozenset[bytes]:
        """The clients."""
        return frozenset(self.rows.keys)


_latest = [Asked(Rows(0))]


def asked_in(rows: Rows) -> Asked:
    """Return what the rows ask for; signals are given the same rows one after the other, so it is kept that long."""
    if _latest[0].rows is not rows:
        _latest[0] = Asked(rows)
    return _latest[0]
