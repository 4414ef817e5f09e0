"""Jails of fail2ban beside native ones: who listens where, what it is called, and what could not be adopted."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from privet.config.errors import ConfigErrors
from privet.config.fail2ban.report import Fate
from privet.config.loader import parse
from privet.core.bans.escalate import Escalation
from privet.core.guard import Listed

if TYPE_CHECKING:
    from pathlib import Path

    from privet.config.model import Config

FILTERS = {
    "filter.d/a.conf": "[Definition]\nfailregex = ^<HOST> a$\n",
    "filter.d/recidive.conf": "[Definition]\nfailregex = Ban <HOST>\n",
    "action.d/iptables.conf": "[Definition]\nactionban = close <ip>\n[Init]\nblocktype = DROP\n",
    "action.d/mail.conf": "[Definition]\nactionban = mail <name> <ip>\n",
}
DEFAULTS = "[DEFAULT]\nenabled = true\nusedns = no\naction = iptables[port=22, protocol=tcp]\n"


def adopt(tmp_path: Path, jails: str, native: str = "", **files: str) -> Config:
    folder = tmp_path / "fail2ban"
    named = {name.replace("__", "/").replace("_", "."): text for name, text in files.items()}
    for name, text in {"jail.conf": DEFAULTS + dedent(jails), **FILTERS, **named}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return parse(f'[fail2ban]\nconfig = "{folder}"\n{native}', "privet.toml")


def told(config: Config, fate: Fate) -> list[str]:
    return [f"{finding.place.line}: {finding.text}" for finding in config.findings if finding.fate is fate]


def test_jails_run_beside_native_ones_and_each_log_is_read_once(tmp_path: Path) -> None:
    config = adopt(
        tmp_path,
        """\
        [one]
        filter = a
        logpath = /var/log/auth.log
          /srv/*/x.log tail
        maxretry = 4
        [two]
        filter = a
        logpath = /var/log/auth.log
          /var/log/web/access.log
        """,
        '[source.web]\npath = "/var/log/web/access.log"\n[jail.all]\nsource = "web"\n',
    )

    assert list(config.jails) == ["all", "one", "two"]
    assert {name: source.paths for name, source in config.sources.items()} == {
        "web": ("/var/log/web/access.log",),
        "auth-log": ("/var/log/auth.log",),
        "srv-x-log": ("/srv/*/x.log",),
    }
    assert [source.format for source in config.sources.values()] == ["auto", "plain", "plain"]
    assert config.sources["srv-x-log"].tail
    assert config.jails["one"].sources == ("auth-log", "srv-x-log")
    assert config.jails["two"].sources == ("auth-log", "web")
    assert config.jails["one"].filter is not None
    assert config.jails["one"].filter == config.jails["two"].filter
    assert (config.jails["one"].maxretry, config.jails["one"].scope) == (4, "tcp:22")
    assert config.places["two"].line == 10


def test_a_log_may_be_missing_only_if_all_its_jails_say_so(tmp_path: Path) -> None:
    config = adopt(
        tmp_path,
        """\
        [one]
        filter = a
        skip_if_nologs = true
        logpath = /a /b
        [two]
        filter = a
        logpath = /b
        """.replace("/a /b", "/a\n                  /b"),
    )

    assert {name: source.optional for name, source in config.sources.items()} == {"a": True, "b": False}


def test_the_journal_is_a_source_for_each_match(tmp_path: Path) -> None:
    jail = "backend = systemd\nfilter = a\njournalmatch = _SYSTEMD_UNIT=x.service + _COMM=x\n"
    config = adopt(tmp_path, f"[one]\n{jail}[two]\n{jail}")

    (source,) = config.sources.values()
    assert (source.name, source.journal) == ("journal-x-service", (("_SYSTEMD_UNIT=x.service", "+", "_COMM=x"),))
    assert config.jails["one"].sources == config.jails["two"].sources == ("journal-x-service",)


def test_names_that_privet_does_not_know_are_changed_and_none_is_taken_twice(tmp_path: Path) -> None:
    config = adopt(
        tmp_path,
        """\
        [my.jail]
        filter = a
        logpath = /x
        [my-jail]
        filter = a[x=1]
        failregex = ^<HOST> b$
        logpath = /x
        [native]
        logpath = /x
        filter = a
        """,
        '[source.s]\npipe = true\n[jail.native]\nsource = "s"\n',
    )

    assert list(config.jails) == ["native", "my-jail"]
    assert [text for text in told(config, Fate.CHANGED) if "iptables" not in text and "findtime" not in text] == [
        "5: is called my-jail here",
        "8: another jail my-jail is there already: this one is left out",
        "12: the jail of that name in privet.toml is there already: this one is left out",
    ]


@pytest.mark.parametrize(("counting", "fate"), [("window", Fate.CHANGED), ("rate", Fate.ADOPTED)])
def test_how_failures_are_counted_is_told(tmp_path: Path, counting: str, fate: Fate) -> None:
    jails = "[a]\nenabled = true\nfailregex = ^<HOST> a$\nlogpath = /x\nfindtime = 60\n"
    config = adopt(tmp_path, jails, f'counting = "{counting}"\n')
    (said,) = [text for text in told(config, fate) if "findtime" in text]
    assert said.startswith("9: findtime: failures are counted ")
    assert config.jails["a"].counting == counting


