"""Who reads feeds, and what is one, whatever the types say and wherever the blocks end."""

from __future__ import annotations

import pytest

from privet.core.manners.feeds import Fetches, TooOften, Whole
from privet.core.parsing.parse import Rows
from privet.core.rows.facts import Registry

ATOM, HTML = b"application/atom+xml", b"text/html"
FEED, NEWS, FALSE = b"GET /feed/ HTTP/1.1", b"GET /news HTTP/1.1", b"GET /rss HTTP/1.1"

Row = tuple[float, bytes, bytes, bytes, bytes, bytes, bytes]


def row(  # noqa: PLR0913, PLR0917  a row has so many fields
    time: float,
    request: bytes = FEED,
    status: bytes = b"200",
    size: bytes = b"900",
    kind: bytes = ATOM,
    key: bytes = b"aaaa",
    agent: bytes = b"curl",
) -> Row:
    return time, key, request, status, size, kind, agent


def found(habit: TooOften | Whole, registry: Registry, requests: list[Row], size: int) -> list[float]:
    times = []
    for start in range(0, len(requests), size):
        columns = [list(column) for column in zip(*requests[start : start + size], strict=True)]
        rows = Rows(len(columns[0]))
        rows.times, rows.keys = columns[0], columns[1]
        names = ("request", "status", "size", "content_type", "agent")
        rows.columns = dict(zip(names, columns[2:], strict=True))
        facts = registry.facts(rows)
        times += [rows.times[place] for place in habit.find(facts, facts.times)]
    return times


def too_often(requests: list[Row], size: int) -> list[float]:
    registry = Registry(100)
    return found(TooOften(60.0, registry), registry, requests, size)


def whole(requests: list[Row], size: int) -> list[float]:
    registry = Registry(100)
    return found(Whole(registry), registry, requests, size)


SIZES = pytest.mark.parametrize("size", [1, 2, 5, 100])


@SIZES
def test_readers_are_told_apart_by_client_agent_and_feed(size: int) -> None:
    requests = [
        row(0.0),
        row(1.0, key=b"bbbb"),
        row(2.0, agent=b"wget"),
        row(3.0, b"GET /feed/?b HTTP/1.1"),
        row(4.0),
        row(5.0, status=b"301"),
        row(62.0),
        row(124.0),
        row(125.0, status=b"503"),
    ]
    assert too_often(requests, size) == [4.0, 62.0, 125.0]


@SIZES
def test_types_tell_what_is_a_feed_and_are_remembered_where_an_answer_has_none(size: int) -> None:
    requests = [
        row(0.0, NEWS, b"304", kind=b"-"),
        row(1.0, NEWS),
        row(2.0, FALSE, kind=HTML),
        row(3.0, NEWS, b"304", kind=b"-"),
        row(4.0, FALSE, b"304", kind=b"-"),
        row(5.0, FALSE, kind=HTML),
    ]
    assert too_often(requests, size) == [3.0]


@SIZES
def test_who_never_asks_is_found_once_the_server_told_somebody_that_nothing_changed(size: int) -> None:
    requests = [
        row(0.0),
        row(1.0),
        row(2.0, status=b"304", key=b"bbbb", kind=b"-"),
        row(3.0),
        row(4.0, size=b"901"),
        row(5.0, size=b"901"),
        row(6.0, key=b"bbbb"),
        row(7.0, key=b"bbbb"),
        row(8.0, size=b"-"),
        row(9.0, size=b"-"),
        row(10.0, status=b"304", kind=b"-"),
        row(11.0),
        row(12.0),
    ]
    assert whole(requests, size) == [3.0, 5.0]


def test_both_signals_count_the_same_readers() -> None:
    registry = Registry(100)
    often, all_of_it = TooOften(60.0, registry), Whole(registry)
    requests = [row(float(number), key=b"%04d" % number) for number in range(40)]
    found(often, registry, requests, 10)
    found(all_of_it, registry, requests, 10)
    assert len(registry.shared(Fetches).clients) == 40
    assert registry.tracked == 80


def test_who_is_forgotten_begins_anew() -> None:
    registry = Registry(100)
    often, all_of_it = TooOften(60.0, registry), Whole(registry)
    requests = [row(0.0, status=b"304", key=b"bbbb"), row(1.0)]
    found(often, registry, requests, 1)
    found(all_of_it, registry, requests, 1)

    often.forget(b"aaaa")
    all_of_it.forget(b"aaaa")
    often.forget(b"cccc")

    assert found(often, registry, [row(2.0), row(3.0)], 1) == [3.0]
    assert found(all_of_it, registry, [row(4.0), row(5.0)], 1) == [5.0]
