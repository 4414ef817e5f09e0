"""Jails that come with Privet: they are taken by group or one by one, and mistakes are told where they stand."""

from __future__ import annotations

import re
from time import process_time
from typing import TYPE_CHECKING

import pytest

from privet.config.builtin import FOLDER, builtins, groups
from privet.config.errors import ConfigErrors
from privet.config.loader import SETTINGS, parse
from privet.core.addresses.address import Subject
from privet.core.jails import Jail, Matches
from privet.core.rows.sieve import LONGEST
from privet.tasks.jailtests import alone

if TYPE_CHECKING:
    from pathlib import Path

WEB = '[source.access]\npath = "/x"\n'
DOCUMENTATION = tuple(
    map(Subject.parse, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "10.0.0.0/8"))
)
ADDRESS = re.compile(r"(?<![\w.:/])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-f]{1,4}:[0-9a-f:]*::[0-9a-f]{0,4})(?![\w.:])")


def test_a_group_is_taken_whole() -> None:
    jails = parse(WEB + '[builtin.web]\nsource = "access"\n', "p.toml").jails

    assert list(jails) == [one.name for one in groups()["web"]]
    assert {jail.sources for jail in jails.values()} == {("access",)}


def test_what_a_group_says_holds_for_all_of_its_jails() -> None:
    said = 'source = "access"\nbantime = "7m"\nignoreip = "192.0.2.1"\ndry_run = true\nwithout = "web-crawl"\n'
    jails = parse(WEB + "[builtin.web]\n" + said, "p.toml").jails

    assert "web-crawl" not in jails
    assert {(jail.bantime, jail.ignoreip, jail.dry_run) for jail in jails.values()} == {
        (420.0, (Subject.parse("192.0.2.1"),), True)
    }


def test_one_may_have_other_limits() -> None:
    taken = (
        '[builtin.web]\nsource = "access"\n[jail.web-crawl]\nbuiltin = "web-crawl"\nsource = "access"\nmaxretry = 7\n'
    )
    jails = parse(WEB + taken, "p.toml").jails
    usual = alone("web-crawl").jails["web-crawl"]

    assert jails["web-crawl"].maxretry == 7
    assert (jails["web-crawl"].predicates, jails["web-crawl"].findtime) == (usual.predicates, usual.findtime)
    assert len(jails) == len(groups()["web"])


def test_a_jail_of_the_same_name_takes_its_place() -> None:
    taken = '[builtin.web]\nsource = "access"\n[jail.web-crawl]\nsource = "access"\nmaxretry = 7\n'

    assert parse(WEB + taken, "p.toml").jails["web-crawl"] == Jail("web-crawl", ("access",), maxretry=7)


def test_those_that_count_bans_read_no_source() -> None:
    assert parse(WEB + "[builtin.bans]\n", "p.toml").jails["bans-range"].bans_of == ("*",)


def test_a_jail_that_needs_a_file_is_there_only_if_the_file_is_named() -> None:
    taken = WEB + '[builtin.manners]\nsource = "access"\n'
    robots, crawlers = "[manners]\nrobots = '/robots.txt'\n", "[manners]\ncrawlers = { googlebot = '/g.json' }\n"
    always = set(parse(taken, "p.toml").jails)

    assert len(always) == 5
    assert set(parse(taken + robots, "p.toml").jails) - always == {"manners-robots", "manners-crawl-delay"}
    assert set(parse(taken + crawlers, "p.toml").jails) - always == {"manners-fake-robot"}


def test_one_that_is_taken_by_name_says_what_it_needs() -> None:
    with pytest.raises(ConfigErrors, match="needs to know where robots"):
        parse(WEB + '[jail.rude]\nbuiltin = "manners-robots"\nsource = "access"\n', "p.toml")


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (
            '[builtin.wbe]\nsource = "access"\n',
            "p.toml:3: builtin.wbe: no group of jails 'wbe' comes with Privet",
        ),
        ("[builtin.web]\n", "p.toml:3: builtin.web: needs 'source'"),
        (
            '[builtin.web]\nsource = "acess"\n',
            "p.toml:4: builtin.web.source: there is no source 'acess'",
        ),
        ('[builtin.web]\nsource = "access"\nwithout = "crawl"\n', "p.toml:5: builtin.web.without: there is no jail"),
        ('[builtin.web]\nsource = "access"\nmaxretry = 3\n', "p.toml:5: builtin.web.maxretry: unknown setting"),
        ('[builtin.bans]\nsource = "access"\n', "p.toml:4: builtin.bans.source: these jails count bans"),
        ("[builtin]\nweb = 3\n", "p.toml:4: builtin.web: expected a table, got 3"),
        ("builtin = 3\n", "p.toml:3: source.access.builtin: unknown setting"),
        ('[jail.a]\nbuiltin = "web-craw"\nsource = "access"\n', "p.toml:4: jail.a.builtin: no jail 'web-craw'"),
        ('[builtin.networks]\nsource = "access"\n', "p.toml:3: builtin.networks.key: networks-magento-cards: needs a"),
        ('[jail.a]\nbuiltin = "web-crawl"\nsource = "access"\nmaxretry = 0\n', "p.toml:6: jail.a.maxretry: expected"),
    ],
)
def test_mistakes_are_told_where_they_stand(written: str, message: str) -> None:
    with pytest.raises(ConfigErrors) as caught:
        parse(WEB + written, "p.toml")

    assert str(caught.value).startswith(message)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("name", builtins())
def test_each_is_written_as_all_of_them(name: str) -> None:
    one = builtins()[name]
    about, *_ = one.text.splitlines()

    assert name.startswith(f"{one.group}-")
    assert about.startswith("# ")
    assert about.endswith(".")
    assert any(case.get("hit") or case.get("expect", "nothing") != "nothing" for case in one.samples), "none that fires"
    assert one.settings.keys() <= SETTINGS["jail"].keys()
    assert {"findtime", "maxretry", "bantime"} <= one.settings.keys() or one.group == "swarms"
    assert max(map(len, one.text.splitlines())) < 4000


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*/*.toml")), ids=lambda path: str(path.stem))
def test_samples_name_nobody(path: Path) -> None:
    found = [Subject.parse(word) for word in ADDRESS.findall(path.read_text())]

    assert [one for one in found if not any(net.overlaps(one) for net in DOCUMENTATION)] == []


HOSTILE = (
    *("/", "..", "../", "%2e", "%252e", " ", "+", "a", "/a", "%20", "<a ", "${", "or a=", "union ", "select from "),
    *("/x.php", "x:1", "/wp-", "/run?", "/autodiscover/autodiscover.json", "update ", ";drop", "on", "/admin", "?a&"),
)
"""What a line may be full of, to make expressions go over it again and again."""


@pytest.mark.parametrize("name", builtins())
def test_no_value_takes_long(name: str) -> None:
    predicates = alone(name).jails[name].predicates
    tests = [test for one in predicates for test in one.any + one.none if isinstance(test, Matches)]
    searches = [re.compile(test.regex.encode()).search for test in tests]
    values = [(word * LONGEST)[:LONGEST].encode() for word in HOSTILE]
    for search in searches:
        begin = process_time()
        for value in values:
            search(value)
        assert process_time() - begin < 1.0
