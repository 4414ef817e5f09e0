"""A running Privet to measure: the daemon, and a `privet pipe` that is fed by the benchmark."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from bench.runs import PRIVET, ROOT, Failed, Settings, eventually, needs_namespaces

if TYPE_CHECKING:
    from types import TracebackType

USER = "nobody"
"""Whom the pipe becomes: every Debian has this user."""

PATIENCE = 30.0


class Guard:
    """A daemon with jails of its own, in a folder of its own; for use in a `with` statement.

    The source is `web`, an intake in the combined format; `firewall` is a backend.
    """

    def __init__(self, settings: Settings, jails: str, firewall: str) -> None:
        if firewall == "nftables":
            needs_namespaces("the kernel's firewall")
        self.folder = Path(tempfile.mkdtemp(prefix="guard-", dir=settings.folder))
        self.log = self.folder / "masked.log"
        self.said = self.folder / "daemon.log"
        self.config = self.folder / "privet.toml"
        self._runtime = Path(tempfile.mkdtemp(prefix="privet-bench-", dir=_memory()))
        for folder in (self.folder, self._runtime):
            folder.chmod(0o755)  # the pipe gives up root and must still find its sockets
        self.config.write_text(
            f'[daemon]\nruntime = "{self._runtime}"\nstate = "{self.folder}/state"\nuser = "{USER}"\n'
            f'[firewall]\nbackend = "{firewall}"\n'
            f'[source.web]\npipe = true\nformat = "combined"\nlog = "{self.log}"\n{jails}',
            encoding="utf-8",
        )
        self._kernel = firewall == "nftables"
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        if self._kernel:
            self._stack.callback(_empty)
        for folder in (self._runtime, self.folder):
            self._stack.callback(shutil.rmtree, folder, ignore_errors=True)
        self._stack.callback(self.stop)
        try:
            self.start()
        except Failed:
            self._stack.close()
            raise
        return self

    def start(self) -> None:
        """Start the daemon, and return when it answers."""
        with self.said.open("ab") as errors:
            self.daemon = subprocess.Popen([PRIVET, "run", "--config", self.config], stderr=errors, cwd=ROOT)
        eventually(self._running, "privet run", PATIENCE)

    def stop(self) -> None:
        """End the daemon; the kernel keeps its bans."""
        end(self.daemon)

    def lose_memory(self) -> None:
        """Do what a reboot does: nothing is left but the disk."""
        _empty()
        for path in self._runtime.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def pipe_command(self) -> list[str]:
        """Return the command of the pipe."""
        return [PRIVET, "pipe", "--config", str(self.config), "web"]

    def pipe(self) -> subprocess.Popen[bytes]:
        """Start a pipe, and return when the daemon knows it; lines go to its standard input."""
        errors = self._stack.enter_context((self.folder / "pipe.log").open("wb"))
        process = subprocess.Popen(self.pipe_command(), stdin=subprocess.PIPE, stderr=errors, bufsize=0, cwd=ROOT)
        self._stack.callback(end, process)
        eventually(lambda: bool(self.source()["pipes"]), "privet pipe", PATIENCE)
        return process

    def ask(self, verb: str, **request: object) -> dict[str, Any]:
        """Ask the daemon, as the command line does."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(PATIENCE)
            line.connect(str(self._runtime / "control.sock"))
            line.sendall(json.dumps({"verb": verb, **request}).encode() + b"\n")
            with line.makefile("rb") as answer:
                found: dict[str, Any] = json.loads(answer.readline())
        return found

    def run(self, verb: str, *words: str) -> subprocess.Popen[bytes]:
        """Start a verb of the command line that asks the daemon."""
        command = [PRIVET, verb, "--runtime", str(self._runtime), *words]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=ROOT)
        self._stack.callback(end, process)
        return process

    def status(self) -> dict[str, Any]:
        """Return what `privet status` tells."""
        return self.ask("status")

    def in_kernel(self) -> int:
        """Return how many bans the kernel has confirmed."""
        return int(self.status()["bans"]["in_kernel"])

    def source(self) -> dict[str, Any]:
        """Return what the daemon knows of the source."""
        found: dict[str, Any] = self.status()["items"][0]
        return found

    def settled(self, lines: int, within: float = 60.0) -> None:
        """Wait until the daemon has seen a number of lines, and the log holds them."""
        eventually(lambda: self.source()["lines"] >= lines, f"{lines:,} lines at the daemon", within, 0.05)
        eventually(lambda: self.log.read_bytes().count(b"\n") >= lines, f"{lines:,} lines in the log", within, 0.05)

    def _running(self) -> bool:
        if self.daemon.poll() is not None:
            said = self.said.read_text(errors="replace").strip().splitlines()
            raise Failed(f"privet run ended with {self.daemon.returncode}: {' | '.join(said[-3:])}")
        with suppress(OSError):
            self.status()
            return True
        return False


def write(pipe: subprocess.Popen[bytes], data: bytes) -> None:
    """Write lines to the standard input of a pipe."""
    view = memoryview(data)
    while view and pipe.stdin:
        view = view[pipe.stdin.write(view) or 0 :]


def _memory() -> str | None:
    """Return where day keys may lie."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  mkdtemp makes a folder of our own there


def _empty() -> None:
    """Take the bans out of the kernel, or else the next daemon would take them over."""
    subprocess.run(["nft", "add table inet privet; delete table inet privet"], check=True)


def end(process: subprocess.Popen[bytes]) -> None:
    """End what we started, gently if it can be."""
    if process.stdin:
        process.stdin.close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(0.5 if process.stdin else 0)
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
