"""Bans against the real kernel: packets between network namespaces pass, or do not."""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import socket
import sys
import textwrap
import time
from typing import TYPE_CHECKING

import pytest

from privet.adapters import machine
from privet.adapters.firewall import nftables
from privet.adapters.firewall.netlink import NetlinkWriter, connect
from privet.adapters.firewall.nftables import NftablesFirewall
from privet.adapters.firewall.null import NullFirewall
from privet.core.addresses.address import Subject, mask_bits
from privet.core.bans.model import Order
from privet.ports import FirewallError
from tests.e2e.hosts import (
    CLIENT4,
    CLIENT6,
    FOR_EVER,
    HOST4,
    HOST6,
    INNER4,
    INNER6,
    OTHER4,
    OTHER6,
    ban,
    fresh,
    held,
    many,
    run,
    unban,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.hosts import Hosts

pytestmark = pytest.mark.needs("root", "nft", "netns")


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
    net: Hosts, firewall: NftablesFirewall, order: str, banned: str, free: str
) -> None:
    host = HOST6 if ":" in banned else HOST4
    assert net.passes(banned, host)
    assert net.host(firewall.apply, [ban(order)]) == [None]
    assert net.blocked(banned, host)
    assert not free or net.passes(free, host)
    assert net.host(firewall.apply, [unban(order)]) == [None]
    assert net.passes(banned, host)


@pytest.mark.parametrize(("client", "inner"), [(CLIENT4, INNER4), (CLIENT6, INNER6)])
def test_a_ban_closes_what_is_forwarded_too(net: Hosts, quick: NftablesFirewall, client: str, inner: str) -> None:
    assert net.passes(client, inner, at=net.inner)
    net.host(quick.apply, [ban(client)])
    assert net.blocked(client, inner, at=net.inner)


def test_a_ban_ends_by_itself(net: Hosts, firewall: NftablesFirewall) -> None:
    assert net.host(firewall.apply, [ban(CLIENT4, 1.0), ban(CLIENT6, 1.0), ban(OTHER4, 60.0)]) == [None] * 3
    assert net.blocked(CLIENT4, HOST4)
    assert net.blocked(CLIENT6, HOST6)
    time.sleep(1.0)
    assert net.passes(CLIENT4, HOST4)
    assert net.passes(CLIENT6, HOST6)
    assert net.blocked(OTHER4, HOST4)


def test_loopback_is_never_closed(net: Hosts, quick: NftablesFirewall) -> None:
    net.host(quick.apply, [ban(HOST4), ban("127.0.0.1")])
    for address in (HOST4, "127.0.0.1"):
        with (
            net.host(socket.create_server, (address, 0)) as server,
            net.host(socket.create_connection, server.getsockname(), 1.0),
        ):
            pass


# Ends


def test_a_longer_end_and_a_shorter_one_replace_the_old(net: Hosts, firewall: NftablesFirewall) -> None:
    net.host(firewall.apply, [ban(CLIENT4, 60.0), ban(OTHER4, 60.0)])
    answers = net.host(firewall.apply, [ban(CLIENT4, 3600.0, known=True), ban(OTHER4, 1.0, known=True)])
    assert answers == [None, None]
    now = held(net, firewall)
    assert 3590 < (now[CLIENT4] or 0) <= 3600
    assert (now[OTHER4] or 0) <= 1


def test_what_the_caller_knows_need_not_be_so(net: Hosts, firewall: NftablesFirewall) -> None:
    """Extend what is not there, close what is there, open what is not there: all of it is done."""
    net.host(firewall.apply, [ban(CLIENT4, 60.0)])
    orders = [ban(CLIENT6, 60.0, known=True), ban(CLIENT4, 3600.0), unban(OTHER4), unban("192.0.2.0/24")]
    assert net.host(firewall.apply, orders) == [None] * 4
    now = held(net, firewall)
    assert set(now) == {CLIENT4, "2001:db8:a:1::/64"}
    assert (now[CLIENT4] or 0) > 3590


def test_it_holds_what_the_null_firewall_notes(net: Hosts, firewall: NftablesFirewall) -> None:
    """Give both firewalls the same random orders."""
    dice = random.Random(2)
    null = NullFirewall(lambda: 0.0)
    for _ in range(15):
        orders = [random_order(dice) for _ in range(dice.randint(1, 12))]
        assert net.host(firewall.apply, orders) == null.apply(orders)
        noted = {(ban.subject, ban.service): ban.seconds or 0 for ban in null.held()}
        now = {(ban.subject, ban.service): ban.seconds or 0 for ban in net.host(lambda: list(firewall.held()))}
        assert set(now) == set(noted)
        assert all(abs(noted[element] - seconds) < 20 for element, seconds in now.items())


def random_order(dice: random.Random) -> Order:
    width, length = dice.choice([(4, 32), (4, 32), (4, 24), (16, 64), (16, 128)])
    address = (b"\x0a" if width == 4 else b"\x20\x01\x0d\xb8").ljust(width - 1, b"\0") + bytes([dice.randrange(6)])
    subject = Subject(mask_bits(address, length), length)
    service = dice.choice(["", "", "tcp/22", "udp/53"])
    return Order(subject, dice.choice([None, 1000.0, 2000.0]), dice.random() < 0.5, service)


