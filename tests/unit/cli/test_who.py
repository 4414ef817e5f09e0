"""`privet who`, as root sees it, and as anybody else does."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Asked

pytestmark = pytest.mark.needs("root")
V4 = "203.0.113.77"


def by_hand(asked: Asked) -> dict[str, Any]:
    """Return the ban that was ordered; a line that another test has written may still bring another one."""
    found: list[dict[str, Any]] = [ban for ban in asked.json("bans")["items"] if ban["jail"] == "by hand"]
    assert len(found) == 1
    return found[0]


def test_root_is_told(asked: Asked) -> None:
    asked("ban", V4)
    ban = by_hand(asked)
    code, out, err = asked("who", ban["subject"])

    assert (code, out) == (0, f"{ban['subject']} is {V4}\n")
    assert err == f"the question is noted in {asked.runtime.parent}/state/who.log\n"


def test_the_envelope(asked: Asked) -> None:
    asked("ban", V4)
    ban = by_hand(asked)
    answer = asked.json("who", ban["subject"])

    assert answer["items"] == [{"pseudonym": ban["subject"], "address": V4}]
    assert answer["noted"] == f"{asked.runtime.parent}/state/who.log"


def test_errors_say_what_to_do(asked: Asked) -> None:
    code, out, err = asked("who", "100::1")
    assert (code, out) == (2, "")
    assert "it is of another day" in err

    code, _, err = asked("who", V4)
    assert code == 2
    assert "that is no pseudonym" in err
    assert V4 not in err


def test_nobody_else_may_ask(asked: Asked) -> None:
    """Ask as another user, to whom the socket is opened wide: the daemon looks at who asks."""
    asked("who", "100::1")  # everything is imported now, which another user may not be able to do
    asked.runtime.parent.chmod(0o755)
    (asked.runtime / "control.sock").chmod(0o777)
    os.seteuid(65534)
    try:
        code, out, err = asked("who", "100::1")
    finally:
        os.seteuid(0)
        (asked.runtime / "control.sock").chmod(0o600)
        asked.runtime.parent.chmod(0o700)

    assert (code, out) == (77, "")
    assert "not allowed" in err
