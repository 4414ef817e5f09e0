"""What others do to the table, against the real kernel: it is noticed at once, and made good."""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING

import pytest

from privet.adapters.firewall import watch
from privet.core.addresses.address import Subject
from tests.e2e.hosts import CLIENT4, HOST4, OTHER4, ban, fresh, held, many, run, unban

if TYPE_CHECKING:
    from privet.adapters.firewall.nftables import NftablesFirewall
    from tests.e2e.hosts import Hosts

pytestmark = pytest.mark.needs("root", "nft", "netns")


@pytest.fixture
def watched(net: Hosts, quick: NftablesFirewall) -> NftablesFirewall:
    """Give a firewall with bans that is watched, and has nothing new."""
    assert net.host(quick.watch) is not None
    net.host(quick.apply, [ban(CLIENT4), ban("192.0.2.0/24", service="tcp/22"), *many(3)])
    net.host(quick.allow, [Subject.parse(OTHER4)])
    quick.seen()
    assert not net.host(quick.repair)
    return quick


def woken(firewall: NftablesFirewall, within: float = 0.1) -> bool:
    """Tell whether the descriptor becomes readable, and read it empty."""
    descriptor = firewall.watch()
    assert descriptor is not None
    readable = select.select([descriptor], [], [], within)[0] == [descriptor]
    assert firewall.seen() == readable
    assert not select.select([descriptor], [], [], 0)[0]
    return readable


def test_own_bans_and_ends_that_come_wake_nobody(net: Hosts, watched: NftablesFirewall) -> None:
    net.host(watched.apply, [*many(5000), ban(CLIENT4, 1.0, known=True), ban(OTHER4, 1.0), unban("192.0.2.0/24")])
    list(net.host(watched.held))
    assert not woken(watched, within=3.0)  # the kernel sweeps up what is over every second


@pytest.mark.parametrize(
    "act",
    [
        "flush ruleset",
        "delete table inet privet",
        "flush ruleset\nadd table inet privet\nadd set inet privet v4_32 { type ipv4_addr; flags timeout; }",
    ],
)
def test_a_table_that_vanishes_is_noticed_at_once_and_made_again(
    net: Hosts, watched: NftablesFirewall, act: str
) -> None:
    net.nft(f"{act}\n")
    start = time.monotonic()
    assert woken(watched)
    assert net.host(watched.repair)
    assert time.monotonic() - start < 0.2
    assert not net.host(watched.repair)
    assert net.host(watched.apply, [ban("10.77.3.0/29"), ban(CLIENT4, service="udp/53")]) == [None, None]
    assert net.blocked(CLIENT4, HOST4)
    assert net.passes(OTHER4, HOST4)  # still allowed


@pytest.mark.parametrize(
    "act",
    [
        "flush chain inet privet bans",
        "insert rule inet privet bans accept",
        'insert rule inet privet bans ip saddr 10.0.0.0/8 accept comment "v4_32"',
        "add rule inet privet bans counter",
        "flush chain inet privet bans\ndelete chain inet privet bans",
        "flush chain inet privet bans\ndelete chain inet privet bans\nadd chain inet privet bans",
        "add chain inet privet bans { policy drop; }",
        "add table inet privet { flags dormant; }",
        "add element inet privet allow4 { 10.77.3.0/29 }",
        "add element inet privet paused { ipv4 }",
        "add element inet privet paused { ipv4 timeout 1h }",
    ],
)
def test_rules_that_are_changed_are_made_again_and_the_bans_are_still_there(
    net: Hosts, watched: NftablesFirewall, act: str
) -> None:
    assert net.blocked(CLIENT4, HOST4)
    net.nft(f"{act}\n")
    start = time.monotonic()
    assert woken(watched)
    assert net.host(watched.repair)
    assert time.monotonic() - start < 0.2
    watched.seen()
    assert not net.host(watched.repair)
    assert net.blocked(CLIENT4, HOST4)
    assert net.passes(OTHER4, HOST4)  # still allowed
    assert net.host(watched.counters)["v4_32"][0] >= 1


