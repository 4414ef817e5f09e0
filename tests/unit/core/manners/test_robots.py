"""Who knows `robots.txt`, and answers that are remembered."""

from __future__ import annotations

import numpy as np
import pytest

from privet.core.manners.robots import Answers, Informed
from privet.core.parsing.parse import Rows
from privet.core.rows.facts import Registry

NOSY, FIREFOX = b"Nosy/1.0", b"Mozilla/5.0 (X11; rv:128.0) Gecko/20100101 Firefox/128.0"
ROBOTS_TXT, PAGE = b"GET /robots.txt HTTP/1.1", b"GET /a HTTP/1.1"

Row = tuple[float, bytes, bytes, bytes]


def informed(requests: list[Row], size: int) -> list[int]:
    """Return which requests come from those who know."""
    one = Registry(100)
    who = one.shared(Informed)
    rows: list[int] = []
    for start in range(0, len(requests), size):
        block = Rows(size)
        times, keys, agents, texts = (list(column) for column in zip(*requests[start : start + size], strict=True))
        block.times, block.keys, block.columns = times, keys, {"agent": agents, "request": texts}
        rows += [start + row for row in who.rows(one.facts(block)).tolist()]
    return rows


@pytest.mark.parametrize("size", [1, 3, 20])
def test_who_fetched_the_file_knows_for_a_day_and_who_calls_himself_so_too(size: int) -> None:
    requests = [
        (0.0, b"a", NOSY, PAGE),
        (1.0, b"a", NOSY, ROBOTS_TXT),
        (2.0, b"a", FIREFOX, PAGE),
        (3.0, b"b", NOSY, PAGE),
        (4.0, b"b", FIREFOX, PAGE),
        (5.0, b"c", FIREFOX, ROBOTS_TXT),
        (6.0, b"b", FIREFOX, PAGE),
        (7.0, b"c", b"curl", PAGE),
        (8.0, b"d", b"Somebot/1", PAGE),
        (8.0, b"d", b"Somebot/1", ROBOTS_TXT),
        (86_402.0, b"a", FIREFOX, PAGE),
        (86_402.0, b"b", NOSY, PAGE),
        (86_402.0, b"c", FIREFOX, PAGE),
    ]

    assert informed(requests, size) == [2, 3, 7, 8, 12]


def test_all_signals_of_an_engine_share_what_is_known() -> None:
    one = Registry(100)
    assert one.shared(Informed) is one.shared(Informed)
    assert one.shared(Informed) is not Registry(100).shared(Informed)


def test_questions_are_asked_once_and_places_are_used_again() -> None:
    answers = Answers()
    asked: list[int] = []

    def find(place: int) -> float:
        asked.append(place)
        return float(place)

    first = np.array([7, 7, 7 + (1 << 15), -9])
    assert answers(first, find).tolist() == [0.0, 0.0, 2.0, 3.0]
    assert asked == [0, 2, 3]
    assert answers(first[2:], find).tolist() == [2.0, 3.0]
    assert answers(first[:1], find).tolist() == [0.0]
    assert asked == [0, 2, 3, 0]
