"""What requests ask for, who says he is asking, and what the answer was: facts of texts, for all signals."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from privet.core.arrays import np
from privet.core.cache import LONGEST
from privet.core.rows.assets import is_asset_type
from privet.core.rows.facts import UNTOLD
from privet.core.rows.select import split_request
from privet.core.rows.shapes import is_asset

if TYPE_CHECKING:
    import numpy.typing as npt

    from privet.core.rows.crowd import Column, Numbers
    from privet.core.rows.facts import Facts, Registry

    Bits = npt.NDArray[np.uint8]
    Hashes = npt.NDArray[np.int64]
    Places = npt.NDArray[np.intp]
    Times = npt.NDArray[np.float64]

_FEED_PATH = re.compile(
    rb"/(?:feeds?|rss|atom)/?\Z|\.(?:rss|atom|rdf)\Z|/(?:[^/]*[-_.])?(?:feed|index|rss2?|atom)(?:[-_.][^/]*)?\.xml\Z",
    re.IGNORECASE,
)
_FEED_QUERY = re.compile(rb"(?:\A|[&;])(?:feed=|[a-z]{1,16}=(?:rss|atom))", re.IGNORECASE)
_FEED_TYPE = re.compile(rb"(?:application|text)/(?:atom\+xml|rss\+xml|rdf\+xml|feed\+json)", re.IGNORECASE)
_ROBOT = re.compile(rb"(?<!cu)bot(?![a-z])|crawl|spider|slurp|scrapy", re.IGNORECASE)  # Cubot makes telephones
_BROWSER = re.compile(rb"Mozilla/5\.0 [^\n]*(?:Chrome|Firefox|Safari)/")
_NO_BROWSER = re.compile(rb"compatible;|https?://", re.IGNORECASE)

_ROBOTS_TXT = b"/robots.txt"
_MIX = 0x5851_F42D_4C95_7F2D  # odd, and no power of two is near

HEAD, GET, FEED, RULES, ASSET = 1, 2, 4, 8, 16
"""Of requests: how they ask, and for what, by its looks; `RULES` is `robots.txt`."""

ROBOT, BROWSER, NAMED = 1, 2, 4
"""Of agents: what they say that they are; `NAMED` are those that are neither, and say something."""

REFUSED, FULL, UNCHANGED, PAGE = 1, 2, 4, 8
"""Of statuses: those that ask the client to come back later, 200, 304, and those of pages that are there."""

FEED_TYPE, ASSET_TYPE, PAGE_TYPE, UNTYPED = 1, 2, 4, 8
"""Of content types; `PAGE_TYPE` is also what nobody told."""

_STATUSES = {
    b"200": FULL | PAGE,
    b"203": PAGE,
    b"206": PAGE,
    b"304": UNCHANGED | PAGE,
    b"429": REFUSED,
    b"503": REFUSED,
}


def kind_of(request: bytes) -> int:
    """Tell how a request asks, and for what."""
    method, path, query = split_request(request)
    is_feed = _FEED_PATH.search(path) is not None or _FEED_QUERY.search(query) is not None
    kind = HEAD * (method == b"HEAD") | GET * (method == b"GET") | FEED * is_feed
    return kind | RULES * (path == _ROBOTS_TXT) | ASSET * is_asset(path)


def target_of(request: bytes) -> bytes:
    """Return what a request asks for."""
    _, path, query = split_request(request)
    return path + b"?" + query if query else path


def agent_kind(agent: bytes) -> int:
    """Tell what an agent says that it is."""
    if _ROBOT.search(agent):
        return ROBOT
    if _BROWSER.match(agent) and not _NO_BROWSER.search(agent):
        return BROWSER
    return NAMED if len(agent) > 1 else 0


def status_kind(status: bytes) -> int:
    """Tell what a status means for manners."""
    return _STATUSES.get(status, 0)


def type_kind(kind: bytes) -> int:
    """Tell what has a content type."""
    if kind in UNTOLD:
        return UNTYPED | PAGE_TYPE
    is_feed = _FEED_TYPE.match(kind) is not None
    return FEED_TYPE * is_feed | ASSET_TYPE * is_asset_type(kind) | PAGE_TYPE * (b"html" in kind)


def site_of(host: bytes) -> bytes:
    """Return the name of a site without its port, in lower case."""
    name, colon, port = host.rpartition(b":")
    return (name if colon and port.isdigit() else host).lower()


def _target_hash(request: bytes) -> int:
    return hash(target_of(request))


class Asked:
    """What the rows of a block ask for, as bits, and hashes of it that are valid for longer than the block."""

    def __init__(self, registry: Registry) -> None:
        self._requests, self._hosts = registry.requests, registry.hosts
        self._kinds = registry.requests.fact(kind_of, np.uint8)
        self._agents = registry.agents.fact(agent_kind, np.uint8)
        self._statuses = registry.statuses.fact(status_kind, np.uint8)
        self._types = registry.types.fact(type_kind, np.uint8)
        self._targets = registry.requests.fact(_target_hash, np.int64)
        self._sites = registry.hosts.fact(hash, np.int64)
        self._names = registry.agents.fact(hash, np.int64)

    def kinds(self, facts: Facts) -> Bits:
        """Tell of each row how it asks, and for what."""
        return facts.said(self._kinds, "requests")

    def agents(self, facts: Facts) -> Bits:
        """Tell of each row what its agent says to be."""
        return facts.said(self._agents, "agents")

    def statuses(self, facts: Facts) -> Bits:
        """Tell of each row what its status means."""
        return facts.said(self._statuses, "statuses")

    def types(self, facts: Facts) -> Bits | None:
        """Tell of each row what its content type is, if the log has them."""
        return facts.said(self._types, "types") if "content_type" in facts.rows.columns else None

    def request(self, facts: Facts, row: int) -> bytes:
        """Return the request line of a row, cut to what is looked at."""
        return self._requests.texts[int(facts.requests[row])][:LONGEST]

    def host(self, facts: Facts, row: int) -> bytes:
        """Return the site that a row asks, cut likewise."""
        return self._hosts.texts[int(facts.hosts[row])][:LONGEST]

    def sites(self, facts: Facts, rows: Places) -> Hashes:
        """Return hashes of the sites that rows ask."""
        return self._sites(facts.hosts[rows])

    def targets(self, facts: Facts, rows: Places) -> Hashes:
        """Return hashes of what rows ask for, and of whom."""
        return mixed(self.sites(facts, rows), self._targets(facts.requests[rows]))

    def names(self, facts: Facts, rows: Places) -> Hashes:
        """Return hashes of the agents of rows."""
        return self._names(facts.agents[rows])


def mixed(one: Hashes, other: Hashes) -> Hashes:
    """Return hashes of pairs."""
    return one * _MIX + other


def before(places: Places, numbers: Numbers, values: npt.NDArray[Any], column: Column) -> npt.NDArray[Any]:
    """Return for each value the one before it of the same number, at first that of the column, which gets the last.

    `places` is what `core.rows.facts.previous` says of the numbers.
    """
    found = np.where(places >= 0, values[places], column.values[numbers])
    column.values[numbers] = values
    return found
