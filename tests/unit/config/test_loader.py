"""From files and texts to configurations and mistakes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from privet.config.errors import ConfigErrors
from privet.config.loader import load, parse
from privet.config.model import Config, DaemonConfig, EngineConfig, FirewallConfig, SourceConfig
from privet.core.addresses.address import Subject
from privet.core.jails import Between, Jail, Matches, Predicate

EXAMPLE = Path(__file__).parents[3] / "examples" / "web.toml"
WEB = "[source.web]\npipe = true\n"


def mistakes(text: str) -> list[str]:
    """Return what is printed for a text, without the name of the file."""
    with pytest.raises(ConfigErrors) as caught:
        parse(text, "p.toml")
    return [line.removeprefix("p.toml:") for line in str(caught.value).splitlines()]


def mistakes_in_jail(line: str) -> list[str]:
    return mistakes(f"{WEB}[jail.one]\n{line}\n")


def test_the_example_means_what_it_says() -> None:
    assert load(EXAMPLE) == Config(
        path=str(EXAMPLE),
        sources={"web": SourceConfig(name="web", paths=("/var/log/apache2/*access.log",))},
        jails={
            "leech": Jail(
                name="leech",
                sources=("web",),
                findtime=60.0,
                maxretry=30,
                bantime=600.0,
                ignoreip=(Subject.parse("127.0.0.0/8"), Subject.parse("::/64")),
            ),
            "scanner": Jail(
                name="scanner",
                sources=("web",),
                predicates=(
                    Predicate("path", any=(Matches(r"\.(env|git|php)\b"),)),
                    Predicate("agent", none=(Matches("Googlebot"),)),
                    Predicate("status", any=(Between(400, 400), Between(403, 403), Between(404, 404))),
                ),
                findtime=600.0,
                maxretry=5,
                bantime=3600.0,
            ),
        },
    )


def test_an_empty_file_is_the_default() -> None:
    assert parse("", "p.toml") == Config(path="p.toml")


def test_every_setting_arrives() -> None:
    text = """
        [daemon]
        runtime = "/run/other"
        user = "www-data"
        [firewall]
        backend = "null"
        [engine]
        tolerance = "2m"
        max_clients = 1000
        [source.blog]
        pipe = true
        format = "combined"
        log = "/var/log/blog.log"
        mask = "truncate"
        truncate = [16, 40]
        [source.shop]
        path = ["/a.log", "/b-*.log"]
        pipe = false
        [jail.one]
        source = ["shop", "blog"]
        dry_run = true
        maxretry = 1
    """

    assert parse(text, "") == Config(
        daemon=DaemonConfig(runtime="/run/other", user="www-data"),
        firewall=FirewallConfig(backend="null"),
        engine=EngineConfig(tolerance=120.0, max_clients=1000),
        sources={
            "blog": SourceConfig(
                name="blog", pipe=True, format="combined", log="/var/log/blog.log", mask="truncate", truncate=(16, 40)
            ),
            "shop": SourceConfig(name="shop", paths=("/a.log", "/b-*.log")),
        },
        jails={"one": Jail(name="one", sources=("shop", "blog"), maxretry=1, dry_run=True)},
    )


def test_jails_that_ask_the_same_in_another_order_are_equal() -> None:
    one = parse(f"{WEB}[jail.a]\nsource = 'web'\nstatus = 404\npath = 'x'\n", "")
    other = parse(f"{WEB}[jail.a]\npath = 'x'\nstatus = 404\nsource = ['web']\n", "")

    assert one == other


def test_all_mistakes_come_at_once_sorted_by_line() -> None:
    text = """\
[jail.wiki]
findtme = "60s"
maxretry = "five"
source = "wbe"

[jail.'my jail']
bantime = "soon"

[sorce.web]
path = "/x"

[source.web]
path = "/x"
pipe = true
mask = "pseudonyms"

[engine]
tolerance = "10s"
max_clients = 10

