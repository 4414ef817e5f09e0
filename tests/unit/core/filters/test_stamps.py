"""What dates in all their forms tell."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest

from privet.core.filters.stamps import EPOCH, LONG_EPOCH, TAI64N, Today, UnknownLetterError, fields_of, seconds_of

NOW = datetime(2005, 8, 14, 10, tzinfo=UTC).timestamp()
TODAY = Today.at(NOW, timezone(timedelta(hours=2)))


def read(pattern: str, text: str) -> float | None:
    regex, words = fields_of(pattern, named=True)
    found = re.fullmatch(regex, text, re.IGNORECASE if words else 0)
    assert found, f"{pattern} does not match {text}"
    return seconds_of(found.groupdict(), TODAY)[0]


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("%Y-%m-%d %H:%M:%S", "2005-08-14 12:00:00"),
        ("%ExY-%Exm-%Exd %ExH:%ExM:%ExS", "2005-08-14 12:00:00"),
        ("%d/%b/%Y:%H:%M:%S %z", "14/Aug/2005:10:00:00 +0000"),
        ("%d/%m/%y %k:%M:%S", "14/8/05 12:00:00"),
        ("%a %B %d %I:%M:%S %p", "SUN august 14 12:00:00 pm"),
        ("%A %b %d %l:%M:%S.%f %p %Z", "Sunday aug 14 10:00:00.123 AM UTC"),
        ("%Y%j %H:%M:%S", "2005226 12:00:00"),
        ("%Y %W %w %H", "2005 32 0 12"),
        ("%Y %U %a %H", "2005 33 Sun 12"),
        ("%G-W%V-%u %H", "2005-W32-7 12"),
        ("%c", "Sun Aug 14 12:00:00 2005"),
        ("%x %X", "08/14/05 12:00:00"),
        ("%b %d %H:%M:%S", "Aug 14 12:00:00"),
        ("%H:%M:%S", "12:00:00"),
        ("%H %% %M", "12 % 00"),
        ("%Y-%m-%d %H:%M:%S %Exz", "2005-08-14 05:00:00 EST"),
        ("%Y-%m-%d %H:%M:%S %Exz", "2005-08-14 12:00:00 UTC+0200"),
        (EPOCH, "1124013600"),
        (EPOCH, "1124013600.000"),
        (LONG_EPOCH, "1124013600000"),
        (LONG_EPOCH, "1124013600000.000"),
        (LONG_EPOCH, "1124013600000000"),
        (TAI64N, "@4000000042ff162000000000"),
    ],
)
def test_the_same_moment(pattern: str, text: str) -> None:
    assert read(pattern, text) == NOW


def test_fractions_count_in_epochs_only() -> None:
    assert read(LONG_EPOCH, "1124013600123") == NOW + 0.123
    assert read("%H:%M:%S.%f", "12:00:00.9") == NOW


@pytest.mark.parametrize(
    ("text", "days"),
    [("Aug 14 12:00:00", 0), ("Aug 15 12:00:00", 1), ("Aug 15 12:00:01", 1 - 365), ("Aug 13 12:00:00", -1)],
)
def test_a_year_is_assumed(text: str, days: int) -> None:
    assert read("%b %d %H:%M:%S", text) == pytest.approx(NOW + days * 86400, abs=1)


def test_a_day_is_assumed() -> None:
    assert read("%H:%M:%S", "11:59:59") == NOW - 1
    assert read("%H:%M:%S", "12:00:01") == NOW + 1 - 86400


def test_a_leap_day_of_last_year() -> None:
    march = Today.at(datetime(2005, 3, 1, tzinfo=UTC).timestamp(), UTC)
    assert seconds_of({"b": "feb", "d": "29"}, march) == (datetime(2004, 2, 29, tzinfo=UTC).timestamp(), False)


def test_what_may_change_while_the_day_lasts() -> None:
    assert seconds_of({"H": "11"}, TODAY)[1]
    assert not seconds_of({"H": "13"}, TODAY)[1]


@pytest.mark.parametrize(
    ("pattern", "text"), [("%Y-%m-%d", "2005-02-31"), ("%Y-%m-%d", "0000-12-30"), ("%k", "25"), ("%Y W%V", "2005 W53")]
)
def test_what_does_not_exist(pattern: str, text: str) -> None:
    assert read(pattern, text) is None


def test_an_unknown_zone() -> None:
    assert seconds_of({"H": "12", "z": "nowhere"}, TODAY) == (None, True)


def test_a_leap_second() -> None:
    assert read("%Y-%m-%d %H:%M:%S", "2005-08-14 11:59:60") == NOW


@pytest.mark.parametrize("pattern", ["%s", "%E", "%Exb"])
def test_unknown_letters(pattern: str) -> None:
    with pytest.raises(UnknownLetterError):
        fields_of(pattern, named=True)
