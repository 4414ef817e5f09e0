"""What happened, minute by minute, in numbers: hits by site, bans by jail. It holds no address and no client.

`Tallies` observes the rows of an engine and hands out what it counted. A site is the name that the log has for it, or
its source; of the names that visitors send at most `SITES` count by themselves, and what looks like an address in one
is masked.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, deque
from math import inf
from typing import TYPE_CHECKING

import msgspec

from privet.core.arrays import np
from privet.core.masking.mask import sample
from privet.core.parsing.blocks.columns import Coded, Counts, are_in_order, ends
from privet.core.reports.pulse import CLASSES, KINDS
from privet.core.verdicts import Action, decisions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from privet.core.addresses.tokens import Tokens
    from privet.core.parsing.parse import Rows
    from privet.core.verdicts import Verdict

MINUTE = 60
SITES = 50
"""Sites of one minute that count by themselves."""

COLUMNS = frozenset({"host", "status", "size"})
OTHERS = "(others)"
TOGETHER = 1024
"""Requests that are counted together."""

FEW = 5
"""Minutes of a block that are counted one after the other where there are arrays."""

OFFENCES = 100_000
"""Bans of one minute that are noted one by one, and of all times that are kept."""


class Traffic(msgspec.Struct, frozen=True):
    """The requests of one site: how many, the bytes of their answers, and how many answers of each class."""

    time: int
    site: str
    hits: int = 0
    bytes: int = 0
    ok: int = 0  # 1xx, 2xx
    moved: int = 0  # 3xx
    refused: int = 0  # 4xx
    failed: int = 0  # 5xx
    other: int = 0


class Bans(msgspec.Struct, frozen=True):
    """The verdicts of one jail: bans, and those that closed nothing."""

    time: int
    jail: str
    bans: int = 0
    reports: int = 0


class Offence(msgspec.Struct, frozen=True):
    """A ban of somebody who is known by a token only (see `core.addresses.tokens`)."""

    time: float
    jail: str
    who: bytes


class Machine(msgspec.Struct, frozen=True):
    """How the machine was: load, share of the time in which something waited for the CPU, share of memory in use."""

    time: int
    load: float
    psi: float
    memory: float


_Columns = tuple[str, "Sequence[float]", "Sequence[bytes]", "Sequence[bytes]", "Sequence[bytes]"]
"""Of a block: its source, times, sites, status codes and sizes. No client is in it."""


class Tallies:
    """Counts since they were handed out last; requests up to `since` were counted by an earlier daemon."""

    def __init__(self, since: float = -inf) -> None:
        self.newest = since
        self._since = since
        self._hits: Counter[tuple[int, str, str]] = Counter()
        self._bytes: Counter[tuple[int, str]] = Counter()
        self._sites: dict[int, set[str]] = {}
        self._bans: Counter[tuple[int, str, bool]] = Counter()
        self._names: dict[bytes, str] = {}
        self._waiting: list[_Columns] = []
        self._rows = 0  # that wait
        self._offences: deque[Offence] = deque(maxlen=OFFENCES)

    def see(self, source: str, rows: Rows) -> None:
        """Count the requests of a block, now or soon: many at once take less time."""
        if rows.keys:
            columns = (source, rows.times, rows.column("host"), rows.column("status"), rows.column("size"))
            if not self._counted(*columns):
                self._waiting.append(columns)
                self._rows += len(rows)
            self.newest = max(self.newest, ends(rows.times)[1])
            if self._rows >= TOGETHER:
                self._settle()

    def _counted(
        self,
        source: str,
        times: Sequence[float],
        hosts: Sequence[bytes],
        statuses: Sequence[bytes],
        sizes: Sequence[bytes],
    ) -> bool:
        """Count the requests of a block, if there are arrays of them, in order, of few minutes and few sites."""
        if not isinstance(statuses, Coded) or not isinstance(sizes, Counts):
            return False
        if not isinstance(hosts, Coded):
            if hosts.count(b"-") < len(hosts):
                return False
            hosts = Coded(np.array([b"-"], object), np.zeros(len(hosts), np.intp))
        few = times[0] > self._since and times[-1] - times[0] <= FEW * MINUTE and len(hosts.present) <= SITES
        if not few or not are_in_order(times):
            return False
        for start, end in _minutes(times):
            minute, every = int(times[start] // MINUTE), hosts.places[start:end]
            for place in hosts[start:end].present.tolist():
                rows = start + (every == place).nonzero()[0]
                site = self._site(minute, hosts.table[place], source)
                self._bytes[minute, site] += int(sizes.places[rows].clip(0).sum())
                codes = np.bincount(statuses.places[rows])
                for status in codes.nonzero()[0].tolist():
                    self._hits[minute, site, CLASSES.get(statuses.table[status][:1], "other")] += codes.item(status)
        return True

    def _settle(self) -> None:
        """Count what waits: requests of the same minute and site together."""
        groups: dict[tuple[int, bytes, str], tuple[list[bytes], list[bytes]]] = {}
        for source, times, hosts, statuses, sizes in self._waiting:
            if times[0] > self._since and hosts.count(hosts[0]) == len(hosts) and sorted(times) == times:
                for start, end in _minutes(times):
                    group = groups.setdefault((int(times[start] // MINUTE), hosts[0], source), ([], []))
                    group[0].extend(statuses[start:end])
                    group[1].extend(sizes[start:end])
                continue
            for time, host, status, size in zip(times, hosts, statuses, sizes, strict=True):
                if time > self._since:
                    place = int(time // MINUTE), host, source
                    group = groups.get(place) or groups.setdefault(place, ([], []))
                    group[0].append(status)
                    group[1].append(size)
        self._waiting.clear()
        self._rows = 0
        for (minute, host, source), (codes, sums) in groups.items():
            site = self._site(minute, host, source)
            self._bytes[minute, site] += _total(sums)
            for code, count in Counter(codes).items():
                self._hits[minute, site, CLASSES.get(code[:1], "other")] += count

    def judge(self, verdicts: Iterable[Verdict], tokens: Tokens) -> None:
        """Count what jails decided, and note who was banned by their tokens."""
        for verdict, _prefixes in decisions(verdicts):
            if verdict.time <= self._since:
                continue
            banned = verdict.action not in (Action.REPORT, Action.SLOW)
            self._bans[int(verdict.time // MINUTE), verdict.jail, banned] += 1
            if banned:
                self._offences.append(Offence(verdict.time, verdict.jail, tokens.of(verdict.who)))

    def take(self) -> tuple[list[Traffic], list[Bans], list[Offence]]:
        """Hand out what was counted, and begin anew."""
        self._settle()
        sites = dict.fromkeys((minute, site) for minute, site, _ in self._hits)
        traffic = [
            Traffic(
                minute * MINUTE,
                site,
                sum(self._hits[minute, site, kind] for kind in KINDS),
                self._bytes[minute, site],
                *(self._hits[minute, site, kind] for kind in KINDS),
            )
            for minute, site in sites
        ]
        jails = dict.fromkeys((minute, jail) for minute, jail, _ in self._bans)
        bans = [
            Bans(minute * MINUTE, jail, self._bans[minute, jail, True], self._bans[minute, jail, False])
            for minute, jail in jails
        ]
        for counted in (self._hits, self._bytes, self._sites, self._bans, self._names):
            counted.clear()
        offences = list(self._offences)
        self._offences.clear()
        return traffic, bans, offences

    def _site(self, minute: int, host: bytes, source: str) -> str:
        name = source if host in (b"-", b"") else self._names.get(host)
        if name is None:
            name = sample(host.lower())
            if len(self._names) < SITES * 10:
                self._names[host] = name
        sites = self._sites.setdefault(minute, set())
        if name not in sites:
            if len(sites) >= SITES:
                return OTHERS
            sites.add(name)
        return name


def _minutes(times: Sequence[float]) -> Iterator[tuple[int, int]]:
    """Yield where the minutes of sorted times begin and end."""
    start = 0
    while start < len(times):
        end = bisect_left(times, (times[start] // MINUTE + 1) * MINUTE, start)
        yield start, end
        start = end


def _total(sizes: Sequence[bytes]) -> int:
    """Return the sum of sizes; the `-` of an answer without a body, and what else is no number, counts nothing."""
    try:
        return sum(map(int, filter(bytes.isdigit, sizes)))
    except ValueError:  # more digits than a number may have
        return sum(int(size[:15]) for size in sizes if size.isdigit())
