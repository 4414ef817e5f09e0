"""Stamps: every common spelling is read, nothing raises, and a number never passes for a date."""

from __future__ import annotations

from calendar import timegm
from datetime import UTC, datetime, timedelta, timezone
from time import strptime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from privet.core.parsing.times import read_any, read_clf, read_epoch, read_iso, reader, write_clf

STORY = 1431857103.0  # 17 May 2015, 10:05:03 UTC
SECONDS = st.integers(0, 10**11 - 1)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (b"17/May/2015:10:05:03 +0000", STORY),
        (b"17/May/2015:12:05:03 +0200", STORY),
        (b"17/May/2015:04:35:03 -0530", STORY),
        (b"29/Feb/2016:00:00:00 +0000", 1456704000.0),
        (b"31/Dec/2016:23:59:60 +0000", 1483228800.0),  # a leap second
        (b"01/Jan/1970:00:00:00 +0000", 0.0),
    ],
)
def test_common_log_format(text: bytes, seconds: float) -> None:
    assert read_clf(text) == read_any(text) == read_any(b"[" + text + b"]") == seconds


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b"-", b"17/May/2015:10:05:03", b"17/May/2015:10:05:03 0000 ", b"17/may/2015:10:05:03 +0000"),
        *(b"17/Foo/2015:10:05:03 +0000", b"32/May/2015:10:05:03 +0000", b"29/Feb/2015:10:05:03 +0000"),
        *(b"17/May/2015:24:05:03 +0000", b"17/May/2015:10:60:03 +0000", b"17/May/2015:10:05:61 +0000"),
        *(b"17/May/0000:10:05:03 +0000", b"17/May/1969:10:05:03 +0000", b"31/Dec/9999:10:05:03 +0000"),
        *(b"17 May 2015 10:05:03 +0000", b"1_/May/2015:10:05:03 +0000", b"17/May/2015:+1:05:03 +0000"),
        *(b"17/May/2015:10:05: 3 +0000", b"17/May/2015:10:05:03 \xff0000", b"17/May/2015:10:05:03 +00:0"),
        *("1\u0667/May/2015:10:05:03 +0000".encode(), b"17/May/2015:10:05:03 +0000\n"),
    ],
)
def test_what_is_no_stamp_of_the_common_log_format(text: bytes) -> None:
    assert read_clf(text) is None


@given(SECONDS, st.integers(-14 * 60, 14 * 60))
def test_any_time_in_any_zone(seconds: int, offset: int) -> None:
    zone = timezone(timedelta(minutes=offset))
    text = datetime.fromtimestamp(seconds, zone).strftime("%d/%b/%Y:%H:%M:%S %z")
    day, year = text.split(":", 1)[0], datetime.fromtimestamp(seconds, zone).year
    text = text.replace(day, day[:7] + f"{year:04}", 1)
    assert read_clf(text.encode()) == seconds


@given(SECONDS)
def test_what_is_written_reads_back(seconds: int) -> None:
    written = write_clf(float(seconds))
    assert read_clf(written) == seconds
    assert timegm(strptime(written.decode(), "%d/%b/%Y:%H:%M:%S +0000")) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (b"1431857103", STORY),
        (b"1431857103.25", STORY + 0.25),
        (b"1431857103123", STORY + 0.123),
        (b"1431857103123456", STORY + 0.123456),
        (b"1.431857103e9", STORY),
        (b"0", 0.0),
    ],
)
def test_seconds_and_their_fractions(text: bytes, seconds: float) -> None:
    assert read_epoch(text) == pytest.approx(seconds, abs=1e-6)
    assert read_any(text) == pytest.approx(seconds, abs=1e-6)


@pytest.mark.parametrize(
    "text", [b"", b"-", b"-1", b"nan", b"inf", b"-inf", b"1e400", b"1e17", b"0x10", b"1431857103 x", b"1" * 65]
)
def test_what_is_no_number_of_seconds(text: bytes) -> None:
    assert read_epoch(text) is None


@given(st.integers(10**9, 5 * 10**9))
@example(1712011512)  # its milliseconds begin like the 15th of January 1712
def test_milliseconds_are_no_date(seconds: int) -> None:
    assert read_any(b"%d" % (seconds * 1000 + 345)) == pytest.approx(seconds + 0.345)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (b"2015-05-17T10:05:03+00:00", STORY),
        (b"2015-05-17T12:05:03+02:00", STORY),
        (b"2015-05-17T10:05:03Z", STORY),
        (b"2015-05-17T10:05:03.250Z", STORY + 0.25),
        (b"2015-05-17 10:05:03", STORY),
        (b"2015-05-17T10:05:03", STORY),
        (b"2015-05-17T10:05:03.123456789Z", STORY + 0.123456),
    ],
)
def test_iso_8601(text: bytes, seconds: float) -> None:
    assert read_iso(text) == pytest.approx(seconds, abs=1e-6)
    assert read_any(text) == pytest.approx(seconds, abs=1e-6)


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b"yesterday", b"2015-13-17T10:05:03Z", b"0001-01-01T00:00:00+23:59", b"9999-12-31T23:59:59-23:59"),
        *(b"0001-01-01T00:00:00Z", b"2015-05-17T10:05:03\xc3\xa9", b"2015-05-17T10:05:03Z" + b"0" * 60),
    ],
)
def test_what_is_no_time_of_a_request(text: bytes) -> None:
    assert read_iso(text) is None
    assert read_any(text) is None


@given(st.one_of(st.binary(max_size=80), st.text("0123456789-:/+.TZ eJan", max_size=30).map(str.encode)))
def test_no_bytes_raise_and_what_is_read_can_be_written(text: bytes) -> None:
    for read in (read_clf, read_epoch, read_iso, read_any, reader("%Y-%m-%d %H:%M:%S", UTC)):
        seconds = read(text)
        assert seconds is None or len(write_clf(seconds)) == 26


def test_a_pattern_without_an_offset_is_read_in_the_zone() -> None:
    read = reader("%Y-%m-%d %H:%M:%S", timezone(timedelta(hours=2)))
    assert read(b"2015-05-17 12:05:03") == STORY
    assert read(b"2015-05-17 12:05") is None
    assert read(b"") is None


def test_a_pattern_with_an_offset_keeps_it() -> None:
    read = reader("%d.%m.%y %H.%M.%S %z", timezone(timedelta(hours=2)))
    assert read(b"17.05.15 10.05.03 +0000") == STORY


@pytest.mark.parametrize("pattern", ["", "%H:%M:%S", "%Y-%m-%d", "%Y %Y", "%Q", "%", "now", "%Y-%m-%d %Hé%M"])
def test_a_pattern_that_does_not_tell_the_time_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="does not tell date and time of day"):
        reader(pattern, UTC)
