"""Limits by load in `privet.toml`."""

from __future__ import annotations

from pathlib import Path

import pytest

from privet.config.errors import ConfigErrors
from privet.config.loader import load, parse

EXAMPLE = Path(__file__).parents[3] / "examples" / "load.toml"
JAIL = '[source.web]\npipe = true\n[jail.one]\nsource = "web"\n'


def test_the_limits_of_the_example() -> None:
    jails = load(EXAMPLE).jails

    assert {name: jail.by_load for name, jail in jails.items()} == {
        "provider": ((0, 500), (5, 400), (10, 300)),
        "provider-expensive": ((0, 30), (5, 20), (10, 10)),
        "provider-gone": ((0, 30), (5, 20), (10, 10)),
        "leech": ((0, 60), (5, 30)),
    }
    assert jails["provider"].maxretry == 500
    assert jails["provider"].escalation.bantime(3600, 4, 0) == 3600
    assert jails["provider"].escalation.bantime(3600, 5, 0) == 7 * 86_400


def test_one_number_is_a_limit_for_all_loads() -> None:
    jail = parse(JAIL + "maxretry = 7\n", "p.toml").jails["one"]

    assert (jail.maxretry, jail.by_load) == (7, ())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("maxretry = []", "the first one for a load of 0"),
        ("maxretry = [{ load = 1, limit = 5 }]", "the first one for a load of 0"),
        ("maxretry = [{ load = 0, limit = 5 }, { load = 2, limit = 5 }]", "limits that fall"),
        ("maxretry = [{ load = 0, limit = 5 }, { load = 0, limit = 4 }]", "loads that rise"),
        ("maxretry = [{ load = 0 }]", "is missing"),
        ("maxretry = [{ load = 0, limit = 0 }]", "expected a whole number"),
        ("maxretry = [{ load = inf, limit = 2 }]", "expected a load average"),
        ("maxretry = [{ load = 0, limit = 5, per = 2 }]", "unknown setting"),
        ("maxretry = [5, 4]", "expected a table"),
        ("maxretry = 0", "expected a whole number"),
        ('counting = "rate"\nmaxretry = [{ load = 0, limit = 5 }]', "jails on single requests"),
        ('distinct = "path"\nmaxretry = [{ load = 0, limit = 5 }]', "jails on single requests"),
    ],
)
def test_mistakes_are_named(text: str, said: str) -> None:
    with pytest.raises(ConfigErrors) as caught:
        parse(JAIL + text + "\n", "p.toml")

    assert said in str(caught.value)
    assert "jail.one" in str(caught.value)
