"""What this machine must never ban: its own addresses, gateways and resolvers, and those who are logged in.

What is read, from /proc mostly, goes to pure functions; what cannot be read protects nothing more, but stops
nothing either.
"""

from __future__ import annotations

import os
import pwd
import re
import struct
from contextlib import suppress
from pathlib import Path
from socket import AF_INET, AF_INET6, inet_pton
from typing import TYPE_CHECKING

from privet.adapters.machine import sockets
from privet.core.addresses.address import Subject, mask_bits, pack

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

LOOPBACK = frozenset({Subject(inet_pton(AF_INET, "127.0.0.0"), 8), Subject(inet_pton(AF_INET6, "::1"), 128)})

_NET = Path("/proc/thread-self/net")  # the network namespace of this very thread
_LEAF = re.compile(r"\|-- (\S+)")
_LOCAL = re.compile(r"/(\d+) host LOCAL")
_GATEWAY = 0x2  # RTF_GATEWAY: the route has a next hop
_ANCESTORS = 64  # a chain of parents longer than this is no login

_RESOLVERS = (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf"))
_NAMESERVER = re.compile(r"^[ \t]*nameserver[ \t]+(\S+)", re.MULTILINE)

_PROC = Path("/proc")
_UTMP = Path("/run/utmp")
_LONG = "l" if os.uname().machine in ("aarch64", "riscv64", "loongarch64") else "i"  # as <bits/utmp.h> has it
LOGIN = struct.Struct(f"@hi32s4s32s256shh{_LONG}2{_LONG}16s20x0{_LONG}")
"""One entry of utmp."""
_USER_PROCESS = 7

_SSHD = (Path("/etc/ssh/sshd_config"), Path("/etc/ssh/sshd_config.d"))
_SSH_PORT = re.compile(
    r"^[ \t]*(?:Port[ \t=]+|ListenAddress[ \t=]+(?:\[\S+\]|[^\s:]+):)(\d{1,5})[ \t]*$", re.MULTILINE | re.IGNORECASE
)
_SSH = 22
_IN_SESSION = re.compile(r"sshd[\w-]*: \S+@(?:notty|pts/|tty)\S*")
_SOCKET = re.compile(r"socket:\[(\d+)\]")


def facts(environ: Mapping[str, str]) -> dict[str, frozenset[Subject]]:
    """Return all that must never be banned, by reason."""
    return {
        "this machine's own address": own_addresses(),
        "the gateway of this machine": gateways(),
        "the resolver of this machine": resolvers(),
        "somebody who is logged in": ssh_peer(environ) | logins() | ssh_sessions(),
    }


def own_addresses() -> frozenset[Subject]:
    """Return what is delivered to this machine: addresses of all interfaces, and loopback."""
    return LOOPBACK | local_v4(_read(_NET / "fib_trie")) | local_v6(_read(_NET / "if_inet6"))


def gateways() -> frozenset[Subject]:
    """Return the next hops of the default routes."""
    return gateways_v4(_read(_NET / "route")) | gateways_v6(_read(_NET / "ipv6_route"))


def resolvers() -> frozenset[Subject]:
    """Return the name servers that this machine asks."""
    return nameservers("\n".join(map(_read, _RESOLVERS)))


def logins() -> frozenset[Subject]:
    """Return from where the users of utmp came, as far as their processes still run."""
    try:
        data = _UTMP.read_bytes()
    except OSError:
        return frozenset()
    return frozenset(peer for pid, peer in utmp_peers(data) if (_PROC / str(pid)).exists())


def ssh_sessions() -> frozenset[Subject]:
    """Return the peers of ssh connections that have logged in: to be connected is what attackers are, too."""
    folder = _SSHD[1].glob("*.conf") if _SSHD[1].is_dir() else ()
    peers = connected(ssh_ports("\n".join(map(_read, (_SSHD[0], *folder)))))
    own = _session_sockets() if peers else ()
    return frozenset(peers[inode] for inode in own if inode in peers)


def ssh_peer(environ: Mapping[str, str]) -> frozenset[Subject]:
    """Return the address from which a login session over ssh came, by its environment."""
    client = environ.get("SSH_CONNECTION", "").partition(" ")[0]
    packed = pack(client.encode("ascii", "replace")) if client else None
    return frozenset() if packed is None else frozenset({_whole(packed)})


def ssh_peer_of(pid: int) -> frozenset[Subject]:
    """Return the ssh peer of a process or of the nearest ancestor that has one.

    sudo and su clean the environment, so that the caller's own often says nothing.
    """
    for _ in range(_ANCESTORS):
        found = ssh_peer(environment(_read(Path(f"/proc/{pid}/environ"))))
        pid = parent(_read(Path(f"/proc/{pid}/stat")))
        if found or pid == 0:
            return found
    return frozenset()


def environment(text: str) -> dict[str, str]:
    """Parse /proc/PID/environ."""
    return {name: value for name, _, value in (entry.partition("=") for entry in text.split("\0"))}


def parent(text: str) -> int:
    """Parse the parent's id from /proc/PID/stat, 0 if there is none."""
    words = text.rpartition(")")[2].split()  # the name before may hold anything
    return int(words[1]) if len(words) > 1 else 0


def local_v4(text: str) -> frozenset[Subject]:
    """Parse /proc/net/fib_trie: the prefixes for which this machine answers."""
    found, leaf = set(), ""
    for line in text.splitlines():
        if name := _LEAF.search(line):
            leaf = name[1]
        elif local := _LOCAL.search(line):
            found.add(Subject(mask_bits(inet_pton(AF_INET, leaf), int(local[1])), int(local[1])))
    return frozenset(found)


def local_v6(text: str) -> frozenset[Subject]:
    """Parse /proc/net/if_inet6: the addresses of all interfaces."""
    return frozenset(_whole(bytes.fromhex(line.split()[0])) for line in text.splitlines())


def gateways_v4(text: str) -> frozenset[Subject]:
    """Parse /proc/net/route: the next hops of the default routes."""
    found = set()
    for line in text.splitlines()[1:]:
        _, destination, gateway, flags, _, _, _, mask, *_ = line.split()
        if int(flags, 16) & _GATEWAY and int(destination, 16) == int(mask, 16) == 0:
            found.add(_whole(struct.pack("=I", int(gateway, 16))))  # printed as a number of this host
    return frozenset(found)


def gateways_v6(text: str) -> frozenset[Subject]:
    """Parse /proc/net/ipv6_route: the next hops of the default routes."""
    found = set()
    for line in text.splitlines():
        destination, length, _, _, gateway, _, _, _, flags, *_ = line.split()
        if int(flags, 16) & _GATEWAY and int(destination, 16) == int(length, 16) == 0:
            found.add(_whole(bytes.fromhex(gateway)))
    return frozenset(found)


def nameservers(text: str) -> frozenset[Subject]:
    """Parse resolv.conf."""
    found = (pack(word.encode("ascii", "replace")) for word in _NAMESERVER.findall(text))
    return frozenset(_whole(packed) for packed in found if packed)


def utmp_peers(data: bytes) -> list[tuple[int, Subject]]:
    """Parse utmp: process and remote address of every user who has one."""
    found = []
    for entry in LOGIN.iter_unpack(data[: len(data) - len(data) % LOGIN.size]):
        kind, pid, address = entry[0], entry[1], entry[-1]
        packed = address if any(address[4:]) else address[:4]
        if kind == _USER_PROCESS and any(packed):
            found.append((pid, _whole(packed)))
    return found


def ssh_ports(text: str) -> frozenset[int]:
    """Parse the ports from sshd's configuration."""
    return frozenset({_SSH, *map(int, _SSH_PORT.findall(text))})


def connected(ports: Collection[int]) -> dict[int, Subject]:
    """Return the peers of established connections to local ports, by socket."""
    told = sockets.established()
    if told is None:  # a kernel without the monitor
        return established(_read(_NET / "tcp") + _read(_NET / "tcp6"), ports)
    return {one.inode: _whole(one.peer) for one in told if one.port in ports}


def established(text: str, ports: Iterable[int]) -> dict[int, Subject]:
    """Parse /proc/net/tcp and tcp6: the peers of established connections to local ports, by socket."""
    local = "|".join(f"{port:04X}" for port in ports)
    line = rf"^ *\d+: [0-9A-F]+:(?:{local}) ([0-9A-F]+):[0-9A-F]+ 01 \S+ \S+ \S+ +\d+ +\d+ (\d+)"
    found = {}
    for address, inode in re.findall(line, text, re.MULTILINE):
        words = (int(address[at : at + 8], 16) for at in range(0, len(address), 8))
        packed = b"".join(struct.pack("=I", word) for word in words)  # printed as numbers of this host
        mapped = packed.startswith(bytes(10) + b"\xff\xff")
        found[int(inode)] = _whole(packed[12:] if mapped else packed)
    return found


def listening() -> frozenset[int]:
    """Return the TCP ports on which somebody listens here."""
    return listening_in(_read(_NET / "tcp") + _read(_NET / "tcp6"))


def listening_in(text: str) -> frozenset[int]:
    """Parse /proc/net/tcp and tcp6: the ports of sockets that listen."""
    return frozenset(
        int(port, 16) for port in re.findall(r"^ *\d+: [0-9A-F]+:([0-9A-F]{4}) \S+ 0A ", text, re.MULTILINE)
    )


def is_session(command: str, users: Collection[int], sshd: int) -> bool:
    """Tell whether a process of sshd serves somebody who has logged in, by its command line and its users.

    Before that it belongs to root or to `sshd`, and says so in its command line; its root part does so always.
    """
    return bool(_IN_SESSION.fullmatch(command)) or not {0, sshd}.intersection(users)


def _session_sockets() -> set[int]:
    """Return the sockets of all processes of sshd that serve somebody who has logged in."""
    try:
        sshd = pwd.getpwnam("sshd").pw_uid
    except KeyError:
        sshd = 0
    found: set[int] = set()
    for process in _PROC.glob("[0-9]*"):
        if not _read(process / "comm").startswith("sshd"):
            continue
        users = re.search(r"^Uid:\t(\d+)\t(\d+)", _read(process / "status"), re.MULTILINE)
        command = _read(process / "cmdline").rstrip("\0 ")
        if users and is_session(command, [int(user) for user in users.groups()], sshd):
            with suppress(OSError):
                links = [os.readlink(link) for link in (process / "fd").iterdir()]  # noqa: PTH115  no path, but a text
                found.update(int(name[1]) for link in links if (name := _SOCKET.fullmatch(link)))
    return found


def _whole(packed: bytes) -> Subject:
    return Subject(packed, len(packed) * 8)


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii", "replace")
    except OSError:
        return ""
