"""Rhythms: what is expected of an hour, and when silence means something."""

from __future__ import annotations

import random

import msgspec

from privet.core.watch.rhythm import ENOUGH, HOUR, WEEK, Rhythm

START = 1_795_305_600.0
DAY, WEEKS = 24 * HOUR, WEEK * HOUR


def learnt(weeks: float, a_day: float = 2400, begin: float = START) -> Rhythm:
    """Return a rhythm of some weeks in which something came by day only, and evenly."""
    rhythm, time = Rhythm(), begin
    while time < begin + weeks * WEEKS:
        by_day = (time - begin) % DAY < DAY / 2
        rhythm.note(time, round(a_day / 72) if by_day else 0)
        time += 600
    return rhythm


def test_nothing_is_expected_before_a_week_was_seen() -> None:
    assert learnt(0.9).expected(START + 0.9 * WEEKS, START + 0.95 * WEEKS) == 0


def test_what_is_expected_follows_the_hour() -> None:
    rhythm, begin = learnt(2.1), START + 3 * WEEKS

    assert rhythm.expected(begin + 3 * HOUR, begin + 5 * HOUR) == 2 * 33 * 6
    assert rhythm.expected(begin + 4.25 * HOUR, begin + 4.75 * HOUR) == 33 * 3
    assert rhythm.expected(begin + 14 * HOUR, begin + 22 * HOUR) == 0
    assert rhythm.expected(begin, begin + WEEKS) > rhythm.expected(begin, begin + DAY) > 1500


def test_a_busy_night_makes_no_rule() -> None:
    rhythm = learnt(2)
    for minute in range(0, 600, 10):  # ten hours of the third week, by night for the most part
        rhythm.note(START + 2 * WEEKS + 14 * HOUR + minute * 60, 10_000)

    assert rhythm.expected(START + 3 * WEEKS + 14 * HOUR, START + 3 * WEEKS + 22 * HOUR) == 0


def test_silence_is_told_from_quiet() -> None:
    rhythm, begin = learnt(2.1), START + 3 * WEEKS

    assert not rhythm.is_silence(begin + 13 * HOUR, begin + 23 * HOUR)
    assert not rhythm.is_silence(begin + 3 * HOUR, begin + 3 * HOUR + 60)
    assert rhythm.is_silence(begin + 3 * HOUR, begin + 3 * HOUR + 900)


def test_where_pauses_are_long_they_must_be_longer_to_mean_anything() -> None:
    rhythm, begin = learnt(2.1), START + 3 * WEEKS
    rhythm.heard(begin + 2 * HOUR, begin + 2 * HOUR + 600)  # 33 were expected of it

    assert rhythm.worst > ENOUGH
    assert not rhythm.is_silence(begin + 3 * HOUR, begin + 3 * HOUR + 900)
    assert rhythm.is_silence(begin + 3 * HOUR, begin + 3 * HOUR + 1800)


def test_an_hour_that_was_not_seen_whole_does_not_count() -> None:
    rhythm = learnt(1.1)
    rhythm.pause()
    before = rhythm.last.copy()
    rhythm.note(START + 1.1 * WEEKS + HOUR, 5)
    rhythm.note(START + 1.1 * WEEKS + 9 * HOUR, 5)
    rhythm.note(START + 1.1 * WEEKS + 12 * HOUR, 5)

    assert rhythm.last == before


def test_it_survives_being_written_down() -> None:
    rhythm = learnt(2.5)

    again = msgspec.json.decode(msgspec.json.encode(rhythm), type=Rhythm)

    assert again == rhythm
    assert again.sound
    assert not msgspec.structs.replace(again, last=[1]).sound


def test_chance_alone_is_no_silence() -> None:
    draw, rhythm, time, heard, alarms = random.Random(1), Rhythm(), START, START, 0
    while time < START + 10 * WEEKS:
        came = sum(draw.random() < 30 / 144 for _ in range(1))
        if came:
            rhythm.heard(heard, time)
            heard = time
        alarms += rhythm.is_silence(heard, time)
        rhythm.note(time, came)
        time += 600

    assert alarms == 0
