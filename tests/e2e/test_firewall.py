"""Bans against the real kernel: packets between network namespaces pass, or do not.

    client ── host ── inner

The host has the firewall; `inner` stands for a container behind it. The client has, besides its
addresses on the link, some of other prefixes that are routed to it.
"""

from __future__ import annotations

import ctypes
import json
import math
import os
import random
import shutil
import socket
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import pytest

from privet.adapters import machine
from privet.adapters.firewall import nftables
from privet.adapters.firewall.netlink import NetlinkWriter, connect
from privet.adapters.firewall.nftables import NftablesFirewall
from privet.adapters.firewall.null import NullFirewall
from privet.core.address import Subject, mask_bits
from privet.core.bans import Order
from privet.ports import FirewallError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.needs("root", "nft", "netns")

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


class Net:
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

    def passes(self, source: str, target: str, *, at: Namespace | None = None, within: float = 2.0) -> bool:
        """Tell whether a datagram from the client's address reaches the target."""
        family = socket.AF_INET6 if ":" in source else socket.AF_INET
        with (
            (at or self.host)(socket.socket, family, socket.SOCK_DGRAM) as receiver,
            self.client(socket.socket, family, socket.SOCK_DGRAM) as sender,
        ):
            receiver.bind((target, 0))
            receiver.settimeout(within)
            sender.bind((source, 0))
            sender.sendto(b"knock", receiver.getsockname())
            try:
                return receiver.recv(16) == b"knock"
            except TimeoutError:
                return False

    def blocked(self, source: str, target: str, *, at: Namespace | None = None) -> bool:
        """Tell whether a datagram does not arrive; one that passes takes less than a millisecond."""
        return not self.passes(source, target, at=at, within=0.15)

    def nft(self, text: str) -> str:
        """Do to the tables what an administrator would."""
        return self.host(run, "nft", "-f", "-", text=text)


@pytest.fixture(scope="module")
def net() -> Iterator[Net]:
    net = Net()
    try:
        net.build()
        yield net
    finally:
        for namespace in net.all:
            namespace.remove()


