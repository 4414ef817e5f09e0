"""Heavy imports are lazy: what a verb does not need is not loaded."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEAVY = {
    "asyncio",
    "backports",
    "concurrent.futures",
    "hashlib",
    "importlib.metadata",
    "inotify_simple",
    "logging",
    "msgspec",
    "multiprocessing",
    "privet.adapters",
    "privet.config.loader",
    "privet.core.engine",
    "privet.core.masking.mask",
    "privet.core.parsing.parse",
    "privet.daemon",
    "privet.tasks",
    "rich",
    "ssl",
    "structlog",
    "subprocess",
    "tomllib",
    "unittest",
    "urllib.request",
    "zoneinfo",
}
"""Each costs milliseconds that nobody should wait for who wants help or a short answer."""

RUN = """
import sys
from privet.cli.main import run
code = run(sys.argv[1:])
print(" ".join(sys.modules), file=sys.stderr)
sys.exit(code)
"""


def loaded(*arguments: str) -> set[str]:
    """Return the modules that a verb has loaded when it is done."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


def heavy(*arguments: str) -> set[str]:
    return loaded(*arguments) & HEAVY


@pytest.fixture
def answers(tmp_path: Path) -> Iterator[str]:
    """Answer one caller as the daemon does; return its run-time directory."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "control.sock"))
        server.listen()
        server.settimeout(30)

        def work() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1 << 16)
                ban = {"subject": "100::1", "jail": "leech", "since": 0.0, "until": 1.0, "failures": 3, "why": ""}
                answer = {"items": [ban], "feeds": {}, "since": 0.0, "warnings": [], "until": 1.0}
                connection.sendall(json.dumps(answer).encode())

        thread = threading.Thread(target=work)
        thread.start()
        yield str(tmp_path)
        thread.join(30)


@pytest.mark.parametrize("arguments", [("--help",), ("--version",)])
def test_help_loads_no_verb(arguments: tuple[str, ...]) -> None:
    modules = loaded(*arguments)

    assert modules & HEAVY == set()
    ours = {name for name in modules if name.startswith("privet")}
    assert ours == {"privet", "privet.cli", "privet.cli.lastdoor", "privet.cli.main"}


@pytest.mark.parametrize("verb", ["ban", "bans", "why", "pause", "status", "jails", "replay", "check", "pipe", "run"])
def test_the_help_of_a_verb_does_not_load_what_it_works_with(verb: str) -> None:
    assert heavy(verb, "--help") == set()


def test_bans_for_programs_are_fetched_and_printed_and_that_is_all(answers: str) -> None:
    assert heavy("bans", "--json", "--runtime", answers) == set()


def test_a_pipe_does_not_load_the_daemon(tmp_path: Path) -> None:
    modules = loaded("pipe", "--config", str(tmp_path / "none"), "--runtime", str(tmp_path), "--log", "/dev/null")

    assert "privet.tasks.pipe" in modules
    assert modules & {"asyncio", "rich", "structlog", "privet.daemon", "inotify_simple", "privet.tasks.replay"} == set()


def test_replay_for_programs_loads_no_table(tmp_path: Path) -> None:
    (tmp_path / "privet.toml").write_text('[source.web]\npipe = true\n[jail.one]\nsource = "web"\n')
    (tmp_path / "log").touch()
    modules = loaded("replay", "--json", "--config", str(tmp_path / "privet.toml"), str(tmp_path / "log"))

    assert "privet.core.engine" in modules
    assert modules & {"asyncio", "rich", "structlog", "privet.daemon", "inotify_simple"} == set()


def test_jails_that_count_requests_need_no_numpy(tmp_path: Path) -> None:
    config, log = tmp_path / "privet.toml", tmp_path / "log"
    config.write_text('[source.web]\npipe = true\nformat = "combined"\n[jail.one]\nsource = "web"\npath = "^/x"\n')
    log.write_text('192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET /x HTTP/1.1" 200 5 "-" "y"\n' * 1000)
    arguments = ("replay", "--json", "--config", str(config), str(log))

    assert "numpy" not in loaded(*arguments)
    config.write_text(config.read_text() + '[jail.two]\nsource = "web"\nkind = "swarm"\n')
    assert "numpy" in loaded(*arguments)


def test_a_daemon_waits_with_numpy() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import sys, privet.daemon.service\nprint('numpy' in sys.modules)"],
        capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    assert done.stdout == "False\n"
