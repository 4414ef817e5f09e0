"""What the verdicts of jails would have spared a server: the requests that closed-out clients made all the same.

A replay keeps nobody away, so that whoever is banned goes on in the log. A request is *saved* if its time is after
that of a verdict on its client, or on a network around him, and before the end of it, whatever its action: a dry run
is to show what the ban would do. Requests of the very second of the verdict are not counted, as most logs know
no more of time than that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from privet.core.addresses.address import IPV6_CLIENT, Subject, mask_bits
from privet.core.reports.pulse import Pulse

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from privet.core.verdicts import Verdict

Held = list[tuple[int, float, float]]
"""Numbers of jails, and from when to when each closed somebody out."""

REQUESTS, SAVED = "requests", "saved"
ROOM = 1024  # clients and networks that are held, before it pays to look whose time is over


def banned(jail: str) -> str:
    """Return the name under which the bans of a jail are counted by time."""
    return f"bans of {jail}"


class Effect(msgspec.Struct):
    """What one jail did, or several together: its bans, the clients it hit, and what it saved."""

    jail: str
    bans: int = 0
    clients: int = 0
    requests: int = 0
    bytes: int = 0


class Effects:
    """Is told of the verdicts and then of the requests of each block. An IPv6 client has `ipv6_client` bits.

    `whole` sums up all jails, where nothing counts twice; `requests` and `bytes` are those of the whole log. `when` has
    requests, those that were saved, and the bans of each jail, by `banned(jail)`.
    """

    def __init__(self, jails: Iterable[str], tolerance: float, ipv6_client: int = IPV6_CLIENT) -> None:
        self.jails = [Effect(name) for name in jails]
        self.whole = Effect("")
        self.requests = self.bytes = 0
        self.when = Pulse()
        self.hit: dict[bytes, int] = {}  # clients, with a bit for each jail that hit them
        self.own: dict[bytes, list[int]] = {}  # clients: bans, and requests saved
        self._numbers = {one.jail: number for number, one in enumerate(self.jails)}
        self._tolerance, self._ipv6_client = tolerance, ipv6_client
        self._held: dict[bytes, Held] = {}
        self._nets: dict[Subject, Held] = {}
        self._around: dict[bytes, list[Held]] = {}  # clients, and what holds the networks around them
        self._lengths: dict[int, set[int]] = {4: set(), 6: set()}
        self._last: tuple[str, str, float] | None = None
        self._room = ROOM

    def decided(self, verdicts: Iterable[Verdict]) -> None:
        """Take note of verdicts, before the requests of their block."""
        for verdict in verdicts:
            number = self._numbers[verdict.jail]
            together = (verdict.jail, verdict.group, verdict.time)
            if not verdict.group or together != self._last:  # an AS number is closed out once, whatever it has
                self.jails[number].bans += 1
                self.whole.bans += 1
                self.when.count((verdict.time,), (banned(verdict.jail),))
            self._last = together
            held = (number, verdict.time, verdict.until)
            key = verdict.subject.key_in(self._ipv6_client)
            if key is not None:
                self._held.setdefault(key, []).append(held)
                self._hits(key, 1 << number)
                self.own.setdefault(key, [0, 0])[0] += 1
                continue
            if verdict.subject not in self._nets:
                self._nets[verdict.subject] = []
                self._lengths[verdict.subject.version].add(verdict.subject.length)
                self._around.clear()
            self._nets[verdict.subject].append(held)

    def asked(self, keys: Sequence[bytes], times: Sequence[float], sizes: Sequence[int]) -> None:
        """Count the requests of a block, and which of them would not have been."""
        if not keys:
            return
        self.requests += len(keys)
        self.bytes += sum(sizes)
        self.when.count(times, [REQUESTS] * len(times))
        held, nets = self._held, self._nets
        if not held and not nets:
            return
        saved: dict[int, list[tuple[float, int]]] = {}  # times and sizes, by the bits of the jails
        for key, time, size in zip(keys, times, sizes, strict=True):
            own, around = held.get(key), self._networks(key) if nets else ()
            if (own or around) and (bits := _closed(time, own or (), around)):
                saved.setdefault(bits, []).append((time, size))
                self._hits(key, bits)
                self.own.setdefault(key, [0, 0])[1] += 1
        for bits, rows in saved.items():
            self._saved(bits, rows)
            self.when.count([time for time, _ in rows], [SAVED] * len(rows))
        if len(held) + len(nets) > self._room:
            self._forget(max(times) - self._tolerance)

    def hits(self, number: int) -> list[bytes]:
        """Return the clients that the jail of a number hit."""
        bit = 1 << number
        return [key for key, jails in self.hit.items() if jails & bit]

    def jails_of(self, key: bytes) -> list[str]:
        """Return the jails that hit a client."""
        return [one.jail for number, one in enumerate(self.jails) if self.hit[key] >> number & 1]

    def _saved(self, bits: int, rows: Sequence[tuple[float, int]]) -> None:
        """Count requests that all the same jails saved."""
        size = sum(size for _, size in rows)
        for one in (*(one for number, one in enumerate(self.jails) if bits >> number & 1), self.whole):
            one.requests += len(rows)
            one.bytes += size

    def _hits(self, key: bytes, bits: int) -> None:
        before = self.hit.get(key, 0)
        fresh = bits & ~before
        if not fresh:
            return
        self.hit[key] = before | bits
        self.whole.clients += not before
        for number, one in enumerate(self.jails):
            one.clients += fresh >> number & 1

    def _networks(self, key: bytes) -> list[Held]:
        """Return what holds the networks around a client."""
        around = self._around.get(key)
        if around is None:
            subject = Subject.of_key(key, self._ipv6_client)
            lengths = (one for one in self._lengths[subject.version] if one <= subject.length)
            nets = (Subject(mask_bits(subject.packed, one), one) for one in lengths)
            around = self._around[key] = [self._nets[net] for net in nets if net in self._nets]
        return around

    def _forget(self, before: float) -> None:
        """Forget what ended before any request that may still come."""
        for key in [key for key, held in self._held.items() if all(until <= before for _, _, until in held)]:
            del self._held[key]
        gone = [net for net, held in self._nets.items() if all(until <= before for _, _, until in held)]
        for net in gone:
            del self._nets[net]
        if gone:
            self._around.clear()
        self._room = max(ROOM, 2 * (len(self._held) + len(self._nets)))


def _closed(time: float, own: Held | tuple[()], around: Iterable[Held]) -> int:
    """Return a bit for each jail that holds a client, or a network around him, at a time."""
    bits = 0
    for held in (own, *around):
        for number, since, until in held:
            if since < time < until:
                bits |= 1 << number
    return bits
