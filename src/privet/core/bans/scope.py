"""What a ban closes: everything, or some ports of some transport protocols.

A scope is text, so that it can stand in a verdict, a stored ban and a table as it is: "" for everything,
else `tcp:22,80` or `tcp:53;udp:53`, protocols and ports sorted, so that equal scopes are equal texts.
A service is one protocol and port of it, `tcp/22`, or "" for everything: what one element of the firewall closes.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

PROTOCOLS = {"dccp": 33, "sctp": 132, "tcp": 6, "udp": 17, "udplite": 136}
"""The transport protocols that have ports, with their numbers."""

MOST_SERVICES = 64
"""Each is one element for every banned subject: more than this is better said by closing everything."""

_LARGEST_PORT = 65535


def make_scope(protocols: str | Iterable[str], ports: Iterable[int]) -> str:
    """Return the scope of these ports, for each of the protocols. Raises ValueError."""
    names = sorted({protocols} if isinstance(protocols, str) else set(protocols))
    numbers = sorted(set(ports))
    if not (names and numbers and set(names) <= PROTOCOLS.keys()):
        raise ValueError(f"a scope has ports, and protocols out of {', '.join(PROTOCOLS)}")
    if not (numbers[0] > 0 and numbers[-1] <= _LARGEST_PORT):
        raise ValueError(f"a port is a number from 1 to {_LARGEST_PORT}")
    if len(names) * len(numbers) > MOST_SERVICES:
        raise ValueError(f"a scope has at most {MOST_SERVICES} ports, counted for each protocol")
    return ";".join(f"{name}:{','.join(map(str, numbers))}" for name in names)


@lru_cache(maxsize=1024)
def services(scope: str) -> tuple[str, ...]:
    """Return the single services of a scope; everything is one."""
    if not scope:
        return ("",)
    parts = (part.partition(":") for part in scope.split(";"))
    return tuple(f"{protocol}/{port}" for protocol, _, ports in parts for port in ports.split(","))


@lru_cache(maxsize=1024)
def scope_of(service: str) -> str:
    """Return the scope that is just one service."""
    return service.replace("/", ":")


@lru_cache(maxsize=1024)
def numbers(service: str) -> tuple[int, int]:
    """Return protocol number and port of a service. Raises ValueError for what is none."""
    protocol, _, port = service.partition("/")
    if protocol not in PROTOCOLS or not (port.isascii() and port.isdigit() and 0 < int(port) <= _LARGEST_PORT):
        raise ValueError("not a service")
    return PROTOCOLS[protocol], int(port)


@lru_cache(maxsize=1024)
def service_of(protocol: int, port: int) -> str:
    """Return the service of a protocol number and a port. Raises ValueError for a protocol without ports."""
    for name, number in PROTOCOLS.items():
        if number == protocol:
            return f"{name}/{port}"
    raise ValueError("a protocol without ports")
