"""The fields of requests that predicates look at, and the columns that hold them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from privet.core.cache import Cache

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from privet.core.jails import Predicate
    from privet.core.parsing.parse import Rows

REQUEST_PARTS = ("method", "path", "query", "target", "proto")
"""Fields that are cut out of the request line, where the log has it whole."""

REMEMBERED = 8192  # requests of which it is known what they hold


def columns_for(predicates: Iterable[Predicate]) -> set[str]:
    """Return the columns that predicates read."""
    return columns_of({p.field for p in predicates})


def columns_of(fields: set[str]) -> set[str]:
    """Return the columns from which `values_of` takes these fields."""
    parts = {"request", *REQUEST_PARTS} if fields & set(REQUEST_PARTS) else set()
    return parts | fields


def values_of(rows: Rows, field: str, chosen: Sequence[int]) -> Sequence[bytes]:
    """Return one field of the chosen rows; parts of requests are cut out of them, or put together, where need be."""
    if field in REQUEST_PARTS and field not in rows.columns:
        if field == "target" and "path" in rows.columns:
            return list(map(_joined, values_of(rows, "path", chosen), values_of(rows, "query", chosen)))
        if field in ("path", "query") and "target" in rows.columns:
            place = 2 * (field == "query")
            return [target.partition(b"?")[place] for target in _picked(rows.columns["target"], chosen)]
        place = REQUEST_PARTS.index(field)
        return [PARTS[request][place] for request in _picked(rows.column("request"), chosen)]
    found = _picked(rows.column(field), chosen)
    return [query.removeprefix(b"?") for query in found] if field == "query" else found  # Apache writes %q with its "?"


def _picked(column: Sequence[bytes], chosen: Sequence[int]) -> Sequence[bytes]:
    """Return some values of a column, which itself may be quicker to go through than to look into."""
    return column if len(chosen) == len(column) else [column[row] for row in chosen]


def parts_of(request: bytes) -> tuple[bytes, bytes, bytes, bytes, bytes]:
    """Split `GET /a?b HTTP/1.1` into the `REQUEST_PARTS`."""
    method, path, query = split_request(request)
    _, space, protocol = request.partition(b" ")[2].rpartition(b" ")
    return method, path, query, _joined(path, query), protocol if space else b""


def _joined(path: bytes, query: bytes) -> bytes:
    """Return the target that a path and a query make; a log without queries has a dash."""
    return b"%b?%b" % (path, query) if query not in (b"", b"-") else path


def split_request(request: bytes) -> tuple[bytes, bytes, bytes]:
    """Split `GET /a?b HTTP/1.1` into method, path and query; garbage is all path."""
    method, space, rest = request.partition(b" ")
    if not space:
        return b"", request, b""
    target, space, _protocol = rest.rpartition(b" ")
    path, _, query = (target if space else rest).partition(b"?")
    return method, path, query


PARTS = Cache(parts_of, REMEMBERED)
"""The parts of requests that were asked for lately."""
