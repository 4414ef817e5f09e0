"""Orders by hand, before a real kernel: AS numbers, feeds, pauses, and lists out and in."""

from __future__ import annotations

import re
import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.e2e.net import BANNED, SERVER4, request, until
from tests.e2e.test_apache import RULES, Apache

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.net import Net

pytestmark = pytest.mark.needs("root", "netns", "nft", "apache2", "nsenter", "setpriv", "prlimit")

FIRST = "192.0.2.8/29\t64500\n"  # visitors 0 to 4
BOTH = f"{FIRST}192.0.2.16/29\t64500\n"  # all of them
QUICK = 0.7  # seconds without an answer that are enough to be banned


@pytest.fixture
def site(lab_net: Net, tmp_path: Path) -> Iterator[Apache]:
    """Give a site with a table of networks and a feed, which have addresses and so lie elsewhere."""
    site = Apache(lab_net)
    (tmp_path / "networks").write_text(FIRST)
    (tmp_path / "feed").write_text("# nobody yet\n")
    more = f'[networks]\ntable = "{tmp_path}/networks"\n[feed.own]\npath = "{tmp_path}/feed"\n'
    try:
        site.configure(RULES + more)
        site.start()
        site.start_daemon()
        until(lambda: site.ask("status")["networks"]["rows"], "the table is read")
        yield site
        site.balanced()
        site.stop_apache()
        assert site.strays == set()
        assert site.leaks() == []
    finally:
        site.stop()


def shut_out(site: Apache) -> list[int]:
    """Return which visitors get no answer."""
    waiting = [visitor.space.start(request, SERVER4, "/", QUICK, {}) for visitor in site.net.visitors]
    return [number for number, answer in enumerate(waiting) if answer.result(timeout=10).status == BANNED]


def test_an_as_number_is_closed_opened_and_followed_as_the_table_changes(site: Apache, tmp_path: Path) -> None:
    code, said = site.privet("ban", "AS64500")
    assert code == 64
    assert "AS64500: 8 addresses; " in said
    assert shut_out(site) == []

    code, said = site.privet("ban", "AS64500", "--yes", "--why", "a farm")
    assert code == 0, said
    assert shut_out(site) == [0, 1, 2, 3, 4]
    (tmp_path / "new").write_text(BOTH)
    (tmp_path / "new").replace(tmp_path / "networks")
    until(lambda: site.closed() == {"192.0.2.8", "192.0.2.16"}, "the new prefix is closed too")
    assert shut_out(site) == list(range(10))
    (item,) = site.ask("bans")["items"]
    assert (item["subject"], item["prefixes"], item["why"]) == ("AS64500", 2, "a farm")

    assert site.privet("unban", "AS64500")[0] == 0
    assert shut_out(site) == []


def test_a_pause_opens_everything_and_the_kernel_ends_it_though_the_daemon_is_dead(site: Apache) -> None:
    site.privet("ban", "192.0.2.8/29", "--yes")
    assert shut_out(site) == [0, 1, 2, 3, 4]
    assert site.privet("pause", "5m")[0] == 0
    assert shut_out(site) == []
    assert site.privet("pause", "--end")[0] == 0
    assert shut_out(site) == [0, 1, 2, 3, 4]

    assert site.privet("pause", "4s")[0] == 0
    began = time.monotonic()
    site.kill(site.daemon, signal.SIGKILL)
    assert shut_out(site) == []
    time.sleep(max(0.0, began + 4.2 - time.monotonic()))
    assert shut_out(site) == [0, 1, 2, 3, 4]
    site.start_daemon()
    assert site.ask("status")["paused_until"] is None
    assert shut_out(site) == [0, 1, 2, 3, 4]


def test_a_feed_closes_who_is_on_it(site: Apache, tmp_path: Path) -> None:
    visitor = site.net.visitors[7]
    (tmp_path / "feed").write_text(f"{visitor.v4} # a comment\n")
    site.kill(site.daemon, signal.SIGTERM)
    site.start_daemon()
    until(lambda: site.closed() == {visitor.v4}, "the feed is read")
    assert shut_out(site) == [7]
    assert site.ask("bans")["feeds"] == {"feed own": 1}


def test_the_log_explains_a_ban_and_its_pseudonym_lifts_it(site: Apache) -> None:
    leech = site.net.visitors[0]
    assert leech.leech("/", SERVER4) >= 30
    until(lambda: site.closed() == {leech.v4}, "the leech is closed out")
    (ban,) = site.ask("bans")["items"]
    code, said = site.privet("why", ban["subject"])
    assert code == 0
    assert len(re.findall(r"^    .*0\.0\.0\.0 .*\"GET /\S* HTTP/1\.1\" 200", said, re.MULTILINE)) == 3
    assert leech.v4 not in said
    assert site.privet("unban", ban["subject"])[0] == 0
    assert shut_out(site) == []


def test_lists_go_out_and_come_in_again(site: Apache, tmp_path: Path) -> None:
    visitors = site.net.visitors[:3]
    site.privet("ban", *(visitor.v4 for visitor in visitors), "2001:db8:e2e:a5::/64")
    before = site.closed()
    for form in ("ipset", "plain"):
        (tmp_path / form).write_text(site.privet("bans", "--export", form)[1])
        site.privet("unban", "--all")
        assert site.closed() == set()
        assert site.privet("ban", "--file", str(tmp_path / form))[0] == 0
        assert site.closed() == before
    assert shut_out(site) == [0, 1, 2]
