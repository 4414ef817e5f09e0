"""`privet ban`, `bans` and `unban` before a real daemon."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.unit.processes import line, privet, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.conftest import Asked

V4, V6 = "203.0.113.77", "2001:db8:a:b::7"
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def test_nobody_is_banned_at_first(asked: Asked) -> None:
    code, out, err = asked("bans")

    assert (code, err) == (0, "")
    assert out == "no bans\n"
    assert asked.json("bans")["items"] == []


def test_a_ban_says_what_it_did_and_how_to_undo_it(asked: Asked) -> None:
    code, out, _ = asked("ban", V4, V6, "--for", "2h", "--why", "took the whole wiki")

    assert code == 0
    first, second, hint = out.splitlines()
    assert re.fullmatch(r"100::\S+ banned until \d{4}-\d\d-\d\d \d\d:\d\d:\d\d", first)
    assert first.split()[0] != second.split()[0]
    assert hint == f"undo with: privet unban {first.split()[0]} {second.split()[0]}"
    _, table, _ = asked("bans")
    assert first.split()[0] in table
    assert "took the whole wiki" in table
    assert "2 h" in table
    assert "2 bans" in table


def test_times_for_programs_are_rfc_3339(asked: Asked) -> None:
    banned = asked.json("ban", V4, "--for", "1h")
    (listed,) = asked.json("bans")["items"]
    (lifted,) = asked.json("unban", V4)["items"]

    for text in (banned["items"][0]["until"], listed["since"], listed["until"], lifted["since"], lifted["until"]):
        assert RFC3339.fullmatch(text)
    assert listed["since"] == lifted["since"]
    left = datetime.fromisoformat(banned["items"][0]["until"]) - datetime.now(UTC)
    assert timedelta(minutes=55) < left < timedelta(minutes=65)
    assert listed["until"] == banned["items"][0]["until"]


def test_addresses_are_shown_to_whoever_asks_for_them(asked: Asked) -> None:
    assert asked("ban", V4, "--reveal")[1].startswith(f"{V4} banned")
    assert asked.json("bans", "--reveal")["items"][0]["subject"] == V4
    assert asked("unban", V4, "--reveal")[1].startswith(f"{V4} unbanned (jail by hand, since ")


def test_subjects_may_come_from_standard_input(asked: Asked) -> None:
    done = privet("ban", "--runtime", asked.runtime, "--yes", "-", text=f"{V4}\n\n198.51.100.0/24 # one\n{V6}\n")

    assert done.returncode == 0
    assert len(asked.json("bans")["items"]) == 3
    done = privet("unban", "--runtime", asked.runtime, "-", text=V4)
    assert "1 ban lifted" in done.stdout.splitlines()


def test_bans_of_one_jail_can_be_listed_and_lifted(asked: Asked) -> None:
    with asked.log.open("a") as file:
        file.write(f"{line('198.51.100.99')}\n" * 3)
    asked("ban", V4)
    until(lambda: len(asked.json("bans")["items"]) == 2)

    (leech,) = asked.json("bans", "--jail", "leech")["items"]
    assert (leech["jail"], leech["origin"], leech["failures"]) == ("leech", "jail", 3)
    assert asked.json("bans", "--jail", "by hand", "--since", "1h")["items"][0]["jail"] == "by hand"
    code, out, _ = asked("unban", "--jail", "leech")
    assert code == 0
    assert re.search(r"^1 ban lifted\nundo with: privet ban 100::\S+ --for \d+s --jail leech$", out, re.MULTILINE)
    assert [item["jail"] for item in asked.json("bans")["items"]] == ["by hand"]


def test_a_pseudonym_of_today_can_be_lifted(asked: Asked) -> None:
    name = asked.json("ban", V4)["items"][0]["subject"]

    assert "1 ban lifted" in asked("unban", name)[1].splitlines()


def test_lifting_what_is_not_banned_lifts_nothing(asked: Asked) -> None:
    assert asked("unban", V4) == (0, "0 bans lifted\n", "")


def test_what_must_not_be_banned_is_refused_with_the_reason(asked: Asked) -> None:
    code, out, _ = asked("ban", "127.0.0.1", V4)

    assert code == 1
    assert "refused: this machine's own address" in out
    assert len(asked.json("bans")["items"]) == 1
    assert asked("ban", "::1")[1].count("\n") == 1  # nothing to undo


def test_the_callers_own_way_in_is_refused(asked: Asked) -> None:
    arguments = ("ban", "--runtime", asked.runtime, "203.0.113.0/24", "--yes")
    done = privet(*arguments, SSH_CONNECTION="203.0.113.5 4711 10.0.0.1 22")

    assert done.returncode == 1
    assert "refused: part of it must never be banned: your own ssh connection" in done.stdout
    assert privet(*arguments).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ban", "nobody"), "not an address or a prefix: give an address, a prefix such as 192.0.2.0/24"),
        (("ban", V4, "192.0.2.1/33"), "a prefix length is a whole number from 0 to 32"),
        (("unban", "100::1:2:3:4"), "nobody who is banned, or who came in the last day, has this pseudonym"),
        (("why", "nobody"), "not an address or a prefix: give an address"),
        (("ban", "AS64500"), "there is no table of networks: name one as 'table' in [networks]"),
        (("ban", V4, "--jail", "leach"), "there is no such jail: did you mean 'leech'?"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_done(
    asked: Asked, arguments: tuple[str, ...], message: str
) -> None:
    code, out, err = asked(*arguments)

    assert (code, out) == (2, "")
    assert err.startswith(f"privet: {message}")
    assert asked.json("bans")["items"] == []


@pytest.mark.parametrize(
    "verb",
    [("status",), ("jails",), ("bans",), ("ban", V4), ("unban", V4), ("why", V4), ("pause", "5m")],
    ids=lambda v: v[0],
)
@pytest.mark.parametrize("option", [(), ("--json",)])
def test_without_a_daemon_the_exit_code_is_69(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: tuple[str, ...], option: tuple[str, ...]
) -> None:
    from privet.cli.main import run  # noqa: PLC0415  as `asked` does, but without its daemon

    assert run([*verb, *option, "--runtime", str(tmp_path)]) == 69

    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"privet: the daemon does not run ({tmp_path}/control.sock): start it with privet run\n"
