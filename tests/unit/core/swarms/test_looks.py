"""How innocent clients look: visitors, leeches, scanners, readers, and those who are logged in."""

from __future__ import annotations

import random
from datetime import UTC
from typing import TYPE_CHECKING

import pytest

from privet.core.parsing.formats import parse_format
from privet.core.parsing.parse import plan_of
from privet.core.swarms.looks import COLUMNS, UNKNOWN, Looks, tally
from tests.unit.core.traffic import START, entry, visitor

if TYPE_CHECKING:
    from collections.abc import Iterable

    from privet.core.swarms.looks import Look
    from tests.unit.core.traffic import Entry

CLIENT, KEY = "192.0.2.1", bytes([192, 0, 2, 1])
SITE = "https://blog.example"
OTHERS = [one for number in range(9) for one in visitor(random.Random(number), START, f"198.51.100.{number + 1}")]


def looked(entries: Iterable[Entry], members: str | None = None, fmt: str = "combined", cap: int = 1000) -> Looks:
    looks = Looks(cap, members)
    rows = plan_of(parse_format(fmt), COLUMNS, UTC).parse(b"".join(line for _, line in sorted(entries)))
    assert not rows.bad
    looks.take(rows)
    return looks


def look(*entries: Entry, members: str | None = None) -> Look:
    return looked([*OTHERS, *entries], members).look(KEY)


def hits(count: int, every: float, path: str = "/page/{}", status: int = 200) -> list[Entry]:
    return [entry(START + number * every, CLIENT, path.format(number), status=status) for number in range(count)]


def post(at: float, path: str, status: int) -> Entry:
    time, line = entry(at, CLIENT, path, status=status)
    return time, line.replace(b'"GET ', b'"POST ')


@pytest.mark.parametrize("seed", range(5))
def test_visitors_with_browsers_look_innocent(seed: int) -> None:
    seen = look(*visitor(random.Random(seed), START, CLIENT))

    assert seen.innocent == "yes"
    assert "loads assets with its pages" in seen.reasons


def test_who_fetches_a_hundred_pages_and_no_asset_does_not() -> None:
    assert look(*hits(100, 0.2)).innocent == "no"
    slow = look(*hits(100, 30))
    assert slow.innocent == "no"
    assert slow.reasons == ("loads no assets (100 pages)", "as slow as a person (a page every 30 s)")


def test_a_scanner_that_loads_a_picture_now_and_then_does_not() -> None:
    scan = hits(100, 0.1, "/{}.php", status=404)
    seen = look(*scan, entry(START + 5, CLIENT, "/logo.png"))

    assert seen.innocent == "no"
    assert "most pages were refused" in seen.reasons
    assert any(reason.startswith("faster than a person") for reason in seen.reasons)


def test_assets_without_their_pages_are_no_sign() -> None:
    assert "loads assets" not in str(look(*hits(50, 1, "/picture{}.jpg")).reasons)


def test_a_feed_reader_that_asks_whether_something_has_changed_is_in_between() -> None:
    seen = look(*hits(24, 3600, "/feed.xml", status=304))

    assert seen.innocent == "maybe"
    assert "asks whether something has changed" in seen.reasons


def test_a_page_that_takes_its_time_has_its_assets_all_the_same() -> None:
    early = [entry(START + second, CLIENT, f"/{second}.css") for second in range(3)]

    assert "loads assets with its pages" in look(*early, entry(START + 9, CLIENT, "/slow")).reasons
    assert "loads assets with its pages" not in look(*early, entry(START + 30, CLIENT, "/slow")).reasons
    scattered = [entry(START - 400 + 20 * number, CLIENT, f"/{number}.css") for number in range(9)]
    assert "loads assets with its pages" not in look(*scattered, *hits(30, 200)).reasons


def test_in_a_log_without_assets_their_lack_says_nothing() -> None:
    assert looked(hits(10, 30)).look(KEY).reasons == ("as slow as a person (a page every 30 s)",)


def test_coming_from_pages_of_the_site_is_a_sign_and_from_elsewhere_is_not() -> None:
    pages = [f"/page/{number}" for number in range(6)]
    chain = list(zip(pages[1:], pages, strict=False))
    came = [entry(START + number, CLIENT, page, f"{SITE}{last}") for number, (page, last) in enumerate(chain, 1)]
    strange = [entry(START + number, CLIENT, page, "https://search.example/") for number, page in enumerate(pages)]

    assert "came from pages of the site" in look(entry(START, CLIENT, pages[0]), *came).reasons
    assert "came from pages of the site" not in look(*strange).reasons


def test_who_sent_the_form_of_a_login_and_gets_pages_is_logged_in() -> None:
    login = post(START, "/login", 303)
    pages = hits(4, 30)

    assert "is logged in" in look(login, *((time + 5, text) for time, text in pages)).reasons
    assert "is logged in" not in look(*pages).reasons
    guesses = [post(START + number, "/wp-login.php", 200) for number in range(50)]
    assert look(*guesses).innocent == "no"
    failed = [one for n in range(30) for one in (post(START + n, "/login", 302), entry(START + n, CLIENT, "/login"))]
    assert look(*failed).innocent == "no"


def test_users_that_the_server_names_and_members_paths_are_signs() -> None:
    named = [(time, text.replace(b" - - [", b" - ann [")) for time, text in hits(4, 30)]
    refused = [(time, text.replace(b" - - [", b" - ann [")) for time, text in hits(4, 30, status=401)]

    assert "is logged in" in look(*named).reasons
    assert "is logged in" not in look(*refused).reasons
    assert "is logged in" in look(*hits(4, 30, "/intern/{}"), members="^/intern/").reasons
    assert "is logged in" in look(*hits(4, 30, "/wp-admin/edit.php?post={}")).reasons


def test_a_cookie_is_a_sign_where_the_log_has_it() -> None:
    lines = [(time, text.replace(b"\n", b' 12 "-" "abc"\n')) for time, text in hits(4, 30)]
    texts = [(time, b"blog.example:443 " + text) for time, text in lines]

    assert "keeps a cookie" in looked(texts, fmt="privet").look(KEY).reasons


def test_who_is_not_known_may_be_innocent() -> None:
    assert looked([]).look(KEY) is UNKNOWN


def test_those_with_the_fewest_requests_are_forgotten_first() -> None:
    few = [entry(START, f"10.0.0.{number}", "/") for number in range(1, 200)]
    looks = looked([*((time - 1000, text) for time, text in hits(30, 1)), *few], cap=64)

    assert len(looks.clients) <= 64
    assert looks.forgotten
    assert looks.look(KEY).requests == 30
    assert sum(tally({key: looks.look(key) for key in looks.clients}, looks.clients).values()) == len(looks.clients)
