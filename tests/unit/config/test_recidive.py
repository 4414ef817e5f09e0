"""Jails on bans, as they are written, and what check says of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from privet.config.compile import idle_jails
from privet.config.errors import ConfigErrors
from privet.config.loader import load, parse
from privet.core.jails import Jail

WEB = "[source.web]\npipe = true\n[jail.leech]\nsource = 'web'\n"
EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("*.toml"))


def of_jail(text: str) -> Jail:
    return parse(f"{WEB}[jail.one]\n{text}", "").jails["one"]


def mistakes(text: str) -> list[str]:
    with pytest.raises(ConfigErrors) as caught:
        parse(f"{WEB}[jail.one]\n{text}\n", "p.toml")
    return [line.removeprefix("p.toml:") for line in str(caught.value).splitlines()]


def test_every_setting_arrives() -> None:
    text = "bans_of = 'leech'\nkey = 'prefix'\nprefixes = [20, 40]\nfindtime = '1d'\nmaxretry = 6\nbantime = '1w'\n"

    assert of_jail(text) == Jail(
        name="one",
        sources=(),
        bans_of=("leech",),
        key="prefix",
        prefixes=(20, 40),
        findtime=86_400.0,
        maxretry=6,
        bantime=604_800.0,
    )
    assert of_jail("bans_of = '*'") == Jail(name="one", sources=(), bans_of=("*",))


def test_a_jail_may_be_watched_before_it_is_written() -> None:
    assert parse("[jail.one]\nbans_of = ['leech']\n" + WEB, "").jails["one"].bans_of == ("leech",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("bans_of = 'leach'", "6: jail.one.bans_of: there is no jail 'leach', did you mean 'leech'?"),
        ("bans_of = 'one'", "6: jail.one.bans_of: the jail 'one' counts bans itself"),
        ("bans_of = []", "6: jail.one.bans_of: the list is empty"),
        ("bans_of = true", "6: jail.one.bans_of: expected a string, got true"),
        (
            "source = 'web'\nbans_of = '*'",
            "7: jail.one.bans_of: a jail has either 'source' or 'bans_of', not both",
        ),
        ("bans_of = '*'\nstatus = 404", "7: jail.one.status: a jail on bans has no conditions on requests"),
        ("bans_of = '*'\nkey = 'as'", "7: jail.one.key: expected 'address', 'prefix' or 'asn', got 'as'"),
        ("bans_of = '*'\nprefixes = [24, 48]", "7: jail.one.prefixes: has no effect without 'key = \"prefix\"'"),
        ("source = 'web'\nprefixes = [24, 48]", "7: jail.one.prefixes: has no effect without 'key = \"prefix\"'"),
        (
            "source = 'web'\nclients = 3",
            "7: jail.one.clients: has no effect without 'key = \"prefix\"' or 'key = \"asn\"'",
        ),
        ("bans_of = '*'\nkey = 'prefix'\nclients = 3", "8: jail.one.clients: a jail on bans counts each client once"),
        (
            "source = 'web'\nkey = 'prefix'\ncounting = 'rate'",
            "8: jail.one.counting: a jail on networks counts in a window",
        ),
        (
            "source = 'web'\nkey = 'prefix'\n[jail.two]\nbans_of = 'one'",
            "9: jail.two.bans_of: the jail 'one' bans networks",
        ),
        (
            "bans_of = '*'\nincrement = true\noveralljails = true",
            "8: jail.one.overalljails: a jail on bans counts no bans but its own",
        ),
        ("key = 'address'\nbans_of = '*'\nsource = 'wbe'", "8: jail.one.source: there is no source 'wbe', did you"),
    ],
)
def test_mistakes(text: str, said: str) -> None:
    assert mistakes(text)[-1].startswith(said)


@pytest.mark.parametrize(
    "value", ["24", "[24]", "[24, 48, 64]", "[0, 48]", "[33, 48]", "[24, 65]", "['24', 48]", "[true, 48]"]
)
def test_prefixes_that_are_none(value: str) -> None:
    (said,) = mistakes(f"bans_of = '*'\nkey = 'prefix'\nprefixes = {value}")

    assert said.startswith("8: jail.one.prefixes: expected two prefix lengths such as [24, 48]")


def test_jails_on_bans_do_not_watch_each_other() -> None:
    assert mistakes("bans_of = 'two'\n[jail.two]\nbans_of = 'one'") == [
        "6: jail.one.bans_of: the jail 'two' counts bans itself",
        "8: jail.two.bans_of: the jail 'one' counts bans itself",
    ]


@pytest.mark.parametrize(
    ("text", "idle"),
    [
        (WEB, False),
        ("", True),
        (WEB + "dry_run = true\n", True),
        (WEB + "dry_run = true\n[jail.other]\nsource = 'web'\n", False),
    ],
)
def test_a_jail_that_can_never_count_is_named(text: str, *, idle: bool) -> None:
    config = parse(text + "[jail.one]\nbans_of = '*'\n", "")

    assert idle_jails(config) == ["jail one: none of the jails that it watches bans anybody"] * idle


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_can_be_used(path: Path) -> None:
    config = load(path)

    assert config.jails
    assert idle_jails(config) == []