[firewall]
backend = "nul"
"""
    assert mistakes(text) == [
        "2: jail.wiki.findtme: unknown setting, did you mean 'findtime'?",
        "3: jail.wiki.maxretry: expected a whole number, 1 or more, got 'five'",
        "4: jail.wiki.source: there is no source 'wbe', did you mean 'web'?",
        "6: jail.'my jail': a name consists of letters, digits, '-' and '_' and does not begin with '-'",
        "6: jail.'my jail': needs 'source'",
        "7: jail.'my jail'.bantime: expected a duration such as '90s', '10m' or '1h30m', got 'soon'",
        "9: sorce: unknown table, did you mean 'source'?",
        "14: source.web.pipe: a source has either 'path' or 'pipe', not both",
        "15: source.web.mask: expected 'drop', 'truncate' or 'pseudonym', got 'pseudonyms', did you mean 'pseudonym'?",
        "18: engine.tolerance: must be 60 seconds or more, got '10s'",
        "19: engine.max_clients: expected a whole number, 1000 or more, got 10",
        "22: firewall.backend: expected 'auto', 'nftables', 'command' or 'null', got 'nul', did you mean 'null'?",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[source.a]\n", "1: source.a: needs 'path', 'journal' or 'pipe = true'"),
        ("[source.a]\npipe = false\n", "1: source.a: needs 'path', 'journal' or 'pipe = true'"),
        ("[source.a]\npath = []\n", "2: source.a.path: the list is empty"),
        ("[source.a]\npipe = 'yes'\n", "2: source.a.pipe: expected true or false, got 'yes'"),
        *(
            (
                f"[source.a]\npipe = true\nmask = 'truncate'\ntruncate = {value}\n",
                "4: source.a.truncate: expected [8 to 24, 16 to 56], bits of IPv4 and of IPv6, got " + said,
            )
            for value, said in [
                *(("[25, 48]", "a list"), ("[7, 48]", "a list"), ("[24, 57]", "a list"), ("[24, 15]", "a list")),
                *(("24", "24"), ("[24]", "a list"), ("[24, '48']", "a list"), ("[true, 48]", "a list")),
            ]
        ),
        (
            "[source.a]\npipe = true\ntruncate = [16, 32]\n",
            "3: source.a.truncate: is for mask = 'truncate' only",
        ),
        (
            "[source.a]\npath = '/x'\nlog = '/y'\n",
            "3: source.a.log: only a source with 'pipe = true' writes a log",
        ),
        ("source = 3\n", "1: source: expected a table, got 3"),
        ("[[source]]\npath = 'x'\n", "1: source: expected a table, got a list"),
        ("[jail]\nfindtime = '1m'\n", "2: jail.findtime: expected a table, got '1m'"),
        ("findtime = '1m'\n", "1: findtime: unknown setting"),
    ],
)
def test_a_mistake_is_told_once(text: str, said: str) -> None:
    assert mistakes(text) == [said]


@pytest.mark.parametrize("name", ["a.b", "ü", "", "-x", "a b", "a\\nb"])
def test_names_that_are_none(name: str) -> None:
    found = mistakes(f'[source."{name}"]\npipe = true\n[source.web]\npipe = true\n[jail."{name}"]\nsource = "web"\n')

    assert [line[:2] for line in found] == ["1:", "5:"]


def test_a_source_with_a_mistake_is_still_a_source() -> None:
    text = "[source.web]\npath = 3\n[jail.a]\nsource = 'web'\n"

    assert mistakes(text) == ["2: source.web.path: expected a string, got 3"]


def test_a_mistake_inside_a_condition_has_its_key_and_line() -> None:
    assert mistakes_in_jail("source = 'web'\nagent = { not = '(' }") == [
        "5: jail.one.agent.not: '(' is no regular expression: missing ), unterminated subpattern at position 0",
    ]
    assert mistakes_in_jail("source = 'web'\n[jail.one.agent]\n\nnto = 'x'")[0].startswith("7: jail.one.agent.nto:")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = 1\nb = \n", "2:5: Invalid value"),
        ("[source.web\npath = 1", "1:12: Expected ']' at the end of a table declaration"),
        ("a = 1\na = 2\n", "2:6: Cannot overwrite a value"),
        ("a = 1\n\nb = '", '3: Expected "\'"'),
    ],
)
def test_what_is_no_toml_is_told_with_its_place(text: str, said: str) -> None:
    assert mistakes(text) == [said]


@pytest.mark.parametrize("text", ["a = " + "[" * 9999, "a = " + "1" * 5000])
def test_what_breaks_tomllib_is_a_mistake_too(text: str) -> None:
    assert len(mistakes(text)) == 1


def test_a_missing_file_is_a_mistake_with_its_cause(tmp_path: Path) -> None:
    with pytest.raises(ConfigErrors, match=r"none\.toml: cannot be read: No such file") as caught:
        load(tmp_path / "none.toml")

    assert isinstance(caught.value.__cause__, FileNotFoundError)


def test_a_file_that_is_not_utf_8_is_a_mistake(tmp_path: Path) -> None:
    file = tmp_path / "p.toml"
    file.write_bytes(b"# one\n# \xe4\n")

    with pytest.raises(ConfigErrors, match=r"p\.toml:2: is not UTF-8"):
        load(str(file))


def test_loading_imports_little() -> None:
    code = "import privet.config.loader, sys; print(*sys.modules)"
    env = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)

    heavy = {"asyncio", "tomlkit", "structlog", "rich", "click", "socketserver", "subprocess", "logging"}
    assert heavy & set(done.stdout.split()) == set()
