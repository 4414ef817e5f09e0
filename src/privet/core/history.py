"""What happened, minute by minute, in numbers: hits by site, bans by jail. It holds no address and no client.

`Tallies` observes the rows of an engine and hands out what it counted. A site is the name that the log has for it, or
its source; of the names that visitors send at most `SITES` count by themselves, and what looks like an address in one
is masked.
"""

from __future__ import annotations

from collections import Counter
from math import inf
from typing import TYPE_CHECKING

import msgspec

from privet.core.mask import sample

if TYPE_CHECKING:
    from collections.abc import Iterable

    from privet.core.parse import Rows
    from privet.core.verdicts import Verdict

MINUTE = 60
SITES = 50
"""Sites of one minute that count by themselves."""

COLUMNS = frozenset({"host", "status", "size"})
OTHERS = "(others)"


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


class Machine(msgspec.Struct, frozen=True):
    """How the machine was: load, share of the time in which something waited for the CPU, share of memory in use."""

    time: int
    load: float
    psi: float
    memory: float


_CLASSES = {b"1": "ok", b"2": "ok", b"3": "moved", b"4": "refused", b"5": "failed"}


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

    def see(self, source: str, rows: Rows) -> None:
        """Count the requests of a block."""
        if not rows.keys:
            return
        hosts = rows.columns.get("host") or [b"-"] * len(rows)
        classes = [status[:1] for status in rows.column("status")]
        minutes = [-1 if time <= self._since else int(time // MINUTE) for time in rows.times]
        self.newest = max(self.newest, *rows.times)
        for (minute, host, kind), count in Counter(zip(minutes, hosts, classes, strict=True)).items():
            if minute >= 0:
                self._hits[minute, self._site(minute, host, source), _CLASSES.get(kind, "other")] += count
        for minute, host, size in zip(minutes, hosts, rows.column("size"), strict=True):
            if minute >= 0 and size.isdigit():
                self._bytes[minute, self._site(minute, host, source)] += int(size[:15])

    def judge(self, verdicts: Iterable[Verdict]) -> None:
        """Count what jails decided."""
        for verdict in verdicts:
            if verdict.time > self._since:
                self._bans[int(verdict.time // MINUTE), verdict.jail, verdict.action.value != "report"] += 1

    def take(self) -> tuple[list[Traffic], list[Bans]]:
        """Hand out what was counted, and begin anew."""
        sites = dict.fromkeys((minute, site) for minute, site, _ in self._hits)
        kinds = ("ok", "moved", "refused", "failed", "other")
        traffic = [
            Traffic(
                minute * MINUTE,
                site,
                sum(self._hits[minute, site, kind] for kind in kinds),
                self._bytes[minute, site],
                *(self._hits[minute, site, kind] for kind in kinds),
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
        return traffic, bans

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
