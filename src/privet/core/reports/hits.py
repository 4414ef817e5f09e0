"""How often each value of one field was asked for: the aggregate behind `privet report hits`.

Memory is bounded: when there are more values than the cap, the rarer half of them is forgotten and counted.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Literal

import msgspec

from privet.core.parsing.times import write_clf
from privet.core.reports.pulse import CLASSES
from privet.core.rows.select import values_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from privet.core.parsing.parse import Rows

By = Literal["hour", "day", "site", "file", "path", "status", "status-class", "agent"]
FIELDS: dict[By, str] = {
    "hour": "stamp", "day": "stamp", "site": "host", "path": "path", "status": "status", "status-class": "status",
    "agent": "agent",
}  # fmt: skip
"""The column that each way looks at; files are counted by their name."""

CLASS_NAMES = {"ok": "2xx", "moved": "3xx", "refused": "4xx", "failed": "5xx", "other": "other"}
"""What the classes of `core.reports.pulse` are called; those of the first, such as 101, count as 2xx."""

_TIMES: dict[str, tuple[int, int]] = {
    "hour": (len("27/Jun/2019:13"), len("2019-06-27T13")),
    "day": (len("27/Jun/2019"), len("2019-06-27")),
}
"""How much of a stamp tells it, as Apache writes them and as ISO 8601 has them."""


_CLASSES = {digit: CLASS_NAMES[kind].encode() for digit, kind in CLASSES.items()}


class HitRow(msgspec.Struct, frozen=True):
    """A value, how many hits it had, and their share of all in per cent, truncated."""

    value: str
    hits: int
    share: int


class Hits:
    """Count hits by one field; `hits` counts all of them, `evicted` the values forgotten."""

    def __init__(self, by: By, file: str = "", max_values: int = 500_000) -> None:
        self.hits = self.evicted = 0
        self._by, self._file, self._cap = by, file.encode(errors="replace"), max_values
        self._counts: Counter[bytes] = Counter()
        self._last: dict[bytes, float] = {}  # when times were seen last, to put them in order

    def __len__(self) -> int:
        return len(self._counts)

    def take(self, rows: Rows) -> None:
        """Count the rows of a block."""
        self.hits += len(rows)
        if self._by == "file":
            self._counts[self._file] += len(rows)
            return
        values = values_of(rows, FIELDS[self._by], range(len(rows)))
        if self._by in _TIMES:
            values = _cut(values, rows.times, *_TIMES[self._by])
            self._last.update(zip(values, rows.times, strict=True))
        elif self._by == "status-class":
            values = [_CLASSES.get(status[:1], b"other") for status in values]
        self._counts.update(values)
        self._forget()

    def merge(self, other: Hits) -> None:
        """Count what another has counted, of other lines."""
        self.hits += other.hits
        self.evicted += other.evicted
        self._counts.update(other._counts)
        self._last = other._last | self._last
        self._forget()

    def rows(self, limit: int | None = None) -> list[HitRow]:
        """Return the values: times newest first, files in their order, others by their hits."""
        if self._by in _TIMES:
            ranked = sorted(self._counts.items(), key=lambda item: -self._last[item[0]])[:limit]
        elif self._by == "file":
            ranked = list(self._counts.items())[:limit]
        else:
            ranked = self._counts.most_common(limit)
        return [HitRow(value.decode("utf-8", "replace"), hits, hits * 100 // self.hits) for value, hits in ranked]

    def _forget(self) -> None:
        if len(self._counts) > self._cap:
            kept = self._counts.most_common(self._cap // 2)
            self.evicted += len(self._counts) - len(kept)
            self._counts = Counter(dict(kept))
            self._last = {value: self._last[value] for value, _ in kept if value in self._last}


def _cut(stamps: Sequence[bytes], times: Sequence[float], clf: int, iso: int) -> list[bytes]:
    """Cut stamps, as they are written in the log; those that are mere seconds as Apache writes them."""
    return [
        stamp[:clf] if stamp[2:3] == b"/" else stamp[:iso] if stamp[4:5] == b"-" else write_clf(time)[:clf]
        for stamp, time in zip(stamps, times, strict=True)
    ]
