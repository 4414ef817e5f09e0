"""An intake that lends its input to the daemon: whoever is killed, stopped or restarted, every line is in the log."""

from __future__ import annotations

import os
import random
import re
import signal
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.unit.processes import ask, config, daemon, line, until
from tests.unit.tasks.test_pipe_losses import NEVER, Server, mine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.unit.processes import Running

RATE = 3000


class Site:
    """A server that writes numbered lines all the time, its intakes and the daemon."""

    def __init__(self, folder: Path, runtime: Path, stack: ExitStack) -> None:
        self.folder, self.runtime, self.log = folder, runtime, folder / "access.log"
        (folder / "privet.toml").write_text(config(runtime, f'pipe = true\nlog = "{self.log}"\n', NEVER))
        self.stack, self.servers = stack, [Server(folder, RATE)]
        self.start_daemon()

    def start_daemon(self) -> Running:
        self.daemon = self.stack.enter_context(daemon(self.folder / "privet.toml", self.runtime))
        return self.daemon

    def begin(self) -> None:
        for server in self.servers:
            server.start_intake()
            server.thread.start()
        until(lambda: self.numbers)

    @property
    def numbers(self) -> list[int]:
        """The lines in the log."""
        text = self.log.read_text() if self.log.exists() else ""
        return [int(number) for number in re.findall(r'"GET /(\d{8}) HTTP/1.1" 200 5 "-" "Mozilla/5.0"\n', text)]

    @property
    def heard(self) -> int:
        """How many lines the daemon that runs now has seen."""
        return int(ask(self.runtime, "status")["items"][0]["lines"])

    def all_written(self) -> None:
        """End, and see that every line is in the log, once."""
        server = self.servers[0]
        server.stop()
        server.close()
        assert sorted(self.numbers) == list(range(server.written))


@pytest.fixture
def site(tmp_path: Path, runtime: Path) -> Iterator[Site]:
    with ExitStack() as stack:
        yield Site(tmp_path, runtime, stack)


def test_nothing_is_lost_or_heard_twice_in_normal_work(site: Site) -> None:
    site.begin()
    time.sleep(1.5)
    site.servers[0].stop()
    until(lambda: site.heard == site.servers[0].written)
    site.all_written()
    assert site.heard == site.servers[0].written


def test_the_daemon_reads_in_place_of_the_intake(site: Site) -> None:
    site.begin()
    until(lambda: site.heard > 0)
    site.servers[0].intake.send_signal(signal.SIGSTOP)
    try:
        heard = site.heard
        until(lambda: site.heard > heard + RATE // 4)
    finally:
        site.servers[0].intake.send_signal(signal.SIGCONT)
    site.all_written()


def test_a_daemon_that_is_killed_takes_no_line_with_it(site: Site) -> None:
    site.begin()
    chance = random.Random(7)
    for _ in range(4):
        time.sleep(0.3 + chance.random() / 2)
        site.daemon.process.kill()
        site.daemon.process.wait()
        time.sleep(chance.random() / 3)
        (site.runtime / "control.sock").unlink(missing_ok=True)
        site.start_daemon()
        until(lambda: site.heard)
    site.servers[0].stop()
    until(lambda: mine(ask(site.runtime, "status")["items"][0], site.servers[0]) == site.servers[0].written)
    site.all_written()


def test_what_a_killed_intake_had_not_read_is_for_its_successor(site: Site) -> None:
    site.begin()
    server = site.servers[0]
    for _ in range(3):
        until(lambda: site.heard)
        time.sleep(0.4)
        server.intake.send_signal(signal.SIGSTOP)  # asleep or not, it reads no more
        time.sleep(0.15)
        server.intake.kill()
        server.intake.wait()
        server.start_intake()
    server.stop()
    until(lambda: site.heard == server.written)
    server.close()
    lost = set(range(server.written)) - set(site.numbers)
    assert len(lost) <= 3 * RATE // 4  # as much as one turn works on, if it was stopped in the middle of one
    assert len(site.numbers) == len(set(site.numbers))


def test_a_daemon_that_stands_still_holds_nobody_up(site: Site) -> None:
    site.begin()
    until(lambda: site.heard)
    site.daemon.process.send_signal(signal.SIGSTOP)
    try:
        began = len(site.numbers)
        until(lambda: len(site.numbers) > began + RATE)
        written, now = site.servers[0].written, time.monotonic()
        time.sleep(1.0)
        assert site.servers[0].written - written > RATE * (time.monotonic() - now) / 2
    finally:
        site.daemon.process.send_signal(signal.SIGCONT)
    site.all_written()


def test_a_daemon_that_ends_gives_the_input_back(site: Site) -> None:
    site.begin()
    until(lambda: site.heard)
    assert site.daemon.end(signal.SIGTERM) == 0
    before = len(site.numbers)
    until(lambda: len(site.numbers) > before + RATE // 4)
    site.start_daemon()
    until(lambda: site.heard)
    site.all_written()


def test_a_reload_disturbs_nothing(site: Site) -> None:
    site.begin()
    for _ in range(3):
        time.sleep(0.2)
        site.daemon.process.send_signal(signal.SIGHUP)
    until(lambda: site.daemon.said.count("configuration reloaded") == 3)
    site.servers[0].stop()
    until(lambda: site.heard == site.servers[0].written)
    site.all_written()


def test_several_intakes_of_one_source(site: Site) -> None:
    site.servers.append(Server(site.folder, RATE))
    site.begin()
    time.sleep(1.0)
    for server in site.servers:
        server.stop()
    total = sum(server.written for server in site.servers)
    until(lambda: site.heard == total)
    for server in site.servers:
        server.close()
    assert len(site.numbers) == total


def test_a_line_that_comes_in_two_pieces_is_one_line(site: Site) -> None:
    server = site.servers[0]
    server.start_intake()
    text = line("203.0.113.77", "/00000000").encode() + b"\n"
    for piece in (text[:30], text[30:] + text[:50], text[50:]):
        os.write(server.writing, piece)
        time.sleep(0.6)
    until(lambda: site.heard == 2)
    server.close()
    assert site.numbers == [0, 0]
