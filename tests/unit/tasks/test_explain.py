"""Tests of tasks.explain: where a line stops on its way through a jail."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

import pytest

from privet.config.loader import parse
from privet.tasks.explain import FAILURE, HARMLESS_LINE, NOTHING, Step, Walk, explain

if TYPE_CHECKING:
    from privet.config.model import Config

NOW = 1_700_000_000.0
CONFIG = parse(
    """
[daemon]
ignoreip = "198.51.100.1"
[source.auth]
path = "/var/log/auth.log"
format = "plain"
[source.unit]
journal = "_SYSTEMD_UNIT=app.service"
[source.web]
path = "/var/log/access.log"
[filter.app]
prefregex = '^ \\S+ app\\[<F-MLFID>\\d+</F-MLFID>\\]: <F-CONTENT>.+</F-CONTENT>$'
failregex = [
  '^login of <F-USER>\\S+</F-USER> failed from <HOST>$',
  '^<F-NOFAIL>hello</F-NOFAIL> <HOST>$',
  '^locked out$',
]
ignoreregex = 'monitor'
usedns = "no"
[filter.simple]
failregex = '^mars app: refused <HOST>$'
[jail.app]
source = "auth"
filter = "app"
ignoreip = "198.51.100.0/28"
[jail.unit]
source = "unit"
filter = "simple"
maxretry = 1
[jail.leech]
source = "web"
path = "/wp"
status = 404
[jail.again]
bans_of = "app"
""",
    "privet.toml",
)
HEAD = "Nov 14 22:13:20 mars app[7]: "


def walk(jail: str, line: str, config: Config = CONFIG) -> Walk:
    """Walk a line through one jail."""
    (found,) = explain(config, line, UTC, NOW, jail)
    return found


def step(found: Walk, name: str) -> Step:
    """Return a step by its name."""
    return next(one for one in found.steps if one.name == name)


def test_a_failure_goes_all_the_way() -> None:
    found = walk("app", f"{HEAD}login of root failed from 192.0.2.7")

    assert found.result == FAILURE
    assert [one.name for one in found.steps] == [
        "source",
        "date",
        "rest",
        "prefilter",
        "prefregex",
        "failregex 1",
        "ignoreregex",
        "who",
        "count",
    ]
    assert step(found, "date").text.startswith("2023-11-14 22:13:20 +0000, in the form {^LN-BEG}")
    assert step(found, "rest").text == " mars app[7]: login of root failed from 192.0.2.7"
    assert step(found, "prefregex").text == "matches, and leaves login of root failed from 192.0.2.7"
    assert step(found, "who").text == "192.0.2.7, counted as a /32"
    assert step(found, "count").text == "one failure of 5 within 600 s; a ban lasts 600 s"


def test_a_masked_line_stops_at_the_address() -> None:
    found = walk("app", f"{HEAD}login of root failed from -")

    assert found.result == NOTHING
    assert step(found, "failregex 1").text == (
        "matched up to `login of root failed from `, but no address follows: there is `-`, everything else fits: "
        "the log is masked"
    )
    assert found.steps[-1] == Step("failregex", "none of 3 expressions matches", good=False)


@pytest.mark.parametrize(
    ("rest", "name", "text", "result"),
    [
        (
            "login of monitor failed from 192.0.2.7",
            "ignoreregex 1",
            "matches, so the line is ignored: monitor",
            NOTHING,
        ),
        ("login of x failed from 198.51.100.7", "ignoreip", "stands in ignoreip: is never banned", NOTHING),
        ("login of x failed from 198.51.100.1", "ignoreip", "stands in [daemon] ignoreip: is never banned", NOTHING),
        ("login of x failed from 100::7", "who", "a pseudonym: the log is masked, and nobody can be banned", NOTHING),
        ("login of x failed from 0.0.0.0", "who", "0.0.0.0 is no client's address: the log is masked", NOTHING),
        ("login of x failed from 999.0.0.1", "who", "999.0.0.1 is no client's address", NOTHING),
        ("hello 192.0.2.7", "failure", "the line says that nobody failed", HARMLESS_LINE),
        ("locked out", "who", "failregex 3 tells no address: it waits for a line of '7'", HARMLESS_LINE),
        ("something", "prefilter", "none of the words that it takes is there, such as ", NOTHING),
    ],
)
def test_lines_stop_where_they_do(rest: str, name: str, text: str, result: str) -> None:
    found = walk("app", HEAD + rest)

    assert step(found, name).text.startswith(text)
    assert found.result == result


def test_a_line_that_the_prefregex_does_not_take() -> None:
    found = walk("app", "Nov 14 22:13:20 mars cron[7]: x")

    assert found.steps[-1].name == "prefregex"
    assert found.steps[-1].good is False


@pytest.mark.parametrize(
    ("line", "text"),
    [("no date", "none is found"), ("Feb 30 22:13:20 mars", "one in the form {^LN-BEG}(?:%a )?%b %d")],
)
def test_dates_that_say_nothing(line: str, text: str) -> None:
    assert step(walk("app", line), "date").text.startswith(text)
    assert step(walk("app", line), "date").good is None


def test_a_journal_knows_its_dates() -> None:
    found = walk("unit", "mars app: refused 192.0.2.7")

    assert found.result == FAILURE
    assert step(found, "source").text == "unit (the journal), read as whole lines"
    assert step(found, "count").text == "enough for a ban; a ban lasts 600 s"


def request(path: str, status: int) -> str:
    """Return a line of an access log."""
    return f'192.0.2.7 - - [14/Nov/2023:22:13:20 +0000] "GET {path} HTTP/1.1" {status} 5 "-" "-"'


def test_a_request_is_held_against_each_condition() -> None:
    assert walk("leech", request("/wp", 404)).result == FAILURE
    found = walk("leech", request("/", 404))
    assert found.result == NOTHING
    assert step(found, "format").text == "a request, at 2023-11-14 22:13:20 +0000"
    assert step(found, "path") == Step("path", "'/': wanted is found by /wp", good=False)
    assert step(found, "status") == Step("status", "'404': wanted is 404", good=True)


def test_what_is_no_request_is_told() -> None:
    assert walk("leech", "what").steps[-1].text.startswith("the line is no request: ")


def test_a_jail_on_bans_reads_no_lines() -> None:
    assert walk("again", "x").steps[0].text == "counts the bans of other jails and reads no lines"


def test_without_a_name_every_jail_is_told() -> None:
    assert [found.jail for found in explain(CONFIG, "x", UTC, NOW)] == ["app", "unit", "leech", "again"]


@pytest.mark.parametrize(
    "line", ["", "\x00", "x" * 70_000, "\udcff".encode(errors="replace").decode(), "\r\n", "[" * 500]
)
def test_hostile_lines_are_walked_too(line: str) -> None:
    assert {found.result for found in explain(CONFIG, line, UTC, NOW)} == {NOTHING}


def test_a_jail_for_manners_judges_no_line_by_itself() -> None:
    config = parse("[source.web]\npath = '/x'\n[jail.one]\nsource = 'web'\nkind = 'manners'\nsignal = 'heads'\n", "")
    line = '192.0.2.1 - - [22/Nov/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 5 "-" "curl"'

    (walk,) = explain(config, line, UTC, NOW)

    assert walk.result == HARMLESS_LINE
    assert walk.steps[-1] == Step("signal", "heads: judged by what the client did before", good=None)
