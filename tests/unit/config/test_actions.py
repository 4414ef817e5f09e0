"""Programs in the configuration: what they are told, for which family, and that a shell never reads a log."""

from __future__ import annotations

import pytest

from privet.config.actions import programs
from privet.config.errors import ConfigErrors
from privet.config.loader import parse
from privet.core.verdicts import Action

BEFORE = "[source.s]\npipe = true\n"
MAIL = "[action.mail]\nban = 'mail <ip>'\n"


def mistakes(text: str) -> list[str]:
    with pytest.raises(ConfigErrors) as caught:
        parse(BEFORE + text, "p")
    return [str(error).removeprefix("p:") for error in caught.value.errors]


def test_every_jail_that_bans_has_its_own_programs() -> None:
    text = """\
[action.mail]
start = "begin"
ban = { inet4 = "mail4 <ip>", inet6 = "mail6 <ip>" }
unban = "bye <ip> <F-USER>"
on_demand = true
restored = false
timeout = "5s"
[action.log]
ban = "log <ip>"
[jail.a]
source = "s"
actions = ["mail", "log"]
[jail.b]
source = "s"
actions = "log"
close = false
[jail.c]
source = "s"
actions = "log"
dry_run = true
"""
    config = parse(BEFORE + text, "p")
    mail, *others = programs(config)

    assert [(one.jail, one.name) for one in (mail, *others)] == [("a", "mail"), ("a", "log"), ("b", "log")]
    assert (mail.on_demand, mail.norestored, mail.timeout, mail.families) == (True, True, 5.0, ("inet4", "inet6"))
    scripts = [mail.script(name, "inet6") for name in ("actionstart", "actionban", "actionunban", "actionstop")]
    assert [script and script.tags for script in scripts] == [(), ("ip",), ("ip", "F-USER"), None]
    assert others[0].families == ("",)
    assert [config.jails[name].action for name in "abc"] == [Action.BAN, Action.TELL, Action.REPORT]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            "ban = 'sh -c \"<F-USER>\"'",
            "4: action.a.ban: this command runs sh, which could take <F-USER> for a program",
        ),
        ("ban = { inet6 = 'eval <matches>' }", "4: action.a.ban.inet6: this command runs eval"),
        ("ban = { net6 = 'x' }", "4: action.a.ban.net6: unknown setting, did you mean 'inet6'?"),
        ("ban = {}", "4: action.a.ban: expected a command for inet4 or inet6"),
        ("start = 'x'", "3: action.a: needs 'ban' or 'unban'"),
        ("ban = 'x'\ntimeout = 0", "5: action.a.timeout: a duration must be longer than nothing"),
    ],
)
def test_mistakes_in_actions(settings: str, said: str) -> None:
    (found,) = mistakes(f"[action.a]\n{settings}\n")

    assert found.startswith(said)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("actions = 'male'", "7: jail.j.actions: there is no action 'male', did you mean 'mail'?"),
        ("close = false", "7: jail.j.close: then the jail does nothing: it needs 'actions', or 'dry_run = true'"),
        ("close = false\nactions = 'mail'\nports = 22", "9: jail.j.ports: has no effect with 'close = false'"),
        ("ignorecommand = 'eval <matches>'", "7: jail.j.ignorecommand: this command runs eval"),
    ],
)
def test_mistakes_in_jails(settings: str, said: str) -> None:
    (found,) = mistakes(f"{MAIL}[jail.j]\nsource = 's'\n{settings}\n")

    assert found.startswith(said)
