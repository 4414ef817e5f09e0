"""A daemon and its pipes at home on one folder, everything that they write, and what of it gives a client away.

The same `findings` are asked of an honest home, and of homes with leaks planted in them: `plant` is code that every
process runs before Privet's own, with its verb as `verb`.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pyrage

from tests.privacy.search import leaks, spellings
from tests.unit.processes import MYSELF, ask, line, speak, until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

V4, V6, BANNED = "203.0.113.77", "2001:db8:a:b::7", "198.51.100.77"
ADDRESSES = (V4, V6, BANNED)
KEY = pyrage.x25519.Identity.generate()
CONFIG = """\
[daemon]
runtime = "{home.runtime}"
state = "{home.disk}/state"
user = "{user}"
[firewall]
backend = "null"
[escrow]
recipient = "{recipient}"
[source.web]
pipe = true
log = "{home.disk}/log/web.log"
[jail.leech]
source = "web"
findtime = "60s"
maxretry = 3
bantime = "10m"
"""
LAUNCHER = """\
import resource, sys
_, most = resource.getrlimit(resource.RLIMIT_CORE)
resource.setrlimit(resource.RLIMIT_CORE, (most, most))  # a crash leaves a core file, unless Privet forbids it
verb = sys.argv[1]
{plant}
from privet.cli.main import main
main()
"""
MASKED_TOO = ("plain", "expanded", "percent", "percent twice", "percent all")


def forms(address: str) -> list[str]:
    """Return the ways to write an address in which it must be masked wherever it stands."""
    spelt = [word.decode() for name, word in spellings(address).items() if name in MASKED_TOO]
    reverse = ip_address(address).reverse_pointer
    if ":" in address:
        return [*spelt, f"[{address}]:443", f"{address}%eth0", address.upper(), reverse]
    names = [f"ec2-{address.replace('.', '-')}.example.net", reverse]
    return [*spelt, f"{address}:4711", f"::ffff:{address}", f"[::ffff:{address}]:80", *names]


def lines() -> Iterator[str]:
    """Yield what visitors make a web server log: requests, and what is none, with addresses in every place."""
    for client in (V4, V6, f"::ffff:{V4}"):
        for form in [form for address in (V4, V6) for form in forms(address)]:
            yield line(client, f"/?from={form}")
            yield line(client).replace('"-"', f'"http://{form}/"').replace("Mozilla/5.0", f"Mozilla ({form})")
            yield f"{client} no request at all, from {form}"
            yield f'{client} - {form} [22/Nov/2026 "GET'
    yield "x" * 70_000 + V4
    yield f'{{"remote_ip": "{V4}", "request": {{"headers": {{"X-Forwarded-For": ["{V6}"]}}'
    yield f"\x16\x03\x01 {V4} \xff\xfe {V6}"


def errors() -> Iterator[str]:
    """Yield what a web server writes into its error log."""
    for form in [form for address in (V4, V6) for form in forms(address)]:
        yield f"[Sun Nov 22 16:52:34.12 2026] [core:error] [pid 7] [client {form}] AH00135: Invalid method {form}"
        yield f'2026/11/22 16:52:34 [error] 7#7: *1 forbidden by rule, client: {form}, request: "GET /{form}"'


class Home:
    """One home. `prefix` stands before every command, such as one that enters a network namespace."""

    def __init__(self, folder: Path, plant: str = "", prefix: Sequence[str] = ()) -> None:
        self.disk, self.memory = folder / "disk", Path(tempfile.mkdtemp(prefix="privet-home-", dir="/dev/shm"))
        self.runtime, self.config = self.memory / "run", self.disk / "privet.toml"
        for name in ("log", "tmp"):
            (self.disk / name).mkdir(parents=True)
        launcher = folder / "launcher.py"
        launcher.write_text(LAUNCHER.format(plant=plant))
        self._command = [*prefix, sys.executable, str(launcher)]
        self._started: list[subprocess.Popen[bytes]] = []
        self._seen: set[str] = set()
        self.config.write_text(CONFIG.format(home=self, user=MYSELF, recipient=KEY.to_public()))

    def __enter__(self) -> Self:
        self.daemon = self.start("daemon", "run", "--config", str(self.config))
        until(lambda: (self.runtime / "control.sock").exists() or self.daemon.poll() is not None)
        assert self.daemon.poll() is None, self.said("daemon")
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._started:
            process.kill()
            process.wait(10)
            if process.stdin:
                with suppress(BrokenPipeError):
                    process.stdin.close()
        shutil.rmtree(self.memory)

    def start(self, name: str, *words: str) -> subprocess.Popen[bytes]:
        """Start a verb, with what it says in a file of the log folder."""
        with (self.disk / "log" / f"{name}.err").open("ab") as output:
            process = subprocess.Popen(
                [*self._command, *words],
                cwd=self.disk / "tmp",
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env=self._environment,
            )
        self._started.append(process)
        return process

    @property
    def _environment(self) -> dict[str, str]:
        return os.environ | {"PRIVET_RUNTIME": str(self.runtime), "TMPDIR": str(self.disk / "tmp")}

    def pipe(self, name: str, *words: str) -> subprocess.Popen[bytes]:
        """Start a pipe."""
        return self.start(name, "pipe", "--config", str(self.config), *words, "web")

    def said(self, name: str) -> str:
        """Return what a verb has said."""
        return (self.disk / "log" / f"{name}.err").read_text(errors="replace")

    def verb(self, *words: str, text: str = "") -> None:
        """Run a verb to its end; what it says is in the log folder."""
        process = self.start("said", *words)
        process.communicate(text.encode(), timeout=30)

    def live(self) -> None:
        """Spend a day of much trouble, and come to an end."""
        access, error = self.pipe("web"), self.pipe("error", "--lines", "--log", str(self.disk / "log/error.log"))
        for process, content in ((access, lines()), (error, errors())):
            feed(process, content)
        self.verb("ban", "-", "--why", "tried", text=f"{BANNED}\n{V6}\n")
        speak(self.runtime, f'{{"verb": "ban", "subjects": ["{V4}", "nonsense {V6}"]}}\n{BANNED}'.encode())
        with suppress(AssertionError):
            until(lambda: ask(self.runtime, "status")["items"][0]["parsed"] >= 70, seconds=3)
        until((self.disk / "log/error.log").exists)
        self.look_at_processes()
        error.send_signal(signal.SIGABRT)
        for process in (access, error):
            process.communicate(timeout=30)
        for words in (["bans"], ["status"], ["jails"], ["bans", "--json"], ["why", "-"], ["unban", "-"]):
            self.verb(*words, text=f"{BANNED}\n" if words[-1] == "-" else "")
        self.look_at_processes()
        self.daemon.terminate()
        assert self.daemon.wait(30) == 0, self.said("daemon")

    def look_at_processes(self) -> None:
        """Note whatever gives a client away in arguments, environments and limits of all that runs here."""
        for pid in self._family():
            place = Path(f"/proc/{pid}")
            with suppress(OSError):  # it has ended
                name = place.joinpath("comm").read_text().strip()
                for what in ("cmdline", "environ"):
                    data = place.joinpath(what).read_bytes()
                    self._seen |= {f"{what} of {name}" for one in ADDRESSES if one.encode() in data}
                limits = place.joinpath("limits").read_text().splitlines()
                core = next(text.split()[4] for text in limits if text.startswith("Max core file size"))
                self._seen |= {f"{name} may leave a core file"} if name.startswith("python") and core != "0" else set()

    def _family(self) -> Iterator[int]:
        waiting = [process.pid for process in self._started if process.poll() is None]
        while waiting:
            pid = waiting.pop()
            yield pid
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                with suppress(OSError):
                    waiting += map(int, children.read_text().split())

    def findings(self) -> list[str]:
        """Return everything that gives a client away: file and spelling, or process and how."""
        found = leaks([self.disk, self.memory], ADDRESSES)
        files = [
            f"{path.relative_to(self.disk.parent if self.disk in path.parents else '/')}: {how}" for path, how in found
        ]
        cores = [f"core file {path.name}" for path in self.disk.rglob("core*") if path.is_file()]
        return sorted({*files, *cores, *self._seen})


def feed(process: subprocess.Popen[bytes], content: Iterator[str]) -> None:
    """Write lines to a process, which may end meanwhile, and wait a moment until it has read them."""
    assert process.stdin
    with suppress(BrokenPipeError):
        for text in content:
            process.stdin.write(text.encode("latin-1") + b"\n")
        process.stdin.flush()
    time.sleep(0.2)
