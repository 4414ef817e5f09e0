"""The sums of suspects: how they grow, fall and learn what is usual."""

from __future__ import annotations

import pytest

from privet.core.swarms.cusum import EXCESS, LEAST, Look, Sum

START = 1_000_000.0


def sum_of(level: str = "page") -> Sum:
    one = Sum(level, b"/", START)
    one.look(Look(START, START - 7200, 0.0))
    return one


def test_a_sum_grows_by_one_for_each_and_falls_with_time() -> None:
    one = sum_of()
    for client in range(3):
        one.add(client, START + client, 1.0)

    assert one.sum == pytest.approx(3 - 2 * EXCESS)
    one.fall(START + 1000)
    assert (one.sum, len(one.suspects)) == (0.0, 0)
    assert one.peak == pytest.approx(3 - 2 * EXCESS)
    assert one.has_meaning  # by its mass
    one.look(Look(START + 100_000, START, 0.0))
    assert not one.has_meaning


def test_it_is_a_swarm_from_a_threshold_on_unless_most_are_regulars() -> None:
    for regulars, answer in ((0, True), (5, False)):
        one = sum_of()
        for client in range(8):
            one.add(client, START, 1.0, regular=client < regulars)
        assert (one.sum >= one.limit, one.is_swarm) == (True, answer)


def test_what_comes_often_and_came_to_nothing_raises_the_threshold() -> None:
    one = sum_of()
    for hour in range(1, 5):
        for client in range(6):
            one.add(client, START + hour * 3600, 1.0)
        one.look(Look(START + hour * 3600 + 600, START, 0.0))

    assert one.limit > LEAST["page"][0]
    assert one.usual > 0
