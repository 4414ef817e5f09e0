"""Three hosts in a row for tests of the firewall, and what these say often.

    client ── host ── inner

The host has the firewall; `inner` stands for a container behind it. The client has, besides its
addresses on the link, some of other prefixes that are routed to it.
"""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from privet.adapters.firewall.nftables import NftablesFirewall
from privet.core.addresses.address import Subject
from privet.core.bans.model import Order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

P = ParamSpec("P")
T = TypeVar("T")

CLONE_NEWNET = 0x40000000
FOR_EVER = 1e12
"""Seconds; more than the kernel counts, which makes an order that it refuses."""

HOST4, HOST6, INNER4, INNER6 = "10.77.1.1", "2001:db8:1::1", "10.77.2.2", "2001:db8:2::2"
CLIENT4, OTHER4, CLIENT6, OTHER6 = "10.77.3.7", "10.77.3.8", "2001:db8:a:1::7", "2001:db8:a:2::7"


def run(*command: str, text: str | None = None) -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Namespace:
    """A network namespace with a thread that lives in it."""

    def __init__(self, name: str) -> None:
        self.name = f"pv{os.getpid()}{name}"
        run("ip", "netns", "add", self.name)
        self._pool = ThreadPoolExecutor(1, initializer=self._enter)
        self.ip("link", "set", "lo", "up")

    def _enter(self) -> None:
        with Path("/run/netns", self.name).open("rb") as handle:
            if ctypes.CDLL(None, use_errno=True).setns(handle.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")

    def __call__(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function in the namespace."""
        return self._pool.submit(function, *args, **kwargs).result(timeout=50)

    def ip(self, *words: str) -> None:
        run("ip", "-n", self.name, *words)

    def remove(self) -> None:
        self._pool.shutdown()
        run("ip", "netns", "del", self.name)


@dataclass
class Storm:
    """How many datagrams were sent, and how many arrived."""

    sent: int = 0
    arrived: int = 0


class Hosts:
    """Three namespaces in a row."""

    def __init__(self) -> None:
        self.all: list[Namespace] = []

    def build(self) -> None:
        self.client, self.host, self.inner = (self._add(name) for name in ("c", "h", "i"))
        self._wire(self.client, "10.77.1.2/24", "2001:db8:1::2/64", HOST4, HOST6)
        self._wire(self.inner, f"{INNER4}/24", f"{INNER6}/64", "10.77.2.1", "2001:db8:2::1")
        for address in (f"{CLIENT4}/32", f"{OTHER4}/32", f"{CLIENT6}/128", f"{OTHER6}/128"):
            self.client.ip("address", "add", address, "dev", "lo")
        self.host.ip("route", "add", "10.77.3.0/24", "via", "10.77.1.2")
        self.host.ip("route", "add", "2001:db8:a::/48", "via", "2001:db8:1::2")
        self.host(Path("/proc/sys/net/ipv4/ip_forward").write_text, "1")
        self.host(Path("/proc/sys/net/ipv6/conf/all/forwarding").write_text, "1")
        for target, end in ((HOST6, self.host), (INNER6, self.inner)):  # links take a moment to come up
            assert any(self.passes(CLIENT6, target, at=end, within=0.1) for _ in range(50))

    def _add(self, name: str) -> Namespace:
        self.all.append(Namespace(name))
        return self.all[-1]

    def _wire(self, end: Namespace, v4: str, v6: str, router4: str, router6: str) -> None:
        """Connect a namespace to the host, with the host as its router."""
        there = f"to{end.name}"[:15]
        end.ip("link", "add", "up0", "type", "veth", "peer", "name", there, "netns", self.host.name)
        for namespace, device, addresses in (
            (end, "up0", (v4, v6)),
            (self.host, there, (f"{router4}/24", f"{router6}/64")),
        ):
            namespace.ip("link", "set", device, "up")
            namespace.ip("address", "add", addresses[0], "dev", device)
            namespace.ip("address", "add", addresses[1], "dev", device, "nodad")
        end.ip("route", "add", "default", "via", router4)
        end.ip("-6", "route", "add", "default", "via", router6)

    def passes(  # noqa: PLR0913  a datagram has that many properties
        self,
        source: str,
        target: str,
        *,
        at: Namespace | None = None,
        port: int = 0,
        size: int = 5,
        within: float = 2.0,
    ) -> bool:
        """Tell whether a datagram from the client's address reaches the target."""
        with self._datagrams(source, target, at or self.host, port) as (sender, receiver):
            receiver.settimeout(within)
            sender.sendto(bytes(size), receiver.getsockname())
            try:
                return receiver.recv(1 << 16) == bytes(size)
            except TimeoutError:
                return False

    @contextmanager
    def _datagrams(
        self, source: str, target: str, at: Namespace, port: int
    ) -> Iterator[tuple[socket.socket, socket.socket]]:
        """Give a socket of the client's, and one at the target."""
        family = socket.AF_INET6 if ":" in source else socket.AF_INET
        with (
            at(socket.socket, family, socket.SOCK_DGRAM) as receiver,
            self.client(socket.socket, family, socket.SOCK_DGRAM) as sender,
        ):
            receiver.bind((target, port))
            sender.bind((source, 0))
            yield sender, receiver

    @contextmanager
    def storm(self, source: str, target: str) -> Iterator[Storm]:
        """Send datagrams all the time, and count those sent and those that arrive."""
        with self._datagrams(source, target, self.host, 0) as (sender, receiver):
            receiver.settimeout(0.2)
            storm, over = Storm(), Event()

            def blow() -> None:
                while not over.is_set():
                    sender.sendto(b"knock", receiver.getsockname())
                    storm.sent += 1
                    time.sleep(0.0002)

            def listen() -> None:
                while not over.is_set():
                    with suppress(TimeoutError):
                        receiver.recv(16)
                        storm.arrived += 1

            with ThreadPoolExecutor(2) as pool:
                ends = [pool.submit(blow), pool.submit(listen)]
                try:
                    yield storm
                    time.sleep(0.05)
                finally:
                    over.set()
                for end in ends:
                    end.result()

    def connects(self, source: str, target: str, port: int, *, within: float = 2.0) -> bool:
        """Tell whether the client can open a TCP connection to a port of the host."""
        family = socket.AF_INET6 if ":" in source else socket.AF_INET
        with (
            self.host(socket.create_server, (target, port), family=family),
            self.client(socket.socket, family) as caller,
        ):
            caller.bind((source, 0))
            caller.settimeout(within)
            try:
                caller.connect((target, port))
            except TimeoutError:
                return False
            return True

    def blocked(self, source: str, target: str, *, at: Namespace | None = None, port: int = 0, size: int = 5) -> bool:
        """Tell whether a datagram does not arrive; one that passes takes less than a millisecond."""
        return not self.passes(source, target, at=at, port=port, size=size, within=0.15)

    def nft(self, text: str) -> str:
        """Do to the tables what an administrator would."""
        return self.host(run, "nft", "-f", "-", text=text)


@contextmanager
def fresh(net: Hosts) -> Iterator[NftablesFirewall]:
    firewall = NftablesFirewall()
    net.nft("flush ruleset\n")
    try:
        net.host(firewall.open)
        yield firewall
        net.host(firewall.remove)
    finally:
        firewall.close()


def forbidden() -> socket.socket:
    raise OSError(93, "Protocol not supported")


def ban(text: str, seconds: float = 60.0, *, known: bool = False, service: str = "") -> Order:
    return Order(Subject.parse(text), seconds, known, service)


def unban(text: str, service: str = "") -> Order:
    return Order(Subject.parse(text), None, service=service)


def many(count: int, seconds: float = 600.0) -> list[Order]:
    """Return orders for addresses in 10.128.0.0/9."""
    return [Order(Subject((0x0A800000 + number).to_bytes(4), 32), seconds) for number in range(count)]


def held(net: Hosts, firewall: NftablesFirewall) -> dict[str, float | None]:
    return {ban.subject.reveal(): ban.seconds for ban in net.host(lambda: list(firewall.held()))}
