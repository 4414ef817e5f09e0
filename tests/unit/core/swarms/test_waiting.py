"""Who waits, by number and in order, and who fetched what when."""

from __future__ import annotations

from math import inf

import numpy as np

from privet.core.rows.crowd import Crowd
from privet.core.rows.shapes import Url
from privet.core.swarms.waiting import UNTOLD, Fetches, Pages, Waiting

URL = Url(b"-", b"/", b"/", b"/", asset=False)


def pages(*asked: tuple[float, int]) -> Pages:
    due, clients = [one[0] for one in asked], [one[1] for one in asked]
    urls = np.full(len(asked), URL, np.object_)
    return Pages(np.array(due), np.array(clients, np.intp), urls, np.full(len(asked), UNTOLD))


def test_what_is_due_comes_in_order_and_the_rest_waits() -> None:
    waiting = Waiting()
    waiting.add(pages((5, 1), (6, 2)))
    waiting.add(pages())
    waiting.add(pages((6, 3), (9, 4), (10, 5)))

    assert len(waiting) == 5
    assert waiting.until(4).clients.tolist() == []
    due = waiting.until(9)
    assert (due.clients.tolist(), due.due.tolist(), len(due.urls), len(due.took)) == ([1, 2, 3, 4], [5, 6, 6, 9], 4, 4)
    waiting.shift(100)
    assert (len(waiting), waiting.until(109).clients.tolist(), waiting.until(110).clients.tolist()) == (1, [], [5])
    assert len(waiting) == 0


def test_who_is_forgotten_waits_no_more() -> None:
    waiting = Waiting()
    waiting.add(pages((5, 1), (6, 2)))
    waiting.add(pages((7, 2)))
    waiting.add(pages((8, 0), (8, 1), (8, 0)))

    waiting.keep(np.array([True, True, False]))
    assert len(waiting) == 4
    waiting.drop(2)
    assert waiting.until(inf).clients.tolist() == [1, 0]


def test_fetches_before_a_row_are_those_of_earlier_rows_and_blocks() -> None:
    crowd = Crowd(10)
    column, here = crowd.column(-inf), crowd.column(0, np.bool_)
    column.values[2] = 50.0
    clients, moments = np.array([1, 2, 1, 3, 1], np.intp), np.array([100.0, 101, 102, 103, 104])
    fetches = Fetches((column, here), clients, np.array([0, 2]), moments)

    def last(client: int, row: int) -> float:
        return float(fetches.last(np.array([client], np.intp), np.array([row]))[0])

    assert [last(1, row) for row in range(5)] == [-inf, 100, 100, 102, 102]
    assert [last(2, 4), last(3, 4)] == [50, -inf]
    fetches.keep()
    assert column.values[:4].tolist() == [-inf, 102, 50, -inf]
    assert not here.values.any()
