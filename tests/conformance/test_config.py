"""Our reading of a configuration equals fail2ban's own, field by field."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from privet.config.fail2ban.jails import read
from privet.config.fail2ban.words import truth
from tests.conformance import oracle
from tests.conformance.layouts import LAYOUTS, REFUSED

if TYPE_CHECKING:
    from pathlib import Path

    from privet.config.fail2ban.model import Action, Filter, Jail
    from tests.conformance.layouts import Layout
    from tests.conformance.oracle import State

pytestmark = pytest.mark.needs("fail2ban")

NUMBERS = ("maxretry", "maxmatches")
TRUTHS = ("ignoreself", "bantime.increment", "bantime.overalljails")
TEXTS = (
    "findtime",
    "bantime",
    *(f"bantime.{name}" for name in ("factor", "formula", "multipliers", "maxtime", "rndtime")),
    "ignorecommand",
    "ignorecache",
    "logtimezone",
    "logencoding",
)


def ours(folder: Path) -> dict[str, State]:
    """Return our reading in the oracle's shape."""
    settings = read(folder, exists=lambda _: True)
    refused = {problem.jail: {"refused": True} for problem in settings.problems if problem.fatal}
    return {name: state_of(jail) for name, jail in settings.jails.items()} | refused


def state_of(jail: Jail) -> State:
    return {
        "backend": jail.backend,
        "failregex": [rule.regex for rule in jail.filter.failregex],
        "ignoreregex": [rule.regex for rule in jail.filter.ignoreregex],
        "logs": [(log.pattern, "tail" if log.tail else "head") for log in jail.logs],
        "ignoreip": list(jail.ignoreip),
        "journalmatch": list(jail.filter.journalmatch),
        "options": options_of(jail) | filter_options(jail.filter),
        "actions": {action.name: commands_of(action) for action in jail.actions if not action.python},
        "python": {action.name: (action.file, action.options) for action in jail.actions if action.python},
    }


def options_of(jail: Jail) -> dict[str, Any]:
    texts = jail.texts
    return (
        {name: whole(texts[name]) for name in NUMBERS if name in texts}
        | {name: truth(texts[name]) for name in TRUTHS if name in texts}
        | {name: texts[name] for name in TEXTS if name in texts}
    )


def whole(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None


def filter_options(filter_: Filter) -> dict[str, Any]:
    options: dict[str, Any] = {"usedns": filter_.usedns, "maxlines": filter_.maxlines}
    if filter_.prefregex:
        options["prefregex"] = filter_.prefregex.regex
    if filter_.datepattern:
        options["datepattern"] = filter_.datepattern
    return options


def commands_of(action: Action) -> dict[str, Any]:
    return {**action.commands, **action.flags, **action.options}


def normal(state: State) -> State:
    """Fill in the defaults of fail2ban's server, and drop what means nothing to it."""
    if "refused" in state:
        return state
    options = {"usedns": "warn", "maxlines": 1} | state["options"]
    empty = [name for name in ("prefregex", "datepattern") if options.get(name) == ""]
    logs = [(pattern, word if word == "tail" else "head") for pattern, word in state["logs"] if pattern]
    return state | {"options": {name: value for name, value in options.items() if name not in empty}, "logs": logs}


def compare(folder: Path) -> dict[str, State]:
    """Assert that the readings are equal; return fail2ban's."""
    theirs = oracle.dump(folder)
    assert theirs is not None, "fail2ban refuses this configuration"
    mine = ours(folder)
    assert mine.keys() == theirs.keys()
    for name, state in theirs.items():
        expected = normal(state)
        for field in expected:
            assert (name, field, mine[name].get(field)) == (name, field, expected[field])
    return theirs


@pytest.fixture
def stock(tmp_path: Path) -> Path:
    """Return a copy of Debian's configuration."""
    return shutil.copytree(oracle.STOCK, tmp_path / "fail2ban")


def test_debian_as_it_comes(stock: Path) -> None:
    assert list(compare(stock)) == ["sshd"]


@pytest.mark.parametrize(
    "default",
    ["", "backend = systemd\n", "banaction = nftables-multiport\nmode = aggressive\n", "action = %(action_mwl)s\n"],
    ids=["files", "journal", "nftables", "mail"],
)
def test_debian_with_every_jail(stock: Path, default: str) -> None:
    (stock / "jail.local").write_text(f"[DEFAULT]\nenabled = true\n{default}")

    assert len(compare(stock)) > 90


def written(folder: Path, layout: Layout) -> Path:
    """Write a layout below a folder."""
    for name, content in layout.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode(errors="surrogateescape"))
    return folder


@pytest.mark.parametrize("name", LAYOUTS)
def test_hostile_layout(name: str, tmp_path: Path) -> None:
    assert compare(written(tmp_path / "etc", LAYOUTS[name]))


@pytest.mark.parametrize("name", REFUSED)
def test_what_fail2ban_refuses_as_a_whole_costs_only_its_jail(name: str, tmp_path: Path) -> None:
    layout, place, message = REFUSED[name]
    folder = written(
        tmp_path / "etc", layout | {"jail.local": "[good]\nfilter =\nfailregex = x <HOST>\naction =\nbantime = 1\n"}
    )

    assert oracle.dump(folder) is None
    settings = read(folder, exists=lambda _: True)
    (problem,) = [problem for problem in settings.problems if problem.fatal]
    assert (problem.jail, list(settings.jails)) == ("a", ["good"])
    assert str(problem.place).removeprefix(f"{folder}/").startswith(place)
    assert message in problem.message