@pytest.fixture(params=["netlink", "text"])
def firewall(net: Net, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[NftablesFirewall]:
    """Give an open firewall on the host, once as usual and once where netlink sockets are forbidden."""
    if request.param == "text":
        monkeypatch.setattr(nftables, "connect", forbidden)
    with fresh(net) as opened:
        yield opened


@pytest.fixture
def quick(net: Net) -> Iterator[NftablesFirewall]:
    """Give an open firewall on the host, with netlink."""
    with fresh(net) as opened:
        yield opened


@contextmanager
def fresh(net: Net) -> Iterator[NftablesFirewall]:
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


def ban(text: str, seconds: float = 60.0, *, known: bool = False) -> Order:
    return Order(Subject.parse(text), seconds, known)


def unban(text: str) -> Order:
    return Order(Subject.parse(text), None)


def many(count: int, seconds: float = 600.0) -> list[Order]:
    """Return orders for addresses in 10.128.0.0/9."""
    return [Order(Subject((0x0A800000 + number).to_bytes(4), 32), seconds) for number in range(count)]


def held(net: Net, firewall: NftablesFirewall) -> dict[str, float | None]:
    return {ban.subject.reveal(): ban.seconds for ban in net.host(lambda: list(firewall.held()))}


# Packets


@pytest.mark.parametrize(
    ("order", "banned", "free"),
    [
        (CLIENT4, CLIENT4, OTHER4),
        (CLIENT6, CLIENT6, OTHER6),  # the whole /64
        ("10.77.3.7/32", CLIENT4, OTHER4),
        ("10.77.3.0/29", CLIENT4, OTHER4),
        ("10.64.0.0/12", CLIENT4, ""),
        ("0.0.0.0/0", CLIENT4, ""),
        (f"{CLIENT6}/128", CLIENT6, OTHER6),
        ("2001:db8:a::/48", OTHER6, ""),
    ],
)
def test_a_ban_closes_for_its_prefix_and_unban_opens(
    net: Net, firewall: NftablesFirewall, order: str, banned: str, free: str
) -> None:
    host = HOST6 if ":" in banned else HOST4
    assert net.passes(banned, host)
    assert net.host(firewall.apply, [ban(order)]) == [None]
    assert net.blocked(banned, host)
    assert not free or net.passes(free, host)
    assert net.host(firewall.apply, [unban(order)]) == [None]
    assert net.passes(banned, host)


@pytest.mark.parametrize(("client", "inner"), [(CLIENT4, INNER4), (CLIENT6, INNER6)])
def test_a_ban_closes_what_is_forwarded_too(net: Net, quick: NftablesFirewall, client: str, inner: str) -> None:
    assert net.passes(client, inner, at=net.inner)
    net.host(quick.apply, [ban(client)])
    assert net.blocked(client, inner, at=net.inner)


def test_a_ban_ends_by_itself(net: Net, firewall: NftablesFirewall) -> None:
    assert net.host(firewall.apply, [ban(CLIENT4, 1.0), ban(CLIENT6, 1.0), ban(OTHER4, 60.0)]) == [None] * 3
    assert net.blocked(CLIENT4, HOST4)
    assert net.blocked(CLIENT6, HOST6)
    time.sleep(1.0)
    assert net.passes(CLIENT4, HOST4)
    assert net.passes(CLIENT6, HOST6)
    assert net.blocked(OTHER4, HOST4)


def test_loopback_is_never_closed(net: Net, quick: NftablesFirewall) -> None:
    net.host(quick.apply, [ban(HOST4), ban("127.0.0.1")])
    for address in (HOST4, "127.0.0.1"):
        with (
            net.host(socket.create_server, (address, 0)) as server,
            net.host(socket.create_connection, server.getsockname(), 1.0),
        ):
            pass


# Ends


def test_a_longer_end_and_a_shorter_one_replace_the_old(net: Net, firewall: NftablesFirewall) -> None:
    net.host(firewall.apply, [ban(CLIENT4, 60.0), ban(OTHER4, 60.0)])
    answers = net.host(firewall.apply, [ban(CLIENT4, 3600.0, known=True), ban(OTHER4, 1.0, known=True)])
    assert answers == [None, None]
    now = held(net, firewall)
    assert 3590 < (now[CLIENT4] or 0) <= 3600
    assert (now[OTHER4] or 0) <= 1


def test_what_the_caller_knows_need_not_be_so(net: Net, firewall: NftablesFirewall) -> None:
    """Extend what is not there, close what is there, open what is not there: all of it is done."""
    net.host(firewall.apply, [ban(CLIENT4, 60.0)])
    orders = [ban(CLIENT6, 60.0, known=True), ban(CLIENT4, 3600.0), unban(OTHER4), unban("192.0.2.0/24")]
    assert net.host(firewall.apply, orders) == [None] * 4
    now = held(net, firewall)
    assert set(now) == {CLIENT4, "2001:db8:a:1::/64"}
    assert (now[CLIENT4] or 0) > 3590


def test_it_holds_what_the_null_firewall_notes(net: Net, firewall: NftablesFirewall) -> None:
    """Give both firewalls the same random orders."""
    dice = random.Random(2)
    null = NullFirewall(lambda: 0.0)
    for _ in range(15):
        orders = [random_order(dice) for _ in range(dice.randint(1, 12))]
        assert net.host(firewall.apply, orders) == null.apply(orders)
        noted = {ban.subject.reveal(): ban.seconds or 0 for ban in null.held()}
        now = held(net, firewall)
        assert set(now) == set(noted)
        assert all(abs(noted[word] - (seconds or 0)) < 20 for word, seconds in now.items())


def random_order(dice: random.Random) -> Order:
    width, length = dice.choice([(4, 32), (4, 32), (4, 24), (16, 64), (16, 128)])
    address = (b"\x0a" if width == 4 else b"\x20\x01\x0d\xb8").ljust(width - 1, b"\0") + bytes([dice.randrange(6)])
    subject = Subject(mask_bits(address, length), length)
    return Order(subject, dice.choice([None, 1000.0, 2000.0]), dice.random() < 0.5)


# Transactions


def test_ten_thousand_at_once_within_a_second(net: Net, quick: NftablesFirewall) -> None:
    orders = many(10_000)
    start = time.monotonic()
    answers = net.host(quick.apply, orders)
    assert time.monotonic() - start < 1.0
    assert answers == [None] * 10_000
    assert set(held(net, quick)) == {order.subject.reveal() for order in orders}


@pytest.mark.parametrize("bad", [[0], [7], [19], [0, 5, 6, 19], list(range(20))])
def test_a_refused_order_does_not_lose_the_others(net: Net, firewall: NftablesFirewall, bad: list[int]) -> None:
    orders = many(20)
    for number in bad:
        orders[number] = Order(orders[number].subject, FOR_EVER)
    answers = net.host(firewall.apply, orders)
    assert [number for number, answer in enumerate(answers) if answer] == bad
    assert set(held(net, firewall)) == {order.subject.reveal() for order in orders if order.seconds != FOR_EVER}
    assert not any("10." in answer for answer in answers if answer)


def test_a_full_set_refuses_some_and_takes_the_others(net: Net, firewall: NftablesFirewall) -> None:
    net.nft(
        "delete table inet privet\nadd table inet privet\n"
        "add set inet privet v4_32 { type ipv4_addr; flags timeout; size 5; }\n"
    )
    net.host(firewall.open)
    answers = net.host(firewall.apply, [*many(8), ban(CLIENT6)])
    assert sorted(answers, key=str) == [None] * 6 + ["the set is full"] * 3
    assert len(held(net, firewall)) == 6


def test_a_set_of_another_kind_fails_alone(net: Net, quick: NftablesFirewall) -> None:
    net.nft("add set inet privet v4_24 { type ipv6_addr; flags timeout; }\n")
    answers = net.host(quick.apply, [ban("192.0.2.0/24"), ban(CLIENT4)])
    assert answers[0] is not None
    assert answers[1] is None
    assert net.blocked(CLIENT4, HOST4)


def test_small_buffers_take_longer_and_lose_nothing(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    """Overrun the socket in both directions: by the orders, and by the errors about them."""
    monkeypatch.setattr(nftables, "connect", lambda: connect(buffer=16_384))
    orders = many(2000)
    bad = {number for number in range(2000) if number % 4}
    for number in bad:
        orders[number] = Order(orders[number].subject, FOR_EVER)
    with fresh(net) as firewall:
        answers = net.host(firewall.apply, orders)
        assert {number for number, answer in enumerate(answers) if answer} == bad
        assert len(held(net, firewall)) == 500


# The structure


def test_open_adopts_what_is_there(net: Net, firewall: NftablesFirewall) -> None:
    net.host(firewall.apply, [ban(CLIENT4), ban("192.0.2.0/24")])
    assert net.blocked(CLIENT4, HOST4)
    before = net.host(run, "nft", "list", "chain", "inet", "privet", "bans")
    assert "packets 1 " in before
    second = NftablesFirewall()
    net.host(second.open)
    net.host(second.open)
    assert set(held(net, second)) == {CLIENT4, "192.0.2.0/24"}
    assert net.host(run, "nft", "list", "chain", "inet", "privet", "bans") == before  # counters included
    second.close()


@pytest.mark.parametrize(
    "damage",
    [
        "delete table inet privet\nadd table inet privet\nadd set inet privet v4_32 {type ipv4_addr; flags timeout;}\n",
        "flush table inet privet\n",
        "flush chain inet privet bans\ndelete chain inet privet bans\n",
        "flush ruleset\n",
    ],
)
def test_open_completes_what_is_there_in_part(net: Net, firewall: NftablesFirewall, damage: str) -> None:
    net.nft(damage)
    assert net.passes(CLIENT4, HOST4)
    net.host(firewall.open)
    net.host(firewall.apply, [ban(CLIENT4), ban(CLIENT6)])
    assert net.blocked(CLIENT4, HOST4)
    assert net.blocked(CLIENT6, HOST6)
    rules = net.host(run, "nft", "list", "chain", "inet", "privet", "bans")
    assert rules.count("accept\n") == 1
    assert rules.count("drop\n") == 2


def test_a_table_that_vanishes_is_made_again(net: Net, firewall: NftablesFirewall) -> None:
    net.host(firewall.apply, [ban(CLIENT4), ban("192.0.2.0/24")])
    assert not net.host(firewall.repair)
    net.nft("flush ruleset\n")
    assert net.host(firewall.apply, [ban(CLIENT6), ban(OTHER4, 60.0, known=True)]) == [None, None]
    assert net.blocked(CLIENT6, HOST6)
    assert net.blocked(OTHER4, HOST4)
    assert net.passes(CLIENT4, HOST4)  # which the caller has to be told:
    assert net.host(firewall.repair)
    assert not net.host(firewall.repair)


def test_repair_closes_again_without_orders(net: Net, firewall: NftablesFirewall) -> None:
    net.host(firewall.apply, [ban(CLIENT4)])
    net.nft("flush chain inet privet bans\n")
    assert net.passes(CLIENT4, HOST4)
    assert not net.host(firewall.repair)  # the rules are gone, the bans are not
    assert net.blocked(CLIENT4, HOST4)


def test_remove_leaves_nothing_and_others_alone(net: Net, firewall: NftablesFirewall) -> None:
    net.nft("add table inet filter\n")
    net.host(firewall.apply, [ban(CLIENT4), ban("192.0.2.0/24")])
    net.host(firewall.remove)
    net.host(firewall.remove)
    assert net.host(run, "nft", "list", "ruleset") == "table inet filter {\n}\n"
    assert net.host(firewall.show) == ""
    assert held(net, firewall) == {}
    assert net.passes(CLIENT4, HOST4)


def test_show_counts_and_hides_addresses(net: Net, firewall: NftablesFirewall) -> None:
    net.host(firewall.apply, [ban(CLIENT4), ban(OTHER4), ban(CLIENT6)])
    text = net.host(firewall.show)
    assert "ip saddr @v4_32 counter" in text
    assert "# v4_32: 2 held\n# v6_64: 1 held\n" in text
    assert CLIENT4 not in text
    assert "2001:db8" not in text


def test_a_ban_for_good(net: Net, firewall: NftablesFirewall) -> None:
    orders = [ban(CLIENT4, math.inf), ban(CLIENT6, math.inf), ban(OTHER4)]
    assert net.host(firewall.apply, orders) == [None] * 3
    orders = [ban(CLIENT4, 60.0, known=True), ban(OTHER4, math.inf, known=True)]
    assert net.host(firewall.apply, orders) == [None] * 2
    now = held(net, firewall)
    assert (now.pop(CLIENT4) or 0) > 50
    assert now == {"2001:db8:a:1::/64": None, OTHER4: None}


def test_elements_of_the_administrator_are_listed(net: Net, firewall: NftablesFirewall) -> None:
    net.nft(f"add element inet privet v4_32 {{ {CLIENT4} }}\n")
    assert held(net, firewall) == {CLIENT4: None}


# Privilege

WITHOUT_RIGHT = ["setpriv", "--securebits=+noroot,+noroot_locked", "--inh-caps=-all"]
"""Start a program with no capability but with those of its own file."""

ATTEMPT = """
    import json, sys
    from privet.adapters.firewall.nftables import NftablesFirewall
    from privet.core.address import Subject
    from privet.core.bans import Order
    from privet.ports import FirewallError

    firewall = NftablesFirewall(sys.argv[1])
    said = []
    try:
        firewall.open()
        said.append(firewall.apply([Order(Subject.parse(sys.argv[2]), 60.0)]))
        said.append(sum(1 for ban in firewall.held()))
    except FirewallError as error:
        said += [str(error), error.transient]
    print(json.dumps(said))
"""


def attempt(net: Net, program: str) -> object:
    command = [*WITHOUT_RIGHT, sys.executable, "-c", textwrap.dedent(ATTEMPT), program, CLIENT4]
    return json.loads(net.host(run, *command))


def test_without_the_right_it_says_so(net: Net) -> None:
    assert attempt(net, "nft") == ["no right to change the firewall: run as root or with CAP_NET_ADMIN", False]


def test_every_call_without_the_right_says_so(net: Net) -> None:
    """Call the other methods in a thread that gave its capabilities away."""
    code = """
        from privet.adapters.firewall.nftables import NftablesFirewall
        from privet.ports import FirewallError
        for name in ("show", "remove", "repair"):
            try:
                getattr(NftablesFirewall(), name)()
                print(name, "worked")
            except FirewallError as error:
                assert "run as root" in str(error) and not error.transient
    """
    assert net.host(run, *WITHOUT_RIGHT, sys.executable, "-c", textwrap.dedent(code)) == ""


@pytest.mark.needs("setcap")
def test_a_privileged_nft_serves_an_unprivileged_daemon(net: Net, quick: NftablesFirewall, tmp_path: Path) -> None:
    """Fall back to text for real: the kernel refuses our socket, and takes what nft sends."""
    program = tmp_path / "nft"
    shutil.copy(shutil.which("nft", path=f"{os.environ['PATH']}:/usr/sbin:/sbin") or "", program)
    run("setcap", "cap_net_admin+ep", str(program))
    assert attempt(net, str(program)) == [[None], 1]
    assert net.blocked(CLIENT4, HOST4)
    assert set(held(net, quick)) == {CLIENT4}


def test_the_usual_way_is_netlink(quick: NftablesFirewall) -> None:
    assert isinstance(quick._chosen, NetlinkWriter)  # noqa: SLF001  seen from outside only by its speed


def test_an_error_names_no_address(net: Net, quick: NftablesFirewall) -> None:
    net.nft("delete table inet privet\nadd table inet privet\nadd set inet privet v4_32 { type ether_addr; }\n")
    with pytest.raises(FirewallError, match="refuses the structure") as caught:
        net.host(quick.open)
    assert "10.77" not in str(caught.value)
    answers = net.host(quick.apply, [ban(CLIENT4)])
    assert answers[0]
    assert "10.77" not in answers[0]


# The machine


def test_own_addresses_and_gateways_of_a_live_machine(net: Net) -> None:
    own = net.host(machine.own_addresses)
    assert {Subject.parse(text) for text in (HOST4, f"{HOST6}/128", "10.77.2.1", "127.0.0.0/8", "::1/128")} <= own
    assert any(subject.reveal().startswith("fe80:") for subject in own)
    assert not any(subject.covers(Subject.parse(CLIENT4)) for subject in own)
    assert net.host(machine.gateways) == frozenset()
    assert net.client(machine.gateways) == {Subject.parse(HOST4), Subject.parse(f"{HOST6}/128")}
