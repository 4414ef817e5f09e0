"""What requests have in common: the page that is asked for, and its shape, `/wiki/*?action=rc&id=*`.

In a shape a star stands for what varies: numbers and long hexadecimal words anywhere, values of parameters that
are no short words or of which there are many, and before a query the last part of the path if there are many.

What a request asks for is found out once, and looked up for a whole block by the numbers of host and request: in a
table of arrays, where each pair has one place, and what had it before gives way. All pairs are in a dictionary.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from privet.core.arrays import np
from privet.core.cache import LONGEST, SIZE
from privet.core.parsing.texts import digest
from privet.core.rows.select import split_request
from privet.core.unshown import Unshown

if TYPE_CHECKING:
    import numpy.typing as npt

    from privet.core.rows.facts import Facts, Registry

MANY = 4
"""Different values after which a parameter is one that varies."""

NAMES = 1024  # parameters, and folders before a query, whose values are looked at
PARAMETERS = 16  # of one request
PLACES = 2 * SIZE  # in the table, a power of two: so each request of a single host has its own
SPREAD = 40_503  # by which the places of the hosts are apart

_VARYING = re.compile(rb"[0-9a-fA-F]{16,}|\d+")
_WORD = re.compile(rb"[a-z_-]{1,16}")
_SUFFIX = re.compile(
    rb"\.(?:css|m?js|map|png|jpe?g|jfif|gif|webp|avif|svgz?|ico|bmp|woff2?|ttf|otf|eot|mp[34]|webm|og[agv]|wasm)\Z",
    re.IGNORECASE,
)


class Url(Unshown, msgspec.Struct, frozen=True, gc=False, eq=False):
    """What a request asks for. `path` is the shape of its path, `asset` what its suffix says."""

    site: bytes
    page: bytes
    shape: bytes
    path: bytes
    asset: bool


class Shapes:
    """Finds the shapes of requests, and learns from them what varies.

    What is asked for has a number, its place in `urls`; `assets`, `pages` and `paths` are arrays by that number: what
    the suffix says, a hash of the page, never 0, and the place of the path in `names`. Numbers are valid within a
    block; when all were given anew `renewed` has grown.
    """

    def __init__(self, registry: Registry) -> None:
        self._hosts, self._requests = registry.hosts, registry.requests
        self._values: dict[bytes, set[bytes] | None] = {}  # by parameter; None where there are many
        self.renewed = 0
        self._forget()

    def _forget(self) -> None:
        self._count = 0
        self.urls: npt.NDArray[np.object_] = np.empty(1024, np.object_)
        self.names: list[bytes] = []
        self.assets = np.zeros(1024, np.bool_)
        self.pages = np.zeros(1024, np.int32)
        self.paths = np.zeros(1024, np.intp)
        self.places: dict[bytes, int] = {}  # of names
        self._forget_pairs()
        self.renewed += 1
        self._as_of = self._hosts.cleared, self._requests.cleared

    def _forget_pairs(self) -> None:
        self._known: dict[int, int] = {}  # the number by host and request
        self._pairs = np.zeros(PLACES, np.int64)
        self._numbers = np.zeros(PLACES, np.int32)
        self._changed = True

    def __call__(self, facts: Facts) -> npt.NDArray[np.intp]:
        """Return the number of what each row asks for."""
        requests = facts.requests.astype(np.int64) + 1  # as 0 is no pair
        hosts = facts.hosts.astype(np.int64) + 1 if "host" in facts.rows.columns else np.int64(0)
        if self._count >= SIZE or self._as_of != (self._hosts.cleared, self._requests.cleared):
            self._forget()
        pairs, places = requests + (hosts << 32), requests + hosts * SPREAD & PLACES - 1
        numbers, start = np.empty(len(pairs), np.intp), 0
        while start < len(pairs):  # each new request may teach something about those that come after it
            start = self._look_up(pairs, places, numbers, start)
        return numbers

    def carry(self, old: Shapes) -> None:
        """Take over what another has learnt."""
        self._values = old._values
        self._forget()

    def _look_up(
        self,
        pairs: npt.NDArray[np.int64],
        places: npt.NDArray[np.int64],
        numbers: npt.NDArray[np.intp],
        start: int,
    ) -> int:
        """Fill in the numbers from a row on; return up to where they hold."""
        numbers[start:] = self._numbers[places[start:]]
        for row in (np.flatnonzero(self._pairs[places[start:]] != pairs[start:]) + start).tolist():
            pair, place, self._changed = int(pairs[row]), places[row], False
            number = self._known.get(pair)
            if number is None:
                number = self._known[pair] = self._new(pair)
            numbers[row] = self._numbers[place] = number
            self._pairs[place] = pair
            if self._changed:
                return row + 1
        return len(pairs)

    def _new(self, pair: int) -> int:
        host, request = divmod(pair, 1 << 32)
        name = self._hosts.texts[host - 1] if host else b"-"
        url = self._url(name[:LONGEST], self._requests.texts[request - 1][:LONGEST])
        number = self._count
        if number >= len(self.pages):
            self.assets, self.pages = np.resize(self.assets, 2 * number), np.resize(self.pages, 2 * number)
            self.paths, self.urls = np.resize(self.paths, 2 * number), np.resize(self.urls, 2 * number)
        path = self.places.setdefault(url.path, len(self.names))
        if path == len(self.names):
            self.names.append(url.path)
        self._count += 1
        self.urls[number], self.assets[number], self.pages[number], self.paths[number] = (
            url,
            url.asset,
            digest(url.page),
            path,
        )
        return number

    def _url(self, host: bytes, request: bytes) -> Url:
        _method, path, query = split_request(request)
        shape = _VARYING.sub(b"*", path)
        if not query:
            return Url(host, path, shape, shape, is_asset(path))
        folder, slash, last = shape.rpartition(b"/")
        whole = folder + slash + self._value(b"/" + folder, last)
        shape_of_query = b"&".join(map(self._parameter, re.split(rb"[&;]", query, maxsplit=PARAMETERS)[:PARAMETERS]))
        asset = is_asset(path)
        return Url(host, path + b"?" + query, whole + b"?" + shape_of_query, shape, asset)

    def _parameter(self, text: bytes) -> bytes:
        name, equals, value = text.partition(b"=")
        name = _VARYING.sub(b"*", name)
        if not equals:
            return self._value(b"", name)
        return name + b"=" + (self._value(name, value) if _WORD.fullmatch(value) else b"*")

    def _value(self, name: bytes, value: bytes) -> bytes:
        """Return a value, or a star if it is one of many."""
        if name not in self._values:
            if len(self._values) >= NAMES:
                return b"*"
            self._values[name] = set()
        seen = self._values[name]
        if seen is not None and value not in seen:
            seen.add(value)
            if len(seen) > MANY:
                self._values[name] = seen = None
                self._forget_pairs()  # their shapes had the value
        return b"*" if seen is None else value


def is_asset(path: bytes) -> bool:
    """Tell whether the suffix of a path is that of an asset."""
    return _SUFFIX.search(path) is not None