# Transactions


def test_ten_thousand_at_once_within_a_second(net: Hosts, quick: NftablesFirewall) -> None:
    orders = many(10_000)
    start = time.monotonic()
    answers = net.host(quick.apply, orders)
    assert time.monotonic() - start < 1.0
    assert answers == [None] * 10_000
    assert set(held(net, quick)) == {order.subject.reveal() for order in orders}


@pytest.mark.parametrize("bad", [[0], [7], [19], [0, 5, 6, 19], list(range(20))])
def test_a_refused_order_does_not_lose_the_others(net: Hosts, firewall: NftablesFirewall, bad: list[int]) -> None:
    orders = many(20)
    for number in bad:
        orders[number] = Order(orders[number].subject, FOR_EVER)
    answers = net.host(firewall.apply, orders)
    assert [number for number, answer in enumerate(answers) if answer] == bad
    assert set(held(net, firewall)) == {order.subject.reveal() for order in orders if order.seconds != FOR_EVER}
    assert not any("10." in answer for answer in answers if answer)


def test_a_full_set_refuses_some_and_takes_the_others(net: Hosts, firewall: NftablesFirewall) -> None:
    net.nft(
        "delete table inet privet\nadd table inet privet\n"
        "add set inet privet v4_32 { type ipv4_addr; flags timeout; size 5; }\n"
    )
    net.host(firewall.open)
    answers = net.host(firewall.apply, [*many(8), ban(CLIENT6)])
    assert sorted(answers, key=str) == [None] * 6 + ["the set is full"] * 3
    assert len(held(net, firewall)) == 6


def test_a_set_of_another_kind_fails_alone(net: Hosts, quick: NftablesFirewall) -> None:
    net.nft("add set inet privet v4_24 { type ipv6_addr; flags timeout; }\n")
    answers = net.host(quick.apply, [ban("192.0.2.0/24"), ban(CLIENT4)])
    assert answers[0] is not None
    assert answers[1] is None
    assert net.blocked(CLIENT4, HOST4)


