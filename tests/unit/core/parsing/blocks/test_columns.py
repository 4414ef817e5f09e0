"""Columns with a table of their values: sequences like others, and numbered alike."""

from __future__ import annotations

import pickle
from array import array

import numpy as np
import pytest

from privet.core.parsing.blocks.columns import Coded, Frequencies, Numbers, are_in_order, ends

TABLE = np.array([b"200", b"404", b"503", b"301"], object)


def column(*places: int) -> Coded:
    return Coded(TABLE, np.array(places, np.intp))


def test_it_is_a_sequence_of_its_values() -> None:
    found = column(1, 0, 1)
    assert list(found) == [b"404", b"200", b"404"]
    assert (len(found), found[0], found[-1]) == (3, b"404", b"404")
    assert list(found[1:]) == [b"200", b"404"]
    assert b"503" not in found


def test_values_are_numbered_as_they_come_whichever_way_they_are_given() -> None:
    coded, plain = Numbers(), Numbers()
    for part in (column(2, 1, 2, 0), column(3, 1), column()):
        assert coded.of(part).tolist() == plain.of(list(part)).tolist()
    assert list(coded) == list(plain) == [b"503", b"404", b"200", b"301"]


def test_another_table_does_not_change_the_numbers() -> None:
    numbers = Numbers([b"503"])
    assert numbers.of(column(2, 0)).tolist() == [0, 1]
    other = Coded(np.array([b"200", b"503", None], object), np.array([1, 0, 1]))
    assert numbers.of(other).tolist() == [0, 1, 0]


def test_numbers_go_to_another_process() -> None:
    numbers = Numbers()
    numbers.of(column(1, 3))
    again = pickle.loads(pickle.dumps(numbers))  # noqa: S301  our own
    assert list(again.items()) == [(b"404", 0), (b"301", 1)]
    assert again.of(column(3, 0)).tolist() == [1, 2]


def test_hits_are_counted_alike_whichever_way_they_come() -> None:
    hits = Frequencies(100)
    assert hits.most == (0, 0)
    hits.add(column(0, 1, 1))
    assert hits.most == (2, 3)
    hits.add([b"404", b"500"])
    assert hits.most == (3, 5)
    hits.add(Coded(np.array([b"404", b"200"], object), np.array([0, 0, 1])))
    assert hits.most == (5, 8)
    hits.clear()
    assert hits.most == (0, 0)
    hits.add(column(3, 3))
    assert hits.most == (2, 2)


def test_no_more_are_counted_where_there_are_too_many() -> None:
    hits = Frequencies(2)
    hits.add([b"a", b"b"])
    hits.add([b"a"])
    assert hits.most == (1, 2)


@pytest.mark.parametrize("times", [[1.0, 2.0, 2.0], [2.0, 1.0], [1.0]])
def test_times_may_be_arrays(times: list[float]) -> None:
    assert ends(times) == ends(array("d", times)) == (min(times), max(times))
    assert are_in_order(times) is are_in_order(array("d", times)) is (times[0] == 1.0)
