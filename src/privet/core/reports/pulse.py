"""How often what happened when: the aggregate behind the pictures of reports.

Memory is bounded: what comes finer than `STEPS` allow is counted by longer steps, and beyond the last of them the
oldest is forgotten and counted.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from privet.core.arrays import np
from privet.core.parsing.blocks.columns import Numbers

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import tzinfo

    from privet.core.parsing.parse import Rows

STEPS = (60, 900, 3600)
"""Seconds that are counted together: the shortest first, longer ones when there is too much."""

WIDTHS = (60, 300, 900, 1800, 3600, 10_800, 21_600, 43_200, 86_400, 604_800, 2_419_200)
"""Seconds that a bar may stand for; beyond, multiples of the last."""

CLASSES = {b"1": "ok", b"2": "ok", b"3": "moved", b"4": "refused", b"5": "failed"}
"""Of status codes, by their first digit; what is none of them is `other`."""

KINDS = ("ok", "moved", "refused", "failed", "other")
WEEK = 168
_HOUR, _DAY = 3600, 86_400


class Bins(msgspec.Struct):
    """Counts of equal times that follow each other: the first begins at `start`, each is `step` seconds long."""

    start: float
    step: int
    counts: dict[str, list[int]]


class Pulse:
    """Count what happens by time and kind; `total` has all of it by kind, `evicted` how much was forgotten."""

    def __init__(self, most: int = 100_000) -> None:
        self.total: Counter[str] = Counter()
        self.evicted = 0
        self._most, self._step = most, STEPS[0]
        self._counts: Counter[tuple[int, str]] = Counter()
        self._statuses = Numbers()

    def __bool__(self) -> bool:
        return bool(self._counts)

    def take(self, rows: Rows) -> None:
        """Count the requests of a block by the class of their status codes."""
        # In the order in which they come first, as `count` does.
        codes = self._statuses.of(rows.column("status"))
        kinds = np.array([KINDS.index(CLASSES.get(status[:1], "other")) for status in self._statuses], np.int64)[codes]
        places = np.floor_divide(rows.times, self._step).astype(np.int64) * len(KINDS) + kinds
        both, firsts, hits = np.unique(places, return_index=True, return_counts=True)
        order = np.argsort(firsts)
        for number, more in zip(both[order].tolist(), hits[order].tolist(), strict=True):
            place, kind = divmod(number, len(KINDS))
            self._counts[place, KINDS[kind]] += more
            self.total[KINDS[kind]] += more
        self._bound()

    def count(self, times: Iterable[float], kinds: Sequence[str]) -> None:
        """Count what happened at these times."""
        step = self._step
        self._counts.update(zip([int(time // step) for time in times], kinds, strict=True))
        self.total.update(kinds)
        self._bound()

    def merge(self, other: Pulse) -> None:
        """Count what another has counted, of other lines."""
        self._lengthen(max(self._step, other._step))
        ratio = self._step // other._step
        for (place, kind), number in other._counts.items():
            self._counts[place // ratio, kind] += number
        self.total.update(other.total)
        self.evicted += other.evicted
        self._bound()

    @property
    def span(self) -> tuple[float, float]:
        """When the first and the last of it happened, by the step that is counted."""
        places = [place for place, _ in self._counts]
        return min(places) * float(self._step), (max(places) + 1) * float(self._step)

    def bins(
        self, zone: tzinfo, most: int = 96, kinds: Sequence[str] = (), span: tuple[float, float] | None = None
    ) -> Bins:
        """Return the counts as at most so many bars, which begin at full hours or days of a zone and fill a span."""
        first, last = self.span
        if span is not None:
            first, last = min(first, span[0]), max(last, span[1])
        step = width_for(last - first, most - 1, self._step)
        start = floor(first, step, zone)
        number = int((last - start - 1) // step) + 1
        known = kinds or [kind for kind, _ in self.total.most_common()]
        counts = {kind: [0] * number for kind in known if self.total[kind]}
        for (place, kind), hits in self._counts.items():
            counts[kind][int((place * self._step - start) // step)] += hits
        return Bins(start, step, counts)

    def week(self, zone: tzinfo) -> list[float | None]:
        """Return the mean of each hour of the week, Monday's first, in a zone; None where there was no such hour."""
        first, last = self.span
        sums, seen = [0.0] * WEEK, [0] * WEEK
        hours: Counter[int] = Counter()
        for (place, _), hits in self._counts.items():
            hours[place * self._step // _HOUR] += hits
        for hour, hits in hours.items():
            sums[_hour_of_week(hour * _HOUR, zone)] += hits
        begun, ended = int(first // _HOUR), int((last - 1) // _HOUR) + 1
        for hour in range(max(begun, ended - WEEK * 520), ended):  # the last ten years, at most
            seen[_hour_of_week(hour * _HOUR, zone)] += 1
        return [total / times if times else None for total, times in zip(sums, seen, strict=True)]

    def _bound(self) -> None:
        while len(self._counts) > self._most and self._step < STEPS[-1]:
            self._lengthen(STEPS[STEPS.index(self._step) + 1])
        if len(self._counts) > self._most:
            for key in sorted(self._counts)[: -self._most // 2]:
                self.evicted += self._counts.pop(key)

    def _lengthen(self, step: int) -> None:
        ratio, self._step = step // self._step, step
        if ratio > 1:
            counts, self._counts = self._counts, Counter()
            for (place, kind), number in counts.items():
                self._counts[place // ratio, kind] += number


def width_for(span: float, most: int, least: int = 1) -> int:
    """Return how many seconds a bar should stand for, so that at most so many make a span."""
    for width in WIDTHS:
        if width >= least and span <= width * most:
            return width
    return WIDTHS[-1] * (int(span // (WIDTHS[-1] * most)) + 1)


def floor(time: float, step: int, zone: tzinfo) -> float:
    """Return the full minute, hour, day or Monday of a zone before a time."""
    offset = datetime.fromtimestamp(time, zone).utcoffset()
    shift = (offset.total_seconds() if offset else 0.0) + (3 * _DAY if step % (7 * _DAY) == 0 else 0)
    return (time + shift) // step * step - shift


def _hour_of_week(time: float, zone: tzinfo) -> int:
    # A table of a thousand offsets is not worth it: there are at most some 90,000 hours to ask for.
    moment = datetime.fromtimestamp(time, UTC).astimezone(zone)
    return moment.weekday() * 24 + moment.hour
