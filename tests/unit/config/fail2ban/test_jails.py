"""Enabled jails as data, each value with its place; one jail's mistake is its own."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

import pytest

from privet.config.fail2ban.jails import read

if TYPE_CHECKING:
    from privet.config.fail2ban.model import Jail, Settings
    from tests.unit.config.fail2ban.conftest import Write

CONF = """\
[DEFAULT]
enabled = true
logpath = /var/log/a.log
bantime = 10m
[a]
failregex = ^<HOST> a
"""


def settings(write: Write, *, exists: bool = True, **files: str) -> Settings:
    """Read a folder with a jail `a`; files are named with `_` for `/` and without `.conf`."""
    named = {name.replace("_", "/") + ".conf": text for name, text in files.items()}
    return read(write({"jail.conf": CONF, **named}), exists=lambda _: exists)


def jail(write: Write, more: str) -> Jail:
    found = read(write({"jail.conf": CONF + more}), exists=lambda _: True)
    assert [problem for problem in found.problems if problem.fatal] == []
    return found.jails["a"]


def problems(found: Settings) -> list[tuple[str, str, str, bool]]:
    return [
        (str(one.place).removeprefix(found.folder + "/"), one.jail, one.message, one.fatal) for one in found.problems
    ]


def test_what_a_jail_says(write: Write) -> None:
    found = jail(
        write,
        "maxretry = 3\nfindtime = 1h\nignoreip = 192.0.2.1 x\nignoreself = no\nlogencoding = latin-1\n"
        "ignorecommand = /bin/x <ip>\nlogtimezone = UTC+0200\nskip_if_nologs = yes\n",
    )

    assert (found.maxretry, found.findtime, found.bantime) == (3, 3600.0, 600.0)
    assert (found.ignoreip, found.ignoreself, found.ignorecommand) == (("192.0.2.1", "x"), False, "/bin/x <ip>")
    assert (found.logencoding, found.logtimezone, found.skip_if_nologs) == ("latin-1", "UTC+0200", True)
    assert [(log.pattern, log.tail, log.place.line) for log in found.logs] == [("/var/log/a.log", False, 3)]
    assert {option: found.places[option].line for option in ("bantime", "maxretry", "ignoreip")} == {
        "bantime": 4,
        "maxretry": 7,
        "ignoreip": 9,
    }


def test_longer_bans(write: Write) -> None:
    growth = jail(
        write,
        "bantime = -1\nbantime.increment = true\nbantime.factor = 2/4\nbantime.multipliers = 1 2  4\n"
        "bantime.maxtime = 5w\nbantime.rndtime = 10m\nbantime.overalljails = yes\nbantime.formula =\n",
    )

    assert growth.bantime == inf
    found = growth.growth
    assert (found.increment, found.factor, found.multipliers) == (True, 0.5, (1.0, 2.0, 4.0))
    assert (found.maxtime, found.rndtime, found.overalljails, found.formula) == (3024000.0, 600.0, True, None)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("bantime = soon", "bantime: 'soon' cannot be computed"),
        ("findtime = 1x", "findtime: '1x' cannot be computed"),
        ("bantime.maxtime = 1 lot", "bantime.maxtime: '1 lot' cannot be computed"),
        ("bantime.multipliers = 1 x", "bantime.multipliers: 'x' cannot be computed"),
        ("filter = nowhere", "there is no filter 'nowhere' in filter.d"),
        ("filter = x[", "expected name[option=value, …], got 'x['"),
        ("action = nowhere", "there is no action 'nowhere' in action.d"),
        ("bantime = %(x)s", "%(x)s refers to an option that nothing sets"),
    ],
)
def test_a_mistake_costs_its_jail_only(write: Write, line: str, message: str) -> None:
    found = read(write({"jail.conf": f"{CONF}{line}\n[b]\nfailregex = <HOST>\n"}), exists=lambda _: True)

    assert list(found.jails) == ["b"]
    assert problems(found) == [("jail.conf:7", "a", message, True)]


def test_numbers_that_are_none_are_told(write: Write) -> None:
    found = read(write({"jail.conf": CONF + "maxretry = many\n"}), exists=lambda _: True)

    assert found.jails["a"].maxretry == 3
    assert problems(found) == [("jail.conf:7", "a", "maxretry is no whole number: left out", False)]


def test_what_nothing_reads_is_told(write: Write) -> None:
    found = read(
        write(
            {
                "jail.conf": CONF + "[b]\nenabled = no\nbantimee = 1\n",
                "jail.local": "[DEFAULT]\nunused = 1\n[a]\nbanntime = 1h\nused = x\nlogencoding = %(used)s\n",
            }
        ),
        exists=lambda _: True,
    )

    assert problems(found) == [
        ("jail.local:2", "", "unused: nothing reads this option", False),
        ("jail.local:4", "a", "banntime: nothing reads this option", False),
    ]
    assert found.disabled == ("b",)


def test_a_path_with_blanks_is_told(write: Write) -> None:
    found = read(write({"jail.conf": CONF + "logpath = /a b.log\n   /c.log tail\n"}), exists=lambda _: True)

    assert [(log.pattern, log.tail, log.place.line) for log in found.jails["a"].logs] == [
        ("/a", False, 7),
        ("/c.log", True, 8),
    ]
    assert [text for _, _, text, _ in problems(found)] == [
        "logpath takes 'b.log' for 'head' or 'tail': a path cannot have blanks"
    ]


JOURNAL = CONF + "filter = f\n"
FILTER = "[Definition]\nfailregex = <logtype> <HOST>\njournalmatch = A=b\n"


@pytest.mark.parametrize(
    ("more", "exists", "journal"),
    [
        ("", False, True),
        ("", True, False),
        ("backend = polling\n", False, False),
        ("systemd_if_nologs = false\n", False, False),
        ("journalmatch =\n", False, False),
        ("backend = systemd\n", True, True),
    ],
)
def test_logs_that_are_only_in_the_journal(write: Write, more: str, *, exists: bool, journal: bool) -> None:
    conf = JOURNAL.replace("failregex = ^<HOST> a\n", "")
    found = read(write({"jail.conf": conf + more, "filter.d/f.conf": FILTER}), exists=lambda _: exists)

    assert found.jails["a"].journal is journal
    assert [rule.regex for rule in found.jails["a"].filter.failregex] == [f"{'journal' if journal else 'file'} <HOST>"]
    told = [text for _, _, text, _ in problems(found)]
    assert told == (["none of the log files is there: read from the journal"] if journal and not exists else [])


def test_a_jail_without_journalmatch_stays_with_files(write: Write) -> None:
    assert not settings(write, exists=False).jails["a"].journal


def test_globs_are_looked_up(write: Write) -> None:
    folder = write({"logs/x.log": "", "filter.d/f.conf": FILTER})
    conf = JOURNAL.replace("/var/log/a.log", f"{folder}/logs/*.log").replace("failregex = ^<HOST> a\n", "")
    (folder / "jail.conf").write_text(conf)

    assert not read(folder).jails["a"].journal
    (folder / "logs/x.log").unlink()
    assert read(folder).jails["a"].journal


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"other": ""}, "there is neither jail.conf nor jail.local"),
        ({"jail.conf": "x"}, "an option stands before the first [section]"),
    ],
)
def test_nothing_to_read(write: Write, files: dict[str, str], message: str) -> None:
    found = read(write(files))

    assert found.jails == {}
    assert [(text, fatal) for _, _, text, fatal in problems(found)] == [(message, True)]


def test_the_server(write: Write) -> None:
    found = settings(write, fail2ban="[DEFAULT]\ndbfile = /x/%(name)s\nname = y\nlogtarget = %(z)s\n[Definition]\n")

    assert found.server.dbfile == "/x/y"
    assert found.server.places["dbfile"].line == 2


def test_each_regex_has_the_line_it_is_written_on(write: Write) -> None:
    found = read(
        write(
            {
                "jail.conf": CONF.replace("failregex = ^<HOST> a\n", "")
                + "filter = f[mode=x]\nfailregex = %(known/failregex)s\n   ^jail <HOST>\n",
                "filter.d/common.conf": "[DEFAULT]\n\ncommon = ^common <HOST>\n",
                "filter.d/f.conf": "[INCLUDES]\nbefore = common.conf\n[Definition]\nfailregex = ^one <HOST>\n"
                "   %(common)s\n   <mode-<mode>>\n   ^<mode> <HOST>\nmode-x = ^tag <HOST>\n   ^tag2 <HOST>\n",
            }
        ),
        exists=lambda _: True,
    )

    rules = found.jails["a"].filter.failregex
    assert [(rule.regex, str(rule.place).removeprefix(f"{found.folder}/")) for rule in rules] == [
        ("^one <HOST>", "filter.d/f.conf:4"),
        ("^common <HOST>", "filter.d/common.conf:3"),
        ("^tag <HOST>", "filter.d/f.conf:8"),
        ("^tag2 <HOST>", "filter.d/f.conf:9"),
        ("^x <HOST>", "filter.d/f.conf:7"),
        ("^jail <HOST>", "jail.conf:8"),
    ]