def test_filters_that_differ_have_different_names(tmp_path: Path) -> None:
    config = adopt(
        tmp_path,
        """\
        [one]
        filter = a
        logpath = /x
        [two]
        filter = a
        failregex = ^<HOST> b$
        logpath = /x
        """,
    )

    assert [jail.filter and jail.filter.name for jail in config.jails.values()] == ["a", "a-2"]


def test_what_bans_grow_by(tmp_path: Path) -> None:
    config = adopt(
        tmp_path,
        """\
        [one]
        filter = a
        logpath = /x
        bantime = 1h
        bantime.increment = true
        bantime.maxtime = 10m
        bantime.multipliers = 1 5 30
        bantime.overalljails = true
        [two]
        filter = a
        logpath = /x
        bantime.increment = true
        bantime.formula = ban.Nonsense
        [three]
        filter = a
        logpath = /x
        bantime.factor = 7
        [recidive]
        filter = recidive
        logpath = /var/log/fail2ban.log
        bantime.increment = true
        bantime.overalljails = true
        """,
    )

    assert config.jails["one"].escalation == Escalation(
        increment=True, multipliers=(1.0, 5.0, 30.0), maxtime=3600.0, overalljails=True
    )
    assert config.jails["two"].escalation == Escalation(increment=True)
    assert any(text.startswith("17: bantime.formula: ") for text in told(config, Fate.UNKNOWN))
    assert config.jails["three"].escalation == Escalation()
    assert config.jails["recidive"].escalation == Escalation(increment=True)
    assert (config.jails["recidive"].bans_of, config.jails["recidive"].sources) == (("*",), ())


def test_actions_that_are_programs(tmp_path: Path) -> None:
    config = adopt(
        tmp_path,
        """\
        [one]
        filter = a
        logpath = /x
        action = mail
        [two]
        filter = a
        logpath = /x
        action = iptables[port=22]
          mail[actionban="sh -c '<F-USER>'"]
        [three]
        filter = a
        logpath = /x
        action =
        """,
    )

    one, two, three = config.jails.values()
    assert (one.close, one.dry_run, one.actions) == (False, False, ("one-mail",))
    assert config.actions["one-mail"].commands == {"ban": {"": "mail one <ip>"}}
    assert (two.close, two.dry_run, two.actions) == (True, False, ())
    assert [text for text in told(config, Fate.UNKNOWN) if "left out" in text] == [
        "13: action mail: actionban runs sh, which could take <F-USER> for a program; the action is left out"
    ]
    assert (three.close, three.dry_run, three.actions) == (True, True, ())


def test_a_mistake_in_a_filter_costs_its_regex_and_without_any_the_jail(tmp_path: Path) -> None:
    config = adopt(
        tmp_path,
        """\
        [one]
        logpath = /x
        filter =
        failregex = ^<HOST> (
          ^<HOST> b$
          nobody
        [two]
        logpath = /x
        filter =
        failregex = ^<HOST> (
        [three]
        filter = a
        logpath = /x
        ignoreregex = ok
          [
        [four]
        filter = a
        """,
    )

    assert list(config.jails) == ["one"]
    assert config.jails["one"].filter is not None
    assert config.jails["one"].filter.failregex == ("^<HOST> b$",)
    found = told(config, Fate.UNKNOWN)
    assert [text.partition(":")[0] for text in found] == ["8", "10", "14", "19", "20"]
    assert [text.rpartition("; ")[2] for text in found[:4]] == [
        "it is left out",
        "it is left out",
        "the jail is left out",
        "the jail is left out",
    ]
    assert found[4] == "20: has no logpath: the jail is left out"


def test_who_is_ignored(tmp_path: Path) -> None:
    config = adopt(
        tmp_path,
        """\
        [one]
        filter = a
        logpath = /x
        ignoreip = 192.0.2.1 file:/etc/friends
        ignorecommand = /bin/ask <ip>
        """,
    )
    jail = config.jails["one"]

    assert [subject.reveal() for subject in jail.ignoreip] == ["192.0.2.1"]
    assert jail.ignorelists == (Listed("file", ("/etc/friends",)),)
    assert jail.ignorecommand == "/bin/ask <ip>"


def test_without_the_folder_there_is_a_mistake() -> None:
    with pytest.raises(ConfigErrors, match=r"^p:2: fail2ban\.config: there is no folder /no/where$"):
        parse('[fail2ban]\nconfig = "/no/where"\n', "p")


def test_jails_may_count_as_they_did(tmp_path: Path) -> None:
    jails = "[one]\nfilter = a\nlogpath = /x\n[recidive]\nfilter = recidive\nlogpath = /var/log/fail2ban.log\n"

    for counting in ("rate", "window"):
        config = adopt(tmp_path, jails, f'counting = "{counting}"\n')
        assert [jail.counting for jail in config.jails.values()] == [counting, "window"]
