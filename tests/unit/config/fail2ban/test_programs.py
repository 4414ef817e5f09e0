"""Actions as programs: options by family put in, and what cannot be made safe refused with its place."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from privet.config.actions import program
from privet.config.fail2ban.actions import read_actions
from privet.config.fail2ban.closing import STOCK
from privet.config.fail2ban.files import Files
from privet.config.fail2ban.ini import RefusedError
from privet.config.fail2ban.programs import action_config
from privet.config.fail2ban.text import Place, Text
from tests.conftest import FAIL2BAN

if TYPE_CHECKING:
    from pathlib import Path

    from privet.core.actions.programs import Program
    from tests.unit.config.fail2ban.conftest import Write

HERE = Place("jail.conf", 7)
STOCK_FOLDER = FAIL2BAN / "etc/fail2ban"
ALL = {path.stem for path in STOCK_FOLDER.glob("action.d/*.conf") if not path.stem.endswith("-common")}
NO_FIREWALLS = sorted(ALL - STOCK)


def read(folder: Path, action: str) -> Program:
    """Read one action of a jail called ssh."""
    (found,) = read_actions(Files(folder), "ssh", Text.of(action, HERE), {})
    return program("ssh", action_config(found.name, found))


def test_commands_without_families_are_the_same_for_both(write: Write) -> None:
    folder = write({"action.d/a.conf": "[Definition]\nactionban = x <name> <ip>\nactionunban =\nnorestored = 1\n"})

    one = read(folder, "a")

    script = one.script("actionban", "inet6")
    assert script
    assert (script.text, script.tags) == ('x ssh "${f2bV_ip}"', ("ip",))
    assert (one.norestored, one.on_demand, one.families) == (True, False, ("",))
    assert one.script("actionunban", "inet4") is None


def test_options_by_family_are_put_in_with_what_they_refer_to(write: Write) -> None:
    folder = write(
        {
            "action.d/a.conf": """\
                [Definition]
                actionban = <tool> <ip>
                [Init]
                tool = t4 <flag>
                flag = -f
                [Init?family=inet6]
                tool = t6 <flag>
                """
        }
    )

    one = read(folder, "a")

    texts = [script.text for family in one.families if (script := one.script("actionban", family))]
    assert texts == ['t4 -f "${f2bV_ip}"', 't6 -f "${f2bV_ip}"']
    assert one.on_demand


def test_whether_it_waits_for_the_first_ban_and_for_how_long_it_may_run_can_be_said(write: Write) -> None:
    folder = write(
        {"action.d/a.conf": "[Definition]\nactionstart_on_demand = yes\nactionban = x\n[Init]\ntimeout = 2m\n"}
    )

    assert (read(folder, "a").on_demand, read(folder, "a").timeout) == (True, 120.0)
    assert read(folder, "a[timeout=soon]").timeout == 60.0


def test_what_cannot_be_made_safe_is_refused_by_name_and_place(write: Write) -> None:
    folder = write({"action.d/a.conf": "[Definition]\nactionunban = x\nactionban = sh -c 'x <F-USER>'\n"})

    with pytest.raises(RefusedError) as refused:
        read(folder, "a")

    assert refused.value.place == Place(str(folder / "action.d/a.conf"), 3)
    assert refused.value.message == "action a: actionban runs sh, which could take <F-USER> for a program"


def test_an_option_that_refers_to_itself_is_refused(write: Write) -> None:
    folder = write({"action.d/a.conf": "[Definition]\nactionban = <x>\n[Init?family=inet6]\nx = <y>\ny = a<x>\n"})

    with pytest.raises(RefusedError, match="refers to itself"):
        read(folder, "a")


@pytest.mark.needs("fail2ban")
@pytest.mark.parametrize("name", NO_FIREWALLS)
def test_every_action_of_fail2ban_that_is_no_firewall_can_be_run(name: str) -> None:
    one = read(STOCK_FOLDER, name)

    assert one.script("actionban", "inet4")
    for scripts in one.commands.values():
        for script in scripts.values():
            assert "<ip>" not in script.text
            for shell in filter(shutil.which, ("dash", "bash")):
                done = subprocess.run([shell, "-n", "-c", script.text], capture_output=True, text=True, check=False)
                assert (done.returncode, done.stderr) == (0, "")
