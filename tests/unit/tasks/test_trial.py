"""Tests of tasks.trial: what a filter finds, ignores and misses."""

from __future__ import annotations

from datetime import UTC

import pytest

from privet.core.filters.errors import FilterError
from privet.core.filters.model import FilterSpec
from privet.tasks.trial import Trial

NOW = 1_700_000_000.0
SPEC = FilterSpec(
    name="app",
    prefregex=r"^ \S+ app\[\d+\]: <F-CONTENT>.+</F-CONTENT>$",
    failregex=(r"^login of <F-USER>\S+</F-USER> failed from <HOST>$", r"^<F-NOFAIL>hello</F-NOFAIL> <HOST>$"),
    ignoreregex=(r"monitor",),
)
LINES = (
    b"Nov 14 22:13:20 mars app[7]: login of root failed from 192.0.2.7",
    b"Nov 14 22:13:21 mars app[7]: login of monitor failed from 192.0.2.7",
    b"Nov 14 22:13:22 mars app[7]: hello 192.0.2.7",
    b"Nov 14 22:13:23 mars cron[7]: nothing",
    b"and \xff no date",
)


def trial(kept: int = 21) -> Trial:
    """Try the filter on the lines."""
    one = Trial(SPEC, UTC, NOW, kept=kept)
    for line in LINES:
        one.feed(line)
    return one


def test_each_line_has_a_fate() -> None:
    one = Trial(SPEC, UTC, NOW)

    assert [one.feed(line) for line in LINES] == ["matched", "ignored", "ignored", "missed", "missed"]
    assert one.total == 5
    assert one.kept["missed"] == [LINES[3].decode(), "and � no date"]


def test_every_expression_is_counted_on_every_line() -> None:
    one = trial()

    assert one.count("prefregex") == 3
    assert [one.count("failregex", number) for number in range(2)] == [2, 1]
    assert one.count("ignoreregex") == 1


def test_failures_tell_who_when_and_how() -> None:
    one = trial()

    (hit,) = one.hits[0]

    assert (hit.who, hit.time, hit.facts["user"]) == ("192.0.2.7", 1_700_000_000.0, "root")
    assert one.found == []


def test_the_forms_of_dates_are_counted() -> None:
    assert trial().dates == {r"{^LN-BEG}(?:%a )?%b %d %k:%M:%S(?:\.%f)?(?: %ExY)?": 4}


def test_no_more_lines_are_kept_than_asked_for() -> None:
    assert len(trial(kept=1).kept["missed"]) == 1


def test_a_filter_over_several_lines_counts_what_it_finds() -> None:
    one = Trial(
        FilterSpec(name="x", failregex=(r"^a<SKIPLINES>b <HOST>$",), maxlines=3, datepattern="{NONE}"), UTC, NOW
    )

    fates = [one.feed(line) for line in (b"a", b"-", b"b 192.0.2.7", b"b 192.0.2.8")]

    assert fates == ["missed", "missed", "matched", "missed"]
    assert one.count("failregex") == 1


def test_a_filter_that_cannot_work_is_refused() -> None:
    with pytest.raises(FilterError):
        Trial(FilterSpec(name="x", failregex=("no address",)), UTC, NOW)
