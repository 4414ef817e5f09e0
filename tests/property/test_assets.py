"""What is an asset is learnt from whole blocks as from one row after the other."""

from __future__ import annotations

from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from privet.core.assets import CLEAR, Assets
from privet.core.parse import Rows
from privet.core.shapes import Shapes

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
        super().__init__()
        self._votes = {b"/image/*": (CLEAR, 1, b"")}

    def state(self) -> object:
        return self._votes, self._pages


class RowByRow(Open):
    """Never learns from rows all at once."""

    def _is_plain(self, *_block: object) -> bool:
        return False


def rows_of(hits: list[tuple[int, float, bytes, bytes]], start: float) -> Rows:
    rows = Rows(len(hits))
    rows.keys = [bytes([192, 0, 2, client]) for client, *_ in hits]
    rows.times = list(accumulate((passed for _, passed, *_ in hits), initial=start))[1:]
    rows.columns["request"] = [b"GET " + path + b" HTTP/1.1" for _, _, path, _ in hits]
    rows.columns["referer"] = [referer for *_, referer in hits]
    return rows


@given(HITS, st.integers(1, 20))
def test_blocks_teach_what_single_rows_teach(hits: list[tuple[int, float, bytes, bytes]], size: int) -> None:
    whole, single = Open(), RowByRow()
    shapes, start = Shapes(), 0.0
    for place in range(0, len(hits), size):
        rows = rows_of(hits[place : place + size], start)
        start = rows.times[-1]
        urls = shapes(rows)
        assert whole(rows, urls) == single(rows, urls)
    assert whole.state() == single.state()
