"""What the parse tree of a regular expression tells."""

from __future__ import annotations

import re

import pytest

from privet.core.filters.trees import (
    halved,
    names_inside_first,
    needles_of,
    starts_at_beginning,
    surely_filled,
    within_lines,
)


@pytest.mark.parametrize(
    ("pattern", "best"),
    [
        (r"^Failed \S+ for .* from \d+", {"failed "}),
        (r"User \w+ (?:not known|unknown)$", {" not known", " unknown"}),
        (r"(?:abcd|bcde)(?:x|y) z", {"abcdx z", "abcdy z", "bcdex z", "bcdey z"}),
        (r"[Aa]uthentication failure", {"authentication failure"}),
        (r"(abcdef)?ghijk", {"ghijk"}),
        (r"(abcdef)+g", {"abcdef"}),
        (r"ab{3}c", {"abbbc"}),
        (r"(x)?(?(1)abcde|bcdef)", {"abcde", "bcdef"}),
        (r"abc\[\] \"d", {"abc["}),
        (r"(?P<a>wxyz)+(?P=a)", {"wxyz"}),
        (r"(?=lookahead)l", None),
        (r"\d+ \w+", None),
        (r"ab", None),
        ("line\nbreak", {"break"}),
        (r"abc|x", None),
    ],
)
def test_needles(pattern: str, best: set[str] | None) -> None:
    found = needles_of(pattern)
    assert (set(found[0].texts) if found else None) == best


def test_all_needles_of_a_sequence() -> None:
    assert [set(one.texts) for one in needles_of(r"^disconnect from \S+: 11: bye bye$")] == [
        {"disconnect from "},
        {" bye bye"},
        {" 11:"},
    ]


def test_common_words_come_last() -> None:
    assert set(needles_of(r"HTTP/1.1 .* EvilBot")[0].texts) == {" evilbot"}


def test_either_case() -> None:
    assert needles_of("(?i)Kelvin")[0].folded
    assert needles_of("a(?i:Bcd)e")[0].folded
    assert not needles_of("(?i:--)bcd")[0].folded
    assert not needles_of("abcd")[0].folded
    assert not needles_of("[aA]bcd")[0].folded


def test_letters_beyond_ascii() -> None:
    assert set(needles_of("gefährlich")[0].texts) == {"gefährlich"}
    assert set(needles_of("(?i)gefährlich")[0].texts) == {"hrlich"}


def test_halves() -> None:
    assert halved(needles_of("abcdefg")[0]).texts == {"abc", "defg"}


@pytest.mark.parametrize(
    ("pattern", "anchored"),
    [
        ("^a", True),
        ("(?:^a|^b)", True),
        ("^a|b", False),
        ("(^a)", True),
        ("a", False),
        (r"\Aa", True),
        ("(?=x)^a", True),
    ],
)
def test_anchors(pattern: str, anchored: bool) -> None:  # noqa: FBT001  a table
    assert starts_at_beginning(pattern) is anchored
    assert not starts_at_beginning(pattern, re.MULTILINE)


@pytest.mark.parametrize(
    ("pattern", "sure"),
    [
        ("(?P<n>a)", True),
        ("(?P<n>a?)", False),
        ("(?P<n>a)?", False),
        ("(?P<n>a)|b", False),
        ("x(?:y(?P<n>a))+", True),
        ("(?>(?P<n>a))", True),
        ("a", False),
    ],
)
def test_groups_that_are_always_filled(pattern: str, sure: bool) -> None:  # noqa: FBT001  a table
    assert surely_filled(pattern, "n") is sure


def test_names_inside_the_first_group() -> None:
    assert names_inside_first("((?P<a>x)(?P<b>y))")
    assert not names_inside_first("(x)(?P<b>y)")
    assert names_inside_first("(x)")


@pytest.mark.parametrize(
    ("pattern", "within"),
    [
        (r'^\S+ .*"(?:GET|POST) \d{3}\b[a-z]?(?=x)(?P<n>\w)(?P=n)$', True),
        (r"(?i)^a", True),
        (r"^[^\s]+|^[^\n]x|^[^\W]", True),
        ("a", False),
        (r"^a\s", False),
        (r"^a\W", False),
        ("^a[^b]", False),
        (r"^a[^\d]", False),
        (r"^a[\s]", False),
        ("^a[\t-x]", False),
        (r"^a\n", False),
        ("^a(?!.\n)", False),
        (r"^a\Z", False),
        (r"\Aa", False),
        ("(?s)^a.", False),
        ("^(?s:a.)", False),
        ("(?m)^a", False),
        ("(?x)^a # b", False),
    ],
)
def test_expressions_that_take_in_no_newline(pattern: str, within: bool) -> None:  # noqa: FBT001  a table
    assert within_lines(pattern) is within