def test_the_last_rule_of_a_chain_is_missed_too(net: Hosts, watched: NftablesFirewall) -> None:
    lines = net.host(run, "nft", "-a", "list", "chain", "inet", "privet", "bans").splitlines()
    (handle,) = [line.rpartition(" ")[2] for line in lines if '"v4_32"' in line]
    net.nft(f"delete rule inet privet bans handle {handle}\n")
    assert net.passes(CLIENT4, HOST4)
    assert woken(watched)
    assert net.host(watched.repair)
    assert net.blocked(CLIENT4, HOST4)


def test_one_who_must_get_in_does_so_again_after_somebody_took_him_out(net: Hosts, watched: NftablesFirewall) -> None:
    net.host(watched.apply, [ban("10.77.3.0/29")])
    assert net.passes(OTHER4, HOST4)
    net.nft("flush set inet privet allow4\n")
    assert woken(watched)
    assert net.host(watched.repair)
    assert net.passes(OTHER4, HOST4)


@pytest.mark.parametrize(
    "act",
    [
        f"delete element inet privet v4_32 {{ {CLIENT4} }}",
        "flush set inet privet v4_32",
        "delete element inet privet v4_24_ports { 192.0.2.0 . tcp . 22 }",
    ],
)
def test_bans_that_are_removed_by_hand_are_lost(net: Hosts, watched: NftablesFirewall, act: str) -> None:
    net.nft(f"{act}\n")
    assert woken(watched)
    assert net.host(watched.repair)
    assert not net.host(watched.repair)
    orders = [ban(CLIENT4), ban("192.0.2.0/24", service="tcp/22"), *many(3)]  # some of them are held
    assert net.host(watched.apply, orders) == [None] * 5
    assert len(held(net, watched)) == 5


def test_a_saved_copy_does_not_bring_back_old_bans(net: Hosts, watched: NftablesFirewall) -> None:
    """Save the ruleset, as some do for the next boot, and load it when the bans in it have changed."""
    saved = net.host(run, "nft", "list", "ruleset")
    net.host(watched.apply, [unban(CLIENT4), ban(OTHER4)])
    woken(watched)
    net.nft(f"flush ruleset\n{saved}")
    assert CLIENT4 in held(net, watched)
    assert woken(watched)
    assert net.host(watched.repair)
    assert held(net, watched) == {}
    assert net.host(watched.apply, [ban("10.77.3.0/29")]) == [None]
    assert net.blocked(CLIENT4, HOST4)
    assert net.passes(OTHER4, HOST4)


def test_a_pause_goes_on_after_a_reload(net: Hosts, watched: NftablesFirewall) -> None:
    net.host(watched.pause, 60.0)
    net.nft("flush ruleset\n")
    net.host(watched.repair)
    assert 55 < net.host(watched.paused) < 60


def test_changes_elsewhere_wake_once_and_nothing_is_lost(net: Hosts, watched: NftablesFirewall) -> None:
    words = ", ".join(f"10.{number >> 8}.{number & 255}.1" for number in range(20_000))
    net.nft("add table inet other\nadd set inet other many { type ipv4_addr; }\n")
    net.nft(f"add element inet other many {{ {words} }}\n")
    net.nft("flush set inet other many\n")
    assert woken(watched)
    assert not net.host(watched.repair)


def test_more_news_than_there_is_room_for_count_as_a_loss(net: Hosts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_BUFFER", 4096)
    with fresh(net) as firewall:
        net.host(firewall.watch)
        net.host(firewall.apply, many(2000))
        assert not firewall.seen()
        net.nft("flush set inet privet v4_32\n")
        assert woken(firewall)
        assert net.host(firewall.repair)


def test_the_descriptor_stays_until_the_firewall_is_closed(net: Hosts, watched: NftablesFirewall) -> None:
    first = watched.watch()
    assert net.host(watched.watch) == first
    net.host(watched.open)
    net.host(watched.watch)
    net.nft("flush ruleset\n")
    assert woken(watched)


def test_where_netlink_is_forbidden_repair_alone_finds_out(net: Hosts, firewall: NftablesFirewall) -> None:
    descriptor = net.host(firewall.watch)
    net.host(firewall.apply, [ban(CLIENT4)])
    net.nft("flush ruleset\n")
    assert firewall.seen() == (descriptor is not None)
    assert net.host(firewall.repair)
