"""Where the date of a line stands, by every kind of datepattern."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from privet.core.filters.dates import Dates, JournalDates
from privet.core.filters.errors import FilterError

NOW = datetime(2005, 8, 14, 12, tzinfo=UTC).timestamp()


def cut(pattern: str, *lines: str) -> list[tuple[str, float | None]]:
    """Return each line without its date, and how long after NOW that is."""
    dates = Dates(pattern, UTC)
    dates.begin(NOW)
    found: list[tuple[str, float | None]] = []
    for line in lines:
        stamp = dates.find(line)
        if stamp is None:
            found.append((line, None))
        else:
            _, start, end, time = stamp
            found.append((line[:start] + line[end:], None if time is None else time - NOW))
    return found


@pytest.mark.parametrize(
    "date",
    [
        *("Sun Aug 14 12:00:00.011 2005", "Aug 14 12:00:00", "Aug 14 2005 12:00:00", "2005-08-14T12:00:00Z"),
        *("2005/8/14 12:00:00", "2005.08.14 12:00:00,123", "14/08/2005 12:00:00", "14-08-05 12:00:00"),
        *("14/Aug/2005:12:00:00 +0000", "14-Aug-2005 12:00:00.252", "08/14/2005:12:00:00", "08-14-2005 12:00:00.252"),
        *("1124020800", "1124020800.000", "12:00:00", "<08/14/05@12:00:00>", "050814 12:00:00"),
        *("Aug 14, 2005 12:00:00 PM", "Aug-14-05 12:00:00", "20050814T120000", "20050814 120000 +0000"),
        *("UTC Aug 14 12:00:00 2005", "+00:00 Aug 14 12:00:00.11 2005", "@4000000042ff324000000000"),
    ],
)
def test_usual_forms(date: str) -> None:
    for line in (f"{date} x", f"[{date}] x"):
        assert cut("", line) == [(line.replace(date, ""), 0)]
        assert cut("{^LN-BEG}", line) == [(line.replace(date, ""), 0)]


def test_the_leftmost_date_counts() -> None:
    assert cut("", "x 2005-08-14 12:00:00 Aug 14 11:00:00") == [("x  Aug 14 11:00:00", 0)]
    assert cut("", "x EST Aug 14 07:00:00 y") == [("x  y", 0)]


def test_only_at_the_beginning() -> None:
    assert cut("{^LN-BEG}", "x 2005-08-14 12:00:00") == [("x 2005-08-14 12:00:00", None)]
    assert cut("{^LN-BEG}%H:%M:%S", "[[12:00:00]x", "[[[12:00:00]x") == [("[[]x", 0), ("[[[12:00:00]x", None)]


def test_a_word_goes_on() -> None:
    assert cut("%H:%M:%S", "a12:00:00 x", "-12:00:00- x") == [("a12:00:00 x", None), ("-- x", 0)]
    assert cut("**%H:%M:%S**", "a12:00:00b") == [("ab", 0)]
    assert cut("{UNB}%H:%M:%S", "a12:00:00b") == [("ab", 0)]


def test_what_the_own_group_holds_is_cut() -> None:
    line = "192.0.2.1 - - [14/Aug/2005:12:00:00 +0000] x"
    assert cut(r"^[^\[]*\[({DATE})", line) == [("192.0.2.1 - - [] x", 0)]
    assert cut(r"^[^\[]*(\[{DATE}\s*\])", line) == [("192.0.2.1 - -  x", 0)]
    assert cut("^<W>{DATE}", "<W>2005-08-14 12:00:00 x") == [(" x", 0)]
    assert cut("^time=({EPOCH}) ", "time=1124020800 x") == [(" x", 0)]


def test_several_patterns() -> None:
    pattern = "^%Y:%m:%d-%H:%M:%S\n^WARN:()**\n{^LN-BEG}"
    assert cut(pattern, "2005:08:14-12:00:00 x", "WARN: y", "Aug 14 12:00:00 z") == [
        (" x", 0),
        ("WARN: y", None),
        (" z", 0),
    ]


def test_none() -> None:
    assert cut("{NONE}", "2005-08-14 12:00:00 x") == [("2005-08-14 12:00:00 x", None)]


@pytest.mark.parametrize(
    ("pattern", "line", "rest"),
    [
        ("EPOCH", "1124020800 x", " x"),
        ("EPOCH", "[1124020800] x", "[] x"),
        ("EPOCH", "type=a msg=audit(1124020800.000:5) x", "type=a msg=audit(:5) x"),
        ("Epoch", "x 1124020800 y", None),
        ("^EPOCH", "- 1124020800 x", "-  x"),
        ("LEPOCH", "1124020800000 x", " x"),
        ("TAI64N", "x @4000000042ff324000000000 y", "x  y"),
        ("^<{LEPOCH}>", "<1124020800000> x", " x"),
    ],
)
def test_epochs(pattern: str, line: str, rest: str | None) -> None:
    assert cut(pattern, line) == [(line, None) if rest is None else (rest, 0)]


def test_day_and_month_change_places_once_that_is_known() -> None:
    january = (datetime(2005, 1, 2, 12, tzinfo=UTC)).timestamp() - NOW
    february = (datetime(2005, 2, 1, 12, tzinfo=UTC)).timestamp() - NOW
    assert cut("", "02-01-2005 12:00:00.5 x") == [(".5 x", february - 30 * 86400)]
    assert cut("", "01-27-2005 12:00:00.5 x", "01-02-2005 12:00:00.5 x")[1] == (" x", january)


def test_what_does_not_exist_is_cut_all_the_same() -> None:
    assert cut("", "2005-02-31 12:00:00 x") == [(" x", None)]


def test_a_new_year() -> None:
    dates = Dates("", UTC)
    times = []
    for year in (2005, 2006):
        dates.begin(datetime(year, 8, 14, 12, tzinfo=UTC).timestamp())
        stamp = dates.find("Aug 14 12:00:00 x")
        times.append(stamp and stamp[3])
    assert times == [NOW, NOW + 365 * 86400]


@pytest.mark.parametrize(("pattern", "number"), [("%q", 0), ("{^LN-BEG}\n%s", 1), ("(%H", 0), ("%H %H", 0)])
def test_patterns_that_cannot_be_used(pattern: str, number: int) -> None:
    with pytest.raises(FilterError) as caught:
        Dates(pattern, UTC)
    assert (caught.value.option, caught.value.number) == ("datepattern", number)


@pytest.mark.parametrize(
    ("pattern", "sound"),
    [
        ("", True),
        ("{^LN-BEG}", True),
        (r"^[^\[]*\[({DATE})" + "\n{^LN-BEG}", True),
        ("^%Y-%m-%d", True),
        ("%Y-%m-%d %H:%M:%S", True),
        ("%d/%b/%Y", False),
        (r"^[^\[]*(\[{DATE}\])", False),
        ("**%H:%M", False),
        (r"^x(%H:%M)y", False),
        ("EPOCH", True),
        ("TAI64N", False),
        ("^TAI64N", True),
    ],
)
def test_whether_words_stay_apart(pattern: str, sound: bool) -> None:  # noqa: FBT001  a table
    assert Dates(pattern, UTC).between_words is sound


def test_a_journal_says_when() -> None:
    assert JournalDates().find("1124020800.500000 host sshd[1]: x") == (0, 0, 18, NOW + 0.5)
    assert JournalDates().find("nothing of the kind") is None


def test_usual_forms_far_inside_a_line_are_not_looked_for() -> None:
    line = "x" * 4000 + " 2005-08-14 12:00:00"
    assert cut("", line) == [(line, None)]


@pytest.mark.parametrize(
    "form", ["14/Aug/2005:11:5{}:{} +0000", "Aug 14 11:5{}:{}", "2005-08-14T11:5{}:{}.250Z", "20050814T115{}{}"]
)
def test_stamps_of_a_minute_that_was_read_before(form: str) -> None:
    times = [(8, "07"), (8, "59"), (8, "00"), (8, "60"), (9, "01"), (8, "61"), (8, "99"), (8, "5"), (9, "58")]
    lines = [f"[{form.format(*time)}] x" for time in times]
    alone = [cut("{^LN-BEG}", line)[0] for line in lines]
    assert cut("{^LN-BEG}", *lines) == alone
