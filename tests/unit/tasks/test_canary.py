"""The canary finds its address in every spelling, and tells a blind detector from one that sees."""

from __future__ import annotations

import gzip
import json
import sqlite3
import threading
from base64 import b64encode
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from privet.adapters.canary import RESULT, Result, keep_result, last_result
from privet.adapters.tree import Tree
from privet.core.addresses.spellings import spellings
from privet.core.watch.lookout import Lookout
from privet.tasks import canary
from privet.tasks.canary import Canary, held_by
from tests.privacy.search import spellings as all_spellings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canary, "SETTLE", 0.0)
    monkeypatch.setattr(canary, "STEP", 0.01)


@contextmanager
def site(log: Callable[[str], object]) -> Iterator[str]:
    """Serve pages; `log` is called with the address of every client."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            log(self.client_address[0])
            self.send_response(404)
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Detector:
    """A detector with its lookout, as the daemon has one."""

    def __init__(self) -> None:
        self.lookout = Lookout()

    def line(self, address: str) -> None:
        self.lookout.see([IPv4Address(address).packed])

    def saw(self, address: str) -> bool:
        return self.lookout.ask(IPv4Address(address).packed)


def send(root: Path, log: Callable[[str], object], detector: Detector | None = None) -> Result:
    detector = detector or Detector()

    def both(address: str) -> None:
        detector.line(address)
        log(address)

    with site(both) as url:
        return Canary(url, None, detector.saw, Tree([root], mounts="/dev/null"), patience=0.2).send()


def test_a_canary_that_is_seen_and_nowhere_passes(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    result = send(tmp_path, lambda _address: log.write_text("100::1 - - x\n"))

    assert result.passed
    assert (result.answered, result.seen, result.files, result.held) == (404, True, 1, [])
    assert result.says() == "the detector saw it; none found in 1 file that changed since"


SPELT: dict[str, Callable[[str], bytes]] = {
    "plain": str.encode,
    "in a line": lambda address: f"x [client {address}:80] y".encode(),
    "mapped": lambda address: b"::ffff:" + address.encode(),
    "percent": lambda address: address.replace(".", "%2E").encode(),
    "quoted twice": lambda address: quote(quote(address.replace(".", "%2E"))).encode(),
    "reversed": lambda address: ".".join(reversed(address.split("."))).encode() + b".in-addr.arpa",
    "hexadecimal": lambda address: IPv4Address(address).packed.hex().upper().encode(),
    "decimal": lambda address: str(int(IPv4Address(address))).encode(),
    "base64": lambda address: b64encode(b"from " + address.encode() + b" it came"),
    "bytes": lambda address: b"\xff" + IPv4Address(address).packed + b"\xff",
    "gz": lambda address: gzip.compress(address.encode()),
}


@pytest.mark.parametrize("name", SPELT)
def test_a_leak_in_any_spelling_is_found_and_named(tmp_path: Path, name: str) -> None:
    place = tmp_path / "some.file"
    result = send(tmp_path, lambda address: place.write_bytes(SPELT[name](address)))

    assert not result.passed
    assert result.seen
    assert [one.path for one in result.leaks] == [str(place)]
    assert result.says().endswith("LEAK: 1 file holds it in 1 file that changed since")


def test_a_leak_into_a_database_that_was_deleted_again_is_found(tmp_path: Path) -> None:
    def leak(address: str) -> None:
        with closing(sqlite3.connect(tmp_path / "db", isolation_level=None)) as db:
            db.execute("PRAGMA secure_delete = OFF")
            db.execute("CREATE TABLE t (a TEXT)")
            db.execute("INSERT INTO t VALUES (?)", (address,))
            db.execute("DELETE FROM t")

    assert len(send(tmp_path, leak).leaks) == 1


def test_every_spelling_that_the_tests_know_is_known(tmp_path: Path) -> None:
    address = "127.211.145.103"
    wanted = spellings(IPv4Address(address).packed)
    for name, word in all_spellings(address).items():
        (tmp_path / "file").write_bytes(b"<" + word + b">")
        assert held_by(tmp_path / "file", wanted), name


def test_another_address_is_not_taken_for_it(tmp_path: Path) -> None:
    wanted = spellings(IPv4Address("127.211.145.103").packed)
    (tmp_path / "file").write_text("127.211.145.10 1127.211.145.103 127.211.145.1033 127-211-145-104")

    assert held_by(tmp_path / "file", wanted) == []


def test_a_chance_find_of_four_bytes_is_no_leak(tmp_path: Path) -> None:
    """Where only the first of two canaries is found by its bytes, it was no leak."""
    seen: list[str] = []

    def log(address: str) -> None:
        seen.append(address)
        (tmp_path / "noise").write_bytes(IPv4Address(seen[0]).packed)

    result = send(tmp_path, log)

    assert len(seen) == 2
    assert result.passed


def test_files_that_have_not_changed_are_not_searched(tmp_path: Path) -> None:
    import os  # noqa: PLC0415

    old = tmp_path / "old"
    old.write_text("x")
    os.utime(old, (0, 0))
    before = canary.BEFORE
    canary.BEFORE = -10.0  # the time of a change of the inode cannot be set
    try:
        assert send(tmp_path, lambda _address: None).files == 0
    finally:
        canary.BEFORE = before


def test_a_detector_that_does_not_see_is_blind(tmp_path: Path) -> None:
    with site(lambda _address: None) as url:
        result = Canary(url, None, Detector().saw, Tree([tmp_path]), patience=0.05).send()

    assert not result.passed
    assert result.says().startswith("BLIND: the detector did not see it; none found")


def test_a_daemon_that_cannot_be_asked_is_blind(tmp_path: Path) -> None:
    with site(lambda _address: None) as url:
        result = Canary(url, None, lambda _address: None, Tree([tmp_path])).send()

    assert (result.passed, result.seen) == (False, None)


def test_without_a_web_server_nothing_is_sent(tmp_path: Path) -> None:
    with site(lambda _address: None) as url:
        pass
    result = Canary(url, None, lambda _address: True, Tree([tmp_path])).send()

    assert result.says() == "not sent: Connection refused"
    assert not result.passed


def test_what_is_kept_of_a_result_has_no_address(tmp_path: Path) -> None:
    result = send(tmp_path, (tmp_path / "log").write_text)
    keep_result(tmp_path, result)

    kept = (tmp_path / RESULT).read_text()
    assert (tmp_path / "log").read_text() not in kept
    assert last_result(tmp_path) == result
    assert json.loads(kept)["seen"] is True
    assert (tmp_path / RESULT).stat().st_mode & 0o777 == 0o600
    assert last_result(tmp_path / "nowhere") is None
