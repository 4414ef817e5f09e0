"""Formulas: what fail2ban's mean, and that nothing else gets in or costs much."""

from __future__ import annotations

import math

import pytest

from privet.core.bans.formula import FormulaError, Given, compiled

DEFAULT = "ban.Time * (1<<(ban.Count if ban.Count<20 else 20)) * banFactor"
AGGRESSIVE = "ban.Time * math.exp(float(ban.Count+1)*banFactor)/math.exp(1*banFactor)"


def value(text: str, time: float = 600.0, count: float = 3.0, factor: float = 1.0) -> float:
    return compiled(text)(Given(time, count, factor))


@pytest.mark.parametrize(
    ("count", "factor", "seconds"),
    [(0, 1, 600), (1, 1, 1200), (5, 1, 19_200), (5, 2.5, 48_000), (20, 1, 629_145_600), (21, 1, 629_145_600)],
)
def test_the_default_of_fail2ban(count: int, factor: float, seconds: float) -> None:
    assert value(DEFAULT, 600.0, float(count), float(factor)) == seconds


def test_the_aggressive_example_of_fail2ban_doubles_with_its_factor() -> None:
    factor = 2.0 / 2.885385  # about ln 2

    assert [value(AGGRESSIVE, 600.0, float(count), factor) for count in range(4)] == pytest.approx(
        [600, 1200, 2400, 4800], rel=1e-5
    )
    assert value(AGGRESSIVE, 600.0, 1.0, 1.0) == pytest.approx(600 * math.e)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("1", 1),
        (" 2.5 ", 2.5),
        ("-3 + +4", 1),
        ("7 // 2", 3),
        ("-7 // 2", -4),
        ("7 % 4", 3),
        ("-7 % 4", 1),
        ("7 / 2", 3.5),
        ("2 ** 10", 1024),
        ("2 ** -1", 0.5),
        ("1 << 10", 1024),
        ("3 << 0", 3),
        ("int(2.9)", 2),
        ("int(-2.9)", -2),
        ("float(2)", 2),
        ("min(3, 1, 2) + max(3, 1)", 4),
        ("exp(0)", 1),
        ("1 if 2 < 1 else 5", 5),
        ("1 if 0 < ban.Count <= 3 != 4 else 5", 1),
        ("1 / ban.Count if ban.Count > 3 else 0", 0),
        ("ban.Time if ban.Count == 3 else 0", 600),
        ("(ban.Count >= 3) * 2", 2),
        ("banFactor", 1),
    ],
)
def test_what_formulas_can_do(text: str, result: float) -> None:
    assert value(text) == result


@pytest.mark.parametrize(
    "text",
    [
        "2 ** 100000000000000000000",
        "9 ** 9 ** 9 ** 9",
        "1 << 100000000000000000000",
        "1 << (1 << (1 << 30))",
        "exp(exp(exp(100)))",
        "math.exp(1000000)",
        "1e400",
        "ban.Time * 1e308 * 1e308",
    ],
)
def test_what_grows_beyond_every_number_is_infinite_at_once(text: str) -> None:
    assert value(text) == math.inf


def test_powers_keep_their_sign() -> None:
    assert value("(0-10) ** 999") == -math.inf
    assert value("(0-10) ** 998") == math.inf
    assert value("1 / exp(1000)") == 0
    assert value("int(exp(1000))") == math.inf


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1 / (ban.Count - 3)", "division by zero"),
        ("1 // 0", "division by zero"),
        ("1 % 0", "division by zero"),
        ("0 ** -1", "math domain error"),
        ("(0-8) ** 0.5", "math domain error"),
        ("1 << 0.5", "a shift by other than a whole number"),
        ("1 << -1", "a shift by other than a whole number"),
    ],
)
def test_what_has_no_result(text: str, reason: str) -> None:
    compute = compiled(text)

    with pytest.raises(FormulaError) as caught:
        compute(Given(600.0, 3.0, 1.0))

    assert str(caught.value) == reason


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("__import__('os').system('id')", "__import__('os').system('id')"),
        ("ban.Time.__class__", "ban.Time.__class__"),
        ("ban.__class__", "ban.__class__"),
        ("ban", "ban"),
        ("ban.IP", "ban.IP"),
        ("banfactor", "banfactor"),
        ("math.pow(2, 3)", "math.pow(2, 3)"),
        ("math.exp", "math.exp"),
        ("os.getpid()", "os.getpid()"),
        ("eval('1')", "eval('1')"),
        ("'a' * 100", "'a'"),
        ("b'a'", "b'a'"),
        ("True", "True"),
        ("None", "None"),
        ("...", "..."),
        ("1j", "1j"),
        ("[1][0]", "[1][0]"),
        ("(1, 2)", "(1, 2)"),
        ("{1: 2}", "{1: 2}"),
        ("[x for x in (1, 2)]", "[x for x in (1, 2)]"),
        ("lambda: 1", "lambda: 1"),
        ("(x := 3)", "x := 3"),
        ("1 and 2", "1 and 2"),
        ("not 1", "not 1"),
        ("~1", "~1"),
        ("1 | 2", "1 | 2"),
        ("1 >> 2", "1 >> 2"),
        ("2 @ 3", "2 @ 3"),
        ("1 in 2", "1 in 2"),
        ("1 is 1", "1 is 1"),
        ("f'{ban.Time}'", "f'{ban.Time}'"),
        ("min(*ban, 1)", "*ban"),
        ("min(1)", "min(1)"),
        ("int()", "int()"),
        ("int(1, 2)", "int(1, 2)"),
        ("max(1, 2, key=3)", "max(1, 2, key=3)"),
        ("1 + xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "x" * 39 + "…"),
    ],
)
def test_nothing_else_is_a_formula(text: str, part: str) -> None:
    with pytest.raises(FormulaError) as caught:
        compiled(text)

    assert str(caught.value) == f"{part!r} is not allowed in a formula"


@pytest.mark.parametrize(
    "text", ["", " ", "1 +", "a b", "x = 1", "import os", "1; 2", "1\n2", "\0", "(" * 250, "1" * 299 + "+"]
)
def test_what_is_no_expression(text: str) -> None:
    with pytest.raises(FormulaError, match="not an expression"):
        compiled(text)


@pytest.mark.parametrize("text", ["-" * 200 + "1", "1" + "+1" * 60, "int(" * 50 + "1" + ")" * 50])
def test_what_is_nested_too_deeply(text: str) -> None:
    with pytest.raises(FormulaError, match="nested too deeply"):
        compiled(text)


def test_a_formula_has_an_end() -> None:
    with pytest.raises(FormulaError, match="at most 300 characters"):
        compiled("1+" * 150 + "1")
