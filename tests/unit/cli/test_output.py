"""How verbs print."""

from __future__ import annotations

import json
import time

import pytest

from privet.cli.output import dated, local, print_json, print_table, rfc3339, rounded


def test_the_envelope_is_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    print_json("things", [{"name": "Wörter\n"}], totals={"all": 1})

    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert json.loads(out) == {
        "privet": 1,
        "kind": "things",
        "items": [{"name": "Wörter\n"}],
        "next": None,
        "totals": {"all": 1},
    }


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_795_345_200, "2026-11-22T11:00:00Z"),
        (1_795_345_200.25, "2026-11-22T11:00:00.250000Z"),
        (99_999_999_999.0, "5138-11-16T09:46:39Z"),
    ],
)
def test_times_for_programs_are_rfc_3339(seconds: float, expected: str) -> None:
    assert rfc3339(seconds) == expected


def test_times_of_an_item_are_rfc_3339_or_null() -> None:
    item = {"jail": "leech", "since": 0.0, "until": None, "count": 1}

    assert dated(item, "since", "until") == {
        "jail": "leech",
        "since": "1970-01-01T00:00:00Z",
        "until": None,
        "count": 1,
    }
    assert item["since"] == 0.0


@pytest.mark.usefixtures("berlin")
def test_times_for_people_are_local() -> None:
    assert local(1_795_345_200.9) == "2026-11-22 12:00:00"
    assert local(1_785_345_200.0) == "2026-07-29 19:13:20"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (-5, "0 s"),
        (0.4, "0 s"),
        (59, "59 s"),
        (119, "119 s"),
        (119.9, "2 min"),
        (120, "2 min"),
        (3480, "58 min"),
        (7100, "118 min"),
        (7199, "2 h"),
        (7200, "2 h"),
        (172_800, "2 d"),
        (3_155_760_000, "36525 d"),
    ],
)
def test_durations_are_rounded_as_people_say_them(seconds: float, expected: str) -> None:
    assert rounded(seconds) == expected


def test_a_table_for_programs_is_neither_folded_nor_coloured(capsys: pytest.CaptureFixture[str]) -> None:
    long = "word " * 200
    print_table("", ("NAME", "#COUNT"), [("[red]one[/red]", 1), (long, 22)], "2 things")

    lines = [text.rstrip() for text in capsys.readouterr().out.splitlines() if text.strip()]
    assert lines[0].split() == ["NAME", "COUNT"]
    assert lines[2].split() == ["[red]one[/red]", "1"]
    assert lines[3].split() == [*long.split(), "22"]
    assert lines[4] == "2 things"
    assert "\x1b" not in "".join(lines)


def test_an_empty_table_has_its_head(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("", ("NAME",), [])

    assert "NAME" in capsys.readouterr().out


def test_a_table_of_very_many_rows_is_printed_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    began = time.process_time()
    print_table("", ("NAME", "#COUNT"), [("[red]one[/red]", number) for number in range(100_000)], "100,000 things")

    assert time.process_time() - began < 5  # drawn: 15 s and more
    head, first, *_, last, footer = capsys.readouterr().out.splitlines()
    assert (head, footer) == ("NAME" + " " * 13 + "COUNT", "100,000 things")
    assert (first, last) == ("[red]one[/red]       0", "[red]one[/red]   99999")


@pytest.mark.parametrize("rows", [1, 2000])
def test_what_visitors_wrote_cannot_steer_the_terminal(rows: int, capsys: pytest.CaptureFixture[str]) -> None:
    print_table("", ("AGENT",), [("\x1b]0;owned\x07\u202ebot",)] * rows)

    said = capsys.readouterr().out
    assert not {"\x1b", "\x07", "\u202e"} & set(said)
    assert "\\x1b]0;owned\\x07\\u202ebot" in said
