"""What requests ask for, and who asks, by their looks."""

from __future__ import annotations

import pytest

from privet.core.manners.asked import ask_of, is_browser, is_feed_type, is_robot, requests_of, site_of
from privet.core.parse import Rows


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
    assert ask_of(f"GET {target} HTTP/1.1".encode()).is_feed


@pytest.mark.parametrize(
    "target", ["/", "/feedback", "/rss-reader.html", "/sitemap.xml", "/wiki?action=browse", "/atoms"]
)
def test_others_are_none(target: str) -> None:
    assert not ask_of(f"GET {target} HTTP/1.1".encode()).is_feed


def test_requests_are_taken_apart_and_cut() -> None:
    ask = ask_of(b"GET /a/b.CSS?v=2 HTTP/1.1")
    assert (ask.method, ask.path, ask.target, ask.is_asset) == (b"GET", b"/a/b.CSS", b"/a/b.CSS?v=2", True)
    assert len(ask_of(b"GET /" + b"x" * 10_000).target) < 600


def test_types_of_feeds() -> None:
    assert all(
        map(is_feed_type, (b"application/rss+xml; charset=utf-8", b"APPLICATION/ATOM+XML", b"application/feed+json"))
    )
    assert not any(map(is_feed_type, (b"text/xml", b"text/html", b"-", b"")))


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
    assert (is_robot(agent), is_browser(agent)) == (robot, browser)


def test_sites_have_no_port() -> None:
    assert [site_of(host) for host in (b"Blog.example:443", b"blog.example", b"-", b"[::1]:80")] == [
        b"blog.example",
        b"blog.example",
        b"-",
        b"[::1]",
    ]


def test_request_lines_are_put_together_from_parts() -> None:
    rows = Rows(1)
    rows.keys, rows.columns = [b"aaaa"], {"method": [b"HEAD"], "path": [b"/a"], "query": [b"?b=1"]}
    assert requests_of(rows) == [b"HEAD /a?b=1 -"]
    rows.columns = {"method": [b"GET"], "target": [b"/a?b"]}
    assert requests_of(rows) == [b"GET /a?b -"]
    rows.columns = {"path": [b"/a"]}
    assert requests_of(rows) == [b"- /a -"]
