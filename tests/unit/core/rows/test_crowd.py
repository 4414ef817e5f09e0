"""Clients by number: who gets which, what is remembered of them, and who is forgotten."""

from __future__ import annotations

import numpy as np
import pytest

from privet.core.rows.crowd import KEEP, NOBODY, Crowd


def numbers(crowd: Crowd, first: int, last: int, time: float) -> list[int]:
    keys = [number.to_bytes(4) for number in range(first, last)]
    return list(map(int, crowd.meet(keys, np.full(len(keys), time))))


def test_each_client_keeps_his_number_and_what_is_remembered_of_him() -> None:
    crowd = Crowd(100_000)
    column = crowd.column(-1, np.int32)
    found = numbers(crowd, 0, 20_000, 1.0)
    assert len(set(found)) == 20_000
    column.values[found] = range(20_000)
    assert numbers(crowd, 0, 20_000, 2.0) == found
    assert column.values[found].tolist() == list(range(20_000))
    assert crowd.key(crowd.number((7).to_bytes(4))) == (7).to_bytes(4)
    assert crowd.number(b"none") == NOBODY


def test_at_the_cap_those_go_who_came_last_longest_ago() -> None:
    crowd = Crowd(800)
    column = crowd.column(0.0)
    column.values[numbers(crowd, 0, 400, 1.0)] = 1.0
    column.values[numbers(crowd, 400, 800, 2.0)] = 2.0
    numbers(crowd, 0, 10, 3.0)
    crowd.make_room()
    assert len(crowd) == 700
    assert crowd.evicted == 100
    assert all(crowd.number(number.to_bytes(4)) != NOBODY for number in (*range(10), *range(400, 800)))
    new = numbers(crowd, 1000, 1100, 4.0)
    assert column.values[new].tolist() == [0.0] * 100


def test_who_comes_no_more_is_forgotten_and_not_counted_as_evicted() -> None:
    crowd = Crowd(100_000)
    numbers(crowd, 0, 5000, 0.0)
    numbers(crowd, 5000, 5001, KEEP + 1)
    crowd.make_room()
    assert (len(crowd), crowd.evicted) == (1, 0)


def test_the_clients_of_one_block_all_have_numbers_however_many_they_are() -> None:
    crowd = Crowd(10)
    assert len(set(numbers(crowd, 0, 1000, 0.0))) == 1000
    crowd.make_room()
    assert len(crowd) < 10


def test_another_takes_over_clients_and_those_columns_that_are_wanted() -> None:
    old, new = Crowd(100), Crowd(100)
    kept, other = old.column(0.0), new.column(0.0)
    fresh = new.column(-1.0)
    kept.values[numbers(old, 0, 3, 5.0)] = 7.0
    new.carry(old)
    other.take(kept)
    again = numbers(new, 0, 4, 6.0)
    assert other.values[again].tolist() == [7.0, 7.0, 7.0, 0.0]
    assert fresh.values[again].tolist() == [-1.0] * 4


@pytest.mark.parametrize("seconds", [-100.0, 100.0])
def test_a_clock_that_is_set_makes_nobody_older(seconds: float) -> None:
    crowd = Crowd(8)
    numbers(crowd, 0, 8, 1000.0)
    crowd.shift(seconds)
    numbers(crowd, 7, 8, 1000.0 + seconds)
    crowd.make_room()
    assert len(crowd) == 7


def test_new_clients_get_numbers_together() -> None:
    crowd = Crowd(10_000)
    column = crowd.column(-1, np.int32)
    column.values[:] = -1
    some = [b"%04d" % number for number in range(6000)]
    mixed = [some[0], some[1], some[0], *some, some[5]]
    numbers = crowd.numbers(mixed, np.arange(float(len(mixed))))
    assert numbers.tolist() == [0, 1, 0, *range(6000), 5]
    assert crowd.keys(numbers) == mixed
    assert (column.values[:6000] == -1).all()
    assert len(column.values) >= 6000


def test_numbers_that_are_free_are_given_first() -> None:
    crowd = Crowd(8, keep=10.0)
    crowd.numbers([b"%d" % number for number in range(8)], np.full(8, 0.0))
    gone = crowd.make_room()  # at the cap
    assert len(gone)
    new = crowd.meet([b"a", b"b", b"c", b"a"], np.full(4, 1.0)).tolist()
    assert len(set(new)) == 3
    assert new[0] == new[3]
    assert set(gone.tolist()) <= set(new) or set(new) <= set(gone.tolist()) | {8, 9, 10}
    assert crowd.keys(np.array(new)) == [b"a", b"b", b"c", b"a"]
    assert len(crowd) == 8 - len(gone) + 3
