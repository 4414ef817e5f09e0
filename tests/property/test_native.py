"""Whatever was adopted from fail2ban reads back from `privet.toml` as the very same."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privet.config.fail2ban.text import Place
from privet.config.loader import parse
from privet.config.model import PLAIN, ActionConfig, Config, SourceConfig
from privet.config.native import text_of
from privet.core.addresses.address import Subject
from privet.core.bans.escalate import Escalation
from privet.core.bans.scope import make_scope
from privet.core.filters.model import FilterSpec
from privet.core.guard import Listed
from privet.core.jails import Jail
from tests.conftest import FAIL2BAN

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("a", "b-c", "_9")
TRICKY = st.lists(
    st.sampled_from(["'", "''", "'''", '"', '"""', "\\", "\\\\", "\t", " ", "\n", "#", "é", "\x7f", "=", "[", "x"]),
    min_size=1,
    max_size=8,
).map("".join)
SAFE = TRICKY.map(lambda text: text.replace("[", "-").replace("\\", "/"))  # what is a regular expression whatever it is
REGEXES = st.builds("{}<HOST>{}".format, SAFE, SAFE)
SECONDS = st.integers(1, 10**9).map(float)
ADDRESSES = st.sampled_from(["192.0.2.1", "198.51.100.0/24", "2001:db8::/48", "2001:db8::1"]).map(Subject.parse)
LISTS = st.sampled_from(
    [Listed("name", ("office.example",)), Listed("file", ("/etc/x y",)), Listed("command", ("/bin/a", "-b", "c d"))]
)
SCOPES = st.sampled_from(
    ["", "tcp:22", "tcp:22,80", "udp:53", "tcp:53;udp:53", "tcp:1,2;udp:3", make_scope("tcp", range(100, 164))]
)
GROWTH = st.builds(
    Escalation,
    increment=st.just(value=True),
    factor=st.floats(0.01, 1000),
    maxtime=st.none() | st.integers(10**9, 2 * 10**9).map(float),
    rndtime=st.just(0.0) | SECONDS,
    overalljails=st.booleans(),
    forget=SECONDS,
)
GROWTHS = st.one_of(
    st.just(Escalation()),
    GROWTH,
    st.builds(Escalation, increment=st.just(value=True), multipliers=st.tuples(st.floats(0.5, 100), st.just(2.0))),
    st.builds(Escalation, increment=st.just(value=True), formula=st.just("ban.Time * (1 << min(ban.Count, 20))")),
)
SOURCES: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.builds(
        dict,
        paths=st.lists(TRICKY.map("/{}".format), min_size=1, max_size=3, unique=True).map(tuple),
        tail=st.booleans(),
        optional=st.booleans(),
        format=st.sampled_from(["auto", PLAIN]),
    ),
    st.builds(
        dict,
        journal=st.lists(st.tuples(TRICKY.map("_COMM={}".format), st.just("+"), st.just("_UID=0")), max_size=2).map(
            lambda matches: tuple(dict.fromkeys(matches))
        ),
        format=st.just(PLAIN),
    ),
)
FILTERS: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    failregex=st.lists(REGEXES, min_size=1, max_size=3).map(tuple),
    ignoreregex=st.lists(SAFE, max_size=2).map(tuple),
    prefregex=st.just("") | SAFE,
    datepattern=st.sampled_from(["", "EPOCH", "{^LN-BEG}", "^%Y-%m\n\\[%d\\]"]),
    maxlines=st.integers(1, 3),
    usedns=st.sampled_from(["yes", "warn", "no", "raw"]),
    logtimezone=st.sampled_from(["", "UTC+0200"]),
    logencoding=st.sampled_from(["auto", "latin-1"]),
)
TEXTS = TRICKY.map(lambda text: text.replace('"', "").replace("'", "") + "x <ip>")
COMMANDS = st.builds(lambda text: {"": text}, TEXTS) | st.builds(
    lambda one, other: {"inet4": one, "inet6": other}, TEXTS, TEXTS
)
ACTIONS: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    commands=st.builds(lambda ban, stop: {"stop": stop, "ban": ban}, COMMANDS, COMMANDS),
    on_demand=st.booleans(),
    restored=st.booleans(),
    timeout=SECONDS,
)
JAILS: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    findtime=SECONDS,
    maxretry=st.integers(1, 10**6),
    bantime=SECONDS,
    ignoreip=st.lists(ADDRESSES, max_size=3, unique=True).map(tuple),
    ignorelists=st.lists(LISTS, max_size=3, unique=True).map(tuple),
    ignorecommand=st.none() | TEXTS,
    dry_run=st.booleans(),
    counting=st.sampled_from(["window", "rate"]),
    scope=SCOPES,
    escalation=GROWTHS,
)


@st.composite
def configs(draw: st.DrawFn) -> Config:
    def some(values: st.SearchStrategy[dict[str, Any]]) -> dict[str, dict[str, Any]]:
        return draw(st.dictionaries(st.sampled_from(NAMES), values, min_size=1, max_size=3))

    sources = {name: SourceConfig(name=name, **one) for name, one in some(SOURCES).items()}
    actions = {name: ActionConfig(name=name, **one) for name, one in some(ACTIONS).items()}
    filters = [FilterSpec(name=name, **one) for name, one in some(FILTERS).items()]
    jails = {}
    for name, one in some(JAILS).items():
        told = draw(st.lists(st.sampled_from(list(actions)), max_size=2, unique=True))
        jails[name] = Jail(
            name=name,
            sources=tuple(draw(st.lists(st.sampled_from(list(sources)), min_size=1, max_size=2, unique=True))),
            filter=draw(st.sampled_from(filters)),
            actions=tuple(told),
            close=not told or bool(one["scope"]) or draw(st.booleans()),
            **one,
        )
    jails["over"] = Jail(name="over", sources=(), bans_of=("*",), **{**draw(JAILS), "counting": "window"})
    if jails["over"].escalation.overalljails:
        del jails["over"]
    return Config(sources=sources, actions=actions, jails=jails, places={"a": Place("/etc/jail.conf", 3)})


def read_back(config: Config) -> Config:
    return parse(text_of(config), "privet.toml")


@settings(max_examples=60)
@given(configs())
def test_what_is_written_reads_back_to_the_same(config: Config) -> None:
    again = read_back(config)

    assert again.sources == config.sources
    assert again.jails == config.jails
    used = {name for jail in config.jails.values() for name in jail.actions}
    assert {name: again.actions[name] for name in used} == {name: config.actions[name] for name in used}


@pytest.mark.needs("fail2ban")
def test_debian_with_every_jail_reads_back_to_the_same(tmp_path: Path) -> None:
    folder = shutil.copytree(FAIL2BAN / "etc/fail2ban", tmp_path / "fail2ban")
    (folder / "jail.local").write_text(
        "[DEFAULT]\nenabled = true\naction = %(action_mwl)s\nbantime.increment = true\nbantime = -1\n"
    )
    config = parse(f'[fail2ban]\nconfig = "{folder}"\n', "privet.toml")

    again = read_back(config)

    assert len(config.jails) > 80
    assert (again.sources, again.jails, again.actions) == (config.sources, config.jails, config.actions)
