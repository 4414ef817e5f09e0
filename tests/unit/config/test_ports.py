"""Ports in the configuration: by number and by name, for one protocol or several."""

from __future__ import annotations

import pytest

from privet.config.errors import ConfigErrors
from privet.config.loader import parse

BEFORE = '[source.web]\npath = "/var/log/access.log"\n[jail.j]\nsource = "web"\n'


def scope(settings: str) -> str:
    return parse(BEFORE + settings, "privet.toml").jails["j"].scope


def mistake(settings: str) -> str:
    with pytest.raises(ConfigErrors) as caught:
        parse(BEFORE + settings, "privet.toml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("", ""),
        ("ports = 22", "tcp:22"),
        ('ports = "https"', "tcp:443"),
        ('ports = [443, "http", 443, "https"]', "tcp:80,443"),
        ('ports = "domain"\nprotocol = ["udp", "tcp"]', "tcp:53;udp:53"),
        ('ports = [1, 65535]\nprotocol = "sctp"', "sctp:1,65535"),
    ],
)
def test_ports_make_a_scope(settings: str, expected: str) -> None:
    assert scope(settings) == expected


@pytest.mark.parametrize(
    ("settings", "line", "key", "message"),
    [
        ("ports = 0", 5, "ports", "expected a port from 1 to 65535"),
        ("ports = 65536", 5, "ports", "expected a port"),
        ("ports = true", 5, "ports", "got true"),
        ('ports = ""', 5, "ports", "expected a port"),
        ("ports = []", 5, "ports", "leave it out to close everything"),
        ('ports = "htpt"', 5, "ports", "/etc/services has no 'htpt' for tcp"),
        (r'ports = "a\u0000"', 5, "ports", "give the number"),
        ('ports = "22-80"', 5, "ports", "/etc/services has no '22-80'"),
        ('ports = 22\nprotocol = "tpc"', 6, "protocol", "did you mean 'tcp'?"),
        ('ports = 22\nprotocol = "icmp"', 6, "protocol", "expected dccp, sctp, tcp, udp, udplite"),
        ('protocol = "udp"', 5, "protocol", "has no effect without 'ports'"),
        (f"ports = {list(range(1, 66))}", 5, "ports", "more than 64 ports"),
        (f'ports = {list(range(1, 34))}\nprotocol = ["tcp", "udp"]', 5, "ports", "more than 64 ports"),
    ],
)
def test_a_mistake_has_its_place_and_remedy(settings: str, line: int, key: str, message: str) -> None:
    said = mistake(settings)
    assert said.startswith(f"privet.toml:{line}: jail.j.{key}: ")
    assert message in said
