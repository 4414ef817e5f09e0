"""From conditions to predicates."""

from __future__ import annotations

import warnings
from math import inf

import pytest

from privet.config.predicates import predicates
from privet.config.values import Invalid, Problem
from privet.core.jails import Between, Is, Matches, Predicate, Test

HUGE = pytest.param(16**5000, id="huge")  # more digits than Python writes out


def problems(field: str, value: object) -> list[Problem]:
    with pytest.raises(Invalid) as caught:
        predicates(field, value)
    return list(caught.value.problems)


@pytest.mark.parametrize("field", ["path", "query", "agent", "referer"])
def test_a_string_is_a_regular_expression(field: str) -> None:
    assert predicates(field, r"\.php$") == (Predicate(field, any=(Matches(r"\.php$"),)),)


@pytest.mark.parametrize(("field", "text"), [("method", "POST"), ("host", "www.example.org")])
def test_a_method_or_host_is_the_whole(field: str, text: str) -> None:
    assert predicates(field, text) == (Predicate(field, any=(Is(text),)),)


def test_a_host_is_compared_in_lower_case_and_a_method_as_it_is() -> None:
    assert predicates("host", "WWW.Example.org") == (Predicate("host", any=(Is("www.example.org"),)),)
    assert predicates("method", "Post") == (Predicate("method", any=(Is("Post"),)),)


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [
        (404, 404, 404),
        (0, 0, 0),
        ("404", 404, 404),
        ("4xx", 400, 499),
        ("5XX", 500, 599),
        ("400-403", 400, 403),
        (" 400 - 403 ", 400, 403),
        (">=500", 500, inf),
        ("> 499", 500, inf),
        ("<200", -inf, 199),
        ("<=199", -inf, 199),
    ],
)
def test_status(value: object, low: float, high: float) -> None:
    assert predicates("status", value) == (Predicate("status", any=(Between(low, high),)),)


def test_size() -> None:
    assert predicates("size", ">=1000000") == (Predicate("size", any=(Between(1000000, inf),)),)


@pytest.mark.parametrize("value", ["", "abc", "4x", "4xxx", "0xx", "=400", "1,000", "-5", "٤٠٤", True, 4.0, None])
def test_what_is_no_number(value: object) -> None:
    assert problems("status", value)[0].message.startswith("expected a number or a range such as 404")


def test_a_class_is_for_status_only() -> None:
    assert problems("size", "4xx")[0].message.startswith("expected a number or a range such as 0")


@pytest.mark.parametrize("value", [-1, 1000, HUGE, "403-400", ">999", "<0", "400-4999", ">=9999"])
def test_a_range_that_can_never_be(value: object) -> None:
    assert problems("status", value)[0].message.startswith("no status is ever ")


def test_a_list_is_any_of() -> None:
    assert predicates("status", [404, "5xx", 404]) == (Predicate("status", any=(Between(404, 404), Between(500, 599))),)
    assert predicates("referer", ["^$", {"is": "-"}, {"is": ["a", "b"]}]) == (
        Predicate("referer", any=(Matches("^$"), Is("-"), Is("a"), Is("b"))),
    )


@pytest.mark.parametrize(
    ("field", "value", "tests"),
    [
        ("agent", "Googlebot", (Matches("Googlebot"),)),
        ("agent", ["a", "b"], (Matches("a"), Matches("b"))),
        ("agent", {"is": ""}, (Is(""),)),
        ("method", {"regex": ["^P", "^D"]}, (Matches("^P"), Matches("^D"))),
        ("status", 200, (Between(200, 200),)),
        ("size", [{"is": 3}, "<2"], (Between(3, 3), Between(-inf, 1))),
    ],
)
def test_not(field: str, value: object, tests: tuple[Test, ...]) -> None:
    assert predicates(field, {"not": value}) == (Predicate(field, none=tests),)


def test_the_parts_of_a_table_are_all_required() -> None:
    assert predicates("path", {"not": [r"\.css$"], "regex": ["^/a", "^/b"]}) == (
        Predicate("path", any=(Matches("^/a"), Matches("^/b")), none=(Matches(r"\.css$"),)),
    )
    assert predicates("host", {"is": ["A.example", "b.example"], "regex": "^a", "not": "c"}) == (
        Predicate("host", any=(Is("a.example"), Is("b.example")), none=(Is("c"),)),
        Predicate("host", any=(Matches("^a"),)),
    )


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("agent", {}, Problem("the table is empty")),
        ("agent", [], Problem("the list is empty")),
        ("agent", {"not": []}, Problem("the list is empty", key=("not",))),
        ("agent", {"is": []}, Problem("the list is empty", key=("is",))),
        ("agent", {"nto": "x"}, Problem("unknown setting", "did you mean 'not'?", ("nto",))),
        ("agent", {"not": {"is": 3}}, Problem("expected a string, got 3", key=("not", "is"))),
        ("agent", {"not": {"not": "x"}}, Problem("unknown setting", key=("not", "not"))),
        ("agent", [["x"]], Problem("expected a string, got a list")),
        ("agent", [{}], Problem("expected exactly one of 'is' and 'regex' here")),
        ("agent", [{"is": "a", "regex": "b"}], Problem("expected exactly one of 'is' and 'regex' here")),
        ("status", {"regex": "4.."}, Problem("unknown setting", key=("regex",))),
        ("method", 3, Problem("expected a string, got 3")),
        ("path", 3, Problem("expected a string, got 3")),
    ],
)
def test_what_is_no_condition(field: str, value: object, problem: Problem) -> None:
    assert problems(field, value) == [problem]


def test_every_problem_of_a_condition_is_told() -> None:
    assert len(problems("path", {"regex": ["(", ")"], "is": 1, "not": ["[", "ok", 3], "or": 1})) == 6


@pytest.mark.parametrize(
    ("regex", "said"),
    [
        ("a(b", "'a(b' is no regular expression: missing ), unterminated subpattern at position 1"),
        ("äöü(b", "'äöü(b' is no regular expression: missing ), unterminated subpattern at position 3"),
        ("a**", "'a**' is no regular expression: multiple repeat at position 2"),
        (r"\u00e4", r"'\\u00e4' is no regular expression: bad escape \u at position 0"),
        ("(?u)a", "'(?u)a' is no regular expression: bad inline flags: cannot use 'u' flag with a bytes pattern"),
        ("a{99999999999}", "'a{99999999999}' is no regular expression: the repetition number is too large"),
        ("[[:alpha:]]", "'[[:alpha:]]' is ambiguous: Possible nested set at position 1"),
    ],
)
def test_what_is_no_regular_expression(regex: str, said: str) -> None:
    assert problems("path", regex)[0].message.startswith(said)


def test_an_ambiguous_regular_expression_is_refused_even_if_warnings_are_ignored() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert problems("path", "[[:digit:]]")[0].hint == "write '\\[' for a bracket"


def test_a_regular_expression_nested_too_deeply() -> None:
    assert "is no regular expression" in problems("path", "(" * 5000 + ")" * 5000)[0].message


def test_an_empty_regular_expression_gets_a_hint() -> None:
    assert problems("agent", "")[0].hint == "for an empty field write { is = '' }"
    assert predicates("agent", {"is": ""}) == (Predicate("agent", any=(Is(""),)),)
