"""Stock ban actions become scopes of the kernel sets."""

from __future__ import annotations

import msgspec
import pytest

from privet.config.fail2ban.closing import Closing, closing, customised, is_closing, opens, scope
from privet.config.fail2ban.model import Action
from privet.config.fail2ban.text import Place

HERE = Place("jail.conf", 1)
STOCK_FILE = Place("/etc/fail2ban/action.d/iptables.conf", 9)


def action(file: str = "iptables-multiport", **options: str) -> Action:
    return Action(name=file, file=file, place=HERE, options=options, places={"actionban": STOCK_FILE})


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"port": "ssh", "protocol": "tcp"}, "tcp:22"),
        ({"port": "http,https", "protocol": "tcp"}, "tcp:80,443"),
        ({"port": "80, 443 8080"}, "tcp:80,443,8080"),
        ({"port": "{ 80 443 }", "protocol": "tcp"}, "tcp:80,443"),
        ({"port": "53", "protocol": "udp,tcp"}, "tcp:53;udp:53"),
        ({"port": "6000:6002", "protocol": "tcp"}, "tcp:6000,6001,6002"),
        ({"port": "6000-6001", "protocol": "TCP"}, "tcp:6000,6001"),
        ({"port": "0:65535", "protocol": "tcp"}, ""),
        ({"port": "1:65535", "protocol": "udp"}, ""),
        ({"port": "22", "protocol": "all"}, ""),
        ({"port": "any", "protocol": "tcp"}, ""),
        ({"port": "", "protocol": "tcp"}, ""),
        ({"port": "22", "type": "allports"}, ""),
        ({"port": "22", "actiontype": "<allports>"}, ""),
    ],
)
def test_ports(options: dict[str, str], expected: str) -> None:
    assert scope([closing(action(**options))]) == expected


@pytest.mark.parametrize("file", ["iptables-allports", "nftables-allports", "ufw", "route", "hostsdeny", "shorewall"])
def test_actions_without_ports(file: str) -> None:
    assert closing(action(file, port="22", protocol="tcp")).services == ()


def test_what_is_not_as_it_was_is_noted() -> None:
    assert closing(action("nftables-allports", protocol="tcp")).notes == (
        "closes every protocol, where nftables-allports closed the ports of tcp",
    )
    assert closing(action("ufw", protocol="tcp")).notes == ()
    assert closing(action(port="1000:1100", protocol="tcp")) == Closing(
        notes=("closes every port, not only 101 (at most 64)",)
    )
    assert closing(action(port="22", protocol="all")).notes == (
        "closes every port: with every protocol there is no telling ports apart",
    )


def test_what_is_not_known_is_told_and_the_rest_is_closed() -> None:
    assert closing(action(port="22,nothing,99999", protocol="tcp,icmp")) == Closing(
        services=(("tcp", 22),),
        unknown=(
            "protocol 'icmp' has no ports that could be closed",
            "port 'nothing' is neither a number nor in /etc/services",
            "port '99999' is neither a number nor in /etc/services",
        ),
    )
    assert closing(action(port="nothing")).notes == ("closes every port, since none is known",)


def test_several_actions_close_together() -> None:
    one, two = closing(action(port="80,443")), closing(action(port="443,22", protocol="udp"))

    assert scope([one, two]) == "tcp:80,443;udp:22,443"
    assert scope([one, Closing()]) == ""


@pytest.mark.parametrize(
    ("place", "own"),
    [
        ("/etc/fail2ban/action.d/iptables.conf", False),
        ("/etc/fail2ban/action.d/iptables.local", True),
        ("/etc/fail2ban/action.d/iptables.d/x.conf", True),
        ("/etc/fail2ban/jail.local", True),
    ],
)
def test_an_actionban_of_ones_own_is_a_command(place: str, *, own: bool) -> None:
    found = msgspec.structs.replace(action(), places={"actionban": Place(place, 3)})

    assert (customised(found) is not None, is_closing(found)) == (own, not own)


def test_other_actions_close_nothing() -> None:
    assert not is_closing(action("cloudflare"))
    assert not is_closing(Action(name="x", file="x.py", place=HERE, python=True))


@pytest.mark.parametrize(("word", "expected"), [("RETURN", True), ("accept", True), ("REJECT --with x", False)])
def test_knocking_is_not_banning(word: str, expected: bool) -> None:  # noqa: FBT001  a parameter of the test
    assert opens(action(blocktype=word)) is expected
    assert not opens(action("own-action", blocktype=word))
