"""A ban is a promise: it holds through restarts, kills, flushes and a reboot, and nobody else ever notices.

Two banned clients send a datagram every other millisecond all along; the server notes each that comes through.
"""

from __future__ import annotations

import shutil
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING

import pytest

from tests.e2e.net import BANNED, SERVER4, SERVER6, all_served, run, targets, until
from tests.e2e.test_apache import RULES, Apache

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    from tests.e2e.net import Net, Visitor

pytestmark = pytest.mark.needs("root", "netns", "nft", "apache2", "nsenter", "setpriv", "prlimit")

PORT = 9
PAUSE = 0.002
"""Seconds between two datagrams of one sender."""


class Ear:
    """Notes in the server's namespace when a datagram comes through."""

    def __init__(self, net: Net) -> None:
        self.heard: list[float] = []
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(2, initializer=net.server._enter)  # noqa: SLF001  one more thread there
        for family, address in ((socket.AF_INET, SERVER4), (socket.AF_INET6, SERVER6)):
            ready = threading.Event()
            self._pool.submit(self._listen, family, address, ready)
            assert ready.wait(5)

    def _listen(self, family: int, address: str, ready: threading.Event) -> None:
        with socket.socket(family, socket.SOCK_DGRAM) as line:
            line.bind((address, PORT))
            line.settimeout(0.1)
            ready.set()
            while not self._stop.is_set():
                try:
                    line.recv(16)
                except TimeoutError:
                    continue
                self.heard.append(time.monotonic())

    def since(self, moment: float) -> list[float]:
        """Return how many seconds after a moment something came through."""
        return [round(at - moment, 3) for at in self.heard if at >= moment]

    def close(self) -> None:
        self._stop.set()
        self._pool.shutdown()


def shout(visitor: Visitor, server: str, stop: threading.Event) -> Future[int]:
    """Begin to send datagrams without end; give how many were sent."""

    def work() -> int:
        count, end = 0, time.monotonic() + 60
        with socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM) as line:
            while not stop.is_set() and time.monotonic() < end:
                line.sendto(b"x", (server, PORT))
                count += 1
                time.sleep(PAUSE)
        return count

    return visitor.space.start(work)


@pytest.fixture
def site(lab_net: Net) -> Iterator[Apache]:
    site = Apache(lab_net)
    try:
        yield site
        site.stop_apache()
        assert site.strays == set()
        assert site.leaks() == []
    finally:
        site.stop()


@pytest.fixture
def ear(lab_net: Net) -> Iterator[Ear]:
    ear = Ear(lab_net)
    yield ear
    ear.close()


def test_bans_hold_through_everything_and_nobody_else_notices(site: Apache, ear: Ear) -> None:
    site.configure(RULES.replace('"10m"', '"1h"'))
    site.start()
    site.start_daemon()
    leech4, leech6, *readers = site.net.visitors
    assert leech4.leech("/", SERVER4) >= 30
    assert leech6.leech("/", SERVER6) >= 30
    closed = {leech4.v4, leech6.network}
    assert site.closed() == closed
    reading = [
        reader.burst(targets(f"h{number}", 25), (SERVER4, SERVER6)[number % 2], pause=0.3)
        for number, reader in enumerate(readers)
    ]
    stop = threading.Event()
    shouting = [shout(leech4, SERVER4, stop), shout(leech6, SERVER6, stop)]
    banned = time.monotonic()

    site.daemon.terminate()
    site.daemon.wait(10)
    time.sleep(0.2)
    site.start_daemon()
    assert {ban["jail"] for ban in site.ask("bans")["items"]} == {"leech"}
    site.kill(site.daemon, signal.SIGKILL)
    time.sleep(0.2)
    site.start_daemon()
    assert ear.since(banned) == []  # not one, with the daemon or without
    assert site.closed() == closed

    flushed = time.monotonic()
    site.net.server(run, "nft", "flush", "ruleset")
    until(lambda: site.closed() == closed, "the daemon has closed them again")
    assert time.monotonic() - flushed < 1
    time.sleep(0.5)
    assert max(ear.since(flushed), default=0) < 1
    assert site.balanced()["bans"]["in_kernel"] == len(closed)

    all_served(reading)
    settled = time.monotonic()
    time.sleep(0.2)
    assert ear.since(settled) == []
    stop.set()
    assert min(sent.result(timeout=10) for sent in shouting) > 500
    site.balanced()


def test_after_a_reboot_all_bans_are_back_before_anything_is_read(site: Apache, ear: Ear) -> None:
    """Throw away everything but the disk."""
    site.configure(RULES.replace('"10m"', '"1h"'))
    site.start()
    site.start_daemon()
    leech = site.net.visitors[0]
    assert leech.leech("/", SERVER4) >= 30
    before = site.ask("bans", "--reveal")["items"]
    site.stop_apache()
    site.kill(site.daemon, signal.SIGKILL)
    site.net.server(run, "nft", "flush", "ruleset")
    for entry in site.runtime.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

    stop = threading.Event()
    sent = shout(leech, SERVER4, stop)
    until(lambda: ear.heard, "the kernel lets him through")
    site.start_daemon()
    ready = time.monotonic()
    site.start()
    time.sleep(0.3)
    assert ear.since(ready) == []
    stop.set()
    sent.result(timeout=10)
    assert leech.ask("/", patience=0.7).status == BANNED
    after = site.ask("bans", "--reveal")["items"]
    assert [(ban["subject"], ban["jail"]) for ban in after] == [(ban["subject"], ban["jail"]) for ban in before]
    ends = [datetime.fromisoformat(bans[0]["until"]) for bans in (before, after)]
    assert abs((ends[1] - ends[0]).total_seconds()) <= 1
    assert site.net.visitors[3].ask("/").status == 200
    site.balanced()
