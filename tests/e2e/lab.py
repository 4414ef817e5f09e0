"""A web server that Privet guards: everything that the tests with Apache and with nginx have in common.

What the administrator's pages in docs/ and the units in packaging/ say is what runs here; only the paths
are replaced.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.e2e.net import PATIENCE, SERVER4, SERVER6, run
from tests.privacy.search import leaks

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.e2e.net import Answer, Net

ROOT = Path(__file__).parents[2]
PROGRAM = f"{sys.executable} -m privet"
CLIENTS = re.compile(r"^(\S+) - ", re.MULTILINE)
IDS = re.compile(r"\?(?:\w+-\d+|last)\.")
NOISE = (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n", b"QUIT\r\n\r\n", b"GET /" + b"a" * 9000 + b"\r\n\r\n")
IN_FLIGHT = 0.15
"""Seconds. A pipe reads every 15 ms while lines flow, and has masked and written them not long after."""


class Page:
    """An administrator's page: its fenced blocks, and the files that those begin with the name of."""

    def __init__(self, name: str) -> None:
        text = (ROOT / "docs" / name).read_text()
        self.blocks = re.findall(r"^```(\w+)\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)

    def file(self, path: str) -> str:
        """Return the block whose first line is a comment with this path."""
        found: list[str] = [body for _, body in self.blocks if body.startswith(f"# {path}\n")]
        assert len(found) == 1, f"{len(found)} blocks begin with # {path}"
        return found[0]

    def commands(self, *verbs: str) -> list[list[str]]:
        """Return the words of the page's command lines that call these verbs of Privet."""
        lines = [line.split() for language, body in self.blocks if language == "sh" for line in body.splitlines()]
        return [words for words in lines if words[0] == "privet" and words[1] in verbs]


class Lab:
    """One server: `root` is on disk, `runtime` on tmpfs; whatever runs here must write below them only."""

    def __init__(self, net: Net, paths: dict[str, str]) -> None:
        self.net, self.root = net, Path(tempfile.mkdtemp(prefix="privet-e2e-"))
        self.runtime = Path(tempfile.mkdtemp(prefix="privet-e2e-", dir="/dev/shm"))  # a tmpfs
        self.roots = (self.root, self.runtime)
        for folder in (*self.roots, *(self.root / name for name in ("etc", "log", "tmp", "www"))):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o755)
        (self.root / "www" / "index.html").write_text("<p>Hello\n")
        self.config = self.root / "etc" / "privet.toml"
        self.user = "privet" if re.search("^privet:", Path("/etc/passwd").read_text(), re.MULTILINE) else "nobody"
        self.strays: set[str] = set()
        self._paths = {
            "/usr/local/bin/privet": PROGRAM,
            "/run/privet": str(self.runtime),
            "/var/lib/privet": str(self.root / "state"),
            **{path: str(self.root / below) for path, below in paths.items()},
        }
        self._environment = {
            **os.environ,
            "PATH": os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]),
            "PRIVET_CONFIG": str(self.config),
            "PRIVET_RUNTIME": str(self.runtime),
            "PRIVET_STATE": str(self.root / "state"),
            "TMPDIR": str(self.root / "tmp"),
        }
        self._started: list[subprocess.Popen[bytes]] = []

    def here(self, text: str) -> str:
        """Return text of a page with the paths of this lab."""
        for path, replacement in self._paths.items():
            text = text.replace(path, replacement)
        return text

    def configure(self, text: str) -> None:
        """Write privet.toml; where there is no user `privet`, `privet pipe` becomes nobody."""
        self.config.write_text(text + (f'[daemon]\nuser = "{self.user}"\n' if self.user != "privet" else ""))

    # What runs

    def spawn(self, *command: str, log: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start a program in the server's namespace, with its output in a file of the log folder.

        When it crashes it leaves a core file, unless it has forbidden that.
        """
        with (self.root / "log" / log).open("ab") as output:
            process = subprocess.Popen(
                ["nsenter", f"--net=/run/netns/{self.net.server.name}", "prlimit", "--core=unlimited", *command],
                cwd=self.root / "tmp",
                env=self._environment | environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self._started.append(process)
        return process

    def start_unit(self, name: str, instance: str = "", override: str = "") -> subprocess.Popen[bytes]:
        """Start what a systemd unit starts, with no more capabilities than it leaves, and wait until it is ready."""
        text = (ROOT / "packaging" / name).read_text() + override
        unit = dict(re.findall(r"^(\w+)=(.*)$", text, flags=re.MULTILINE))
        assert unit["Type"] == "notify"
        capabilities = unit["CapabilityBoundingSet"].lower().replace("cap_", "+").split()
        bounds = ["setpriv", "--no-new-privs", f"--bounding-set=-all,{','.join(capabilities)}"]
        command = shlex.split(self.here(unit["ExecStart"].replace("%i", instance)))
        path = self.root / "tmp" / f"notify-{len(self._started)}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(str(path))
            path.chmod(0o777)
            notify.settimeout(PATIENCE)
            process = self.spawn(*bounds, *command, log=f"{name}.log", NOTIFY_SOCKET=str(path))
            assert notify.recv(4096) == b"READY=1"
        return process

    def start_daemon(self) -> None:
        """Start the unit of the daemon."""
        self.daemon = self.start_unit("privet.service")

    def kill(self, process: subprocess.Popen[bytes], how: signal.Signals = signal.SIGKILL) -> None:
        """End a process without a chance to say good-bye."""
        process.send_signal(how)
        process.wait(timeout=10)

    def pipes(self, word: str = "pipe") -> list[int]:
        """Return the processes of `privet pipe` whose arguments include a word."""
        found = []
        for pid in self.net.server.pids():
            with suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
                if words[1:4] == [*PROGRAM.split()[1:], "pipe"] and word in words:
                    found.append(pid)
        return found

    def stop(self) -> None:
        """End everything that runs in the server's namespace, take the firewall down, and the files away."""
        for pid in self.net.server.pids():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for process in self._started:
            process.wait(timeout=10)
        self.net.server(run, "nft", "flush", "ruleset")
        for root in self.roots:
            shutil.rmtree(root)

    # What it says

    def privet(self, *words: str) -> tuple[int, str]:
        """Call a verb; return exit code and output."""
        command = ["nsenter", f"--net=/run/netns/{self.net.server.name}", *PROGRAM.split(), *words]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False, timeout=30)
        return done.returncode, done.stdout + done.stderr

    def ask(self, verb: str, *words: str) -> dict[str, Any]:
        """Return what a verb says as JSON."""
        code, text = self.privet(verb, "--json", *words)
        assert code in (0, 1), text
        answer: dict[str, Any] = json.loads(text)
        return answer

    def balanced(self) -> dict[str, Any]:
        """Return the status, after a look at its sums."""
        status = self.ask("status")
        bans = status["bans"]
        ends = ("in_kernel", "waiting", "expired", "unbanned", "superseded", "refused", "failed")
        assert bans["ordered"] == sum(bans[end] for end in ends)
        for source in status["items"]:
            assert source["lines"] == source["parsed"] + source["ignored"] + sum(source["unparsed"].values())
        return status

    def closed(self) -> set[str]:
        """Return whom the kernel shuts out, as nft tells."""
        listing = self.net.server(run, "nft", "-j", "list", "ruleset")
        sets = [item["set"] for item in json.loads(listing)["nftables"] if "set" in item]
        bans = [one for one in sets if one["name"].startswith(("v4_", "v6_"))]
        elements = [element for one in bans for element in one.get("elem", [])]
        return {one if isinstance(one, str) else str(one["elem"]["val"]) for one in elements}  # the former: for good

    # What it writes

    def log(self, *names: str) -> str:
        """Return logs; one that is not there is empty."""
        return "".join(path.read_text() for path in (self.root / "log" / name for name in names) if path.exists())

    def ids(self, *names: str) -> Counter[str]:
        """Count each request that can be told from others, as `net.targets` makes them, in logs."""
        return Counter(IDS.findall(self.log(*names)))

    def has_open(self, pid: int, path: Path) -> bool:
        """Tell whether a process has a file open."""
        return any(link.exists() and link.samefile(path) for link in Path(f"/proc/{pid}/fd").iterdir())

    def look_for_strays(self) -> None:
        """Add to `strays` what is open for writing outside of the roots."""
        for pid in self.net.server.pids():
            for link in Path(f"/proc/{pid}/fd").iterdir():
                with suppress(OSError):
                    target, flags = link.readlink(), Path(f"/proc/{pid}/fdinfo", link.name).read_text()
                    writes = int(flags.split("flags:")[1].split()[0], 8) & os.O_ACCMODE != os.O_RDONLY
                    below = any(target.is_relative_to(root) for root in self.roots)
                    if writes and stat.S_ISREG(link.stat().st_mode) and not below:
                        self.strays.add(str(target))

    def leaks(self) -> list[tuple[Path, str]]:
        """Return every address of a visitor in whatever was written, in whatever spelling."""
        return leaks(self.roots, self.net.addresses)

    def probe(self) -> int:
        """Put addresses where visitors can, and send what is no request; return how often each page was asked for."""
        writer, other = self.net.visitors[2:4]
        escaped = other.v4.replace(".", "%2E"), other.v6.replace(":", "%3a")
        places = (other.v4, other.v6, f"[{other.v6}]:8080", f"::ffff:{other.v4}", *escaped)
        for server in (SERVER4, SERVER6):
            for place in places:
                headers = {"X-Forwarded-For": place, "Referer": f"http://{place}/", "User-Agent": f"Probe ({place})"}
                assert writer.ask(f"/?from={place}", server, headers=headers).status == 200
                assert writer.ask(f"/denied/{place}", server, headers=headers).status == 403
            for noise in NOISE:
                writer.shout(server, noise)
        return 2 * len(places)


def lost(answers: Iterable[Answer], logged: Counter[str], gaps: Iterable[tuple[float, float]]) -> list[str]:
    """Return the requests that no line tells of, but for those answered within gaps; no line may come twice."""
    assert set(logged.values()) == {1}
    gaps = list(gaps)
    return [
        answer.target
        for answer in answers
        if answer.target[1:] not in logged and not any(begin <= answer.at <= end for begin, end in gaps)
    ]


def pipes_ready(lab: Lab) -> bool:
    """Tell whether there are two pipes that have answers to SIGTERM, which is what they begin to work with."""
    return sum(map(_answers_sigterm, lab.pipes())) == 2


def _answers_sigterm(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    ignored, caught = (int(mask, 16) for mask in re.findall(r"^Sig(?:Ign|Cgt):\t(\w+)$", status, flags=re.MULTILINE))
    return bool((ignored | caught) >> (signal.SIGTERM - 1) & 1)