def test_small_buffers_take_longer_and_lose_nothing(net: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_open_adopts_what_is_there(net: Hosts, firewall: NftablesFirewall) -> None:
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
def test_open_completes_what_is_there_in_part(net: Hosts, firewall: NftablesFirewall, damage: str) -> None:
    net.nft(damage)
    assert net.passes(CLIENT4, HOST4)
    net.host(firewall.open)
    net.host(firewall.apply, [ban(CLIENT4), ban(CLIENT6)])
    assert net.blocked(CLIENT4, HOST4)
    assert net.blocked(CLIENT6, HOST6)
    rules = net.host(run, "nft", "list", "chain", "inet", "privet", "bans")
    assert rules.count("accept comment") == 4
    assert rules.count("drop comment") == 2


def test_a_table_that_vanishes_is_made_again(net: Hosts, firewall: NftablesFirewall) -> None:
    net.host(firewall.apply, [ban(CLIENT4), ban("192.0.2.0/24")])
    assert not net.host(firewall.repair)
    net.nft("flush ruleset\n")
    assert net.host(firewall.apply, [ban(CLIENT6), ban(OTHER4, 60.0, known=True)]) == [None, None]
    assert net.blocked(CLIENT6, HOST6)
    assert net.blocked(OTHER4, HOST4)
    assert net.passes(CLIENT4, HOST4)  # which the caller has to be told:
    assert net.host(firewall.repair)
    assert not net.host(firewall.repair)


def test_a_length_of_which_nothing_is_banned_any_more_costs_nothing(net: Hosts, firewall: NftablesFirewall) -> None:
    net.host(firewall.apply, [ban("10.77.3.0/24"), ban("192.0.2.0/25"), ban(OTHER4, service="tcp/80")])
    assert net.blocked(CLIENT4, HOST4)
    net.host(firewall.apply, [unban("192.0.2.0/25"), unban(OTHER4, "tcp/80")])
    assert not net.host(firewall.repair)
    rules = net.host(run, "nft", "list", "table", "inet", "privet")
    assert "v4_24" in rules
    assert "v4_25" not in rules
    assert "v4_32_ports" not in rules
    assert "counter packets 1 " in rules
    assert net.blocked(CLIENT4, HOST4)
    assert not net.host(firewall.repair)
    assert net.host(firewall.apply, [ban("192.0.2.0/25"), unban("198.51.100.0/27")]) == [None, None]
    assert set(held(net, firewall)) == {"10.77.3.0/24", "192.0.2.0/25"}


def test_a_set_that_somebody_else_uses_stays(net: Hosts, quick: NftablesFirewall) -> None:
    net.host(quick.apply, [ban("10.77.3.0/24")])
    net.nft("add chain inet privet mine\nadd rule inet privet mine ip saddr @v4_24 counter\n")
    net.host(quick.apply, [unban("10.77.3.0/24")])
    assert not net.host(quick.repair)
    net.host(quick.apply, [ban("10.77.3.0/24")])
    assert net.blocked(CLIENT4, HOST4)


def test_repair_closes_again_without_orders(net: Hosts, firewall: NftablesFirewall) -> None:
    net.host(firewall.apply, [ban(CLIENT4)])
    net.nft("flush chain inet privet bans\n")
    assert net.passes(CLIENT4, HOST4)
    assert net.host(firewall.repair)
    assert net.blocked(CLIENT4, HOST4)


def test_remove_leaves_nothing_and_others_alone(net: Hosts, firewall: NftablesFirewall) -> None:
    net.nft("add table inet filter\n")
    net.host(firewall.apply, [ban(CLIENT4), ban("192.0.2.0/24")])
    net.host(firewall.remove)
    net.host(firewall.remove)
    assert net.host(run, "nft", "list", "ruleset") == "table inet filter {\n}\n"
    assert net.host(firewall.show) == ""
    assert held(net, firewall) == {}
    assert net.passes(CLIENT4, HOST4)


def test_show_counts_and_hides_addresses(net: Hosts, firewall: NftablesFirewall) -> None:
    net.host(firewall.apply, [ban(CLIENT4), ban(OTHER4), ban(CLIENT6)])
    text = net.host(firewall.show)
    assert "ip saddr @v4_32 counter" in text
    assert "# v4_32: 2 held\n# v6_64: 1 held\n" in text
    assert CLIENT4 not in text
    assert "2001:db8" not in text


def test_a_ban_for_good(net: Hosts, firewall: NftablesFirewall) -> None:
    orders = [ban(CLIENT4, math.inf), ban(CLIENT6, math.inf), ban(OTHER4)]
    assert net.host(firewall.apply, orders) == [None] * 3
    orders = [ban(CLIENT4, 60.0, known=True), ban(OTHER4, math.inf, known=True)]
    assert net.host(firewall.apply, orders) == [None] * 2
    now = held(net, firewall)
    assert (now.pop(CLIENT4) or 0) > 50
    assert now == {"2001:db8:a:1::/64": None, OTHER4: None}


def test_elements_of_the_administrator_are_listed(net: Hosts, firewall: NftablesFirewall) -> None:
    net.nft(f"add element inet privet v4_32 {{ {CLIENT4} }}\n")
    assert held(net, firewall) == {CLIENT4: None}


# Privilege

WITHOUT_RIGHT = ["setpriv", "--securebits=+noroot,+noroot_locked", "--inh-caps=-all"]
"""Start a program with no capability but with those of its own file."""

ATTEMPT = """
    import json, sys
    from privet.adapters.firewall.nftables import NftablesFirewall
    from privet.core.addresses.address import Subject
    from privet.core.bans.model import Order
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


def attempt(net: Hosts, program: str) -> object:
    command = [*WITHOUT_RIGHT, sys.executable, "-c", textwrap.dedent(ATTEMPT), program, CLIENT4]
    return json.loads(net.host(run, *command))


def test_without_the_right_it_says_so(net: Hosts) -> None:
    assert attempt(net, "nft") == ["no right to change the firewall: run as root or with CAP_NET_ADMIN", False]


def test_every_call_without_the_right_says_so(net: Hosts) -> None:
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
def test_a_privileged_nft_serves_an_unprivileged_daemon(net: Hosts, quick: NftablesFirewall, tmp_path: Path) -> None:
    """Fall back to text for real: the kernel refuses our socket, and takes what nft sends."""
    program = tmp_path / "nft"
    shutil.copy(shutil.which("nft", path=f"{os.environ['PATH']}:/usr/sbin:/sbin") or "", program)
    run("setcap", "cap_net_admin+ep", str(program))
    assert attempt(net, str(program)) == [[None], 1]
    assert net.blocked(CLIENT4, HOST4)
    assert set(held(net, quick)) == {CLIENT4}


def test_the_usual_way_is_netlink(quick: NftablesFirewall) -> None:
    assert isinstance(quick._chosen, NetlinkWriter)  # noqa: SLF001  seen from outside only by its speed


def test_an_error_names_no_address(net: Hosts, quick: NftablesFirewall) -> None:
    net.nft("delete table inet privet\nadd table inet privet\nadd set inet privet v4_32 { type ether_addr; }\n")
    with pytest.raises(FirewallError, match="refuses the structure") as caught:
        net.host(quick.open)
    assert "10.77" not in str(caught.value)
    answers = net.host(quick.apply, [ban(CLIENT4)])
    assert answers[0]
    assert "10.77" not in answers[0]


# The machine


def test_own_addresses_and_gateways_of_a_live_machine(net: Hosts) -> None:
    own = net.host(machine.own_addresses)
    assert {Subject.parse(text) for text in (HOST4, f"{HOST6}/128", "10.77.2.1", "127.0.0.0/8", "::1/128")} <= own
    assert any(subject.reveal().startswith("fe80:") for subject in own)
    assert not any(subject.covers(Subject.parse(CLIENT4)) for subject in own)
    assert net.host(machine.gateways) == frozenset()
    assert net.client(machine.gateways) == {Subject.parse(HOST4), Subject.parse(f"{HOST6}/128")}
