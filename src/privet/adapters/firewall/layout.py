"""How bans lie in the kernel: one table, one chain, one hash set per prefix length.

A set `v4_24` holds the network part of closed IPv4 /24s; its rule masks the source of each packet
and looks it up. Hash sets with timeouts cost the same at ten and at a hundred thousand elements,
and prefixes of different lengths never swallow each other, as they do in interval sets.
"""

from __future__ import annotations

import math
import re
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, Protocol

from privet.core.address import Subject, mask_bits

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from privet.core.bans import Order

FAMILY, TABLE, CHAIN = "inet", "privet", "bans"
BASE = frozenset({"v4_32", "v6_64"})
"""What clients need; sets for other lengths are made when the first such ban comes."""

_NAME = re.compile(r"v([46])_(\d{1,3})")
_WIDTHS = {"4": 4, "6": 16}
_SHORTEST = 0.1  # seconds: kernels before 6.12 read a timeout below one tick (10 ms) as "for ever"
_LONGEST = 1e16  # seconds: fits 64 bits of milliseconds; the kernel itself refuses more than 584 years


class Structure(NamedTuple):
    """What stands in the kernel: our sets, and those of them that a rule looks up."""

    sets: frozenset[str]
    enforced: frozenset[str]


class Writer(Protocol):
    """One way to change elements: netlink, or the nft program. Raises OSError or FirewallError."""

    def structure(self) -> Structure:
        """Read what stands."""

    # All orders are one transaction: any refusal means that none was carried out.
    def commit(self, orders: Sequence[Order]) -> dict[int, int]:
        """Carry out orders; answer the error number of each refused one by its position."""

    def elements(self, name: str) -> Iterator[tuple[bytes, float | None]]:
        """List the keys of a set with the seconds left (None: for good)."""

    def close(self) -> None:
        """Release what is held open."""


def set_name(subject: Subject) -> str:
    """Return the name of the set in which a subject is closed."""
    return name_of(len(subject.packed), subject.length)


@cache
def name_of(width: int, length: int) -> str:
    """Return the name of the set for keys of a width in bytes and a prefix length."""
    return f"v{4 if width == _WIDTHS['4'] else 6}_{length}"


def shape(name: str) -> tuple[int, int] | None:
    """Return key width in bytes and prefix length of a set by its name, None if it is not ours."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    width, length = _WIDTHS[found[1]], int(found[2])
    return (width, length) if length <= width * 8 else None


def milliseconds(seconds: float) -> int | None:
    """Return a timeout as the kernel counts it, None for a ban without an end."""
    return None if seconds == math.inf else int(min(max(_SHORTEST, seconds), _LONGEST) * 1000)


def script(standing: Structure, wanted: frozenset[str]) -> str:
    """Return the text for nft that completes what stands; elements and counters stay."""
    lines = [f"add table {FAMILY} {TABLE}"]
    lines += [f"add set {FAMILY} {TABLE} {name} {_set_body(name)}" for name in sorted(wanted - standing.sets)]
    # Before connection tracking, and before it is known whether a packet is for this machine, for a
    # container or for a host behind it: a banned client costs little and is closed out of all of them.
    lines += [
        f"add chain {FAMILY} {TABLE} {CHAIN} {{ type filter hook prerouting priority raw; policy accept; }}",
    ]
    if not standing.enforced:
        lines += [f"flush chain {FAMILY} {TABLE} {CHAIN}", f'add rule {FAMILY} {TABLE} {CHAIN} iif "lo" accept']
    lines += [
        f"add rule {FAMILY} {TABLE} {CHAIN} {_match(name)} counter drop" for name in sorted(wanted - standing.enforced)
    ]
    return "\n".join(lines) + "\n"


def _set_body(name: str) -> str:
    return f"{{ type ipv{name[1]}_addr; flags timeout; }}"


def _match(name: str) -> str:
    """Return the source, masked to the length of the set, and the look-up."""
    source = "ip saddr" if name[1] == "4" else "ip6 saddr"
    width, length = shape(name) or (0, 0)
    if length == width * 8:
        return f"{source} @{name}"
    mask = Subject(mask_bits(b"\xff" * width, length), width * 8)
    return f"{source} & {mask.reveal()} @{name}"
