"""Privet's own processes in tests: started, spoken to, waited for, and ended whatever happens."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, TypeVar

from privet.core.wire import Hello, Lines, pack_hello, pack_lines

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

T = TypeVar("T")

PRIVET = (sys.executable, "-m", "privet")
PATIENCE = 30.0  # seconds: long enough for a machine that is busy with other things
MYSELF = pwd.getpwuid(os.geteuid()).pw_name
"""The user to be, so that root may reopen files in tests."""

JAIL = """
[jail.leech]
source = "web"
findtime = "60s"
maxretry = 3
bantime = "10m"
"""


def config(runtime: Path, sources: str, jails: str = JAIL, user: str = MYSELF) -> str:
    """Return a configuration with the null firewall."""
    return (
        f'[daemon]\nruntime = "{runtime}"\nstate = "{runtime.parent}/state"\nuser = "{user}"\n'
        '[firewall]\nbackend = "null"\n'
        f"[source.web]\n{sources}\n{jails}"
    )


def line(client: str, path: str = "/", status: int = 200, at: float | None = None) -> str:
    """Return one line of the format combined, without its newline."""
    stamp = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(at))
    return f'{client} - - [{stamp}] "GET {path} HTTP/1.1" {status} 5 "-" "Mozilla/5.0"'


def until(condition: Callable[[], T], seconds: float = PATIENCE) -> T:
    """Return the first true answer of a condition; fail when there is none in time."""
    end = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.01)
    return answer


def privet(*arguments: str | Path, text: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a verb to its end."""
    return subprocess.run(
        [*PRIVET, *map(str, arguments)],
        input=text,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        env=os.environ | environment,
    )


class Running:
    """A verb that goes on: its standard input is open, its standard error goes to a file."""

    def __init__(self, errors: Path, arguments: Sequence[str | Path], prefix: Sequence[str] = ()) -> None:
        self.errors = errors
        with errors.open("ab") as file:
            self.process = subprocess.Popen(
                [*prefix, *PRIVET, *map(str, arguments)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=file,
                bufsize=0,
            )

    @property
    def said(self) -> str:
        """What stands on standard error so far."""
        return self.errors.read_text()

    def write(self, text: str) -> None:
        """Write to its standard input."""
        assert self.process.stdin
        self.process.stdin.write(text.encode())

    def close(self) -> int:
        """End its standard input, and return its exit code."""
        assert self.process.stdin
        self.process.stdin.close()
        return self.process.wait(PATIENCE)

    def end(self, number: signal.Signals) -> int:
        """Send a signal, and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


@contextlib.contextmanager
def running(errors: Path, *arguments: str | Path, prefix: Sequence[str] = ()) -> Iterator[Running]:
    """Start a verb, and kill it at the end if it is still there."""
    verb = Running(errors, arguments, prefix)
    try:
        yield verb
    finally:
        verb.process.kill()
        verb.process.wait(PATIENCE)
        assert verb.process.stdin
        verb.process.stdin.close()


@contextlib.contextmanager
def daemon(config_path: Path, runtime: Path) -> Iterator[Running]:
    """Start the daemon, and wait until it answers."""
    with running(config_path.with_name("daemon.log"), "run", "--config", config_path, "--runtime", runtime) as verb:
        until(lambda: verb.process.poll() is not None or (runtime / "control.sock").exists())
        assert verb.process.poll() is None, verb.said
        until(lambda: '"running"' in verb.said)
        yield verb


def ask(runtime: Path, verb: str, **request: object) -> dict[str, Any]:
    """Ask a daemon as the command line does."""
    answer: dict[str, Any] = json.loads(speak(runtime, json.dumps({"verb": verb, **request}).encode() + b"\n"))
    return answer


def speak(runtime: Path, data: bytes, *, hang_up: bool = False) -> bytes:
    """Send bytes to the control socket; return all that comes back."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE)
        connection.connect(str(runtime / "control.sock"))
        answer = []
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(data)
            if hang_up:
                connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            while part := connection.recv(1 << 16):
                answer.append(part)
        return b"".join(answer)


@contextlib.contextmanager
def connected(runtime: Path) -> Iterator[socket.socket]:
    """Connect to the intake as a pipe does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.connect(str(runtime / "intake.sock"))
        connection.settimeout(PATIENCE)
        yield connection


def hand_over(connection: socket.socket, *messages: Hello | Lines) -> None:
    """Send messages to the intake."""
    for message in messages:
        connection.send(pack_hello(message) if isinstance(message, Hello) else pack_lines(message))
