"""Who was banned how often, from fail2ban's own logs: what is behind `privet report offenders`."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from privet.core.addresses.address import Subject, client_key
from privet.core.parsing.lines import line_feeds
from privet.core.reports.pulse import Pulse

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import tzinfo

HEADER = f"{'ip':>20} {'#bans':>10} {'bans%':>5} {'interval':>9}"

_BAN = re.compile(
    rb"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:,\d+)? +fail2ban\.actions *(?:\[\d+\])?: [A-Z]+ +\[([^\]]*)\] Ban (\S+)"
)


class OffenderRow(msgspec.Struct, frozen=True):
    """How often a client was banned; `share` of all bans in per cent, `interval` the mean hours between two bans."""

    subject: Subject
    bans: int
    share: int
    interval: float | None


class Offenders:
    """Count bans by client; `bans` counts all of them. Unbans, and "already banned", are none."""

    def __init__(self, zone: tzinfo) -> None:
        self.bans = 0
        self.lines = 0
        self.when = Pulse()  # the bans of each jail
        self._zone = zone
        self._times: dict[bytes, tuple[int, float, float]] = {}  # how many, the first, and the last

    def add(self, block: bytes) -> None:
        """Count the bans in whole lines of a log of fail2ban."""
        self.lines += line_feeds(block)
        self._count(found.groups() for found in _BAN.finditer(block))

    def rows(self, limit: int | None = None) -> list[OffenderRow]:
        """Return the clients, most bans first."""
        ranked = sorted(self._times.items(), key=lambda item: -item[1][0])[:limit]
        return [
            OffenderRow(
                Subject.of_key(key),
                bans,
                bans * 100 // self.bans,
                interval(bans, first, last),
            )
            for key, (bans, first, last) in ranked
        ]

    def _count(self, bans: Iterable[tuple[bytes, ...]]) -> None:
        times, jails = [], []
        for stamp, jail, who in bans:
            key = client_key(who)
            if key is None:
                continue
            try:
                time = datetime.fromisoformat(stamp.decode()).replace(tzinfo=self._zone).timestamp()
            except ValueError:  # such as the 31st of June
                continue
            number, first, last = self._times.get(key, (0, time, time))
            self._times[key] = (number + 1, min(first, time), max(last, time))
            self.bans += 1
            times.append(time)
            jails.append(jail.decode("utf-8", "replace"))
        self.when.count(times, jails)


def interval(bans: int, first: float, last: float) -> float | None:
    """Return the mean hours between bans, None for one."""
    return (last - first) / (bans - 1) / 3600 if bans > 1 else None


def format_row(name: str, bans: int, share: int, interval: float | None) -> str:
    """Return the row as plain text under `HEADER`; `name` is how the client is to be called."""
    hours = "" if interval is None else f"{interval:3.2f}h"
    return f"{name:>20} {bans:10d} {share:4d}% {hours:>9}"
