"""What goes wrong between Privet and the real kernel: full sets, a missing or slow nft, and very much at once."""

from __future__ import annotations

import os
import shutil
import time
from typing import TYPE_CHECKING

import pytest

from privet.adapters.firewall import program
from privet.adapters.firewall.nftables import NftablesFirewall
from privet.core.addresses.address import Subject, mask_bits
from privet.core.bans.model import Order
from privet.ports import FirewallError
from tests.e2e.hosts import CLIENT4, FOR_EVER, HOST4, ban, held, many

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.e2e.hosts import Hosts

pytestmark = pytest.mark.needs("root", "nft", "netns")

NFT = shutil.which("nft", path=f"{os.environ['PATH']}:/usr/sbin:/sbin") or ""


@pytest.fixture
def failing(net: Hosts, tmp_path: Path) -> Iterator[Callable[[str], NftablesFirewall]]:
    """Give an open firewall whose nft program does, from then on, what a shell script says."""
    path = tmp_path / "nft"
    path.write_text(f'#!/bin/sh\nexec {NFT} "$@"\n')
    path.chmod(0o700)
    net.nft("flush ruleset\n")
    firewall = NftablesFirewall(str(path))
    net.host(firewall.open)

    def fail(script: str) -> NftablesFirewall:
        path.unlink()
        if script:
            path.write_text(f"#!/bin/sh\n{script}\n")
            path.chmod(0o700)
        return firewall

    yield fail
    firewall.close()


FAULTS = [
    pytest.param("", ("is missing: install the package nftables", False), id="missing"),
    pytest.param("echo 'Error: no' >&2; exit 1", ("nft refuses the structure: Error: no", True), id="refusing"),
    pytest.param("exec sleep 20", ("did not end within", True), id="hanging"),
    pytest.param("echo 'Operation not permitted' >&2; exit 1", ("no right to change", False), id="no right"),
]


@pytest.mark.parametrize(("script", "error"), FAULTS)
def test_bans_need_no_program_once_the_structure_stands(
    net: Hosts,
    failing: Callable[[str], NftablesFirewall],
    monkeypatch: pytest.MonkeyPatch,
    script: str,
    error: tuple[str, bool],
) -> None:
    complaint, transient = error
    monkeypatch.setattr(program, "_WITHIN", 0.3)
    firewall = failing(script)
    needs_a_set = ban("192.0.2.0/24")
    answers = net.host(firewall.apply, [needs_a_set, ban(CLIENT4)])
    assert answers[1] is None
    assert complaint in (answers[0] or "")
    assert net.blocked(CLIENT4, HOST4)
    with pytest.raises(FirewallError, match=complaint) as caught:  # nothing was done: it stays with the caller
        net.host(firewall.apply, [needs_a_set])
    assert caught.value.transient == transient
    with pytest.raises(FirewallError, match=complaint):
        net.host(firewall.allow, [Subject.parse("192.0.2.1")])


def test_a_slow_program_keeps_no_other_ban_waiting(net: Hosts, failing: Callable[[str], NftablesFirewall]) -> None:
    firewall = failing(f'sleep 1; exec {NFT} "$@"')
    with net.storm(CLIENT4, HOST4) as storm:
        time.sleep(0.1)
        assert storm.arrived
        assert net.host(firewall.apply, [ban("192.0.2.0/24"), ban(CLIENT4)]) == [None, None]
        arrived = storm.arrived
    assert arrived * 4 < storm.sent  # the client was out before the program had ended
    assert storm.arrived == arrived


def test_what_could_not_be_made_again_is_made_when_it_can_be(
    net: Hosts, failing: Callable[[str], NftablesFirewall]
) -> None:
    firewall = failing("exit 1")
    net.host(firewall.apply, [ban(CLIENT4)])
    net.nft("flush ruleset\n")
    for _ in range(2):
        with pytest.raises(FirewallError, match="refuses the structure"):
            net.host(firewall.repair)
    failing(f'exec {NFT} "$@"')
    assert net.host(firewall.repair)
    assert not net.host(firewall.repair)


@pytest.mark.parametrize("service", ["", "udp/53"])
def test_a_set_that_fills_up_refuses_some_and_takes_the_others(
    net: Hosts, firewall: NftablesFirewall, service: str
) -> None:
    name, kind = ("v4_32_ports", "ipv4_addr . inet_proto . inet_service") if service else ("v4_32", "ipv4_addr")
    net.nft(
        "delete table inet privet\nadd table inet privet\n"
        f"add set inet privet {name} {{ type {kind}; flags timeout; size 5; }}\n"
    )
    net.host(firewall.open)
    orders = [Order(order.subject, 600.0, service=service) for order in many(8)]
    answers = net.host(firewall.apply, [*orders, ban("2001:db8::1")])
    assert sorted(answers, key=str) == [None] * 6 + ["the set is full"] * 3
    assert net.host(firewall.apply, [Order(orders[0].subject, None, service=service)]) == [None]
    free = next(number for number, answer in enumerate(answers) if answer)
    assert net.host(firewall.apply, [orders[free]]) == [None]  # there is room again
    assert len(held(net, firewall)) == 6


def test_a_hundred_thousand_at_once_with_bad_ones_among_them(net: Hosts, quick: NftablesFirewall) -> None:
    """Order addresses, services and prefixes of every length together; nothing is lost but what is refused."""
    orders = many(60_000)
    orders += [Order(order.subject, 600.0, service="tcp/22") for order in many(20_000)]
    for number in range(20_000):
        length = 9 + number % 23
        address = (0x0A000000 + number * 419).to_bytes(4)
        orders.append(Order(Subject(mask_bits(address, length), length), 600.0))
    bad = set(range(0, 100_000, 9_999))
    orders = [
        Order(order.subject, FOR_EVER if number in bad else 600.0, service=order.service)
        for number, order in enumerate(orders)
    ]
    start = time.monotonic()
    answers = net.host(quick.apply, orders)
    assert time.monotonic() - start < 8.0
    wanted = {(order.subject, order.service) for order in orders if order.seconds == 600.0}
    refused = {(order.subject, order.service) for order, answer in zip(orders, answers, strict=True) if answer}
    assert {(ban.subject, ban.service) for ban in net.host(lambda: list(quick.held()))} == wanted - refused
    assert refused <= {(orders[number].subject, orders[number].service) for number in bad}
    assert {answer for answer in answers if answer} == {"longer than the kernel can count"}


def test_others_that_change_their_rules_all_the_time_are_no_hindrance(net: Hosts, quick: NftablesFirewall) -> None:
    """Every change of the rules makes a new generation, in the middle of listings and transactions."""
    net.nft("add table inet other\nadd set inet other some { type ipv4_addr; }\n")
    change = "flush set inet other some\nadd element inet other some { 192.0.2.1, 192.0.2.2 }\n"
    net.host(quick.apply, many(5000))
    for number in range(30):
        net.nft(change)
        assert net.host(quick.apply, [ban(CLIENT4, 60.0 + number, known=True)]) == [None]
        assert not net.host(quick.repair)
    assert len(held(net, quick)) == 5001
