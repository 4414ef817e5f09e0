"""What requests have in common: the page that is asked for, and its shape, `/wiki/*?action=rc&id=*`.

In a shape a star stands for what varies: numbers and long hexadecimal words anywhere, values of parameters that
are no short words or of which there are many, and before a query the last part of the path if there are many.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

import msgspec

from privet.core.cache import LONGEST, SIZE
from privet.core.select import split_request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from privet.core.parse import Rows

MANY = 4
"""Different values after which a parameter is one that varies."""

NAMES = 1024  # parameters, and folders before a query, whose values are looked at
PARAMETERS = 16  # of one request

_VARYING = re.compile(rb"[0-9a-fA-F]{16,}|\d+")
_WORD = re.compile(rb"[a-z_-]{1,16}")
_SUFFIX = re.compile(
    rb"\.(?:css|m?js|map|png|jpe?g|jfif|gif|webp|avif|svgz?|ico|bmp|woff2?|ttf|otf|eot|mp[34]|webm|og[agv]|wasm)\Z",
    re.IGNORECASE,
)


class Url(msgspec.Struct, frozen=True, gc=False, eq=False):
    """What a request asks for. `path` is the shape of its path, `asset` what its suffix says."""

    site: bytes
    page: bytes
    shape: bytes
    path: bytes
    asset: bool


class Shapes:
    """Finds the shapes of requests, and learns from them what varies."""

    def __init__(self) -> None:
        self._values: dict[bytes, set[bytes] | None] = {}  # by parameter; None where there are many
        self._known: dict[tuple[bytes, bytes], Url] = {}

    def __call__(self, rows: Rows) -> list[Url]:
        """Return what each row asks for."""
        hosts = rows.columns.get("host") or [b"-"] * len(rows)
        known, get = self._known, self._known.get
        asked = list(zip(hosts, _requests(rows), strict=True))
        urls = list(map(get, asked))
        first = urls.index(None) if None in urls else len(urls)  # from there on each may teach something about the next
        return cast("list[Url]", urls[:first]) + [get(one) or self._new(known, one) for one in asked[first:]]

    def _new(self, known: dict[tuple[bytes, bytes], Url], asked: tuple[bytes, bytes]) -> Url:
        url = self._url(*asked)
        if len(known) >= SIZE:
            known.clear()
        if len(asked[1]) <= LONGEST:
            known[asked] = url
        return url

    def _url(self, host: bytes, request: bytes) -> Url:
        _method, path, query = split_request(request[:LONGEST])
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
                self._known.clear()  # their shapes had the value
        return b"*" if seen is None else value


def is_asset(path: bytes) -> bool:
    """Tell whether the suffix of a path is that of an asset."""
    return _SUFFIX.search(path) is not None


def _requests(rows: Rows) -> Sequence[bytes]:
    """Return the request lines, or what there is of them."""
    columns = rows.columns
    if "request" in columns:
        return columns["request"]
    if "target" in columns:
        return [b"- " + target + b" -" for target in columns["target"]]
    queries = rows.column("query")
    return [
        b"- " + path + (b"?" + query.removeprefix(b"?") if query not in (b"", b"-") else b"") + b" -"
        for path, query in zip(rows.column("path"), queries, strict=True)
    ]
