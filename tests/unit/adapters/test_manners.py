"""Files that say what manners are: read again when they change, and never trusted too far."""

from __future__ import annotations

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from protego import Protego

from privet.adapters import manners
from privet.adapters.manners import MannersFiles, ProtegoRules, read_networks, read_robots
from privet.core.addresses.address import Subject
from privet.core.manners.robots import KNOWS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROBOTS = "User-agent: *\nDisallow: /private/\nCrawl-delay: 5\n\nUser-agent: Nosy\nDisallow: /*?*edit=\n"


def test_rules_are_those_of_the_agent() -> None:
    rules = ProtegoRules(ROBOTS)

    assert rules.allows(b"curl/8", b"/wiki?a=1&edit=2")
    assert not rules.allows(b"curl/8", b"/private/x")
    assert rules.allows(b"Mozilla/5.0 (compatible; Nosy/1.0)", b"/private/x")
    assert not rules.allows(b"Mozilla/5.0 (compatible; Nosy/1.0)", b"/wiki?a=1&edit=2")
    assert (rules.delay(b"curl/8"), rules.delay(b"Nosy/1.0")) == (5.0, 0.0)


@pytest.mark.parametrize("target", [b"", b"//[", b"\xff\x00%zz", b"http://[::1", b"*", b"/" + b"?" * 100_000])
def test_nothing_that_is_asked_for_raises(target: bytes) -> None:
    assert isinstance(ProtegoRules(ROBOTS).allows(b"\xff", target), bool)


def test_many_agents_take_no_more_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(manners, "AGENTS", 10)
    read: list[str] = []
    parse = Protego.parse

    def counted(text: str) -> Protego:
        read.append(text)
        return parse(text)

    monkeypatch.setattr(Protego, "parse", counted)
    rules = ProtegoRules(ROBOTS)
    for number in range(40):
        assert rules.allows(b"agent %d" % number, b"/")

    assert len(read) == 4


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_what_was_allowed_stays_so_for_a_day(tmp_path: Path, clock: list[float]) -> None:
    path = tmp_path / "robots.txt"
    path.write_text("User-agent: *\nDisallow: /old\nCrawl-delay: 2\n")
    files = MannersFiles({"*": str(path)}, {})
    assert files.refresh()
    path.write_text("User-agent: *\nDisallow: /\nCrawl-delay: 20\n")
    assert not files.refresh()
    clock[0] += 61
    assert files.due
    assert files.refresh()

    rules = files.known().robots["*"]
    assert (rules.allows(b"bot", b"/new"), rules.allows(b"bot", b"/old"), rules.delay(b"bot")) == (True, False, 2.0)

    clock[0] += KNOWS
    assert files.refresh()
    assert not files.known().robots["*"].allows(b"bot", b"/new")


def test_a_file_that_cannot_be_read_leaves_what_it_said(tmp_path: Path, clock: list[float]) -> None:
    path = tmp_path / "robots.txt"
    files = MannersFiles({"*": str(path)}, {})
    assert not files.refresh()
    assert files.problems == [f"{path}: No such file or directory"]
    assert files.known().robots == {}
    clock[0] += 61
    path.write_text(ROBOTS)
    assert files.refresh()
    path.unlink()
    clock[0] += 61
    assert not files.refresh()
    assert files.problems == [f"{path}: No such file or directory; what was read before counts"]
    assert not files.known().robots["*"].allows(b"bot", b"/private/")


def test_networks_are_read_as_search_engines_publish_them_and_plain(tmp_path: Path) -> None:
    published, plain = tmp_path / "googlebot.json", tmp_path / "bingbot.txt"
    prefixes = [{"ipv4Prefix": "192.0.2.0/27"}, {"ipv6Prefix": "2001:db8::/64"}]
    published.write_text(json.dumps({"creationTime": "2026-11-22T10:00:00", "prefixes": prefixes}))
    plain.write_text("# ours\n192.0.2.0/27\n\n2001:db8::/64 # more\n")
    expected = tuple(sorted([Subject.parse("192.0.2.0/27"), Subject.parse("2001:db8::/64")]))

    assert read_networks(str(published), "googlebot") == read_networks(str(plain), "bingbot") == expected


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "{}", '{"prefixes": [1]}', '{"prefixes": []}', "10.0.0.0/99\n", "x\n"]
)
def test_other_files_are_refused_without_a_word_of_what_they_say(tmp_path: Path, text: str) -> None:
    path = tmp_path / "networks"
    path.write_text(text)
    files = MannersFiles({}, {"googlebot": str(path)})
    files.refresh()

    assert files.known().crawlers == {}
    assert len(files.problems) == 1
    assert "10.0.0.0" not in files.problems[0]


@contextmanager
def serving(status: int, body: bytes) -> Iterator[tuple[str, list[str | None]]]:
    hosts: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hosts.append(self.headers["Host"])
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/robots.txt", hosts
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_own_server_is_asked_by_the_name_of_the_site() -> None:
    with serving(200, ROBOTS.encode()) as (url, hosts):
        assert read_robots(url, "blog.example") == ROBOTS
        read_robots(url, "*")

    assert hosts[0] == "blog.example"
    assert str(hosts[1]).startswith("127.0.0.1:")


def test_a_site_without_robots_txt_allows_everything() -> None:
    with serving(404, b"User-agent: *\nDisallow: /\n") as (url, _):
        assert read_robots(url, "*") == ""


def test_a_server_that_fails_is_a_problem_and_changes_nothing() -> None:
    with serving(500, b"") as (url, _):
        files = MannersFiles({"*": url}, {})
        assert not files.refresh(local=True)
        assert files.problems == []
        files.refresh()

    assert files.problems == [f"{url}: the server answers 500"]


def test_a_large_file_is_read_as_far_as_robots_have_to() -> None:
    with serving(200, b"#" * (manners.LARGEST + 1000)) as (url, _):
        assert len(read_robots(url, "*")) == manners.LARGEST
