"""Swarms are told from whole blocks, moment by moment, as they would be from one row after the other."""

from __future__ import annotations

from collections import deque
from itertools import accumulate
from math import inf
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from privet.core.jails import Jail
from privet.core.parsing.parse import Rows
from privet.core.rows.facts import Registry
from privet.core.swarms.cusum import HOURS
from privet.core.swarms.swarm import GRACE, LOOK_BACK, Baseline, Swarms
from privet.core.windows.detect import Limit

if TYPE_CHECKING:
    from privet.core.rows.shapes import Url
    from privet.core.swarms.cusum import Sum

Asked = tuple[bytes, float, bytes]

JAIL = Jail("swarm", ("web",), (), LOOK_BACK, 1, 600.0, kind="swarm", answer="ban")
STEPS = st.sampled_from([0.0, 0.0, 0.0, 1.0, 2.0, 5.0, 6.0, 61.0, 1000.0])
CLIENTS = st.integers(0, 30).map(lambda number: bytes([10, 0, 0, number]))
PATHS = st.sampled_from([b"/", b"/a.css", b"/a.png", b"/b", b"/wiki?id=1", b"/wiki?id=2"])


class Open(Swarms):
    """Shows what it knows."""

    def __init__(self) -> None:
        self.registry = Registry(1000)
        super().__init__(Limit(JAIL, 0), 1000, self.registry)
        self.suspects: list[tuple[bytes, float]] = []

    def state(self) -> object:
        crowd = self.registry.crowd
        fetched = {crowd.key(number): self._fetched.values[number] for number in range(len(crowd))}
        sums = {
            name: (one.sum, one.mass, {crowd.key(client): time for client, time in one.suspects.items()}, one.event)
            for name, one in self._sums.items()
        }
        return fetched, sums, list(self.over)

    def _sums_of(self, url: Url) -> tuple[Sum, ...]:
        sums = super()._sums_of(url)
        del self._of[url]  # so that this is asked for each suspect
        self.suspects.append((url.page, self._now))
        return sums


def suspects(asked: list[Asked], step: int) -> list[tuple[bytes, float]]:
    """Return the pages of suspects, and when they count, as found row by row."""
    fetched: dict[bytes, float] = {}
    waiting: deque[tuple[float, bytes, bytes]] = deque()
    now, found = -inf, []
    for row, (key, time, path) in enumerate(asked):
        now = max(now, time)
        while waiting and waiting[0][0] <= now:
            _due, suspect, page = waiting.popleft()
            if fetched.get(suspect, -inf) < now - LOOK_BACK - GRACE:
                found.append((page, now))
        if path.startswith((b"/a.css", b"/a.png")):
            fetched[key] = now
        elif row % step == 0 and fetched.get(key, -inf) < time - LOOK_BACK:
            waiting.append((now + GRACE, key, path))
    return found


@st.composite
def requests(draw: st.DrawFn) -> list[Asked]:
    times = accumulate(draw(st.lists(STEPS, max_size=120)), initial=1000.0)
    return [(draw(CLIENTS), time - draw(st.sampled_from([0.0, 0.0, 0.0, 3.0])), draw(PATHS)) for time in times]


def block(asked: list[Asked]) -> Rows:
    rows = Rows(len(asked))
    rows.keys, rows.times = [one[0] for one in asked], [one[1] for one in asked]
    rows.columns = {"request": [b"GET %b HTTP/1.1" % one[2] for one in asked]}
    return rows


def seen(window: Open, asked: list[Asked], size: int, step: int) -> object:
    window.learn(Baseline(HOURS, {}))  # so that it is not long before there can be swarms
    told = []
    for start in range(0, len(asked), size):
        part = asked[start : start + size]
        chosen = [row for row in range(len(part)) if (start + row) % step == 0] if step > 1 else range(len(part))
        told += [(start + one.row, one.key, one.time) for one in window.take(block(part), chosen)]
    return told, window.state()


@given(requests(), st.integers(1, 50), st.integers(1, 3))
def test_blocks_are_as_single_rows(asked: list[Asked], size: int, step: int) -> None:
    blocks, rows = Open(), Open()

    assert seen(blocks, asked, size, step) == seen(rows, asked, 1, step)
    assert blocks.suspects == suspects(asked, step)
