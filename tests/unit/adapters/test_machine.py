"""Texts as the kernel writes them; live ones are read in tests/e2e/test_firewall.py."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from privet.adapters import machine
from privet.adapters.machine import sockets
from privet.core.addresses.address import Subject

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


TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 100 1 0 100 0 0 10 0
   1: {own}:0016 {peer}:C001 01 00000000:00000000 02:000A7214 00000000     0        0 101 2 0 20 4 24 10 -1
   2: {own}:08AE {peer2}:C001 01 00000000:00000000 02:000A7214 00000000     0        0 102 2 0 20 4 24 10 -1
   3: {own}:0016 {peer3}:C001 06 00000000:00000000 03:00000A72 00000000     0        0 0 3 0
   4: {own}:C001 {peer3}:0016 01 00000000:00000000 00:00000000 00000000  1000        0 104 1 0 20 4 24 10 -1
   5: {own}:0050 {peer3}:C001 01 00000000:00000000 00:00000000 00000000     0        0 105 1 0 20 4 24 10 -1
"""
SSHD = """\
#Port 99
Port 2222
 port 2022
ListenAddress 192.0.2.1:2122
ListenAddress [2001:db8::1]:2322
ListenAddress 192.0.2.1
ListenAddress 2001:db8::1:5
PasswordAuthentication no
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
    code = "import sys, os; from privet.core.addresses.address import Subject;"
    code += "from privet.adapters.machine import ssh_peer_of;"
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


def kernel(address: str) -> str:
    """Return an address as /proc/net/tcp writes it."""
    packed = Subject.parse(address).packed
    return "".join(f"{word:08X}" for word in struct.unpack(f"={len(packed) // 4}I", packed))


def test_peers_of_established_connections_to_ports() -> None:
    peers = {"own": kernel("192.0.2.1"), "peer": kernel("192.0.2.9"), "peer2": kernel("192.0.2.10")}
    text = TCP.format(**peers, peer3=kernel("192.0.2.11"))
    assert machine.established(text, [22]) == {101: Subject.parse("192.0.2.9")}
    assert machine.established(text, [22, 2222]).keys() == {101, 102}
    mapped = "0" * 16 + f"{int.from_bytes(bytes([0, 0, 255, 255]), sys.byteorder):08X}"
    text = TCP.format(own="0" * 32, peer=kernel("2001:db8::9/128"), peer2=mapped + peers["peer2"], peer3="0" * 32)
    assert machine.established(text, [22, 2222]) == {
        101: Subject.parse("2001:db8::9/128"),
        102: Subject.parse("192.0.2.10"),
    }
    assert machine.established("", [22]) == {}


def test_a_connection_of_this_machine_is_found_as_the_kernel_writes_it() -> None:
    for family, address, whole in ((socket.AF_INET, "127.0.0.1", 32), (socket.AF_INET6, "::1", 128)):
        with socket.socket(family) as server:
            server.bind((address, 0))
            server.listen()
            with socket.create_connection(server.getsockname()[:2]), server.accept()[0] as accepted:
                text = Path("/proc/thread-self/net", "tcp" if whole == 32 else "tcp6").read_text()
                port, peer = server.getsockname()[1], Subject.parse(f"{address}/{whole}")
                socket_of = os.fstat(accepted.fileno()).st_ino
                assert machine.established(text, [port]) == {socket_of: peer}
                told = [one for one in sockets.established() or () if one.port == port]
                assert told == [sockets.Connection(port, peer.packed, socket_of)]
                assert address not in repr(told)


def test_of_many_connections_each_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=8) as server, ExitStack() as stack:
        port = server.getsockname()[1]
        for _ in range(400):
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            stack.enter_context(server.accept()[0])

        told = [one for one in sockets.established() or () if one.port == port]
        assert len({one.inode for one in told}) == 400


def test_a_mapped_peer_is_an_ipv4_one() -> None:
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)), server.accept()[0]:
            (one,) = [one for one in sockets.established() or () if one.port == port]
            assert one.peer == bytes([127, 0, 0, 1])


def test_without_the_kernels_monitor_proc_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "_SOCK_DIAG", 31)  # there is no such protocol
    assert sockets.established() is None
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)), server.accept()[0] as accepted:
            found = machine.connected([port])
            assert found == {os.fstat(accepted.fileno()).st_ino: Subject.parse("127.0.0.1")}


def test_ports_of_sshd() -> None:
    assert machine.ssh_ports(SSHD) == {22, 2222, 2022, 2122, 2322}
    assert machine.ssh_ports("") == {22}


@pytest.mark.parametrize(
    ("command", "user", "expected"),
    [
        ("sshd: root@pts/0", 0, True),
        ("sshd: root@notty", 0, True),
        ("sshd-session: alice@pts/3,pts/4", 1000, True),
        ("sshd: alice", 1000, True),  # forwards ports, and nothing else
        ("sshd: /usr/sbin/sshd -D [listener] 1 of 10-100 startups", 0, False),
        ("sshd: [accepted]", 0, False),
        ("sshd: [net]", 109, False),
        ("sshd: root [priv]", 0, False),
        ("sshd: root [net]", 109, False),
        ("sshd: unknown [net]", 109, False),
        ("sshd: x@pts/0 [net]", 109, False),
    ],
)
def test_only_those_who_have_logged_in_to_sshd_count(command: str, user: int, expected: bool) -> None:  # noqa: FBT001
    assert machine.is_session(command, [user, user], 109) is expected


def test_peers_of_utmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def entry(kind: int, pid: int, packed: bytes) -> bytes:
        return machine.LOGIN.pack(
            kind, pid, b"pts/0", b"ts/0", b"alice", b"host", 0, 0, 0, 0, 0, packed.ljust(16, b"\0")
        )

    v4, v6 = Subject.parse("192.0.2.9"), Subject.parse("2001:db8::9/128")
    pid = os.getpid()
    data = entry(7, pid, v4.packed) + entry(8, pid, bytes(4)) + entry(7, 1, v6.packed) + entry(8, pid, v4.packed)
    data += entry(7, pid, bytes(16)) + entry(7, 2**22 + 1, Subject.parse("192.0.2.10").packed)
    assert machine.utmp_peers(data) == [(pid, v4), (1, v6), (2**22 + 1, Subject.parse("192.0.2.10"))]
    monkeypatch.setattr(machine, "_UTMP", tmp_path / "utmp")
    assert machine.logins() == frozenset()
    (tmp_path / "utmp").write_bytes(data + b"cut off")
    assert machine.logins() == {v4, v6}, "who is gone does not count"


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the size is that of this machine's kind")
def test_an_entry_of_utmp_has_the_size_that_the_c_library_gives_it() -> None:
    assert machine.LOGIN.size == 384


def test_name_servers() -> None:
    text = "# nameserver 192.0.2.9\nnameserver 192.0.2.1\n  nameserver\tfe80::1%eth0\nnameserver nonsense\nsearch a\n"
    assert machine.nameservers(text) == parse("192.0.2.1", "fe80::1/128")


def test_all_facts_have_reasons() -> None:
    found = machine.facts({"SSH_CONNECTION": "192.0.2.9 50000 192.0.2.1 22"})
    assert Subject.parse("127.0.0.0/8") in found["this machine's own address"]
    assert Subject.parse("192.0.2.9") in found["somebody who is logged in"]


def test_ports_on_which_somebody_listens() -> None:
    with socket.socket() as quiet, socket.socket() as open_one:
        quiet.bind(("127.0.0.1", 0))
        open_one.bind(("127.0.0.1", 0))
        open_one.listen()
        found = machine.listening()

        assert open_one.getsockname()[1] in found
        assert quiet.getsockname()[1] not in found
