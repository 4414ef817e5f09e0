"""How bans lie in the kernel: one table, one chain, one hash set per prefix length.

A set `v4_24` holds the network part of closed IPv4 /24s; its rule masks the source of each packet
and looks it up. Bans of single services lie in sets of their own: `v4_24_ports` holds network part,
protocol and port. When nothing is in a set any more, it goes, and its rule with it. Hash sets with
timeouts cost the same at ten and at a hundred thousand elements, and prefixes of different lengths
never swallow each other, as they do in interval sets.

Before all these the chain lets pass what must never be closed: loopback, the sources in `allow4` and
`allow6`, and for as long as `paused` has elements, which the kernel itself ends, everybody.
"""

from __future__ import annotations

import math
import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, Protocol

from privet.core.addresses.address import Subject, mask_bits
from privet.core.bans.scope import numbers, service_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from privet.core.bans.model import Order

FAMILY, TABLE, CHAIN = "inet", "privet", "bans"
ALLOW4, ALLOW6, PAUSED = "allow4", "allow6", "paused"
GUARDS = {PAUSED: "meta nfproto", ALLOW4: "ip saddr", ALLOW6: "ip6 saddr"}
"""The sets that win over bans, in the order of their rules, with what each compares."""

BASE = frozenset({*GUARDS, "v4_32", "v6_64"})
"""What clients need; sets for other lengths and for services are made when the first such ban comes."""

LOOPBACK = "lo"
"""The comment of the rule for it: of all rules it is the name of their set, by which they are known."""

_NAME = re.compile(r"v([46])_(\d{1,3})(_ports)?")
_WIDTHS = {"4": 4, "6": 16}
_TYPES = {PAUSED: "nf_proto; flags timeout", ALLOW4: "ipv4_addr; flags interval", ALLOW6: "ipv6_addr; flags interval"}
_SHORTEST = 0.1  # seconds: kernels before 6.12 read a timeout below one tick (10 ms) as "for ever"
_LONGEST = 1e16  # seconds: fits 64 bits of milliseconds; the kernel itself refuses more than 584 years


class Hook(NamedTuple):
    """Where packets come to a chain, and what becomes of those that no rule decides about."""

    kind: str
    number: int
    priority: int
    policy: int


HOOK = Hook("filter", 0, -300, 1)  # prerouting, raw, accept


class Structure(NamedTuple):
    """What stands in the kernel: by their handles our table (0: none) and sets, and what rules have counted.

    Handles tell a thing from another one of the same name that was made later. `counters` has packets and bytes for
    each set that a rule of ours looks up, `rules` the comments of all rules in their order. `chain` is where the
    rules are hooked in (`HOOK`), None if there is none; but nothing holds while the table `sleeps`.
    """

    table: int
    sets: Mapping[str, int]
    counters: Mapping[str, tuple[int, int]]
    rules: Sequence[str] = ()
    chain: Hook | None = None
    sleeps: bool = False

    def upright(self, names: Iterable[str]) -> bool:
        """Tell whether these sets, and perhaps others of bans, are looked up by a rule each, and by nothing else."""
        first = (LOOPBACK, *GUARDS)
        own = tuple(self.rules[: len(first)]) == first and self.chain == HOOK
        bans = self.rules[len(first) :]
        return own and len(bans) == len(set(bans)) and all(map(shape, bans)) and set(names) <= {*GUARDS, *bans}


Element = tuple[Subject, str]
"""What one element closes: a service to a subject."""


class Shape(NamedTuple):
    """What the elements of a set are like: bytes of an address, prefix length, and whether for single services."""

    width: int
    length: int
    scoped: bool


class Writer(Protocol):
    """One way to change elements: netlink, or the nft program. Raises OSError or FirewallError."""

    def structure(self) -> Structure:
        """Read what stands."""

    # All orders are one transaction: any refusal means that none was carried out.
    def commit(self, orders: Sequence[Order]) -> dict[int, int]:
        """Carry out orders; answer the error number of each refused one by its position."""

    def elements(self, name: str) -> Iterator[tuple[bytes, float | None]]:
        """List the keys of a set with the seconds left (None: for good)."""

    def is_empty(self, name: str) -> bool:
        """Tell whether a set has no elements, without a look at more than the first ones."""

    def generation(self) -> int | None:
        """Return a number that every change of anybody's rules or elements raises, None where that cannot be told."""

    def close(self) -> None:
        """Release what is held open."""


def set_name(order: Order) -> str:
    """Return the name of the set that an order is about."""
    return name_of(len(order.subject.packed), order.subject.length, order.service != "")


@cache
def name_of(width: int, length: int, scoped: bool = False) -> str:  # noqa: FBT001, FBT002  a field of a Shape
    """Return the name of the set for keys of a shape."""
    return f"v{4 if width == _WIDTHS['4'] else 6}_{length}{'_ports' if scoped else ''}"


