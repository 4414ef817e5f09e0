"""The requests of one client, and the habits that they show: what is behind `privet report trace`.

Memory is bounded: beyond the cap the oldest requests are dropped and counted.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

import msgspec

from privet.core.reports.pulse import CLASSES, Pulse
from privet.core.rows.select import values_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from privet.core.parsing.parse import Rows

FIELDS = ("method", "path", "query", "status", "agent")

_SLOW_DOWN = frozenset(("429", "503"))
_FRESH, _UNCHANGED = "200", "304"
_OFTEN = 5  # requests from which on something is a habit
_SLOWER = 1.5  # how much longer the pause must be after a refusal to count as slowing down


class Request(msgspec.Struct, frozen=True, order=True):
    """One request, as the log has it; `time` in seconds since the epoch."""

    time: float
    method: str
    path: str
    status: str
    agent: str


class Trace:
    """Collect the requests of the client with this key; `hits` counts all of them, `dropped` those not kept."""

    def __init__(self, key: bytes, most: int = 100_000) -> None:
        self.hits = self.dropped = 0
        self._key, self._most = key, most
        self._requests: list[Request] = []

    def take(self, rows: Rows) -> None:
        """Take the client's requests from the rows of a block."""
        if self._key not in rows.keys:
            return
        mine = [row for row, key in enumerate(rows.keys) if key == self._key]
        columns = [values_of(rows, name, mine) for name in FIELDS]
        for row, *values in zip(mine, *columns, strict=True):
            method, path, query, status, agent = (value.decode("utf-8", "replace") for value in values)
            target = path if query in ("", "-") else f"{path}?{query}"
            self._requests.append(Request(rows.times[row], method, target, status, agent))
        self.hits += len(mine)
        self._drop()

    def merge(self, other: Trace) -> None:
        """Take what another has collected, from other lines."""
        self.hits += other.hits
        self.dropped += other.dropped
        self._requests += other._requests
        self._drop()

    def rows(self, limit: int | None = None) -> list[Request]:
        """Return the requests, the oldest first; with a limit, the newest so many."""
        ordered = sorted(self._requests)
        return ordered if limit is None else ordered[-limit:]

    def habits(self) -> list[str]:
        """Return what the requests show of the client's manners, in words."""
        ordered = sorted(self._requests)
        return [*_repeated_heads(ordered), *_pace(ordered), *_conditional(ordered)]

    def pulse(self) -> Pulse:
        """Return when the requests came."""
        when = Pulse()
        when.count(
            [one.time for one in self._requests],
            [CLASSES.get(one.status[:1].encode(), "other") for one in self._requests],
        )
        return when

    def _drop(self) -> None:
        if len(self._requests) > 2 * self._most:
            self._requests.sort()
            self.dropped += len(self._requests) - self._most
            del self._requests[: -self._most]


def _repeated_heads(requests: Sequence[Request]) -> Iterator[str]:
    """Tell of pages that are asked for by HEAD more than once before they are fetched."""
    heads: Counter[str] = Counter()
    pages = doubled = 0
    for one in requests:
        if one.method == "HEAD":
            heads[one.path] += 1
        elif one.method == "GET":
            pages += 1
            doubled += heads.pop(one.path, 0) > 1
    if doubled:
        yield f"asks by HEAD more than once before it fetches a page ({doubled} of {pages} pages)"


def _pace(requests: Sequence[Request]) -> Iterator[str]:
    """Tell whether the client came back more slowly after it had been told to slow down."""
    pauses = [(two.time - one.time, one.status in _SLOW_DOWN) for one, two in pairwise(requests)]
    told = [pause for pause, refused in pauses if refused]
    free = [pause for pause, refused in pauses if not refused]
    if len(told) >= _OFTEN and free and median(told) < _SLOWER * max(median(free), 1.0):
        refusals = sum(one.status in _SLOW_DOWN for one in requests)
        yield (
            f"does not slow down when it is told to ({refusals} times 429 or 503; "
            f"back after {median(told):.1f} s, else after {median(free):.1f} s)"
        )


def _conditional(requests: Sequence[Request]) -> Iterator[str]:
    """Tell of pages that are fetched again and again, and never only if they have changed."""
    fetched = Counter(one.path for one in requests if one.method == "GET" and one.status == _FRESH)
    again = {path: times for path, times in fetched.items() if times >= _OFTEN}
    if again and not any(one.status == _UNCHANGED for one in requests):
        path, times = max(again.items(), key=lambda item: item[1])
        yield f"never asks whether a page has changed ({times} times all of {path})"
