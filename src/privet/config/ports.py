"""What `privet.toml` says about the ports that a jail closes."""

from __future__ import annotations

import socket
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from privet.config.values import Problem, as_list, bad, did_you_mean, each, is_whole, shown, texts
from privet.core.bans.scope import MOST_SERVICES, PROTOCOLS, make_scope

if TYPE_CHECKING:
    from collections.abc import Mapping

    from privet.config.values import Decoder

_LARGEST = 65535

Port = int | str
"""A number, or a name of /etc/services."""


def _protocols(value: object) -> tuple[str, ...]:
    return each(texts(value), _protocol)


def _protocol(name: str) -> str:
    if name not in PROTOCOLS:
        raise bad(f"expected {', '.join(PROTOCOLS)}, got {shown(name)}", did_you_mean(name, PROTOCOLS))
    return name


def _ports(value: object) -> tuple[Port, ...]:
    if value == []:
        raise bad("the list is empty", "leave it out to close everything")
    return each(as_list(value), _port)


def _port(value: Any) -> Port:  # noqa: ANN401  anything that TOML can hold
    if isinstance(value, str) and value:
        return value
    if is_whole(value) and 1 <= value <= _LARGEST:
        return int(value)
    raise bad(f"expected a port from 1 to {_LARGEST} or a name of /etc/services, got {shown(value)}")


SETTINGS: Mapping[str, Decoder] = {"ports": _ports, "protocol": _protocols}


def jail_scope(settings: dict[str, Any]) -> tuple[str, list[Problem]]:
    """Take both settings out of those of a jail; return the scope that they make, and what is wrong with it."""
    ports, protocols = settings.pop("ports", ()), settings.pop("protocol", None)
    if not ports:
        return "", [Problem("has no effect without 'ports'", key=("protocol",))] if protocols else []
    protocols = protocols or ("tcp",)
    if len(ports) * len(protocols) > MOST_SERVICES:
        message = (
            f"more than {MOST_SERVICES} ports, counted for each protocol: each is an entry for every banned client"
        )
        return "", [Problem(message, "leave it out to close everything", ("ports",))]
    numbers, problems = defaultdict[str, set[int]](set), list[Problem]()
    for port in ports:
        for protocol, name in _services(port, protocols):
            try:
                numbers[protocol].add(name if isinstance(name, int) else _number(name, protocol))
            except (OSError, ValueError):  # not there, or with a NUL in it
                message = f"/etc/services has no {shown(name)} for {protocol}"
                problems.append(Problem(message, "give the number", ("ports",)))
    return ";".join(sorted(make_scope(protocol, found) for protocol, found in numbers.items() if found)), problems


def _services(port: Port, protocols: tuple[str, ...]) -> list[tuple[str, Port]]:
    """Return the protocols and ports that a port stands for: `tcp/22` has its protocol with it."""
    protocol, _, name = str(port).partition("/")
    if protocol in PROTOCOLS and name:
        return [(protocol, name)]
    return [(protocol, port) for protocol in protocols]


def _number(name: str, protocol: str) -> int:
    """Return the number of a port that is written as text. Raises OSError and ValueError."""
    if name.isascii() and name.isdecimal() and 1 <= int(name) <= _LARGEST:
        return int(name)
    return socket.getservbyname(name, protocol)
