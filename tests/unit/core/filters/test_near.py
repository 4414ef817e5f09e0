"""Tests of core.filters.near: how far expressions get in lines that they do not match."""

from __future__ import annotations

import time

import pytest

from privet.core.filters.near import fits, head, near

FAILED = (
    r"^Failed (?:<F-NOFAIL>publickey</F-NOFAIL>|\S+) for (?P<bad>invalid user )?<F-USER>\S+</F-USER> from <HOST>"
    r"(?: (?:port \d+|on \S+)){0,2}(?: ssh\d*)?$"
)


MASKED, UNRESOLVED = "everything else fits: the log is masked", "everything else fits: names are not looked up"
FOUND = "matched up to `Failed password for root from `, but no address follows: there is"


@pytest.mark.parametrize(
    ("expression", "line", "said"),
    [
        (FAILED, "Failed password for root from - port 1 ssh2\n", f"{FOUND} `-`, {MASKED}"),
        (FAILED, "Failed password for root from gw.example.org port 1\n", f"{FOUND} `gw.example.org`, {UNRESOLVED}"),
        (FAILED, "Failed password for root from - port 1 (more)\n", f"{FOUND} `- port 1 (more)`"),
        (
            r"authentication failure; .* rhost=<HOST>\s+user=\S*$",
            "authentication failure; a rhost= user=root\n",
            f"matched up to `…thentication failure; a rhost=`, but no address follows: there is nothing, {MASKED}",
        ),
        (
            r'^<HOST> .*"(GET|POST) /wp-login',
            '192.0.2.1 - - [] "GET /index.html HTTP/1.1" 200\n',
            'matched up to `192.0.2.1 - - [] "GET /`, then wanted `wp-login`, but there is `index.html HTTP/1.1" 200`',
        ),
        (
            r"^login of (?P<user>\S+) failed twice from <HOST>$",
            "login of root failed\n",
            "matched up to `login of root failed`, then wanted ` twice from <HOST>$`, but there is nothing",
        ),
    ],
)
def test_what_was_found_and_what_was_wanted(expression: str, line: str, said: str) -> None:
    assert str(near(expression, line, names=False)) == said


@pytest.mark.parametrize(
    ("expression", "line"),
    [
        (FAILED, "Accepted password for root from 192.0.2.1\n"),
        (r"^\s*<HOST> x", "no\n"),
        (r"(((", "abc\n"),
        ("abc", "\n"),
        ("", "abc\n"),
    ],
)
def test_lines_that_have_nothing_in_common_are_not_near(expression: str, line: str) -> None:
    assert near(expression, line) is None


def test_the_search_is_bounded() -> None:
    began = time.monotonic()

    near("a(b|c)?" * 5000, "a" * 1000)

    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("expression", "beginning"),
    [
        (r"^<HOST> -.*\"GET /x", r"^<HOST> -.*\"" + ""),
        (r"^\[[^]]*\] \[client <HOST>\] x", r"^\[[^]]*\] \["),
        (r"^Failed password from <HOST>", "^"),
        (r"^<HOST>$", r"^<HOST>$"),
        (r"from <HOST>", ""),
        (r"^\s*(?:ab|c) <HOST>$", r"^\s*"),
    ],
)
def test_the_beginning_before_the_first_word(expression: str, beginning: str) -> None:
    assert head(expression) == beginning


@pytest.mark.parametrize(
    ("expression", "line", "fit"),
    [
        (r"^<HOST> -", "192.0.2.1 - x", True),
        (r"^<HOST> -", "Nov 14 host", False),
        (r"^(?:a|b", "abc", True),
        (r"^(?:a|b", "xyz", False),
        ("(((", "x", True),
        ("[", "x", True),
    ],
)
def test_whether_a_beginning_fits(expression: str, line: str, fit: bool) -> None:  # noqa: FBT001  a case
    assert fits(expression, ["?", line], names=False) is fit
