"""What the command line makes of whoever answers at the control socket."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from privet.cli import client
from privet.cli.client import ask
from privet.cli.main import Failure, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[bytes | None], list[bytes]]]:
    """Answer one caller with some bytes, or (None) never; returns what he asks."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "control.sock"))
        server.listen()
        threads: list[threading.Thread] = []
        done = threading.Event()

        def answer(data: bytes | None) -> list[bytes]:
            asked: list[bytes] = []

            def work() -> None:
                connection, _ = server.accept()
                with connection:
                    asked.append(connection.recv(1 << 16))
                    if data is None:
                        done.wait(30)
                    else:
                        connection.sendall(data)

            threads.append(threading.Thread(target=work))
            threads[-1].start()
            return asked

        yield answer
        done.set()
        for thread in threads:
            thread.join(30)


def test_one_object_goes_and_one_comes(serve: Callable[[bytes | None], list[bytes]], tmp_path: Path) -> None:
    asked = serve(b'{"items": ["' + b"x" * 300_000 + b'"]}\n')

    assert ask(str(tmp_path), "bans", reveal=True) == {"items": ["x" * 300_000]}
    assert json.loads(asked[0]) == {"verb": "bans", "reveal": True}


@pytest.mark.parametrize(
    ("answer", "code", "message"),
    [
        (b'{"error": "not allowed"}\n', 77, "not allowed"),
        (b'{"error": "a request that cannot be answered"}\n', 2, "a request that cannot be answered"),
        (b"", 69, "the daemon does not run"),
        (b"HTTP/1.1 400 Bad Request\r\n", 2, "what answers is no daemon of this version"),
        (b"\xff\xfe", 2, "what answers is no daemon of this version"),
    ],
)
def test_answers_that_are_none_are_failures(
    serve: Callable[[bytes | None], list[bytes]], tmp_path: Path, answer: bytes, code: int, message: str
) -> None:
    serve(answer)

    with pytest.raises(Failure, match=message) as caught:
        ask(str(tmp_path), "status")

    assert caught.value.code == code


def test_who_never_answers_is_not_waited_for_for_ever(
    serve: Callable[[bytes | None], list[bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "PATIENCE", 0.1)
    serve(None)

    with pytest.raises(Failure, match="the daemon does not answer") as caught:
        ask(str(tmp_path), "status")

    assert caught.value.code == 2


def test_without_warnings_status_is_0(
    serve: Callable[[bytes | None], list[bytes]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = {"last_loss": None}
    state = {
        "since": 0,
        "warnings": [],
        "items": [],
        "firewall": place,
        "web": place,
        "slow": place,
        "feeds": [],
        "actions": [],
        "swarms": [],
        "alarms": [],
        "paused_until": None,
    }
    serve(json.dumps(state).encode() + b"\n")

    assert run(["status", "--json", "--runtime", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out)["since"] == "1970-01-01T00:00:00Z"


def test_a_socket_that_nobody_listens_to_is_a_daemon_that_does_not_run(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "control.sock"))

    with pytest.raises(Failure) as caught:
        ask(str(tmp_path), "status")
    assert caught.value.code == 69


CHILD = """
import os, sys
from privet.cli import client, status
from privet.cli.main import run
os.setresuid(65534, 65534, 65534)
sys.exit(run(["status", "--runtime", sys.argv[1]]))
"""


@pytest.mark.needs("root")
def test_others_have_no_permission(runtime: Path) -> None:
    runtime.parent.chmod(0o755)
    runtime.mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(runtime / "control.sock"))
        (runtime / "control.sock").chmod(0o600)
        server.listen()
        done = subprocess.run(
            [sys.executable, "-c", CHILD, runtime], capture_output=True, text=True, timeout=30, check=False
        )

    assert (done.returncode, done.stdout) == (77, "")
    assert done.stderr == f"privet: {runtime}/control.sock: only root and the daemon's own user may ask\n"
