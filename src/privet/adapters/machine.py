"""What this machine must never ban: its own addresses, its gateways, the administrator's way in.

Everything is read from /proc: the text of the kernel goes to pure functions, and what cannot be read
protects nothing more, but stops nothing either.
"""

from __future__ import annotations

import re
import struct
from pathlib import Path
from socket import AF_INET, AF_INET6, inet_pton
from typing import TYPE_CHECKING

from privet.core.address import Subject, mask_bits, pack

if TYPE_CHECKING:
    from collections.abc import Mapping

LOOPBACK = frozenset({Subject(inet_pton(AF_INET, "127.0.0.0"), 8), Subject(inet_pton(AF_INET6, "::1"), 128)})

_NET = Path("/proc/thread-self/net")  # the network namespace of this very thread
_LEAF = re.compile(r"\|-- (\S+)")
_LOCAL = re.compile(r"/(\d+) host LOCAL")
_GATEWAY = 0x2  # RTF_GATEWAY: the route has a next hop
_ANCESTORS = 64  # a chain of parents longer than this is no login


def own_addresses() -> frozenset[Subject]:
    """Return what is delivered to this machine: addresses of all interfaces, and loopback."""
    return LOOPBACK | local_v4(_read(_NET / "fib_trie")) | local_v6(_read(_NET / "if_inet6"))


def gateways() -> frozenset[Subject]:
    """Return the next hops of the default routes."""
    return gateways_v4(_read(_NET / "route")) | gateways_v6(_read(_NET / "ipv6_route"))


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


def _whole(packed: bytes) -> Subject:
    return Subject(packed, len(packed) * 8)


def _read(path: Path) -> str:
    try:
        return path.read_text("ascii", "replace")
    except OSError:
        return ""
