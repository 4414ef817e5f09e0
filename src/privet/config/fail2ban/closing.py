"""Which actions close a client out by the firewall, and which ports they close, as Privet's kernel sets do instead."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import PurePath
from socket import getservbyname
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from privet.config.fail2ban.model import Action
    from privet.config.fail2ban.text import Place

_BY_PORT = frozenset(
    {
        "bsd-ipfw",
        "firewallcmd-ipset",
        "firewallcmd-multiport",
        "firewallcmd-new",
        "firewallcmd-rich-logging",
        "firewallcmd-rich-rules",
        "ipfw",
        "iptables",
        "iptables-ipset",
        "iptables-ipset-proto4",
        "iptables-ipset-proto6",
        "iptables-multiport",
        "iptables-multiport-log",
        "iptables-new",
        "nftables",
        "nftables-multiport",
        "osx-ipfw",
        "pf",
    }
)
_WHOLLY = frozenset(
    {
        "apf",
        "firewallcmd-allports",
        "hostsdeny",
        "ipfilter",
        "iptables-allports",
        "iptables-ipset-proto6-allports",
        "iptables-xt_recent-echo",
        "nftables-allports",
        "npf",
        "osx-afctl",
        "route",
        "shorewall",
        "shorewall-ipset-proto6",
        "symbiosis-blacklist-allports",
        "ufw",
    }
)
STOCK = _BY_PORT | _WHOLLY
"""The actions that come with fail2ban and close by address on the machine itself."""

_PROTOCOLS = frozenset({"dccp", "sctp", "tcp", "udp", "udplite"})
_EVERY_PROTOCOL = frozenset({"", "all", "any", "ip"})
_EVERY_PORT = frozenset({"", "all", "any", "0:65535", "1:65535"})
_MOST = 64  # services: each is an element of its own for every banned client
_LARGEST = 65535
_OPENING = frozenset({"accept", "allow", "return"})

Service = tuple[str, int]


class Closing(msgspec.Struct, frozen=True):
    """What one action closes: these services, or everything if there are none. `notes` say what is not as it was."""

    services: tuple[Service, ...] = ()
    notes: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def is_closing(action: Action) -> bool:
    """Tell whether an action is one of fail2ban's own that close by address, and is as it came."""
    return action.file in STOCK and not action.python and customised(action) is None


def customised(action: Action) -> Place | None:
    """Return where the administrator gave an action another `actionban` than fail2ban comes with, if so."""
    place = action.places.get("actionban")
    if place is None:
        return None
    path = PurePath(place.file)
    return None if path.suffix == ".conf" and path.parent.name == "action.d" else place


def opens(action: Action) -> bool:
    """Tell whether an action lets in whom it finds (port knocking), rather than closing them out."""
    word = action.options.get("blocktype", "").partition(" ")[0]
    return action.file in STOCK and word.lower() in _OPENING


def closing(action: Action) -> Closing:
    """Return what a closing action closes."""
    if action.file in _WHOLLY or _all_ports(action):
        return _everything(action)
    protocols = [word for word in re.split(r"[\s,]+", action.options.get("protocol", "tcp").lower()) if word]
    ports = [word for word in re.split(r"[\s,{}]+", action.options.get("port", "").lower()) if word]
    if set(protocols) & _EVERY_PROTOCOL or not protocols:
        return Closing(notes=("closes every port: with every protocol there is no telling ports apart",))
    if set(ports) & _EVERY_PORT or not ports:
        return _everything(action)
    return _services(protocols, ports)


def _all_ports(action: Action) -> bool:
    kinds = {action.options.get("type"), action.options.get("actiontype")}
    return bool(kinds & {"allports", "<allports>", "custom"})


def _everything(action: Action) -> Closing:
    protocol = action.options.get("protocol", "")
    closed_some = (
        action.file.startswith(("iptables", "nftables", "firewallcmd", "pf")) and protocol not in _EVERY_PROTOCOL
    )
    note = f"closes every protocol, where {action.file} closed the ports of {protocol}"
    return Closing(notes=(note,) if closed_some else ())


def _services(protocols: list[str], ports: list[str]) -> Closing:
    unknown = [f"protocol {word!r} has no ports that could be closed" for word in protocols if word not in _PROTOCOLS]
    known = [word for word in protocols if word in _PROTOCOLS]
    numbers = set[int]()
    for word in ports:
        found = _numbers(word)
        numbers.update(found)
        unknown += [] if found else [f"port {word!r} is neither a number nor in /etc/services"]
    if not (known and numbers):
        return Closing(notes=("closes every port, since none is known",), unknown=tuple(unknown))
    if len(known) * len(numbers) > _MOST:
        count = len(known) * len(numbers)
        return Closing(notes=(f"closes every port, not only {count} (at most {_MOST})",), unknown=tuple(unknown))
    services = sorted((protocol, number) for protocol in set(known) for number in numbers)
    return Closing(tuple(services), unknown=tuple(unknown))


def _numbers(word: str) -> range:
    """Return the ports of a number, a range or a name; none if it is nothing of that."""
    first, _, last = word.replace("-", ":").partition(":")
    if first.isdecimal() and (not last or last.isdecimal()):
        low, high = int(first), int(last or first)
        return range(max(low, 1), high + 1) if high <= _LARGEST else range(0)
    try:
        number = getservbyname(word)
    except (OSError, UnicodeError):
        return range(0)
    return range(number, number + 1)


def scope(closings: list[Closing]) -> str:
    """Return what several actions close together: "" for everything, else as `tcp:22,80` or `tcp:53;udp:53`."""
    if not all(one.services for one in closings):
        return ""
    ports = defaultdict[str, set[int]](set)
    for protocol, number in (service for one in closings for service in one.services):
        ports[protocol].add(number)
    return ";".join(f"{protocol}:{','.join(map(str, sorted(numbers)))}" for protocol, numbers in sorted(ports.items()))
