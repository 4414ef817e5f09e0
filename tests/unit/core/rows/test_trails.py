"""Trails: what came last, in which order, and what is known to be forgotten."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest

from privet.core.rows.facts import previous
from privet.core.rows.trails import NOWHERE, Trails


def enter(trails: Trails, heads: np.ndarray, numbers: list[int], first: float, horizon: float = -inf) -> None:
    times = np.arange(first, first + len(numbers))
    places = np.array(numbers, np.intp)
    trails.enter(heads, places, times, times.astype(np.int64), previous(places), horizon)


@pytest.mark.parametrize("size", [1, 3, 7, 5000])
def test_a_trail_is_what_came_the_newest_first_however_it_came(size: int) -> None:
    trails, heads = Trails(8192, np.int64), np.full(3, NOWHERE, np.int64)
    numbers = [n * n % 5 % 3 for n in range(5000)]
    for start in range(0, 5000, size):
        enter(trails, heads, numbers[start : start + size], start)

    for number in range(3):
        mine = [(float(n), n) for n in range(4999, -1, -1) if numbers[n] == number]
        assert trails.follow(int(heads[number]), 10_000, -inf) == mine
        assert trails.follow(int(heads[number]), 10, -inf) == mine[:10]
        assert trails.follow(int(heads[number]), 10_000, 4000.0) == [one for one in mine if one[0] >= 4000]
        assert trails.find(int(heads[number]), -1, 10_000) == (-inf, -inf)
        assert trails.find(int(heads[number]), -1, 10) == (-inf, mine[10][0] if mine else -inf)
        assert all(trails.find(int(heads[number]), value, 20) == (time, -inf) for time, value in mine[:20])


def test_beyond_the_bound_the_oldest_go_and_that_is_told() -> None:
    trails, heads = Trails(1024, np.int64), np.full(2, NOWHERE, np.int64)
    enter(trails, heads, [0] * 1000, 0)
    enter(trails, heads, [1] * 1000, 1000)

    assert len(trails) == 1024
    assert trails.follow(int(heads[0]), 10_000, -inf) == [(float(n), n) for n in range(999, 975, -1)]
    assert trails.find(int(heads[0]), -1, 10_000) == (-inf, 975)
    assert trails.find(int(heads[1]), -1, 10_000) == (-inf, -inf)
    trails.shift(100)
    assert trails.follow(int(heads[0]), 1, -inf) == [(1099.0, 999)]
    assert trails.find(int(heads[0]), -1, 1) == (-inf, 1098)
    enter(trails, heads, [1] * 3000, 5000)  # one block is entered whole
    assert len(trails.follow(int(heads[1]), 10_000, -inf)) == 3000


def test_what_was_gone_is_not_there_again_when_there_is_more_room() -> None:
    trails, heads = Trails(8192, np.int64), np.full(1, NOWHERE, np.int64)
    for start in (0, 1000, 2000):
        enter(trails, heads, [0] * 1000, start, start)
    enter(trails, heads, [0] * 100, 3000)

    assert len(trails) == 1124
    assert trails.follow(int(heads[0]), 10_000, -inf) == [(float(n), n) for n in range(3099, 1975, -1)]
    assert trails.find(int(heads[0]), 0, 10_000) == (-inf, 1975)


def test_what_is_old_makes_room_before_more_is_taken() -> None:
    trails, heads = Trails(1 << 20, np.int64), np.full(1, NOWHERE, np.int64)
    for start in range(0, 100_000, 500):
        enter(trails, heads, [0] * 500, start, start - 400)

    assert len(trails) == 1024
