"""Actions with their commands, names and what they may still refer to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from privet.config.fail2ban.actions import read_actions
from privet.config.fail2ban.files import Files
from privet.config.fail2ban.ini import RefusedError
from privet.config.fail2ban.text import Place, Text

if TYPE_CHECKING:
    from privet.config.fail2ban.model import Action
    from tests.unit.config.fail2ban.conftest import Write

HERE = Place("jail.conf", 7)
ACT = """\
[Definition]
actionban = <tool> <ip> <name> <port> <logpath> <matches>
actionunban = <unban>
norestored = 1
unban = undo <ip>
[Init]
port = 22
tool = t4
[Init?family=inet6]
tool = t6
"""


@pytest.fixture
def files(write: Write) -> Files:
    return Files(write({"action.d/act.conf": ACT, "action.d/act.local": "[Definition]\nactionstop = stop\n"}))


def actions(files: Files, value: str) -> tuple[Action, ...]:
    return read_actions(files, "jail", Text.of(value, HERE), {"logpath": Text.of("/a.log", HERE)})


def test_an_action(files: Files) -> None:
    (action,) = actions(files, 'act[port="80,443"]')

    assert (action.name, action.file, action.place, action.python) == ("act", "act", HERE, False)
    assert action.commands == {
        "actionban": "<tool> <ip> jail 80,443 /a.log <matches>",
        "actionunban": "undo <ip>",
        "actionstop": "stop",
    }
    assert action.flags == {"norestored": True}
    assert action.options == {
        "port": "80,443",
        "name": "jail",
        "actname": "act",
        "tool": "t4",
        "tool?family=inet6": "t6",
    }
    assert action.places["actionstop"].file.endswith("act.local")
    assert action.places["actionban"].line == 2


def test_names_are_told_apart(files: Files) -> None:
    found = actions(files, "act act[name=jail-more] act[name=other] act[actname=own] x.py y.py[actname=z, a=b]")

    assert [action.name for action in found] == ["act", "act-more", "act-other", "own", "x", "z"]
    assert [action.python for action in found] == [False, False, False, False, True, True]
    assert found[-1].options == {"a": "b"}


def test_no_action(files: Files) -> None:
    assert actions(files, " \n ") == ()


def test_an_unknown_action(files: Files) -> None:
    with pytest.raises(RefusedError, match=r"jail.conf:7: there is no action 'nowhere' in action.d"):
        actions(files, "act nowhere[x=1]")
