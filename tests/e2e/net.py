"""A small network made for a test: a server, and ten visitors with addresses of their own.

    visitor 0 … visitor 9 ── bridge in the server's namespace

Every visitor is a network namespace with one IPv4 address, and one IPv6 address in a /64 of its own.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import socket
import subprocess
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from threading import Event

P = ParamSpec("P")
T = TypeVar("T")

CLONE_NEWNET = 0x40000000
SERVER4, SERVER6 = "192.0.2.1", "2001:db8:e2e::1"
VISITORS = 10
PATIENCE = 15.0  # seconds until something that must happen has happened
BANNED = 0  # the status of a request that nobody answered


def run(*command: str, text: str | None = None) -> str:
    """Run a program that must succeed; return what it printed."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout


def until(condition: Callable[[], T], what: str) -> T:
    """Wait for a condition; return what it returned."""
    end = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < end, f"after {PATIENCE:.0f} s still not: {what}"
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
    """What came back for a request: its status (BANNED for silence), when (`time.monotonic`), and how fast."""

    target: str
    status: int
    at: float
    seconds: float
    retry_after: str | None = None


class Visitor:
    """Somebody with a browser; `v4` and `v6` are his addresses."""

    def __init__(self, number: int) -> None:
        self.v4, self.v6 = f"192.0.2.{number + 11}", f"2001:db8:e2e:{number + 0xA1:x}::5"
        self.space = Namespace(f"v{number}")

    @property
    def network(self) -> str:
        """His /64 as nft prints it."""
        return self.v6.removesuffix("5")

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

    def leech(self, target: str, server: str) -> int:
        """Ask for one thing again and again until nobody answers; return the answers got."""

        def work() -> int:
            end = time.monotonic() + PATIENCE
            for count in itertools.count():
                if request(server, target, 0.7, {}).status == BANNED:
                    return count
                assert time.monotonic() < end, f"served {count} times, and still welcome"
            raise AssertionError

        return self.space(work)

    def can_come(self, server: str) -> bool:
        """Tell whether a request is answered, and soon."""
        return self.ask("/come", server, patience=0.4).status != BANNED

    def shout(self, server: str, data: bytes) -> None:
        """Send bytes as they are and wait until the server hangs up, politely or not."""

        def work() -> None:
            with socket.create_connection((server, 80), timeout=5.0) as connection, suppress(ConnectionError):
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass

        self.space(work)

    def download(self, server: str, target: str, go_on: Event) -> Future[int]:
        """Begin to take a large file, and go on with it when told; give its size."""

        def work() -> int:
            connection = HTTPConnection(server, 80, timeout=20)
            connection.request("GET", target, headers={"Host": "www.example.org", "Connection": "close"})
            answer = connection.getresponse()
            size = len(answer.read(4096))
            go_on.wait(timeout=30)
            size += len(answer.read())
            connection.close()
            return size

        return self.space.start(work)


def request(server: str, target: str, patience: float, headers: dict[str, str]) -> Answer:
    """Make a request from the namespace of the calling thread."""
    began, later = time.monotonic(), None
    connection = HTTPConnection(server, 80, timeout=patience)
    try:
        connection.request("GET", target, headers={"Host": "www.example.org", "Connection": "close", **headers})
        answer = connection.getresponse()
        answer.read()
        status, later = answer.status, answer.getheader("Retry-After")
    except TimeoutError:
        status = BANNED
    except HTTPException as error:
        raise AssertionError(f"the server hung up: {error!r}") from error
    finally:
        connection.close()
    now = time.monotonic()
    return Answer(target, status, now, now - began, later)


def targets(word: str, count: int) -> list[str]:
    """Return addresses of pages that differ, so that each request can be found in the log."""
    return [f"/?{word}-{number}." for number in range(count)]


def all_served(bursts: Sequence[Future[list[Answer]]], status: int = 200) -> list[Answer]:
    """Wait for bursts; every request must have been answered as it should."""
    answers = [answer for burst in bursts for answer in burst.result(timeout=40)]
    assert Counter(answer.status for answer in answers) == {status: len(answers)}
    return answers


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
            script += [
                f"link add v{number} type veth peer name up0 netns {visitor.space.name}",
                f"link set v{number} master br0 up",
                f"route add {visitor.network}/64 dev br0",
            ]
        self._ip(self.server, script)
        for visitor in self.visitors:
            self._ip(
                visitor.space,
                [
                    "link set lo up",
                    "link set up0 up",
                    f"address add {visitor.v4}/24 dev up0",
                    f"address add {visitor.v6}/64 dev up0 nodad",
                    f"route add {SERVER6} dev up0",
                ],
            )

    def remove(self) -> None:
        """Remove all namespaces."""
        for namespace in self.all:
            namespace.remove()

    def sysctl(self, name: str, value: str) -> None:
        """Set what the kernel keeps per network namespace."""
        self.server(Path("/proc/sys", *name.split(".")).write_text, value)

    @property
    def addresses(self) -> list[str]:
        """Every address that no file may hold."""
        return [address for visitor in self.visitors for address in (visitor.v4, visitor.v6)]

    @staticmethod
    def _ip(namespace: Namespace, steps: list[str]) -> None:
        run("ip", "-n", namespace.name, "-batch", "-", text="\n".join(steps))
