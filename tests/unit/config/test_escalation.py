"""How bans grow, as it is written: for all jails and for one."""

from __future__ import annotations

import pytest

from privet.config.errors import ConfigErrors
from privet.config.loader import parse
from privet.core.bans.escalate import Escalation

WEB = "[source.web]\npipe = true\n"


def of_jail(text: str, before: str = "") -> Escalation:
    return parse(f"{before}{WEB}[jail.one]\nsource = 'web'\n{text}", "").jails["one"].escalation


def mistakes(text: str) -> list[str]:
    with pytest.raises(ConfigErrors) as caught:
        parse(text, "p.toml")
    return [line.removeprefix("p.toml:") for line in str(caught.value).splitlines()]


def mistakes_in_jail(text: str) -> list[str]:
    return mistakes(f"{WEB}[jail.one]\nsource = 'web'\n{text}\n")


def test_every_setting_arrives() -> None:
    text = """
        increment = true
        factor = 2.5
        multipliers = [1, 5, 30.5]
        maxtime = "4w"
        rndtime = "10m"
        overalljails = true
        forget = "90d"
    """
    expected = Escalation(
        increment=True,
        factor=2.5,
        multipliers=(1.0, 5.0, 30.5),
        maxtime=4 * 604_800.0,
        rndtime=600.0,
        overalljails=True,
        forget=90 * 86_400.0,
    )

    assert of_jail(text) == expected
    assert of_jail("", f"[escalation]\n{text}") == expected
    assert parse(f"[escalation]\n{text}", "").escalation == expected
    assert of_jail("increment = true\nformula = 'ban.Time'").formula == "ban.Time"


def test_without_a_word_nothing_grows() -> None:
    assert of_jail("") == Escalation()
    assert not Escalation().increment


def test_a_jail_has_what_it_says_and_the_rest_from_all() -> None:
    everywhere = "[escalation]\nincrement = true\nfactor = 3\nmaxtime = '1d'\nmultipliers = [1, 2]\n"

    assert of_jail("maxtime = '2d'\nrndtime = 0", everywhere) == Escalation(
        increment=True, factor=3.0, maxtime=172_800.0, multipliers=(1.0, 2.0)
    )
    assert not of_jail("increment = false", everywhere).increment


def test_the_order_of_tables_makes_no_difference() -> None:
    jail, everywhere = f"{WEB}[jail.one]\nsource = 'web'\n", "[escalation]\nincrement = true\n"

    assert parse(jail + everywhere, "") == parse(everywhere + jail, "")


def test_the_jail_says_in_which_way_its_bans_grow() -> None:
    formula, list_ = "formula = 'ban.Time * 3'\n", "multipliers = [1, 2]\n"

    assert of_jail(formula, f"[escalation]\nincrement = true\n{list_}") == Escalation(
        increment=True, formula="ban.Time * 3"
    )
    assert of_jail(list_, f"[escalation]\nincrement = true\n{formula}") == Escalation(
        increment=True, multipliers=(1.0, 2.0)
    )
    assert of_jail("multipliers = []", f"[escalation]\nincrement = true\n{list_}") == Escalation(increment=True)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("factor = 0", "factor: expected a number above 0, got 0"),
        ("factor = -1", "factor: expected a number above 0, got -1"),
        ("factor = true", "factor: expected a number above 0, got true"),
        ("factor = '2'", "factor: expected a number above 0, got '2'"),
        ("factor = nan", "factor: expected a number above 0, got nan"),
        ("factor = inf", "factor: expected a number above 0, got inf"),
        ("factor = 1e300", "factor: expected a number above 0, got 1e+300"),
        ("multipliers = [1, 0]", "multipliers: expected a number above 0, got 0"),
        ("multipliers = '1 2 4'", "multipliers: expected a number above 0, got '1 2 4'"),
        ("rndtime = '-1'", "rndtime: expected a duration such as '90s', '10m' or '1h30m', got '-1'"),
        ("rndtime = false", "rndtime: expected a duration such as '90s', '10m' or '1h30m', got false"),
        ("forget = 0", "forget: a duration must be longer than nothing, got 0"),
        ("maxtime = '1s'", "maxtime: is shorter than 'bantime'"),
        ("formula = 3", "formula: expected a string, got 3"),
        ("formula = 'exec(3)'", "formula: 'exec(3)' is no formula: 'exec(3)' is not allowed in a formula"),
        ("formula = 'ban.Time *'", "formula: 'ban.Time *' is no formula: not an expression"),
        (
            "formula = 'ban.Time / (ban.Count - 4)'",
            "formula: cannot be computed: division by zero, at ban.Count = 4",
        ),
        (
            "formula = 'ban.Time'\nmultipliers = [1]",
            "formula: a ban grows either by 'formula' or by 'multipliers', not both",
        ),
    ],
)
def test_mistakes_in_a_jail(line: str, said: str) -> None:
    assert mistakes_in_jail(f"increment = true\n{line}") == [f"6: jail.one.{said}"]


def test_mistakes_for_all_jails_are_told_once() -> None:
    jails = "".join(f"[jail.{name}]\nsource = 'web'\n" for name in "abc")

    assert mistakes(f"{WEB}[escalation]\nincremet = true\nformula = 'x'\n{jails}") == [
        "4: escalation.incremet: unknown setting, did you mean 'increment'?",
        "5: escalation.formula: 'x' is no formula: 'x' is not allowed in a formula",
    ]
    assert mistakes("escalation = true\n") == ["1: escalation: expected a table, got true"]


def test_a_formula_for_all_must_do_for_each_jail() -> None:
    text = f"[escalation]\nincrement = true\nformula = '1 / (ban.Time - 60)'\n{WEB}[jail.one]\nsource = 'web'\n"

    assert parse(text, "").escalation.formula
    assert mistakes(text + "bantime = 60\n") == [
        "6: jail.one.formula: cannot be computed: division by zero, at ban.Count = 1"
    ]


def test_growth_without_increment_is_a_mistake_unless_it_was_turned_off() -> None:
    assert mistakes_in_jail("maxtime = '1d'\nfactor = 2") == [
        "6: jail.one.factor: has no effect without 'increment = true'"
    ]
    assert not of_jail("increment = false\nmaxtime = '1d'").increment


def test_a_longer_bantime_than_the_longest_for_all_stays() -> None:
    grown = of_jail("bantime = '1w'", "[escalation]\nincrement = true\nmaxtime = '1d'\n")

    assert grown.bantime(604_800.0, 3, 0.0) == 604_800.0
