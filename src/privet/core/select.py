"""Which rows of a batch are failures of a jail: predicates, column by column, the cheap ones first."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from privet.core import cache
from privet.core.jails import NUMBER_FIELDS, Between, Is, Matches, Predicate, Test

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from privet.core.parse import Rows

LONGEST = 8192  # bytes of a value that a regular expression sees: its cost must not grow with the line
REMEMBERED = 8192  # answers kept per predicate: user agents repeat, and an attacker may vary them

_REQUEST_PARTS = ("method", "path", "query")


class Selector:
    """Answers which rows fulfil all predicates."""

    def __init__(self, predicates: Iterable[Predicate]) -> None:
        self._tests = [(p.field, _Answers(p)) for p in sorted(predicates, key=_cost)]

    def __call__(self, rows: Rows) -> Sequence[int]:
        """Return the numbers of the rows that count, ascending."""
        chosen: Sequence[int] = range(len(rows))
        for field, answers in self._tests:
            if not chosen:
                break
            values = values_of(rows, field, chosen)
            chosen = [row for row, value in zip(chosen, values, strict=True) if answers[value]]
        return chosen


def columns_for(predicates: Iterable[Predicate]) -> set[str]:
    """Return the columns that predicates read."""
    return columns_of({p.field for p in predicates})


def columns_of(fields: set[str]) -> set[str]:
    """Return the columns from which `values_of` takes these fields."""
    parts = {"request", "target", *_REQUEST_PARTS} if fields & set(_REQUEST_PARTS) else set()
    return parts | fields


def values_of(rows: Rows, field: str, chosen: Sequence[int]) -> Sequence[bytes]:
    """Return one field of the chosen rows; method, path and query are cut out of the request where need be."""
    if field in _REQUEST_PARTS and field not in rows.columns:
        if field != "method" and "target" in rows.columns:
            column, part = rows.columns["target"], _target_part(field)
        else:
            column, part = rows.column("request"), _request_part(field)
        return [part(column[row]) for row in chosen]
    column = rows.column(field)
    if field == "query":  # Apache writes %q with its question mark
        return [column[row].removeprefix(b"?") for row in chosen]
    return column if len(chosen) == len(column) else [column[row] for row in chosen]


def split_request(request: bytes) -> tuple[bytes, bytes, bytes]:
    """Split `GET /a?b HTTP/1.1` into method, path and query; garbage is all path."""
    method, space, rest = request.partition(b" ")
    if not space:
        return b"", request, b""
    target, space, _protocol = rest.rpartition(b" ")
    path, _, query = (target if space else rest).partition(b"?")
    return method, path, query


def _request_part(field: str) -> Callable[[bytes], bytes]:
    place = _REQUEST_PARTS.index(field)
    return lambda request: split_request(request)[place]


def _target_part(field: str) -> Callable[[bytes], bytes]:
    place = 0 if field == "path" else 2
    return lambda target: target.partition(b"?")[place]


def _cost(predicate: Predicate) -> int:
    """Order predicates: numbers, then whole texts, then regular expressions."""
    if predicate.field in NUMBER_FIELDS:
        return 0
    return 1 if all(isinstance(test, Is) for test in predicate.any + predicate.none) else 2


class _Answers(dict[bytes, bool]):
    """What a predicate says of each value, forgotten whole when it grows past its bound."""

    def __init__(self, predicate: Predicate) -> None:
        super().__init__()
        convert = _number if predicate.field in NUMBER_FIELDS else _text
        self._lower = predicate.field == "host"
        self._any = [convert(test) for test in predicate.any]
        self._none = [convert(test) for test in predicate.none]

    def __missing__(self, value: bytes) -> bool:
        text = value[:LONGEST].lower() if self._lower else value[:LONGEST]
        answer = (not self._any or any(test(text) for test in self._any)) and not any(test(text) for test in self._none)
        if len(value) <= cache.LONGEST:
            if len(self) >= REMEMBERED:
                self.clear()
            self[value] = answer
        return answer


def _text(test: Test) -> Callable[[bytes], bool]:
    if isinstance(test, Is):
        return test.text.encode().__eq__
    if isinstance(test, Matches):
        search = re.compile(test.regex.encode()).search
        return lambda value: search(value) is not None
    raise TypeError("a text is not between numbers")


def _number(test: Test) -> Callable[[bytes], bool]:
    if not isinstance(test, Between):
        raise TypeError("a number is compared with numbers")
    low, high = test.low, test.high
    return lambda value: value.isdigit() and low <= int(value[:20]) <= high
