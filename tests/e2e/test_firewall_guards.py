"""What a ban closes and what wins over it, against the real kernel: services, the allow set, a pause, counters."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

import pytest

from privet.adapters.firewall.nftables import NftablesFirewall
from privet.core.addresses.address import Subject
from tests.e2e.hosts import CLIENT4, CLIENT6, HOST4, HOST6, INNER4, OTHER4, OTHER6, ban, held, many, run, unban

if TYPE_CHECKING:
    from tests.e2e.hosts import Hosts

pytestmark = pytest.mark.needs("root", "nft", "netns")

EVERYBODY = [ban("0.0.0.0/0"), ban("::/0")]


def subjects(*words: str) -> list[Subject]:
    return [Subject.parse(word) for word in words]


# Services


@pytest.mark.parametrize(
    ("order", "banned", "free"),
    [
        (CLIENT4, CLIENT4, OTHER4),
        (CLIENT6, CLIENT6, OTHER6),
        ("10.77.3.0/29", CLIENT4, OTHER4),
        ("10.64.0.0/12", CLIENT4, ""),
        ("0.0.0.0/0", CLIENT4, ""),
        (f"{CLIENT6}/128", CLIENT6, OTHER6),
        ("2001:db8:a::/47", OTHER6, ""),
        ("::/0", OTHER6, ""),
    ],
)
def test_a_ban_of_services_closes_them_and_nothing_else(
    net: Hosts, firewall: NftablesFirewall, order: str, banned: str, free: str
) -> None:
    host = HOST6 if ":" in banned else HOST4
    assert net.connects(banned, host, 2222)
    assert net.host(firewall.apply, [ban(order, service="tcp/2222"), ban(order, service="udp/53")]) == [None, None]
    assert not net.connects(banned, host, 2222, within=0.15)
    assert net.blocked(banned, host, port=53)
    assert net.connects(banned, host, 53)
    assert net.passes(banned, host, port=2222)
    assert not free or net.connects(free, host, 2222)
    assert net.host(firewall.apply, [unban(order, "tcp/2222")]) == [None]
    assert net.connects(banned, host, 2222)
    assert net.blocked(banned, host, port=53)


def test_a_ban_of_one_service_leaves_that_of_all_alone(net: Hosts, firewall: NftablesFirewall) -> None:
    net.host(firewall.apply, [ban(CLIENT4), ban(CLIENT4, service="udp/53")])
    net.host(firewall.apply, [unban(CLIENT4)])
    assert net.passes(CLIENT4, HOST4)
    assert net.blocked(CLIENT4, HOST4, port=53)
    assert {(ban.subject.reveal(), ban.service) for ban in net.host(lambda: list(firewall.held()))} == {
        (CLIENT4, "udp/53")
    }


def test_ends_of_services_are_replaced_and_come(net: Hosts, firewall: NftablesFirewall) -> None:
    net.host(firewall.apply, [ban(CLIENT4, 1.0, service="udp/53"), ban(CLIENT4, 60.0, service="udp/54")])
    net.host(firewall.apply, [ban(CLIENT4, 3600.0, service="udp/54"), ban(OTHER4, 1.0, known=True, service="udp/54")])
    assert net.blocked(CLIENT4, HOST4, port=53)
    time.sleep(1.0)
    assert net.passes(CLIENT4, HOST4, port=53)
    assert net.blocked(CLIENT4, HOST4, port=54)
    assert 3590 < (held(net, firewall)[CLIENT4] or 0) <= 3600


def test_a_service_is_closed_behind_the_host_too(net: Hosts, quick: NftablesFirewall) -> None:
    """Close what is routed to a container, and a port that the host hands on to one: by the port that was asked for."""
    net.nft(
        "add table ip nat\nadd chain ip nat pre { type nat hook prerouting priority dstnat; }\n"
        f"add rule ip nat pre ip daddr {HOST4} udp dport 8053 dnat to {INNER4}:53\n"
    )
    with (
        net.inner(socket_at, INNER4, 53) as receiver,
        net.client(socket_at, CLIENT4, 0) as sender,
    ):
        receiver.settimeout(0.3)
        for target, service in (((INNER4, 53), "udp/53"), ((HOST4, 8053), "udp/8053")):
            sender.sendto(b"before", target)
            assert receiver.recv(16) == b"before"
            net.host(quick.apply, [ban(CLIENT4, service=service)])
            sender.sendto(b"behind", target)
            with pytest.raises(TimeoutError):
                receiver.recv(16)
            net.host(quick.apply, [unban(CLIENT4, service)])


def socket_at(address: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((address, port))
    return made


@pytest.mark.parametrize(("client", "host"), [(CLIENT4, HOST4), (CLIENT6, HOST6)])
def test_pieces_of_a_datagram_do_not_slip_through(net: Hosts, quick: NftablesFirewall, client: str, host: str) -> None:
    assert net.passes(client, host, port=53, size=4000)
    net.host(quick.apply, [ban(client, service="udp/53")])
    assert net.blocked(client, host, port=53, size=4000)
    assert net.passes(client, host, port=54, size=4000)


# The allow set


def test_the_allow_set_wins_over_every_ban(net: Hosts, firewall: NftablesFirewall) -> None:
    net.host(firewall.apply, [*EVERYBODY, ban(CLIENT4), ban(CLIENT4, service="udp/53")])
    net.host(firewall.allow, subjects("10.77.3.6/31", CLIENT6, "10.0.0.0/32", "10.77.3.7/32"))
    assert net.passes(CLIENT4, HOST4)
    assert net.passes(CLIENT4, HOST4, port=53)
    assert net.passes(CLIENT6, HOST6)
    assert net.blocked(OTHER4, HOST4)
    assert net.blocked(OTHER6, HOST6)
    net.host(firewall.allow, subjects(OTHER4, OTHER6))
    assert net.blocked(CLIENT4, HOST4)
    assert net.blocked(CLIENT6, HOST6)
    assert net.passes(OTHER4, HOST4)
    assert net.passes(OTHER6, HOST6)
    net.host(firewall.allow, [])
    assert net.blocked(OTHER4, HOST4)


def test_the_allow_set_may_be_everything_and_large(net: Hosts, quick: NftablesFirewall) -> None:
    net.host(quick.apply, EVERYBODY)
    many_nets = [Subject((0x0A000000 + (number << 8)).to_bytes(4), 24) for number in range(5000)]
    start = time.monotonic()
    net.host(quick.allow, many_nets)
    assert time.monotonic() - start < 1.0
    assert net.blocked(CLIENT4, HOST4)
    net.host(quick.allow, subjects("0.0.0.0/0", "::/0", CLIENT4))
    assert net.passes(CLIENT4, HOST4)
    assert net.passes(CLIENT6, HOST6)


def test_who_stays_allowed_loses_no_packet_when_the_set_is_replaced(net: Hosts, quick: NftablesFirewall) -> None:
    net.host(quick.apply, EVERYBODY)
    net.host(quick.allow, subjects(CLIENT4))
    with net.storm(CLIENT4, HOST4) as storm:
        for number in range(20):
            net.host(quick.allow, subjects("10.77.3.0/24" if number % 2 else CLIENT4, f"192.0.2.{number}"))
    assert storm.arrived == storm.sent > 100


def test_allowed_before_the_first_ban_and_kept_by_the_next_start(net: Hosts) -> None:
    net.nft("flush ruleset\n")
    first, second = NftablesFirewall(), NftablesFirewall()
    net.host(first.allow, subjects(CLIENT4))
    net.host(first.apply, EVERYBODY)
    first.close()
    net.host(second.open)
    assert net.passes(CLIENT4, HOST4)
    assert net.blocked(OTHER4, HOST4)
    second.close()


# A pause


def test_a_pause_opens_for_all_and_ends_though_nobody_ends_it(net: Hosts, firewall: NftablesFirewall) -> None:
    net.host(firewall.apply, [ban(CLIENT4), ban(CLIENT6), ban(OTHER4, service="udp/53")])
    net.host(firewall.pause, 1.5)
    firewall.close()  # a process that ends leaves nothing else behind
    assert net.passes(CLIENT4, HOST4)
    assert net.passes(CLIENT6, HOST6)
    assert net.passes(OTHER4, HOST4, port=53)
    time.sleep(1.5)
    assert net.blocked(CLIENT4, HOST4)
    assert net.blocked(CLIENT6, HOST6)
    assert net.blocked(OTHER4, HOST4, port=53)
    assert net.host(firewall.paused) == 0


def test_a_pause_is_told_replaced_and_ended(net: Hosts, firewall: NftablesFirewall) -> None:
    net.host(firewall.apply, [ban(CLIENT4)])
    assert net.host(firewall.paused) == 0
    net.host(firewall.pause, 60.0)
    assert 58 <= net.host(firewall.paused) <= 60
    net.host(firewall.pause, 10.0)
    assert 8 <= net.host(firewall.paused) <= 10
    assert net.passes(CLIENT4, HOST4)
    net.host(firewall.resume)
    net.host(firewall.resume)
    assert net.host(firewall.paused) == 0
    assert net.blocked(CLIENT4, HOST4)


# Counters


def test_every_set_counts_what_it_dropped(net: Hosts, firewall: NftablesFirewall) -> None:
    net.host(firewall.apply, [ban(CLIENT4), ban(OTHER4, service="udp/53"), ban("10.77.3.0/29", service="udp/54")])
    for _ in range(3):
        assert net.blocked(CLIENT4, HOST4)
    assert net.blocked(OTHER4, HOST4, port=53)
    assert net.host(firewall.counters) == {
        "v4_29_ports": (0, 0),
        "v4_32": (3, 3 * 33),
        "v4_32_ports": (1, 33),
        "v6_64": (0, 0),
    }


def test_show_prints_rules_counters_and_numbers_but_no_address(net: Hosts, firewall: NftablesFirewall) -> None:
    net.host(firewall.apply, [ban(CLIENT4), ban(OTHER4), ban(CLIENT6, service="tcp/22")])
    net.host(firewall.allow, subjects(OTHER4, OTHER6, "10.77.9.0/24"))
    net.host(firewall.pause, 60.0)
    text = net.host(firewall.show)
    assert "ip saddr @v4_32 counter packets 0 bytes 0 drop" in text
    assert "ip saddr @allow4 counter packets 0 bytes 0 accept" in text
    assert text.partition("}\n#")[2].splitlines() == [
        " allow4: 2 allowed",
        "# allow6: 1 allowed",
        "# v4_32: 2 held",
        "# v6_64: 0 held",
        "# v6_64_ports: 1 held",
        text.splitlines()[-1],
    ]
    assert text.splitlines()[-1].startswith("# paused: nobody is kept away for ")
    assert "10.77" not in text
    assert "2001:db8" not in text


# No open moment


def test_no_packet_slips_through_while_all_else_changes(net: Hosts, quick: NftablesFirewall) -> None:
    """Extend the ban, make sets of other shapes, start again: the banned client's packets never arrive."""
    net.host(quick.apply, [ban(CLIENT4)])
    with net.storm(CLIENT4, HOST4) as storm:
        for number in range(20):
            net.host(quick.apply, [ban(CLIENT4, 60.0 + number, known=True), *many(200)])
            net.host(quick.apply, [ban(f"10.200.0.0/{16 + number % 8}", service="tcp/22")])
            second = NftablesFirewall()
            net.host(second.open)
            second.close()
            net.host(quick.repair)
            net.host(quick.allow, subjects(OTHER4))
        net.nft("flush chain inet privet bans\nadd rule inet privet bans ip saddr @v4_32 counter drop\n")
        net.host(quick.repair)  # puts the guards before the bans, in one step
    assert storm.sent > 500
    assert storm.arrived == 0
    assert "@allow4" in net.host(run, "nft", "list", "chain", "inet", "privet", "bans")
