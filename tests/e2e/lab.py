"""A small network made for a test: a web server that Privet guards, and ten visitors with addresses of their own.

    visitor 0 … visitor 9 ── bridge in the server's namespace

Every visitor is a network namespace with one IPv4 address, and one IPv6 address in a /64 of its own.
What an administrator's page in docs/ says is what runs here; only its paths are replaced.
"""

from __future__ import annotations

import ctypes
import itertools
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
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, TypeVar

from tests.privacy.search import leaks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from threading import Event

P = ParamSpec("P")
T = TypeVar("T")

ROOT = Path(__file__).parents[2]
CLONE_NEWNET = 0x40000000
PROGRAM = f"{sys.executable} -m privet"
SERVER4, SERVER6 = "192.0.2.1", "2001:db8:e2e::1"
VISITORS = 10
PATIENCE = 15.0  # seconds until something that must happen has happened
BANNED = 0  # the status of a request that nobody answered


def run(*command: str, text: str | None = None) -> str:
    """Run a program that must succeed; return what it printed."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout


def until(condition: Callable[[], T], what: str, patience: float = PATIENCE) -> T:
    """Wait for a condition; return what it returned."""
    end = time.monotonic() + patience
    while not (found := condition()):
        assert time.monotonic() < end, f"after {patience:.0f} s still not: {what}"
        time.sleep(0.05)
    return found


class Namespace:
    """A network namespace with a thread that lives in it."""

    def __init__(self, name: str) -> None:
        self.name = f"pv{os.getpid()}{name}"
        run("ip", "netns", "add", self.name)
        self._pool = ThreadPoolExecutor(1, initializer=self._enter)

    def _enter(self) -> None:
        with Path("/run/netns", self.name).open("rb") as handle:
            if ctypes.CDLL(None, use_errno=True).setns(handle.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")

    def start(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have a function called in the namespace, after what was started before."""
        return self._pool.submit(function, *args, **kwargs)

    def __call__(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function in the namespace."""
        return self.start(function, *args, **kwargs).result(timeout=50)

    def pids(self) -> list[int]:
        """Return the processes that live there."""
        return list(map(int, run("ip", "netns", "pids", self.name).split()))

    def remove(self) -> None:
        """Let go of the namespace, which ends it and every link into it."""
        self._pool.shutdown()
        run("ip", "netns", "del", self.name)


class Answer(NamedTuple):
    """What came back for a request: the status (BANNED for silence) and after how many seconds."""

    status: int
    seconds: float
    target: str


class Visitor:
    """Somebody with a browser. `v4` and `v6` are his addresses; `banned` patience is that of a request."""

    def __init__(self, number: int) -> None:
        self.v4, self.v6 = f"192.0.2.{number + 11}", f"2001:db8:e2e:{number + 0xA1:x}::5"
        self.space = Namespace(f"v{number}")

    def ask(
        self, target: str, server: str = SERVER4, *, patience: float = 5.0, headers: dict[str, str] | None = None
    ) -> Answer:
        """Make one request, with a connection of its own."""
        return self.space(request, server, target, patience, headers or {})

    def burst(self, targets: Iterable[str], server: str = SERVER4, pause: float = 0.0) -> Future[list[Answer]]:
        """Begin to make requests one after the other."""

        def work() -> list[Answer]:
            answers = []
            for target in targets:
                answers.append(request(server, target, 5.0, {}))
                time.sleep(pause)
            return answers

        return self.space.start(work)

    def shout(self, server: str, data: bytes) -> bytes:
        """Send bytes as they are and return what comes back until the server hangs up."""

        def work() -> bytes:
            with socket.create_connection((server, 80), timeout=5.0) as connection:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                return b"".join(iter(lambda: connection.recv(65536), b""))

        return self.space(work)

    def download(self, server: str, target: str, pause: Event) -> Future[int]:
        """Begin to take a large file, and go on with it after a pause; give its size."""

        def work() -> int:
            connection = HTTPConnection(server, 80, timeout=20)
            connection.request("GET", target, headers={"Host": "www.example.org", "Connection": "close"})
            answer = connection.getresponse()
            size = len(answer.read(4096))
            pause.wait(timeout=30)
            size += len(answer.read())
            connection.close()
            return size

        return self.space.start(work)

    def leech(self, target: str, server: str) -> int:
        """Ask for one thing again and again until nobody answers; return the answers got."""

        def work() -> int:
            end = time.monotonic() + PATIENCE
            for count in itertools.count():
                if not request(server, target, 0.7, {}).status:
                    return count
                assert time.monotonic() < end, f"served {count} times, and still welcome"
            raise AssertionError

        return self.space(work)

    def can_come(self, server: str) -> bool:
        """Tell whether a request is answered, and soon."""
        return self.ask("/come", server, patience=0.4).status != BANNED


def request(server: str, target: str, patience: float, headers: dict[str, str]) -> Answer:
    """Make a request from the namespace of the calling thread."""
    began = time.monotonic()
    connection = HTTPConnection(server, 80, timeout=patience)
    try:
        connection.request("GET", target, headers={"Host": "www.example.org", "Connection": "close", **headers})
        answer = connection.getresponse()
        answer.read()
        status = answer.status
    except TimeoutError:
        status = BANNED
    except HTTPException as error:
        raise AssertionError(f"the server hung up: {error!r}") from error
    finally:
        connection.close()
    return Answer(status, time.monotonic() - began, target)


class Net:
    """The namespaces of server and visitors."""

    def __init__(self) -> None:
        self.all: list[Namespace] = []
        self.visitors: list[Visitor] = []

    def build(self) -> None:
        """Make the namespaces and the bridge that they meet at."""
        self.server = Namespace("s")
        self.all.append(self.server)
        script = [
            "link set lo up",
            "link add br0 type bridge stp_state 0 mcast_snooping 0",
            "link set br0 up",
            f"address add {SERVER4}/24 dev br0",
            f"address add {SERVER6}/128 dev br0 nodad",
        ]
        for number in range(VISITORS):
            visitor = Visitor(number)
            self.visitors.append(visitor)
            self.all.append(visitor.space)
            network = visitor.v6.replace("::5", "::/64")
            script += [
                f"link add v{number} type veth peer name up0 netns {visitor.space.name}",
                f"link set v{number} master br0 up",
                f"route add {network} dev br0",
            ]
        run("ip", "-n", self.server.name, "-batch", "-", text="\n".join(script))
        for visitor in self.visitors:
            steps = [
                "link set lo up",
                "link set up0 up",
                f"address add {visitor.v4}/24 dev up0",
                f"address add {visitor.v6}/64 dev up0 nodad",
                f"route add {SERVER6} dev up0",
            ]
            run("ip", "-n", visitor.space.name, "-batch", "-", text="\n".join(steps))

    def remove(self) -> None:
        """End every process in the server's namespace, and all namespaces."""
        for namespace in self.all:
            namespace.remove()

    def sysctl(self, name: str, value: str) -> None:
        """Set what the kernel keeps per network namespace."""
        self.server(Path("/proc/sys", *name.split(".")).write_text, value)

    @property
    def addresses(self) -> list[str]:
        """Every address that no file may hold."""
        return [address for visitor in self.visitors for address in (visitor.v4, visitor.v6)]


class Page:
    """An administrator's page: its fenced blocks, and the files that those begin with the name of."""

    def __init__(self, name: str) -> None:
        text = (ROOT / "docs" / name).read_text()
        self.blocks = re.findall(r"^```(\w+)\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)

    def file(self, path: str) -> str:
        """Return the block whose first line is a comment with this path."""
        (found,) = (body for _, body in self.blocks if re.match(rf"# {re.escape(path)}\b", body))
        return found

    def commands(self, word: str) -> list[str]:
        """Return the command lines of the page that begin with a word."""
        lines = [line for language, body in self.blocks if language == "sh" for line in body.splitlines()]
        return [line for line in lines if line.split(" ")[0] == word]


class Lab:
    """One server under one roof: `root` is on disk, `runtime` on tmpfs; everything that runs writes below them."""

    def __init__(self, net: Net, paths: dict[str, str]) -> None:
        self.net, self.root = net, Path(tempfile.mkdtemp(prefix="privet-e2e-"))
        self.runtime = Path(tempfile.mkdtemp(prefix="privet-e2e-", dir="/dev/shm"))  # noqa: S108  a tmpfs
        self.roots = (self.root, self.runtime)
        for folder in (*self.roots, self.root / "log", self.root / "etc", self.root / "www", self.root / "tmp"):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o755)
        (self.root / "www" / "index.html").write_text("<p>Hello\n")
        self.config = self.root / "etc" / "privet.toml"
        self.daemon: subprocess.Popen[bytes] | None = None
        self.strays: set[str] = set()
        self._paths = {
            "/usr/local/bin/privet": PROGRAM,
            "/etc/privet/privet.toml": str(self.config),
            "/run/privet": str(self.runtime),
            **{path: str(self.root / below) for path, below in paths.items()},
        }
        self._environment = {
            **os.environ,
            "PATH": os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]),
            "PRIVET_CONFIG": str(self.config),
            "PRIVET_RUNTIME": str(self.runtime),
            "TMPDIR": str(self.root / "tmp"),
        }
        self._started: list[subprocess.Popen[bytes]] = []

    # What runs

    def here(self, text: str) -> str:
        """Return text of a page with the paths of this lab."""
        for path, replacement in self._paths.items():
            text = text.replace(path, replacement)
        return text

    def configure(self, text: str) -> None:
        """Write privet.toml; where there is no user `privet`, `privet pipe` becomes another one."""
        users = Path("/etc/passwd").read_text()
        user = "" if re.search("^privet:", users, re.MULTILINE) else '[daemon]\nuser = "nobody"\n'
        self.config.write_text(self.here(text) + user)

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

    def start_unit(self, name: str, instance: str = "") -> subprocess.Popen[bytes]:
        """Start what a systemd unit starts, with no more capabilities than it leaves, and wait until it is ready."""
        unit = dict(re.findall(r"^(\w+)=(.*)$", (ROOT / "packaging" / name).read_text(), flags=re.MULTILINE))
        assert unit["Type"] == "notify"
        capabilities = unit["CapabilityBoundingSet"].lower().replace("cap_", "+").split()
        command = shlex.split(self.here(unit["ExecStart"].replace("%i", instance)))
        path = self.root / "tmp" / f"notify-{len(self._started)}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(str(path))
            path.chmod(0o777)
            notify.settimeout(PATIENCE)
            bounds = ["setpriv", "--no-new-privs", f"--bounding-set=-all,{','.join(capabilities)}"]
            process = self.spawn(*bounds, *command, log=f"{name}.log", NOTIFY_SOCKET=str(path))
            assert notify.recv(4096) == b"READY=1"
        return process

    def start_daemon(self) -> None:
        """Start `privet run` as the unit does."""
        self.daemon = self.start_unit("privet.service")

    def kill_daemon(self, how: signal.Signals) -> None:
        """End the daemon without a chance to say good-bye."""
        assert self.daemon
        self.daemon.send_signal(how)
        self.daemon.wait(timeout=10)

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
        return {str(element["elem"]["val"]) for one in sets for element in one.get("elem", [])}

    def pipes(self, word: str = "") -> list[int]:
        """Return the processes of `privet pipe` whose arguments include a word."""
        found = []
        for pid in self.net.server.pids():
            with suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
                if words[1:4] == [*PROGRAM.split()[1:], "pipe"] and (not word or word in words):
                    found.append(pid)
        return found

    def pipes_ready(self) -> bool:
        """Tell whether there are two pipes that have become another user, which is what they do last."""
        return sum("\nUid:\t0\t" not in process_status(pid) for pid in self.pipes()) == 2

    # What it wrote

    def log(self, name: str = "access.log") -> str:
        """Return a log, "" while it is not there."""
        path = self.root / "log" / name
        return path.read_text() if path.exists() else ""

    def logged(self, pattern: str, *names: str) -> Counter[str]:
        """Count the distinct texts that a pattern finds in logs."""
        return Counter(re.findall(pattern, "".join(map(self.log, names or ("access.log",)))))

    def look_for_strays(self) -> None:
        """Add to `strays` what is open for writing outside of the roots."""
        for pid in self.net.server.pids():
            for link in Path(f"/proc/{pid}/fd").iterdir():
                with suppress(OSError):
                    target, flags = str(link.readlink()), Path(f"/proc/{pid}/fdinfo", link.name).read_text()
                    writes = int(flags.split("flags:")[1].split()[0], 8) & os.O_ACCMODE != os.O_RDONLY
                    below = any(Path(target).is_relative_to(root) for root in self.roots)
                    if writes and stat.S_ISREG(link.stat().st_mode) and not below:
                        self.strays.add(target)

    def leaks(self) -> list[tuple[Path, str]]:
        """Return every address of a visitor in whatever was written, in whatever spelling."""
        return leaks(self.roots, self.net.addresses)

    # The end

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


def process_status(pid: int) -> str:
    """Return what the kernel says of a process; of one that is gone, that it is root's."""
    try:
        return Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return "\nUid:\t0\t"


def targets(word: str, count: int) -> list[str]:
    """Return addresses of pages that differ, so that each request can be found in the log."""
    return [f"/?{word}-{number}." for number in range(count)]


def all_served(bursts: Sequence[Future[list[Answer]]]) -> list[Answer]:
    """Wait for bursts; every request must have been answered as it should."""
    answers = [answer for burst in bursts for answer in burst.result(timeout=40)]
    assert Counter(answer.status for answer in answers) == {200: len(answers)}
    return answers
