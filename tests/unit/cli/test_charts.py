"""Pictures: what they draw is what was counted, in words as well."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

from privet.cli.charts import HEAD, HEIGHT, Series, Times, bars, lines, week

BEGIN = 1_795_345_200.0
NUMBERS = [0, 4, 1, 0, 10, 2, 7, 0]
TIMES = Times([BEGIN + place * 3600 for place in range(len(NUMBERS))], 3600)


def rects(svg: str, kind: str) -> list[ET.Element]:
    return [one for one in ET.fromstring(svg).iter("rect") if one.get("class") == kind]  # noqa: S314  our own


def test_bars_are_as_high_as_their_numbers() -> None:
    figure = bars("Hits", "hits", TIMES, [Series("ok", "answered", NUMBERS), Series("failed", "failed", [1] * 8)])

    heights = [float(one.get("height", "")) for one in rects(figure.svg, "ok")]
    assert heights == pytest.approx([number / 15 * HEIGHT for number in NUMBERS if number], abs=0.1)
    assert len(rects(figure.svg, "failed")) == 8
    tops = [float(one.get("y", "")) for one in rects(figure.svg, "failed")]
    assert min(tops) >= HEAD
    assert "32 hits" in figure.says
    assert "the most, 11, in the hour from" in figure.says
    assert figure.colours == [("ok", "answered"), ("failed", "failed")]


def test_each_bar_says_its_numbers() -> None:
    svg = bars("Hits", "hits", TIMES, [Series("ok", "<answered>", NUMBERS)]).svg

    titles = [one.text or "" for one in ET.fromstring(svg).iter("title")]  # noqa: S314  our own
    assert [int(found[1]) if (found := re.search(r"(\d+) <answered>", one)) else 0 for one in titles] == NUMBERS


@pytest.mark.parametrize(("number", "labels"), [(1, ["1"]), (3, ["1", "2", "3"]), (950_000, ["500,000", "1,000,000"])])
def test_levels_have_round_names(number: int, labels: list[str]) -> None:
    svg = bars("Hits", "hits", TIMES, [Series("ok", "ok", [number] * 8)]).svg

    assert [one.text for one in ET.fromstring(svg).iter("text") if one.get("class") == "level"] == labels  # noqa: S314


def test_lines_have_gaps_where_nothing_is_known() -> None:
    figure = lines("Load", TIMES, [Series("k1", "load", [1.0, 2.0, -1.0, 4.0, 5.0, -1.0, -1.0, 3.0])])

    path = next(one.get("d", "") for one in ET.fromstring(figure.svg).iter("path"))  # noqa: S314  our own
    assert path.count("M") == 3
    assert "load at most 5.0" in figure.says
    assert ">4</text>" in figure.svg
    assert ">40%</text>" in lines("Memory", TIMES, [Series("k1", "memory", [50.0] * 8)], "{:.0f}%").svg


def test_the_week_is_darkest_where_there_is_most() -> None:
    hours: list[float | None] = [0.0] * 168
    hours[30], hours[31], hours[32] = 8.0, 2.0, None

    figure = week("Week", "hits", hours)

    cells = rects(figure.svg, "heat")
    assert len(cells) == 167
    assert [one[0].text for one in cells if one.get("fill-opacity") == "1.000"] == ["Tue 06:00: 8 hits on average"]
    assert len(rects(figure.svg, "none")) == 1
    assert "Tue from 06:00: 8 hits" in figure.says


def test_no_more_times_are_named_than_there_is_room_for() -> None:
    for step in (60, 300, 3600, 10_800, 86_400, 604_800, 2_419_200):
        times = Times([BEGIN + place * step for place in range(96)], step)
        svg = bars("Hits", "hits", times, [Series("ok", "ok", [1] * 96)]).svg
        named = [one for one in ET.fromstring(svg).iter("text") if one.get("class") != "level"]  # noqa: S314  our own
        assert 2 <= len(named) <= 9, step
