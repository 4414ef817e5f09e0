"""Texts as the kernel writes them; live ones are read in tests/e2e/test_firewall.py."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from privet.adapters import machine
from privet.core.address import Subject

if TYPE_CHECKING:
    from pathlib import Path

TRIE = """\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 127.0.0.0/8 2 0 2
           |-- 127.0.0.0
              /8 host LOCAL
           |-- 127.0.0.1
              /32 host LOCAL
        |-- 127.255.255.255
           /32 link BROADCAST
     +-- 192.0.2.0/24 2 0 2
           |-- 192.0.2.0
              /24 link UNICAST
           |-- 192.0.2.7
              /32 host LOCAL
              /32 link UNICAST
     |-- 198.51.100.0
        /24 host LOCAL
"""
INTERFACES = """\
20010db8000000000000000000000007 02 40 00 80     eth0
fe800000000000000000000000000007 02 40 20 80     eth0
00000000000000000000000000000001 01 80 10 80       lo
"""
ROUTES = """\
Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	{gateway:08X}	0003	0	0	0	00000000	0	0	0
tun0	00000000	00000000	0001	0	0	9	00000000	0	0	0
eth0	{net:08X}	{other:08X}	0003	0	0	0	{net:08X}	0	0	0
eth0	{net:08X}	00000000	0001	0	0	0	00FFFFFF	0	0	0
"""
NONE = "0" * 32
ROUTES6 = f"""\
20010db8000000000000000000000000 40 {NONE} 00 {NONE} 00000100 00000001 00000000 00000001     eth0
{NONE} 00 {NONE} 00 fe800000000000000000000000000001 00000400 00000002 00000000 00000003     eth0
20010db8000100000000000000000000 30 {NONE} 00 fe800000000000000000000000000002 00000400 00000002 00000000 00000003 eth0
{NONE} 00 {NONE} 00 {NONE} ffffffff 00000001 00000000 00200200       lo
"""


def parse(*texts: str) -> frozenset[Subject]:
    return frozenset(Subject.parse(text) for text in texts)


def as_number(address: str) -> int:
    (number,) = struct.unpack("=I", Subject.parse(address).packed)
    assert isinstance(number, int)
    return number


def test_local_prefixes_are_read_and_others_passed_over() -> None:
    assert machine.local_v4(TRIE) == parse("127.0.0.0/8", "127.0.0.1", "192.0.2.7", "198.51.100.0/24")


def test_addresses_of_interfaces_are_read() -> None:
    assert machine.local_v6(INTERFACES) == parse("2001:db8::7/128", "fe80::7/128", "::1/128")


def test_next_hops_of_default_routes_are_read() -> None:
    text = ROUTES.format(gateway=as_number("192.0.2.1"), net=as_number("198.51.100.0"), other=as_number("198.51.100.1"))
    assert machine.gateways_v4(text) == parse("192.0.2.1")
    assert machine.gateways_v6(ROUTES6) == parse("fe80::1/128")


def test_what_cannot_be_read_is_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_NET", tmp_path / "missing")
    assert machine.own_addresses() == parse("127.0.0.0/8", "::1/128")
    assert machine.gateways() == frozenset()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("192.0.2.9 50000 192.0.2.1 22", ["192.0.2.9"]),
        ("2001:db8::9 50000 2001:db8::1 22", ["2001:db8::9/128"]),
        ("fe80::9%eth0 50000 fe80::1%eth0 22", ["fe80::9/128"]),
        ("::ffff:192.0.2.9 50000 ::ffff:192.0.2.1 22", ["192.0.2.9"]),
        ("UNKNOWN 65535 UNKNOWN 65535", []),
        ("", []),
    ],
)
def test_ssh_peer(value: str, expected: list[str]) -> None:
    assert machine.ssh_peer({"SSH_CONNECTION": value}) == parse(*expected)
    assert machine.ssh_peer({"HOME": value}) == frozenset()


def test_ssh_peer_is_found_past_a_cleaned_environment() -> None:
    """Start a process without the variable below one that has it, as sudo does."""
    code = "import sys, os; from privet.core.address import Subject; from privet.adapters.machine import ssh_peer_of;"
    code += "sys.exit(ssh_peer_of(os.getpid()) != {Subject.parse('192.0.2.9')})"
    command = ["env", "-u", "SSH_CONNECTION", sys.executable, "-c", code]
    environment = os.environ | {"SSH_CONNECTION": "192.0.2.9 50000 192.0.2.1 22"}
    shell = ["sh", "-c", '"$@"; exit $?', "sh", *command]
    assert subprocess.run(shell, env=environment, check=False, timeout=20).returncode == 0


def test_parent_is_read_whatever_the_process_is_called() -> None:
    assert machine.parent("12 (a) S 99 (b) S 34 12 12 0") == 34
    assert machine.parent("") == 0


def test_a_process_that_is_gone_has_no_peer() -> None:
    assert machine.ssh_peer_of(2**22 + 1) == frozenset()
