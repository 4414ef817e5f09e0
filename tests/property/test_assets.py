"""What is an asset is learnt from whole blocks as from one row after the other."""

from __future__ import annotations

from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from privet.core.parsing.parse import Rows
from privet.core.rows.assets import CLEAR, Assets
from privet.core.rows.facts import Registry
from privet.core.rows.shapes import Shapes

PATHS = (b"/post", b"/image/17", b"/a.css")
HITS = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.sampled_from([0.0, 1.0, 4.0, 7.0]),
        st.sampled_from(PATHS),
        st.sampled_from([b"-", *(b"https://blog.example" + path for path in PATHS)]),
    ),
    min_size=30,
    max_size=150,
)


class Open(Assets):
    """Knows one asset already, and shows what it knows."""

    def __init__(self) -> None:
        self.registry = Registry(1000)
        super().__init__(self.registry, Shapes(self.registry))
        self._count(self._place(b"/image/*"), CLEAR, 1, -1)

    def tell(self, rows: Rows) -> list[bool]:
        facts = self.registry.facts(rows)
        answers: list[bool] = self(facts, self._shapes(facts)).tolist()
        return answers

    def state(self) -> object:
        clients = [self.registry.crowd.number(bytes([192, 0, 2, client])) for client in range(6)]
        pages = [(self._pages.values[client], self._paged.values[client]) for client in clients if client >= 0]
        return self._places, self._votes, self._clear.tolist(), pages


class RowByRow(Open):
    """Never learns from rows all at once."""

    def _any_with_page(self, *_block: object) -> bool:
        return True


def rows_of(hits: list[tuple[int, float, bytes, bytes]], start: float) -> Rows:
    rows = Rows(len(hits))
    rows.keys = [bytes([192, 0, 2, client]) for client, *_ in hits]
    rows.times = list(accumulate((passed for _, passed, *_ in hits), initial=start))[1:]
    rows.columns["request"] = [b"GET " + path + b" HTTP/1.1" for _, _, path, _ in hits]
    rows.columns["referer"] = [referer for *_, referer in hits]
    return rows


@given(HITS, st.integers(1, 20))
def test_blocks_teach_what_single_rows_teach(hits: list[tuple[int, float, bytes, bytes]], size: int) -> None:
    whole, single, start = Open(), RowByRow(), 0.0
    for place in range(0, len(hits), size):
        rows = rows_of(hits[place : place + size], start)
        start = rows.times[-1]
        assert whole.tell(rows) == single.tell(rows)
    assert whole.state() == single.state()
