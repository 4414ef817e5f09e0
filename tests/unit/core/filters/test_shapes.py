"""The shapes of expressions without good needles."""

from __future__ import annotations

import pytest

from privet.core.filters.shapes import Shape, shape_of

PROXY = r"^\s[+-]\d{4} \S+ \d{3}0[1-9] \S+ (\S+):\d+"


def shape(pattern: str) -> Shape:
    found = shape_of(pattern)
    assert found
    return found


def test_runs_stand_in_their_order() -> None:
    assert shape(PROXY).fits(b" +0000 PROXY.80 00005 - 192.0.2.1:80")
    assert not shape(PROXY).fits(b" PROXY.80 00005 +0000 - 192.0.2.1:80")
    assert not shape(PROXY).fits(b" +0000 PROXY.80 00010 - 192.0.2.1:80")


def test_runs_do_not_overlap() -> None:
    assert not shape(r"ab.*bc").fits(b"abc")
    assert shape(r"ab.*bc").fits(b"abbc")


def test_a_date_may_have_stood_between_what_is_no_part_of_a_word() -> None:
    assert shape(r"one \[two").fits(b"one 12:00:00[two")
    assert not shape(r"one \[two").fits(b"one12:00:00 [two")


def test_what_is_beyond_ascii_has_every_shape() -> None:
    assert shape(r"\d{4}#").fits("\u0661234#".encode())
    assert shape(r"(?i)kiss#").fits("\u212aiss#".encode())
    assert not shape(r"\d{4}#").fits(b"x234#")


def test_letters_of_either_case() -> None:
    assert shape(r"(?i)login:").fits(b"LogIn:")
    assert not shape(r"login:").fits(b"LogIn:")
    assert shape(r"(?i:login):").fits(b"LogIn:")
    assert not shape(r"(?i:login):").fits(b"LogIn")


def test_the_rarest_run_is_for_a_search_in_a_block() -> None:
    rarest = shape(PROXY).rarest
    assert rarest
    assert rarest.search(b"x 00009 y")
    assert not rarest.search(b"x 00010 y")
    assert shape(r"\d\d \S+:").rarest is None


@pytest.mark.parametrize("pattern", ["", r"\S+\s", r"(?:abc)?", r"abc|def", r"\n"])
def test_what_has_no_shape(pattern: str) -> None:
    assert shape_of(pattern) is None


def test_repetitions_are_written_out_as_far_as_need_be() -> None:
    assert shape(r"(?:(?:(?:a{1000}){1000}){1000}){1000}").fits(b"a" * 16)
    assert not shape(r"#a{1000}").fits(b"#" + b"a" * 15)
