"""An intake that is killed again and again: what is lost is what it worked on, and its successor says how much."""

from __future__ import annotations

import itertools
import os
import re
import signal
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from privet.adapters.sources.inputs import AT_ONCE
from tests.privacy.search import leaks
from tests.unit.processes import PRIVET, ask, config, daemon, line, until

if TYPE_CHECKING:
    from pathlib import Path

CLIENT = "203.0.113.77"
NEVER = '[jail.never]\nsource = "web"\nmaxretry = 1000000\n'
KILLS = 3
TEXT = line(CLIENT, "/00000000") + "\n"
ONE_READ = AT_ONCE // len(TEXT) + 1


class Server:
    """Writes numbered lines to a pipe that it holds open, and starts what reads them, as Apache does."""

    def __init__(self, folder: Path, rate: int) -> None:
        self.reading, self.writing = os.pipe()
        self.folder, self.written = folder, 0
        self._rate, self._enough = rate, threading.Event()
        self.thread = threading.Thread(target=self._write)

    def start_intake(self) -> None:
        command = [*PRIVET, "pipe", "--config", str(self.folder / "privet.toml"), "web"]
        with (self.folder / "errors").open("ab") as errors:
            self.intake = subprocess.Popen(command, stdin=self.reading, stderr=errors)

    def _write(self) -> None:
        began = time.monotonic()
        for number in itertools.count():
            if self._enough.is_set():
                return
            ahead = number / self._rate - (time.monotonic() - began)
            if ahead > 0:
                time.sleep(ahead)
            os.write(self.writing, TEXT.replace("00000000", f"{number:08}").encode())
            self.written = number + 1

    def stop(self) -> None:
        """Write no more."""
        self._enough.set()
        self.thread.join()

    def close(self) -> None:
        os.close(self.writing)
        assert self.intake.wait(30) == 0
        os.close(self.reading)


@pytest.mark.parametrize("rate", [2_500, 50_000])
def test_the_successor_knows_what_was_lost(tmp_path: Path, runtime: Path, rate: int) -> None:
    log = tmp_path / "access.log"
    (tmp_path / "privet.toml").write_text(config(runtime, f'pipe = true\nlog = "{log}"\n', NEVER))
    with daemon(tmp_path / "privet.toml", runtime):
        server = Server(tmp_path, rate)
        server.start_intake()
        server.thread.start()
        pauses = (0.71, 0.305, 0.503)  # after the intake has begun to work
        for pause in pauses:
            before = log.stat().st_size if log.exists() else 0
            until(lambda size=before: log.exists() and log.stat().st_size > size)  # type: ignore[misc]  # mypy knows no default
            time.sleep(pause)
            os.kill(server.intake.pid, signal.SIGKILL)
            server.intake.wait()
            server.start_intake()
        until(lambda: mine(ask(runtime, "status")["items"][0], server))
        server.stop()
        source = until(lambda: settled(runtime, server))
        server.close()
        count = server.written
        heard = ask(runtime, "status")["items"][0]["lines"]

    there = {
        int(number) for number in re.findall(r'"GET /(\d{8}) HTTP/1.1" 200 5 "-" "Mozilla/5.0"\n', log.read_text())
    }
    unwritten, unheard = count - len(there), count - heard
    told = source["pipes"][0]["killed"]
    assert unwritten <= KILLS * (ONE_READ + 2)  # a line that a read has cut in two is lost as well
    assert abs(unwritten - told["unwritten"]) <= ONE_READ
    assert abs(unheard - told["dropped"]) <= ONE_READ
    if told["unwritten"] or told["dropped"]:
        assert any("before they were killed" in warning for warning in source["warnings"])
    assert list((runtime / "intakes").iterdir()) == []
    assert leaks([tmp_path, runtime.parent], [CLIENT]) == []


def settled(runtime: Path, server: Server) -> dict[str, Any]:
    """Return the source once the last intake has taken everything that was written, nothing before."""
    source: dict[str, Any] = ask(runtime, "status")["items"][0]
    time.sleep(0.2)
    after = ask(runtime, "status")["items"][0]
    return source if mine(source, server) and after["lines"] == source["lines"] else {}


def mine(source: dict[str, Any], server: Server) -> int:
    """Return how many lines the intake that runs now has taken."""
    return sum(pipe["taken"] for pipe in source["pipes"] if pipe["pid"] == server.intake.pid)
