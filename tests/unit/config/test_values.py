"""From TOML values to settings."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

import pytest

from privet.config.values import (
    Decoder,
    Invalid,
    Problem,
    at_least,
    choice,
    duration,
    flag,
    networks,
    read,
    shown,
    text,
    texts,
    whole,
)
from privet.core.addresses.address import Subject

HUGE = pytest.param(16**5000, id="huge")  # more digits than Python writes out
HOUR, DAY = 3600, 86400


def problems(decode: Decoder, value: object) -> list[Problem]:
    with pytest.raises(Invalid) as caught:
        decode(value)
    return list(caught.value.problems)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (60, 60),
        ("60s", 60),
        ("10m", 600),
        ("1h", HOUR),
        ("1d", DAY),
        ("1w", 7 * DAY),
        ("1h30m", 1.5 * HOUR),
        (" 2w 3d 4h 5m 6 s ", 17 * DAY + 4 * HOUR + 306),
        ("0h90s", 90),
    ],
)
def test_duration(value: object, seconds: float) -> None:
    decoded = duration(value)

    assert decoded == seconds
    assert isinstance(decoded, float)


@pytest.mark.parametrize(
    "value",
    [
        *("", " ", "10", "m", "10x", "1.5h", "-1s", "10M", "30m1h", "1h1h", "٣s", "1e3s", "9999999999s"),
        *(True, 1.5, None, [], ["1m"], {}, float("nan"), date(2020, 1, 1)),
    ],
)
def test_what_is_no_duration(value: object) -> None:
    assert "expected a duration" in problems(duration, value)[0].message


@pytest.mark.parametrize("value", [0, -1, "0s", "0h0m"])
def test_a_duration_is_longer_than_nothing(value: object) -> None:
    assert "longer than nothing" in problems(duration, value)[0].message


@pytest.mark.parametrize("value", [36525 * DAY + 1, HUGE, "5300w"])
def test_a_duration_is_no_longer_than_a_century(value: object) -> None:
    assert "100 years" in problems(duration, value)[0].message


def test_a_number_without_a_unit_gets_a_hint() -> None:
    assert problems(duration, "60")[0].hint == "did you mean '60s'?"


def test_at_least() -> None:
    decode = at_least(60.0, duration)

    assert decode("1m") == 60.0
    assert problems(decode, "59s") == [Problem("must be 60 seconds or more, got '59s'")]


@pytest.mark.parametrize("value", ["", "\0", 1, True, None, [], {}])
def test_what_is_no_text(value: object) -> None:
    assert problems(text, value)


def test_texts_are_one_or_many_and_each_once() -> None:
    assert texts("a") == ("a",)
    assert texts(["b", "a", "b"]) == ("b", "a")


def test_every_bad_text_of_a_list_is_told() -> None:
    assert [problem.message for problem in problems(texts, ["a", 1, "", "b"])] == [
        "expected a string, got 1",
        "must not be empty",
    ]


def test_texts_are_not_none() -> None:
    assert problems(texts, []) == [Problem("the list is empty")]


def test_flag() -> None:
    assert flag(value=True) is True
    assert problems(flag, "yes") == [Problem("expected true or false, got 'yes'")]
    assert problems(flag, 1) == [Problem("expected true or false, got 1")]


@pytest.mark.parametrize("value", [0, -5, True, 1.0, "1", 10**400, [], None])
def test_what_is_no_whole_number(value: object) -> None:
    assert problems(whole(1), value)[0].message.startswith("expected a whole number, 1 or more, got ")


def test_whole() -> None:
    assert whole(1)(1) == 1


def test_choice() -> None:
    decode = choice(Literal["drop", "truncate", "pseudonym"])

    assert decode("drop") == "drop"
    assert problems(decode, "truncat") == [
        Problem("expected 'drop', 'truncate' or 'pseudonym', got 'truncat'", "did you mean 'truncate'?"),
    ]
    assert problems(decode, ["drop"])[0].hint == ""


def test_networks() -> None:
    assert networks("192.0.2.7") == (Subject.parse("192.0.2.7/32"),)
    assert networks(["192.0.2.7/24", "2001:db8::7", "192.0.2.0/24"]) == (
        Subject.parse("192.0.2.0/24"),
        Subject.parse("2001:db8::/64"),
    )
    assert networks([]) == ()


def test_every_bad_network_of_a_list_is_told() -> None:
    found = problems(networks, ["192.0.2.0/33", "192.0.2.1", "example.org", 5])

    assert [problem.message for problem in found] == [
        "a prefix length is a whole number from 0 to 32: '192.0.2.0/33'",
        "not an address or a prefix: 'example.org'",
        "expected a string, got 5",
    ]


def test_networks_in_one_string_get_a_hint() -> None:
    assert "list" in problems(networks, "127.0.0.1/8 ::1")[0].hint
    assert problems(networks, "nonsense")[0].hint == ""


@pytest.mark.parametrize(
    ("value", "text_shown"),
    [
        ({"a": 1}, "a table"),
        ([1], "a list"),
        (True, "true"),
        (7, "7"),
        pytest.param(16**5000, "a huge number", id="huge"),
        (1.5, "1.5"),
        ("a\n\x1b[31m", "'a\\n\\x1b[31m'"),
        ("x" * 100, "'" + "x" * 59 + "…'"),
        (date(2020, 1, 1), "2020-01-01"),
    ],
)
def test_shown_is_short_and_on_one_line(value: object, text_shown: str) -> None:
    assert shown(value) == text_shown


def test_read_returns_what_is_good_and_tells_what_is_not() -> None:
    decoders: dict[str, Decoder] = {"findtime": duration, "maxretry": whole(1), "path": texts}
    table: dict[str, Any] = {"findtime": "1m", "maxretry": 0, "findtme": 3, "zzz": {}, "path": ["", 1]}

    decoded, found = read(table, decoders)

    assert decoded == {"findtime": 60.0}
    assert found == [
        Problem("expected a whole number, 1 or more, got 0", key=("maxretry",)),
        Problem("unknown setting", "did you mean 'findtime'?", ("findtme",)),
        Problem("unknown table", key=("zzz",)),
        Problem("must not be empty", key=("path",)),
        Problem("expected a string, got 1", key=("path",)),
    ]


def test_read_wants_a_table() -> None:
    assert problems(lambda value: read(value, {}), 3) == [Problem("expected a table, got 3")]
