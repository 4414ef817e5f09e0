"""Counts over time: exact, and bounded however long the time."""

from __future__ import annotations

from privet.core.slots import SLOTS, WIDTHS, Timeline, ruled


def test_counts_add_up_in_slots_of_any_multiple() -> None:
    timeline = Timeline()
    timeline.add([0, 9.9, 10, 59, 60, 119])

    assert timeline.span() == (0, 120)
    assert timeline.within(0, 10, 12) == [2, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1]
    assert timeline.within(0, 60, 2) == [4, 2]
    assert timeline.within(60, 60, 1) == [2]


def test_slots_become_wider_when_there_are_too_many() -> None:
    timeline = Timeline()
    times = [number * 60.0 for number in range(3 * SLOTS)]
    timeline.add(times)

    assert timeline.width == 300
    begin, width, count = ruled(timeline, 60)
    assert (begin, width, count) == (0, 86_400, 9)
    assert sum(timeline.within(begin, width, count)) == len(times)
    assert width in WIDTHS


def test_a_stamp_of_another_age_does_no_harm() -> None:
    timeline = Timeline()
    timeline.add([1_795_345_200.0, 253_402_300_799.0])
    timeline.add(number * 1e7 for number in range(2 * SLOTS))

    begin, width, count = ruled(timeline, 60)
    assert count <= 60
    assert sum(timeline.within(begin, width, count)) == 2 + 2 * SLOTS


def test_nothing_has_no_slots() -> None:
    assert ruled(Timeline(), 60) == (0, WIDTHS[0], 0)
