"""Swarms are told from whole blocks, moment by moment, as they would be from one row after the other."""

from __future__ import annotations

from itertools import accumulate
from math import inf
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from privet.core.detect import Limit, Reached
from privet.core.jails import Jail
from privet.core.parse import Rows
from privet.core.swarm import GRACE, HOURS, LOOK_BACK, Baseline, Swarms

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Asked = tuple[bytes, float, bytes]

JAIL = Jail("swarm", ("web",), (), LOOK_BACK, 1, 600.0, kind="swarm", answer="ban")
STEPS = st.sampled_from([0.0, 0.0, 0.0, 1.0, 2.0, 5.0, 6.0, 61.0, 1000.0])
CLIENTS = st.integers(0, 30).map(lambda number: bytes([10, 0, 0, number]))
PATHS = st.sampled_from([b"/", b"/a.css", b"/a.png", b"/b", b"/wiki?id=1", b"/wiki?id=2"])


class Open(Swarms):
    """Shows what it knows."""

    def state(self) -> object:
        sums = {name: (one.sum, one.mass, one.suspects, one.event) for name, one in self._sums.items()}
        return self.clients, [one[:2] for one in self._waiting], sums, list(self.over)


class OneByOne(Open):
    """Takes the same rows, each for itself."""

    def take(self, rows: Rows, chosen: Sequence[int]) -> Iterator[Reached]:
        urls = self._shapes(rows)
        assets = self._assets(rows, urls)
        concerned = set(chosen)
        for row, (key, time, asset) in enumerate(zip(rows.keys, rows.times, assets, strict=True)):
            if time > self._now:
                self._pass(time)
            while self._waiting and self._waiting[0][0] <= self._now:
                _due, suspect, url, took = self._waiting.popleft()
                yield from self._suspect(row, suspect, url, took)
            if asset:
                self.clients[key] = self._now
            elif row in concerned and self.clients.get(key, -inf) < time - LOOK_BACK:
                self._waiting.append((self._now + GRACE, key, urls[row], None))


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
def test_moments_are_as_single_rows(asked: list[Asked], size: int, step: int) -> None:
    blocks = seen(Open(Limit(JAIL, 0), 1000), asked, size, step)

    assert blocks == seen(OneByOne(Limit(JAIL, 0), 1000), asked, len(asked) or 1, step)
