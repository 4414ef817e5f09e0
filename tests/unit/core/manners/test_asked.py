"""What requests ask for, and who asks, by their looks."""

from __future__ import annotations

import numpy as np
import pytest

from privet.core.cache import LONGEST
from privet.core.manners import asked
from privet.core.manners.asked import Asked, agent_kind, kind_of, site_of, status_kind, target_of, type_kind
from privet.core.parsing.parse import Rows
from privet.core.rows.crowd import Crowd
from privet.core.rows.facts import Registry, previous


@pytest.mark.parametrize(
    "target",
    [
        "/feed",
        "/feed/",
        "/blog/rss",
        "/atom.xml",
        "/index.rdf",
        "/feed.xml",
        "/news-rss2.xml",
        "/wiki?action=rss;days=7",
    ],
)
def test_feeds_are_known_by_their_address(target: str) -> None:
    assert kind_of(f"GET {target} HTTP/1.1".encode()) == asked.GET | asked.FEED


@pytest.mark.parametrize(
    "target", ["/", "/feedback", "/rss-reader.html", "/sitemap.xml", "/wiki?action=browse", "/atoms"]
)
def test_others_are_none(target: str) -> None:
    assert kind_of(f"GET {target} HTTP/1.1".encode()) == asked.GET


def test_requests_are_taken_apart() -> None:
    assert kind_of(b"GET /a/b.CSS?v=2 HTTP/1.1") == asked.GET | asked.ASSET
    assert kind_of(b"HEAD /robots.txt HTTP/1.1") == asked.HEAD | asked.RULES
    assert kind_of(b"noise") == kind_of(b"POST /a HTTP/1.1") == kind_of(b"") == 0
    assert target_of(b"GET /a/b.CSS?v=2 HTTP/1.1") == b"/a/b.CSS?v=2"
    assert target_of(b"GET /a HTTP/1.1") == b"/a"


def test_types_say_what_was_sent() -> None:
    feeds = (b"application/rss+xml; charset=utf-8", b"APPLICATION/ATOM+XML", b"application/feed+json")
    assert [type_kind(one) for one in feeds] == [asked.FEED_TYPE] * 3
    assert [type_kind(one) for one in (b"text/html", b"-", b"", b"image/png", b"text/xml")] == [
        asked.PAGE_TYPE,
        asked.UNTYPED | asked.PAGE_TYPE,
        asked.UNTYPED | asked.PAGE_TYPE,
        asked.ASSET_TYPE,
        0,
    ]


def test_statuses_say_what_came_of_it() -> None:
    assert [status_kind(one) for one in (b"200", b"304", b"429", b"503", b"404", b"-")] == [
        asked.FULL | asked.PAGE,
        asked.UNCHANGED | asked.PAGE,
        asked.REFUSED,
        asked.REFUSED,
        0,
        0,
    ]


def rows_of(**columns: list[bytes]) -> Rows:
    count = len(next(iter(columns.values())))
    rows = Rows(count)
    rows.keys, rows.times, rows.columns = [b"aaaa"] * count, [0.0] * count, dict(columns)
    return rows


def test_the_same_is_said_of_each_row_whatever_the_format() -> None:
    registry = Registry(10)
    facts = Asked(registry), registry.facts(rows_of(method=[b"HEAD"], path=[b"/feed"], query=[b"-"]))
    assert facts[0].kinds(facts[1]).tolist() == [asked.HEAD | asked.FEED]
    assert facts[0].types(facts[1]) is None
    assert (facts[0].request(facts[1], 0), facts[0].host(facts[1], 0)) == (b"HEAD /feed -", b"-")


def test_hashes_tell_sites_and_targets_apart_and_nothing_else() -> None:
    registry = Registry(10)
    hosts, requests = [b"a", b"b", b"a", b"a"], [b"GET /x -", b"GET /x -", b"GET /y -", b"HEAD /x HTTP/1.1"]
    facts = registry.facts(rows_of(host=hosts, request=requests))

    one, two, three, four = Asked(registry).targets(facts, np.arange(4)).tolist()

    assert one == four
    assert len({one, two, three}) == 3


def test_what_is_looked_at_is_cut() -> None:
    registry = Registry(10)
    facts = registry.facts(rows_of(request=[b"GET /" + b"x" * 10_000]))
    assert len(Asked(registry).request(facts, 0)) == LONGEST


def test_what_came_before_is_that_of_the_same_client_in_the_block_or_else_the_column() -> None:
    crowd = Crowd(10)
    column = crowd.column(-1.0)
    numbers = crowd.numbers([b"a", b"b", b"a"], np.zeros(3))

    assert asked.before(previous(numbers), numbers, np.array([5.0, 6.0, 7.0]), column).tolist() == [-1.0, -1.0, 5.0]
    assert asked.before(previous(numbers), numbers, np.array([1.0, 2.0, 3.0]), column).tolist() == [7.0, 6.0, 1.0]


BROWSER = b"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36"


@pytest.mark.parametrize(
    ("agent", "robot", "browser"),
    [
        (BROWSER, False, True),
        (b"Mozilla/5.0 (Linux; Android 9; CUBOT_X18) AppleWebKit/537.36 Chrome/99.0 Mobile Safari/537.36", False, True),
        (
            b"Mozilla/5.0 AppleWebKit/537.36 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm) Chrome/1",
            True,
            False,
        ),
        (b"Mozilla/5.0 (Linux) mirall/3.13.0 (Nextcloud)", False, False),
        (b"Mozilla/5.0 (Android) Nextcloud-android/3.30.0", False, False),
        (b"http.rb/5.1.1 (Mastodon/4.2.1; +https://social.example/)", False, False),
        (b"FreshRSS/1.24 (Linux; https://freshrss.org)", False, False),
        (b"Scrapy/2.11 (+https://scrapy.org)", True, False),
        (b"-", False, False),
    ],
)
def test_who_says_to_be_what(agent: bytes, robot: bool, browser: bool) -> None:  # noqa: FBT001  as the table has it
    kind = agent_kind(agent)
    assert (kind == asked.ROBOT, kind == asked.BROWSER) == (robot, browser)


def test_sites_have_no_port() -> None:
    assert [site_of(host) for host in (b"Blog.example:443", b"blog.example", b"-", b"[::1]:80")] == [
        b"blog.example",
        b"blog.example",
        b"-",
        b"[::1]",
    ]
