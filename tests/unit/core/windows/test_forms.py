"""Forms that are sent without having been fetched: who is told so, who is not, and how much is kept."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from privet.config.compile import engine_for
from privet.config.errors import ConfigErrors
from privet.config.loader import parse
from privet.core.engine import Batch
from privet.core.jails import Jail
from privet.core.parsing.parse import Rows
from privet.core.parsing.times import write_clf
from privet.core.rows.facts import Registry
from privet.core.windows.detect import Limit
from privet.core.windows.forms import LOOK_BACK, WARM, Forms

if TYPE_CHECKING:
    from collections.abc import Iterable

START = 1_700_000_000.0
HOUR = 3600
PAGE, SITE = "https://www.example.org/page?id=1#top", "https://www.example.org/"
WEB = '[source.web]\npipe = true\nformat = "combined"\n'
JAIL = WEB + '[jail.one]\nsource = "web"\nkind = "form"\nmethod = "POST"\nfindtime = "1h"\nmaxretry = 1\nbantime = 1\n'

Hit = tuple[float, str, int, str]
"""Seconds, request, status and referer."""


def line(hit: Hit, client: str = "192.0.2.7") -> bytes:
    seconds, request, status, referer = hit
    told = client.encode(), write_clf(START + seconds), request.encode(), status, referer.encode()
    return b'%b - - [%b] "%b HTTP/1.1" %d 5 "%b" "x"\n' % told


def bans(hits: Iterable[Hit], size: int = 1000) -> list[float]:
    engine, lines = engine_for(parse(JAIL, "p.toml")), [line((0, "GET /start", 200, "-")), *map(line, hits)]
    blocks = [b"".join(lines[place : place + size]) for place in range(0, len(lines), size)]
    return [verdict.time - START for block in blocks for verdict in engine.feed(Batch("web", block), math.inf)]


@pytest.mark.parametrize(
    ("hits", "expected"),
    [
        ([(2 * HOUR, "POST /c", 200, PAGE)], [2 * HOUR]),  # never fetched
        ([(1800, "POST /c", 200, PAGE)], []),  # it may have been, before the start
        ([(1800, "GET /page?id=1", 200, "-"), (1810, "POST /c", 200, PAGE)], []),
        ([(1800, "GET /page?id=1", 200, "-"), (1802, "POST /c", 200, PAGE)], [1802]),  # too quick
        ([(HOUR, "GET /page", 304, "-"), (LOOK_BACK, "POST /c", 200, PAGE)], []),
        ([(HOUR, "GET /page", 200, "-"), (2 * LOOK_BACK, "POST /c", 200, PAGE)], [2 * LOOK_BACK]),
        ([(1800, "GET /page", 404, "-"), (2 * HOUR, "POST /c", 200, PAGE)], [2 * HOUR]),
        ([(1800, "HEAD /page", 200, "-"), (2 * HOUR, "POST /c", 200, PAGE)], [2 * HOUR]),
        ([(2 * HOUR, "POST /c", 200, "-")], []),  # the page of the start will do
        ([(2 * HOUR, "POST /c", 200, SITE)], []),
        ([(2 * HOUR, "GET /x", 200, "-"), (2 * HOUR, "POST /c", 200, "-")], []),
        ([(1800, "POST /preview", 200, "-"), (2 * HOUR, "POST /c", 200, "https://www.example.org/preview")], []),
        (
            [(2 * HOUR, "POST /c", 200, PAGE), (2 * HOUR + 60, "POST /c", 200, "https://www.example.org/c")],
            [2 * HOUR, 2 * HOUR + 60],  # what answers an offence is no page
        ),
    ],
)
def test_who_is_told_to_have_fetched_nothing(hits: list[Hit], expected: list[float]) -> None:
    assert bans(hits) == expected
    assert bans(hits, 1) == expected


def test_pages_of_others_do_not_count() -> None:
    engine = engine_for(parse(JAIL, "p.toml"))
    lines = [line((0, "GET /page", 200, "-"), "192.0.2.8"), line((2 * HOUR, "POST /c", 200, PAGE))]

    assert len(engine.feed(Batch("web", b"".join(lines)), math.inf)) == 1


def test_a_reload_and_a_clock_that_is_set_change_nothing() -> None:
    old, new = engine_for(parse(JAIL, "p.toml")), engine_for(parse(JAIL, "p.toml"))
    old.feed(Batch("web", line((0, "GET /page", 200, "-"))), math.inf)
    new.carry(old)
    new.shift(10 * HOUR)

    assert new.feed(Batch("web", line((12 * HOUR, "POST /c", 200, PAGE))), math.inf) == []
    assert len(new.feed(Batch("web", line((12 * HOUR, "POST /c", 200, SITE + "x"))), math.inf)) == 1


def pages_of(start: int, clients: int, *, posts: bool = False) -> Rows:
    """Return a thousand rows, in which as many clients fetch pages, or the last one sends a form for the first."""
    rows = Rows(1000)
    rows.keys = [((start + n) % clients).to_bytes(4) for n in range(1000)]
    rows.times = [WARM + float(start + n) for n in range(1000)]
    rows.columns = {
        "request": [b"GET /%d HTTP/1.1" % (start + n) for n in range(1000)],
        "status": [b"200"] * 1000,
        "referer": [b"-"] * 1000,
    }
    if posts:
        rows.columns["request"] = [*rows.columns["request"][:-1], b"POST /x HTTP/1.1"]
        rows.columns["referer"] = [b"https://www.example.org/%d" % (rows.keys[-1][-1] + 256 * rows.keys[-1][-2])] * 1000
    return rows


def forms(most: int, clients: int = 100_000) -> Forms:
    return Forms([Limit(Jail("one", ("web",), kind="form"), 0)], 60.0, most, Registry(clients))


def test_memory_is_bounded_and_pages_that_are_forgotten_are_no_offence() -> None:
    one = forms(1000)
    for start in range(0, 20_000, 1000):
        assert one.offences(pages_of(start, 500), []) == []
        assert len(one.pages) <= 4096
    assert one.offences(pages_of(20_000, 500, posts=True), [999]) == []


def test_of_very_many_pages_the_last_are_looked_at() -> None:
    one = forms(100_000)
    for start in range(0, 3000, 1000):
        one.offences(pages_of(start, 1), [])
    unknown = pages_of(3000, 1, posts=True)
    assert one.offences(unknown, [999]) == []  # it was the first of three thousand

    few = forms(100_000)
    few.offences(pages_of(0, 100), [])
    few.start = 0.0
    last = pages_of(1000, 100, posts=True)
    last.columns["referer"] = [b"https://www.example.org/never"] * 1000
    assert few.offences(last, [999]) == [999]


def test_settings_that_do_not_suit_are_refused() -> None:
    with pytest.raises(ConfigErrors, match=r"jail\.one\.distinct: a jail for forms does not have this"):
        parse(JAIL + 'distinct = "path"\n', "p.toml")
