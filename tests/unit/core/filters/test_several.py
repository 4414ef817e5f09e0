"""Filters whose failures span several lines."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from privet.core.filters.model import FilterSpec
from privet.core.filters.plan import FilterPlan

if TYPE_CHECKING:
    from privet.core.filters.matching import Failure

NOW = datetime(2005, 8, 14, 12, tzinfo=UTC).timestamp()
PAIR = r"^.*begin <F-USER>\w+</F-USER>$<SKIPLINES>^.*finish <HOST>$"


def failures(spec: FilterSpec, *blocks: str) -> list[tuple[str, list[str]]]:
    found: list[tuple[str, list[str]]] = []

    def observe(_spec: FilterSpec, _place: int, failure: Failure) -> None:
        found.append((failure.who, failure.lines))

    plan = FilterPlan([spec], UTC, observe)
    for block in blocks:
        plan.parse(block.encode(), NOW)
    return found


def spec_of(*failregex: str, maxlines: int = 4, **more: object) -> FilterSpec:
    return FilterSpec(name="f", failregex=failregex, maxlines=maxlines, **more)  # type: ignore[arg-type]


def test_lines_between_are_passed_over_and_stay() -> None:
    text = "begin a\nbegin b\nfinish 192.0.2.1\nfinish 192.0.2.2\nfinish 192.0.2.3\n"
    assert failures(spec_of(PAIR), text) == [
        ("192.0.2.1", ["begin a", "finish 192.0.2.1"]),
        ("192.0.2.2", ["begin b", "finish 192.0.2.2"]),
    ]


def test_blocks_do_not_matter() -> None:
    text = "begin a\nx\nx\nfinish 192.0.2.1\nbegin b\nx\nx\nx\nfinish 192.0.2.2\n"
    lines = [line + "\n" for line in text.split("\n")[:-1]]
    assert (
        failures(spec_of(PAIR), text)
        == failures(spec_of(PAIR), *lines)
        == [("192.0.2.1", ["begin a", "finish 192.0.2.1"])]
    )


def test_dates_are_cut_out_of_every_line() -> None:
    text = "11:59:58 begin a\n11:59:59 finish 192.0.2.1\n"
    assert failures(spec_of(r"^ begin a$\n^ finish <HOST>$"), text) == [
        ("192.0.2.1", [" begin a", " finish 192.0.2.1"])
    ]


def test_one_line_is_enough_if_it_matches() -> None:
    assert failures(spec_of("^bad <HOST>$"), "x\nbad 192.0.2.1\nbad 192.0.2.2\n") == [
        ("192.0.2.1", ["bad 192.0.2.1"]),
        ("192.0.2.2", ["bad 192.0.2.2"]),
    ]


def test_what_is_ignored_is_taken_out() -> None:
    text = "begin a\nfinish 192.0.2.1\nfinish 192.0.2.2\n"
    assert failures(spec_of(PAIR, ignoreregex=("192.0.2.1$",)), text) == []
