"""What is known of an expression before a line comes."""

from __future__ import annotations

import pytest

from privet.core.filters.errors import FilterError
from privet.core.filters.expression import Expression


def expression(text: str, *, names: bool = True, lines: bool = False) -> Expression:
    return Expression("failregex", 2, text, names=names, lines=lines)


def test_what_cannot_be_compiled_is_told_by_its_place() -> None:
    with pytest.raises(FilterError, match=r"^failregex 3: not a regular expression: .*"):
        expression("(<HOST>")


def test_alternates_fill_what_is_empty() -> None:
    one = expression("<HOST> (?:<F-USER>a</F-USER>|<F-ALT_USER>b</F-ALT_USER>|<F-ALT_USER_1>c</F-ALT_USER_1>)")
    for name in "abc":
        match = one.search(f"192.0.2.1 {name}")
        assert match
        assert one.facts(match)["user"] == name


def test_tuples_gather() -> None:
    one = expression("<HOST> <F-USER>a</F-USER>?<F-TUPLE_USER>b</F-TUPLE_USER>?<F-TUPLE_USER_1>c</F-TUPLE_USER_1>?")
    match = one.search("192.0.2.1 ac")
    assert match
    assert one.facts(match)["user"] == ("a", None, "c")


@pytest.mark.parametrize(
    ("text", "silent"),
    [
        ("<F-NOFAIL>x</F-NOFAIL> <HOST>", True),
        ("<F-MLFGAINED>x</F-MLFGAINED> <HOST>", True),
        ("<F-NOFAIL>x</F-NOFAIL>? <HOST>", False),
        ("(?:<F-NOFAIL>x</F-NOFAIL>|y) <HOST>", False),
        ("<F-MLFFORGET>x</F-MLFFORGET> <HOST>", False),
    ],
)
def test_what_is_never_a_failure_by_itself(text: str, silent: bool) -> None:  # noqa: FBT001  a table
    assert expression(text).silent is silent


@pytest.mark.parametrize(
    ("text", "plain"),
    [("<HOST>", True), ("<SUBNET>", True), ("<HOST> <F-USER>a</F-USER>", False), ("<F-ALT_IP4>a</F-ALT_IP4>", False)],
)
def test_whether_groups_tell_more_than_who(text: str, plain: bool) -> None:  # noqa: FBT001  a table
    assert expression(text).plain is plain


def test_lines_begin_anywhere_in_a_text_of_several() -> None:
    assert expression("^b <HOST>$", lines=True).search("a\nb 192.0.2.1\n")
    assert not expression("^b <HOST>$").search("a\nb 192.0.2.1\n")
