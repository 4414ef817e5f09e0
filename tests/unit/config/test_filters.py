"""Filters in the configuration: tried when they are read, by name or in their jail."""

from __future__ import annotations

import pytest

from privet.config.errors import ConfigErrors
from privet.config.loader import parse
from privet.core.filters.model import FilterSpec

SOURCE = "[source.s]\npath = '/x'\nformat = 'plain'\n"


def mistakes(text: str) -> list[str]:
    with pytest.raises(ConfigErrors) as caught:
        parse(SOURCE + text, "p")
    return [str(error).removeprefix("p:") for error in caught.value.errors]


def test_a_filter_by_name_and_one_of_its_own() -> None:
    text = """\
[filter.gate]
failregex = ['^a <HOST>$', 'b <ADDR>']
ignoreregex = 'friend'
prefregex = 'gate: <F-CONTENT>.*</F-CONTENT>'
datepattern = '^%Y'
maxlines = 2
usedns = "no"
logtimezone = "UTC+0200"
logencoding = "latin-1"
[jail.a]
source = "s"
filter = "gate"
[jail.b]
source = "s"
filter = { failregex = '^<HOST>$' }
"""
    jails = parse(SOURCE + text, "p").jails

    assert jails["a"].filter == FilterSpec(
        name="gate",
        failregex=("^a <HOST>$", "b <ADDR>"),
        ignoreregex=("friend",),
        prefregex="gate: <F-CONTENT>.*</F-CONTENT>",
        datepattern="^%Y",
        maxlines=2,
        usedns="no",
        logtimezone="UTC+0200",
        logencoding="latin-1",
    )
    assert jails["b"].filter == FilterSpec(name="b", failregex=("^<HOST>$",))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("failregex = ['a <HOST>', '(']", "5: filter.f.failregex: number 2: "),
        ("failregex = 'nobody'", "5: filter.f.failregex: it tells no address: <HOST> or one of its kin is missing"),
        ("failregex = 'a <HOST>'\nignoreregex = '['", "6: filter.f.ignoreregex: "),
        ("failregex = 'a <HOST>'\nlogtimezone = 'Mars'", "6: filter.f.logtimezone: Mars is no time zone"),
        ("failregex = 'a <HOST>'\nlogencoding = 'latin-99'", "6: filter.f.logencoding: latin-99 is no encoding"),
        ("failregex = 'a <HOST>'\nusedns = 'maybe'", "6: filter.f.usedns: expected 'yes', 'warn', 'no' or 'raw'"),
        ("failregex = 'a <HOST>'\nmaxlines = 0", "6: filter.f.maxlines: expected a whole number, 1 or more"),
        ("ignoreregex = 'a'", "4: filter.f: needs 'failregex'"),
        ("failregex = []", "5: filter.f.failregex: "),
    ],
)
def test_a_filter_is_tried_when_it_is_read(settings: str, said: str) -> None:
    (found,) = mistakes(f"[filter.f]\n{settings}\n")

    assert found.startswith(said)


@pytest.mark.parametrize(
    ("jail", "said"),
    [
        ("source = 's'\nfilter = 'gat'", "8: jail.j.filter: there is no filter 'gat', did you mean 'gate'?"),
        ("source = 's'\nfilter = 'gate'\npath = 'x'", "9: jail.j.path: a jail with a filter has no conditions"),
        ("bans_of = '*'\nfilter = 'gate'", "8: jail.j.filter: a jail on bans has no filter"),
        ("source = 's'\nfilter = {}", "8: jail.j.filter: needs 'failregex'"),
        ("source = 's'\nfilter = { failregex = '(<HOST>' }", "8: jail.j.filter.failregex: "),
    ],
)
def test_what_a_jail_says_of_its_filter(jail: str, said: str) -> None:
    (found,) = mistakes(f"[filter.gate]\nfailregex = '<HOST>'\n[jail.j]\n{jail}\n")

    assert found.startswith(said)


def test_a_filter_with_a_mistake_is_a_mistake_of_its_jails_too() -> None:
    first, second = mistakes("[filter.gate]\nfailregex = '(<HOST>'\n[jail.j]\nsource = 's'\nfilter = 'gate'\n")

    assert first.startswith("5: filter.gate.failregex: ")
    assert second == "8: jail.j.filter: the filter 'gate' cannot be used"
