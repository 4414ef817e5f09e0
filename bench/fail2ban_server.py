"""fail2ban's server as its package ships it, unpacked and not installed, with one jail and nftables."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from bench.guard import end
from bench.kernel import Watch
from bench.logs import line
from bench.peer import APACHE_DATE, LIBRARY
from bench.runs import ROOT, Failed, Skip, eventually, memory_of, needs_namespaces

if TYPE_CHECKING:
    from types import TracebackType

    from bench.runs import Settings

PATIENCE = 60.0
JAIL = """[trap]
enabled = true
port = http,https
filter = trap
maxretry = 1
findtime = 60
bantime = 600
action = nftables[type=multiport, name=trap, port="http,https", protocol=tcp]
"""


class Fail2ban:
    """A server that bans whoever asks for /trap; for use in a `with` statement."""

    def __init__(self, settings: Settings) -> None:
        needs_namespaces("fail2ban's server")
        if not (settings.peers / "fail2ban").is_dir():
            raise Skip("fail2ban is not unpacked: scripts/fetch-peer fail2ban")
        self.folder = settings.folder / "fail2ban"
        self.log = self.folder / "access.log"
        self.said = self.folder / "fail2ban.log"
        self.backend = "pyinotify" if (settings.peers / "python3-pyinotify").is_dir() else "polling"
        self._package = settings.peers / "fail2ban"
        self._libraries = [str(settings.peers / name / LIBRARY) for name in ("fail2ban", "python3-pyinotify")]
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._configure()
        self._stack.callback(shutil.rmtree, self.folder)
        program = [sys.executable, str(self._package / "usr/bin/fail2ban-server"), "-f"]
        places = {"-c": "etc", "-s": "socket", "-p": "pid", "--logtarget": self.said.name}
        words = [word for option, name in places.items() for word in (option, str(self.folder / name))]
        self.process = subprocess.Popen(
            [*program, *words],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(self._libraries)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
        )
        self._stack.callback(end, self.process)
        try:
            eventually(self._running, "fail2ban", PATIENCE)
        except Failed:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def append(self, text: bytes) -> None:
        """Write to the log that the server reads."""
        with self.log.open("ab") as log:
            log.write(text)

    def _running(self) -> bool:
        return self.said.exists() and "Jail 'trap' started" in self.said.read_text()

    def _configure(self) -> None:
        etc = self.folder / "etc"
        shutil.copytree(self._package / "etc/fail2ban", etc)
        shutil.rmtree(etc / "jail.d")
        self.log.touch()
        failure = f'[Definition]\nfailregex = ^<HOST> .*"GET /trap \ndatepattern = {APACHE_DATE}\n'
        (etc / "filter.d/trap.conf").write_text(failure)
        (etc / "jail.local").write_text(f"{JAIL}backend = {self.backend}\nlogpath = {self.log}\n")
        (etc / "fail2ban.local").write_text(f"[DEFAULT]\ndbfile = {self.folder / 'fail2ban.sqlite3'}\n")


def delays(settings: Settings, offenders: int) -> tuple[list[float], int]:
    """Return the milliseconds from line to kernel of single offenders, and the bytes of memory when it was idle."""
    rng, found = random.Random(1), []
    with Fail2ban(settings) as server, Watch() as watch:
        time.sleep(2)
        memory = memory_of(server.process.pid)
        for number in range(offenders + 1):
            time.sleep(rng.uniform(0.5, 1.5))
            began = time.perf_counter()
            server.append(line(number, "/trap"))
            watch.wait(number + 1, PATIENCE)
            found.append(1e3 * (max(watch.came.values()) - began))
    return found[1:], memory  # with the first ban it makes its table


def crowd(settings: Settings, offenders: int) -> float:
    """Return the seconds until all of many offenders are in the kernel."""
    with Fail2ban(settings) as server, Watch() as watch:
        began = time.perf_counter()
        server.append(b"".join(line(number, "/trap") for number in range(offenders)))
        watch.wait(offenders, PATIENCE)
        return max(watch.came.values()) - began