@cache
def shape(name: str) -> Shape | None:
    """Return the shape of a set of bans by its name, None for any other set."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    width, length = _WIDTHS[found[1]], int(found[2])
    return Shape(width, length, found[3] is not None) if length <= width * 8 else None


@cache
def service_key(service: str) -> bytes:
    """Return what stands behind the address in an element that is about one service; nothing for all of them."""
    if not service:
        return b""
    protocol, port = numbers(service)
    return bytes([protocol, 0, 0, 0]) + port.to_bytes(2) + bytes(2)


def closed_by(found: Shape, key: bytes) -> Element | None:
    """Return what an element of such a set closes; None for what somebody else put there and Privet cannot say."""
    address, service = key[: found.width], key[found.width :]
    if len(address) < found.width or len(service) != (8 if found.scoped else 0):
        return None
    try:
        return Subject(address, found.length), service_of(service[0], int.from_bytes(service[4:6])) if service else ""
    except ValueError:
        return None


def milliseconds(seconds: float) -> int | None:
    """Return a timeout as the kernel counts it, None for a ban without an end."""
    return None if seconds == math.inf else int(min(max(_SHORTEST, seconds), _LONGEST) * 1000)


def waking() -> str:
    """Return the text for nft that switches the table on: for some kernels that is a step of its own."""
    return f"add table {FAMILY} {TABLE}\n"


def script(standing: Structure, wanted: Iterable[str]) -> str:
    """Return the text for nft that completes what stands; elements and counters stay."""
    place, wanted = f"{FAMILY} {TABLE}", set(wanted)
    lines = [f"add table {place}"]
    lines += [f"add set {place} {name} {{ type {_type(name)}; }}" for name in sorted(wanted - standing.sets.keys())]
    # Before connection tracking, and before it is known whether a packet is for this machine, for a
    # container or for a host behind it: a banned client costs little and is closed out of all of them.
    known: set[str] = set(standing.rules)
    if not standing.upright(()):  # then all of it is made again, in the one right order, and in one step
        known = set()
        if standing.table:
            lines += [f"{verb} chain {place} {CHAIN}" for verb in ("add", "flush", "delete")]
        lines += [f"add chain {place} {CHAIN} {{ type filter hook prerouting priority raw; policy accept; }}"]
        lines += [f'add rule {place} {CHAIN} iif "lo" accept comment "{LOOPBACK}"']
        lines += [_rule(f"{left} @{name}", name, "accept", standing) for name, left in GUARDS.items()]
    missing = sorted(wanted - known - GUARDS.keys())
    lines += [_rule(_match(name), name, "drop", standing) for name in missing]
    return "".join(f"{line}\n" for line in lines)


def without(standing: Structure, wanted: Iterable[str], empty: Iterable[str]) -> str:
    """Return the text for nft that takes sets out, and the rules with them; the others go on as they are."""
    gone = "".join(f"delete set {FAMILY} {TABLE} {name}\n" for name in sorted(empty))
    return script(standing._replace(rules=()), wanted) + gone


def _rule(match: str, name: str, verdict: str, standing: Structure) -> str:
    """Return the rule that looks up a set; it goes on with what one before it has counted."""
    packets, octets = standing.counters.get(name, (0, 0))
    counter = f"counter packets {packets} bytes {octets}" if packets else "counter"
    return f'add rule {FAMILY} {TABLE} {CHAIN} {match} {counter} {verdict} comment "{name}"'


def emptying(names: Iterable[str]) -> str:
    """Return the text for nft that removes all elements of sets."""
    return "".join(f"flush set {FAMILY} {TABLE} {name}\n" for name in sorted(names))


def allowing(subjects: Iterable[Subject]) -> str:
    """Return the text for nft that makes these, and no others, the sources that no ban concerns."""
    widest = outermost(subjects)
    lines = []
    for name, version in ((ALLOW4, 4), (ALLOW6, 6)):
        lines.append(f"flush set {FAMILY} {TABLE} {name}\n")
        if words := ", ".join(subject.reveal() for subject in widest if subject.version == version):
            lines.append(f"add element {FAMILY} {TABLE} {name} {{ {words} }}\n")
    return "".join(lines)


def pausing(seconds: float) -> str:
    """Return the text for nft that lets everybody pass for a time, which may be over already."""
    flush = f"flush set {FAMILY} {TABLE} {PAUSED}\n"
    if seconds <= 0:
        return flush
    end = f"timeout {milliseconds(seconds)}ms"
    return f"{flush}add element {FAMILY} {TABLE} {PAUSED} {{ ipv4 {end}, ipv6 {end} }}\n"


def outermost(subjects: Iterable[Subject]) -> list[Subject]:
    """Return the subjects that no other one covers: an interval set takes no others."""
    kept: list[Subject] = []
    for subject in sorted(subjects, key=lambda one: (one.version, one)):  # what covers others comes right before them
        if not (kept and kept[-1].covers(subject)):
            kept.append(subject)
    return kept


def _type(name: str) -> str:
    found = shape(name)
    if found is None:
        return _TYPES[name]
    address = "ipv4_addr" if found.width == _WIDTHS["4"] else "ipv6_addr"
    return f"{address}{' . inet_proto . inet_service' if found.scoped else ''}; flags timeout"


def _match(name: str) -> str:
    """Return the source, masked to the length of the set, and the look-up."""
    width, length, scoped = shape(name) or (0, 0, False)
    source = "ip saddr" if width == _WIDTHS["4"] else "ip6 saddr"
    if length < width * 8:
        source += f" & {Subject(mask_bits(bytes([255] * width), length), width * 8).reveal()}"
    return f"{source}{' . meta l4proto . th dport' if scoped else ''} @{name}"
