"""When what happened, in bars and in hours of the week, whatever the order and the amount."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta, timezone

import pytest

from privet.core.reports.pulse import WEEK, Pulse, floor, width_for

MONDAY = datetime(2026, 11, 16, tzinfo=UTC).timestamp()
DAY = 86_400
CET = timezone(timedelta(hours=1))


def of(*moments: float, kind: str = "ok", most: int = 100_000) -> Pulse:
    pulse = Pulse(most)
    pulse.count(moments, [kind] * len(moments))
    return pulse


def test_bars_hold_everything_once() -> None:
    random.seed(1)
    moments = [MONDAY + random.random() * 5 * DAY for _ in range(5000)]
    pulse = of(*moments)
    pulse.count(moments[:70], ["failed"] * 70)

    bins = pulse.bins(UTC, 96, ("ok", "moved", "failed"))

    assert {kind: sum(numbers) for kind, numbers in bins.counts.items()} == {"ok": 5000, "failed": 70}
    assert all(len(numbers) <= 96 for numbers in bins.counts.values())
    assert bins.counts["ok"][3] == sum(3 <= (moment - bins.start) / bins.step < 4 for moment in moments)


def test_bars_of_days_begin_at_midnight_of_the_zone() -> None:
    bins = of(MONDAY + 5 * 3600, MONDAY + 300 * DAY).bins(CET, 400)

    assert bins.step == DAY
    assert datetime.fromtimestamp(bins.start, CET).hour == 0
    assert sum(bins.counts["ok"]) == 2


@pytest.mark.parametrize("step", [60, 3600, DAY, 7 * DAY])
def test_floor_is_before_the_time_and_close_to_it(step: int) -> None:
    for number in range(50):
        time = MONDAY + number * 12_345.6
        assert 0 <= time - floor(time, step, CET) < step
    assert datetime.fromtimestamp(floor(MONDAY + 3 * DAY, 7 * DAY, CET), CET).strftime("%a %H:%M") == "Mon 00:00"


@pytest.mark.parametrize("span", [60.0, 3600.0, 86_400.0, 40 * 86_400.0, 4e9])
def test_there_are_never_more_bars_than_wanted(span: float) -> None:
    assert span / width_for(span, 96) <= 96


def test_the_week_shows_means_and_hours_that_there_were_not() -> None:
    pulse = of(MONDAY + 60, MONDAY + 120, MONDAY + 7 * DAY + 60, MONDAY + 7 * DAY + 3 * 3600)

    hours = pulse.week(UTC)

    assert len(hours) == WEEK
    assert hours[0] == 1.5  # three in two Mondays
    assert hours[3] == 0.5
    assert hours[100] == 0
    assert pulse.week(CET)[1] == 1.5
    assert of(MONDAY).week(UTC)[1] is None


def test_parts_merge_to_the_whole_also_when_one_counts_in_longer_steps() -> None:
    random.seed(2)
    moments = [MONDAY + random.random() * 20 * DAY for _ in range(4000)]
    one, other = of(*moments[:3000], most=500), of(*moments[3000:])

    one.merge(other)

    whole = of(*moments, most=500)
    assert one.week(UTC) == whole.week(UTC)
    assert one.total == whole.total == {"ok": 4000}
    other.merge(of(*moments[:3000], most=500))
    assert sum(other.bins(UTC).counts["ok"]) == 4000


def test_memory_is_bounded_and_what_is_forgotten_counted() -> None:
    pulse = Pulse(most=100)
    for number in range(1000):
        pulse.count([MONDAY + number * DAY], ["ok"])

    kept = sum(pulse.bins(UTC).counts["ok"])
    assert kept + pulse.evicted == 1000
    assert kept >= 50
    assert pulse.span[1] == MONDAY + 999 * DAY + 3600
