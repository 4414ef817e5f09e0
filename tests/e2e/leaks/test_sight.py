"""Promises 3, 4 and 12: what the daemon does not see is known, and holds up nobody."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from privet.adapters.sinks.handover import BUFFER
from privet.adapters.tree import Tree
from privet.tasks.canary import Canary
from tests.e2e.lab import lost
from tests.e2e.leaks.home import Home
from tests.e2e.net import Answer
from tests.unit.processes import ask, line, until

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

    from privet.adapters.canary import Result

STOPPED = 1.5  # seconds at least that the daemon stands still
SLOWEST = 1.0  # seconds that a line may take: shorter than the daemon stands still, long for a busy machine
WIDE = "x" * 4000
COUNT = BUFFER // 4000 + 1500  # lines, some of which the handover cannot keep
FORGETS = """
if verb == "pipe":
    from privet.adapters.sinks.handover import Handover
    Handover.lost = property(lambda self: 0)
"""
WAITS = """
if verb == "pipe":
    from privet.adapters.sinks.handover import Handover
    put = Handover.put
    def wait(self, *rest):
        import time
        self.count = getattr(self, "count", 0) + 1
        time.sleep(1.5 if self.count == 10 else 0)
        return put(self, *rest)
    Handover.put = wait
"""
SPILLS = """
if verb == "pipe":
    from privet.tasks.pipe import Pipe
    take = Pipe._take
    def spill(self, block, **how):
        open("spill", "ab").write(block)
        take(self, block, **how)
    Pipe._take = spill
"""


def faults_of_a_stop(folder: Path, plant: str = "") -> list[str]:
    """Stop the daemon under load, let it go on, and return what is wrong: a slow site, a false sum, a spilt line."""
    with Home(folder, plant) as home:
        before = set(files(home))
        pipe = home.pipe("web")
        write(pipe, [line("203.0.113.77")])
        until(lambda: ask(home.runtime, "status")["items"][0]["lines"] == 1)
        home.daemon.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        slowest = max(write(pipe, [line("203.0.113.77", f"/{WIDE}{number}")]) for number in range(COUNT))
        time.sleep(max(0.0, began + STOPPED - time.monotonic()))
        home.daemon.send_signal(signal.SIGCONT)
        status = until(lambda: settled(home)) or {}
        item, (told,) = status["items"][0], status["items"][0]["pipes"]
        spilt = sorted(files(home) - before - {"web.log", "web.err"})
        written = (home.disk / "log" / "web.log").read_bytes().count(b"\n")
        faults = {
            f"a line took {slowest:.2f} s": slowest > SLOWEST,
            f"{written} lines of {COUNT + 1} are in the log": written != COUNT + 1,
            "what was lost was not counted": item["lines"] + told["dropped"] != COUNT + 1 or not told["dropped"],
            f"files: {spilt}": spilt,
        }
        return [what for what, holds in faults.items() if holds] + home.findings()


def files(home: Home) -> set[str]:
    """Return the names of what is not the store's."""
    return {path.name for place in ("log", "tmp") for path in (home.disk / place).iterdir()}


def settled(home: Home) -> dict[str, Any] | None:
    """Return the status once the pipe has told of all lines, and no more come."""
    first = ask(home.runtime, "status")
    told = first["items"][0]["pipes"]
    time.sleep(0.3)
    second = ask(home.runtime, "status")
    done = told and told[0]["taken"] == COUNT + 1 and first["items"][0]["lines"] == second["items"][0]["lines"]
    return second if done else None


def write(pipe: subprocess.Popen[bytes], content: list[str]) -> float:
    """Write lines as a web server does; return how long that took."""
    assert pipe.stdin
    began = time.monotonic()
    pipe.stdin.write("".join(f"{text}\n" for text in content).encode())
    pipe.stdin.flush()
    return time.monotonic() - began


def test_promise_4_a_daemon_that_stands_still_holds_up_nobody_and_every_loss_is_counted(tmp_path: Path) -> None:
    assert faults_of_a_stop(tmp_path) == []


@pytest.mark.parametrize(
    ("plant", "found"),
    [(FORGETS, "what was lost was not counted"), (WAITS, "a line took"), (SPILLS, "files: ['spill']")],
    ids=["forgets", "waits", "spills"],
)
def test_what_breaks_that_promise_is_found(tmp_path: Path, plant: str, found: str) -> None:
    assert [one for one in faults_of_a_stop(tmp_path, plant) if one.startswith(found)]


def test_promise_3_a_line_that_is_missing_is_missed() -> None:
    """Hold the check of the tests that kill pipes under load against a log in which one line is missing."""
    answers = [Answer(f"/?v0-{number}.", 200, 100.0 + number, 0.01) for number in range(50)]
    found = [one.target[1:] for one in answers]

    assert lost(answers, Counter(found), []) == []
    assert len(lost(answers, Counter(found[:20] + found[21:]), [])) == 1
    assert lost(answers, Counter(found[:20] + found[21:]), [(119.5, 120.5)]) == []


@contextmanager
def site(log: Callable[[str], object]) -> Iterator[str]:
    """Serve one page, and log each client."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            log(self.client_address[0])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Log nothing else."""

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def canary(folder: Path, shown: Callable[[str], str], plant: str = "") -> Result:
    """Send a canary to a site whose log goes through a real pipe to a real daemon."""
    with Home(folder, plant) as home:
        pipe = home.pipe("web")
        with site(lambda client: write(pipe, [line(shown(client))])) as url:

            def saw(address: str) -> bool:
                return bool(ask(home.runtime, "canary", subject=address)["seen"])

            return Canary(url, None, saw, Tree([home.disk, home.memory]), patience=2.0).send()


def test_promise_12_a_canary_is_seen_and_nowhere_written(tmp_path: Path) -> None:
    assert canary(tmp_path, str).says().startswith("the detector saw it; none found in ")


def test_a_log_without_addresses_makes_a_blind_detector_and_that_is_told(tmp_path: Path) -> None:
    result = canary(tmp_path, lambda _client: "-")

    assert not result.passed
    assert result.says().startswith("BLIND: the detector did not see it")


def test_a_canary_finds_what_is_spilt(tmp_path: Path) -> None:
    result = canary(tmp_path, str, SPILLS)

    assert [Path(one.path).name for one in result.leaks] == ["spill"]
