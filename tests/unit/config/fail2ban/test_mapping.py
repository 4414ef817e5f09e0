"""Jails as Privet runs them, and a report that says what became of everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from privet.config.fail2ban.jails import read
from privet.config.fail2ban.mapping import LONGEST, Adopted, adopt
from privet.config.fail2ban.report import Fate
from privet.core.addresses.address import Subject
from privet.core.guard import Listed

if TYPE_CHECKING:
    from tests.unit.config.fail2ban.conftest import Write

CONF = """\
[DEFAULT]
enabled = true
usedns = no
action = iptables[port="22", protocol=tcp]
[a]
logpath = /var/log/a.log
failregex = ^<HOST> a
"""
CLOSING = "[Definition]\nactionban = close <ip>\n[Init]\nblocktype = REJECT\n"
FILES = {
    "action.d/iptables.conf": CLOSING,
    "action.d/nftables-allports.conf": CLOSING,
    "action.d/mail.conf": "[Definition]\nactionban = mail <ip> <matches>\n",
    "filter.d/recidive.conf": "[Definition]\nfailregex = Ban <HOST>\n",
}
Told = list[tuple[str, str, str]]


def adopted(write: Write, more: str = "", **files: str) -> tuple[dict[str, Adopted], dict[Fate, Told]]:
    """Adopt a folder with the jail `a`; the report is by fate, each finding as line, jail and text."""
    named = {name.replace("_", "."): text for name, text in files.items()}
    folder = write({"jail.conf": CONF + more, **FILES, **named})
    jails, report = adopt(read(folder, exists=lambda _: True))
    told = {
        fate: [(str(one.place).removeprefix(f"{folder}/"), one.jail, one.text) for one in report.of(fate)]
        for fate in Fate
    }
    return jails, told


def texts(told: dict[Fate, Told], fate: Fate) -> list[tuple[str, str]]:
    return [(place, text) for place, _, text in told[fate]]


def test_a_jail(write: Write) -> None:
    jails, told = adopted(write, "maxretry = 4\nfindtime = 1h\nbantime = 1d\n")
    jail = jails["a"]

    assert (jail.maxretry, jail.findtime, jail.bantime, jail.scope) == (4, 3600.0, 86400.0, "tcp:22")
    assert (jail.filter.failregex, [place.line for place in jail.rules]) == (("^<HOST> a",), [7])
    assert [log.pattern for log in jail.logs] == ["/var/log/a.log"]
    assert told == {
        Fate.ADOPTED: [("jail.conf:5", "a", "filter of its own with 1 failregex on 1 log path; closes tcp:22")],
        Fate.CHANGED: [
            (
                "jail.conf:4",
                "",
                "action iptables: bans go to Privet's own sets in the kernel, and packets are dropped unanswered",
            )
        ],
        Fate.UNKNOWN: [],
    }


@pytest.mark.parametrize(
    ("usedns", "becomes"), [("warn", "no"), ("no", "no"), ("yes", "yes"), ("raw", "raw"), ("true", "yes"), ("x", "no")]
)
def test_names_are_looked_up_only_when_asked(write: Write, usedns: str, becomes: str) -> None:
    jails, told = adopted(write, f"usedns = {usedns}\n")

    assert jails["a"].filter.usedns == becomes
    changed = [place for place, text in texts(told, Fate.CHANGED) if text.startswith("usedns: names are not")]
    assert changed == (["jail.conf:8"] if usedns in {"warn", "x"} else [])
    asked = [place for place, text in texts(told, Fate.ADOPTED) if text.startswith("usedns: names are looked up")]
    assert asked == (["jail.conf:8"] if becomes == "yes" else [])


def test_recidive_counts_bans(write: Write) -> None:
    jails, told = adopted(
        write,
        "[recidive]\nfilter = recidive\nlogpath = /var/log/fail2ban.log\nbantime = 1w\nfindtime = 1d\n"
        "action = nftables-allports[protocol=tcp]\n",
    )
    jail = jails["recidive"]

    assert (jail.bans_of_jails, jail.logs, jail.journal, jail.scope) == (True, (), False, "")
    assert (jail.bantime, jail.findtime) == (604800.0, 86400.0)
    assert not jails["a"].bans_of_jails
    assert (
        "jail.conf:8",
        "counts the bans of all jails itself, fail2ban.log is neither written nor read; everything is closed",
    ) in texts(told, Fate.CHANGED)


def test_another_reader_of_the_log_is_left_out(write: Write) -> None:
    jails, told = adopted(write, "[loop]\nfailregex = <HOST>\nlogpath = /var/log/fail2ban.log\n")

    assert list(jails) == ["a"]
    assert told[Fate.UNKNOWN] == [
        ("jail.conf:10", "loop", "reads fail2ban.log, which is not written any more: the jail is left out")
    ]


def test_other_actions_stay_commands(write: Write) -> None:
    jails, told = adopted(write, "action = mail[x=1]\n   iptables[port=1]\n   smtp.py[host=x]\n")
    (command,) = jails["a"].commands

    assert (command.file, command.commands, jails["a"].scope) == ("mail", {"actionban": "mail <ip> <matches>"}, "tcp:1")
    assert ("jail.conf:8", "action mail runs its commands") in texts(told, Fate.ADOPTED)
    assert told[Fate.UNKNOWN] == [
        ("jail.conf:10", "a", "action smtp.py is a Python module, which is not supported"),
    ]


def test_a_changed_ban_action_is_a_command(write: Write) -> None:
    write({"action.d/iptables.local": "[Definition]\nactionban = own <ip>\n"})
    jails, told = adopted(write)

    assert [action.commands["actionban"] for action in jails["a"].commands] == ["own <ip>"]
    (text,) = [text for _, text in texts(told, Fate.ADOPTED) if text.startswith("action")]
    assert text.startswith("action iptables runs its commands: its actionban is changed in ")
    assert text.endswith("action.d/iptables.local:2")


def test_no_action_that_closes(write: Write) -> None:
    jails, told = adopted(write, "action =\n")

    assert (jails["a"].scope, jails["a"].commands) == (None, ())
    assert texts(told, Fate.CHANGED) == [
        ("jail.conf:8", "action: none closes anything, so failures are counted and bans only reported")
    ]


def test_port_knocking_is_left_out(write: Write) -> None:
    jails, told = adopted(write, "action = iptables[blocktype=RETURN]\n")

    assert jails == {}
    assert "lets clients in instead of closing them out" in told[Fate.UNKNOWN][0][2]


def test_a_jail_that_cannot_match_is_left_out(write: Write) -> None:
    jails, told = adopted(write, "[b]\nlogpath = /b.log\n")

    assert list(jails) == ["a"]
    assert [(jail, text) for _, jail, text in told[Fate.UNKNOWN]] == [
        ("b", "has no failregex and can never match: the jail is left out")
    ]


def test_who_is_ignored(write: Write) -> None:
    jails, told = adopted(
        write, "ignoreip = 192.0.2.1/32, 10.0.0.0/255.0.0.0 2001:db8::/32 name.example\n   file:/x 999.1.1.1/8\n"
    )

    assert jails["a"].ignoreip == tuple(map(Subject.parse, ("192.0.2.1/32", "10.0.0.0/8", "2001:db8::/32")))
    assert jails["a"].ignorelists == (Listed("name", ("name.example",)), Listed("file", ("/x",)))
    assert told[Fate.UNKNOWN] == [
        ("jail.conf:8", "a", "ignoreip: has a word that is no address, no prefix, no name and no file")
    ]


@pytest.mark.parametrize(
    ("line", "field", "value", "told"),
    [
        ("bantime = -1", "bantime", LONGEST, "bantime: for ever is 100 years"),
        ("bantime = 0", "bantime", 1.0, "bantime: bans of no length are none: one second"),
        ("findtime = 0", "findtime", 600.0, "findtime: is no length of time: 10 minutes"),
        ("maxretry = 0", "maxretry", 1, "maxretry: the first failure bans; 1 says so"),
    ],
)
def test_values_out_of_bounds(write: Write, line: str, field: str, value: float, told: str) -> None:
    jails, report = adopted(write, line + "\n")

    assert getattr(jails["a"], field) == value
    assert ("jail.conf:8", told) in texts(report, Fate.CHANGED)


def test_an_unknown_encoding(write: Write) -> None:
    jails, told = adopted(write, "logencoding = klingon\n")

    assert jails["a"].filter.logencoding == "auto"
    assert told[Fate.UNKNOWN] == [("jail.conf:8", "a", "logencoding: 'klingon' is no encoding: read as UTF-8")]
    assert adopted(write, "logencoding = latin-1\n")[0]["a"].filter.logencoding == "iso8859-1"


def test_longer_bans(write: Write) -> None:
    jails, told = adopted(
        write,
        "bantime.increment = true\nbantime.formula = ban.Time\nbantime.multipliers = 1 2\nignorecommand = x <ip>\n",
    )

    assert (jails["a"].growth.multipliers, jails["a"].growth.formula) == ((1.0, 2.0), None)
    assert ("jail.conf:9", "bantime.formula: has no effect beside bantime.multipliers") in texts(told, Fate.CHANGED)
    assert ("jail.conf:8", "bantime.increment: bans grow for those who come back") in texts(told, Fate.ADOPTED)
    assert jails["a"].ignorecommand == "x <ip>"
    assert ("jail.conf:11", "ignorecommand: is asked before a ban, not for each failure") in texts(told, Fate.CHANGED)


def test_an_ignorecommand_that_is_not_safe_is_not_asked(write: Write) -> None:
    jails, told = adopted(write, "ignorecommand = sh -c 'x <F-USER>'\nignoreself = false\n")

    assert jails["a"].ignorecommand == ""
    assert [place for place, text in texts(told, Fate.UNKNOWN) if text.startswith("ignorecommand: runs sh")] == [
        "jail.conf:8"
    ]
    assert ("jail.conf:9", "ignoreself: this machine's own addresses are never banned") in texts(told, Fate.CHANGED)


def test_what_has_no_effect_is_told_once(write: Write) -> None:
    _, told = adopted(write, "[b]\nfailregex = <HOST>\nlogpath = /b\n", jail_local="[DEFAULT]\nmaxmatches = 3\n")

    assert [place for place, text in texts(told, Fate.CHANGED) if text.startswith("maxmatches")] == ["jail.local:2"]


def test_the_server_is_reported(write: Write) -> None:
    _, told = adopted(write, fail2ban_conf="[Definition]\nlogtarget = /x\ndbfile = /y\n")

    assert [place for place, _ in texts(told, Fate.CHANGED)][:2] == ["fail2ban.conf:2", "fail2ban.conf:3"]


def test_a_jail_that_is_refused_is_reported(write: Write) -> None:
    jails, told = adopted(write, "bantime = soon\n")

    assert jails == {}
    assert told[Fate.UNKNOWN] == [("jail.conf:8", "a", "bantime: 'soon' cannot be computed; the jail is left out")]


def test_chains(write: Write) -> None:
    _, told = adopted(write, "action = iptables[chain=DOCKER-USER, port=22]\n")

    assert ("jail.conf:8", "chain DOCKER-USER: bans hold for every packet that comes in, forwarded or not") in texts(
        told, Fate.CHANGED
    )
