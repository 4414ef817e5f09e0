"""Brackets, lists and times; their agreement with fail2ban is shown in tests/conformance."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privet.config.fail2ban.ini import RefusedError
from privet.config.fail2ban.text import Place, Text
from privet.config.fail2ban.words import named, number, seconds, several, truth, words


def text(*lines: str) -> Text:
    return Text.join((Text.of(line, Place("x", at)) for at, line in enumerate(lines, 1)), "\n")


def test_named() -> None:
    name, options = named(text('act[a="1, 2",', "b='x', c=plain y][d=]"))

    assert name == "act"
    assert {option: value.text for option, value in options.items()} == {"a": "1, 2", "b": "x", "c": "plain y", "d": ""}
    assert [value.place.line for value in options.values()] == [1, 2, 2, 2]


@pytest.mark.parametrize("bad", ["", "[a=b]", "act[a=b", "act[a]", "act[a=b] x", 'act[a="b"c]', "act[=b]", "act[a=]b]"])
def test_brackets_that_are_wrong(bad: str) -> None:
    with pytest.raises(RefusedError, match=r"^x:1: "):
        named(text(bad))


def test_a_mistake_on_a_later_line_is_told_there() -> None:
    with pytest.raises(RefusedError, match=r"^x:2: "):
        named(text("act[a=b,", "c d]"))


def test_several() -> None:
    found = several(text("a b[c='x y',", "  d=e] [f=g]", "h"))

    assert [word.text for word in found] == ["a", "b[c='x y',\n  d=e] [f=g]", "h"]
    assert [word.place.line for word in found] == [1, 1, 3]


def test_words() -> None:
    assert [word.text for word in words(text("a, b", " c\t"))] == ["a", "b", "c"]


@pytest.mark.parametrize(("word", "expected"), [("1", True), ("Yes", True), ("on", True), ("0", False), ("", False)])
def test_truth(word: str, expected: bool) -> None:  # noqa: FBT001  a parameter of the test
    assert truth(word) is expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("600", 600),
        ("1h", 3600),
        ("1d12h", 129600),
        ("1w 2d", 777600),
        ("1mo", 2629800),
        ("1year-6mo", 15778800),
        ("1h30", 3630),
        ("-1", -1),
        ("2 * (1h + 30)", 7260),
        ("90m/2", 2700),
    ],
)
def test_seconds(expression: str, expected: float) -> None:
    assert seconds(expression) == expected


NO_TIMES = """
soon | 1 fortnight | 1/0 | __import__('os') | ().__class__ | 1 if 1 else 2 | [1] | 9**9 | '1' | True | 1,2 | 1;2
0x10 | 1e3 | lambda: 1
"""


@pytest.mark.parametrize("bad", ["", "(" * 190, "1" * 201, *NO_TIMES.strip().replace("\n", " | ").split(" | ")])
def test_what_is_no_time(bad: str) -> None:
    with pytest.raises(ValueError, match=r"cannot be computed|too long"):
        seconds(bad)


@given(st.text("0123456789hdwmosy+-*/%(). ", max_size=40))
def test_any_text_is_a_number_or_refused(expression: str) -> None:
    with suppress(ValueError):
        assert isinstance(seconds(expression), float)


def test_number() -> None:
    assert (number("2"), number("2.0 / 5.0")) == (2.0, 0.4)
    with pytest.raises(ValueError, match="cannot be computed"):
        number("1h")
