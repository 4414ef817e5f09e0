"""Ranges, lists, dry runs, `why` and `pause` as they are typed and printed."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.unit.processes import line, privet, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.conftest import Asked

V4, NET = "203.0.113.77", "203.0.113.0/24"
DAY = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")


def test_a_range_is_not_banned_by_a_script_that_does_not_say_so(asked: Asked) -> None:
    done = privet("ban", "--runtime", asked.runtime, NET, "--reveal", text="")

    assert done.returncode == 64
    assert re.search(r"^203.0.113.0/24: 256 addresses; \d+ clients came in the last day, \d+ of them", done.stderr)
    assert "nothing was banned: say --yes to ban it" in done.stderr
    assert asked.json("bans")["items"] == []
    assert asked("ban", NET, "--yes", "--reveal")[1].startswith(f"{NET} banned until")


@pytest.mark.parametrize(("answer", "bans"), [("y\n", 1), ("n\n", 0), ("", 0)])
def test_somebody_at_a_terminal_is_asked(asked: Asked, monkeypatch: pytest.MonkeyPatch, answer: str, bans: int) -> None:
    import io  # noqa: PLC0415

    terminal = io.StringIO(answer)
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", terminal)
    code, _, err = asked("ban", NET)

    assert code == (0 if bans else 130)
    assert "Ban it? [y/N]" in err
    assert len(asked.json("bans")["items"]) == bans


def test_a_dry_run_changes_nothing(asked: Asked) -> None:
    code, out, _ = asked("ban", NET, V4, "127.0.0.1", "--dry-run", "--reveal")

    assert code == 1
    first, more, second, third = out.splitlines()
    assert first.startswith(f"{NET} would be banned until ")
    assert more.startswith("  256 addresses; ")
    assert second.startswith(f"{V4} would be banned until ")
    assert third == "127.0.0.1 refused: this machine's own address"
    assert asked.json("bans")["items"] == []
    asked("ban", V4)
    assert "1 ban would be lifted" in asked("unban", V4, "--dry-run")[1]
    assert len(asked.json("bans")["items"]) == 1
    assert asked("pause", "5m", "--dry-run")[1].startswith("all bans would be off until ")
    assert asked.json("status")["paused_until"] is None


def test_a_ban_again_tells_what_was_there(asked: Asked) -> None:
    asked("ban", V4)
    _, out, _ = asked("ban", V4, "--for", "good")

    assert re.search(rf"^100::\S+ banned for good \(before: until {DAY.pattern}\)$", out, re.MULTILINE)
    assert "for good" in asked("bans")[1]
    assert asked.json("bans")["items"][0]["until"] is None
    assert "--for good" in asked("unban", V4)[1]


def test_lists_go_out_and_come_in_again(asked: Asked, tmp_path: Path) -> None:
    subjects = [V4, "198.51.100.0/24", "2001:db8:a:b::/64"]
    asked("ban", *subjects, "--yes", "--for", "2h")
    for form in ("plain", "ipset"):
        _, out, _ = asked("bans", "--export", form)
        asked("unban", "--all")
        (tmp_path / form).write_text(out)
        assert asked("ban", "--file", str(tmp_path / form), "--yes")[0] == 0
        items = asked.json("bans", "--reveal")["items"]
        assert {item["subject"] for item in items} == set(subjects)
    _, nft, _ = asked("bans", "--export", "nft")
    assert re.search(r"^add element inet bans banned4 \{ 203\.0\.113\.77 timeout \d+s \}$", nft, re.MULTILINE)
    assert "banned6 { 2001:db8:a:b::/64 timeout" in nft


def test_what_fail2ban_lists_is_understood_and_a_long_list_is_summed_up(asked: Asked) -> None:
    listed = str([{"sshd": [f"198.51.100.{last}" for last in range(1, 31)] + ["127.0.0.1"]}])
    done = privet("ban", "--runtime", asked.runtime, "--file", "-", text=listed)

    assert done.returncode == 1
    assert "30 banned, 1 refused" in done.stdout
    assert done.stdout.count("\n") == 3
    assert "undo with: privet unban --jail 'by hand' --since 1m" in done.stdout
    assert asked.json("bans")["items"][0]["why"] == "banned by fail2ban (sshd)"
    assert len(asked.json("unban", "--jail", "by hand", "--since", "1m")["items"]) == 30


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (b"192.0.2.1\nnobody\n", 2, "the list cannot be used: line 2 has no address, prefix or AS number"),
        (b"\xff", 65, "the list is no text"),
        (b"192.0.2.1\n" * 700_000, 65, "a list may have 6,291,456 bytes"),
    ],
)
def test_a_list_that_cannot_be_used(asked: Asked, tmp_path: Path, content: bytes, code: int, message: str) -> None:
    (tmp_path / "list").write_bytes(content)
    got, out, err = asked("ban", "--file", str(tmp_path / "list"), "--yes")

    assert (got, out) == (code, "")
    assert err.startswith(f"privet: {message}")
    assert asked.json("bans")["items"] == []


def test_a_file_that_is_not_there(asked: Asked, tmp_path: Path) -> None:
    code, _, err = asked("ban", "--file", str(tmp_path / "none"))

    assert code == 2
    assert "No such file" in err


def test_why_tells_what_led_to_it_and_how_to_undo_it(asked: Asked) -> None:
    with asked.log.open("a") as file:
        file.write("".join(f"{line('198.51.100.98', f'/wiki/{number}')}\n" for number in range(3)))
    until(lambda: asked.json("bans")["items"])
    code, out, _ = asked("why", "198.51.100.98")

    assert code == 0
    lines = out.splitlines()
    name = lines[0].split()[0]
    assert lines[0] == f"{name} is closed out by:"
    assert re.fullmatch(rf"{name}: jail leech, since {DAY.pattern}, \d+ min left", lines[2])
    assert lines[3] == "  3 failures; the last lines:"
    assert [f'"GET /wiki/{number} HTTP/1.1"' in lines[4 + number] for number in range(3)] == [True] * 3
    assert all(text.startswith("    0.0.0.0 - - [") for text in lines[4:7])
    assert lines[7] == f"  undo with: privet unban {name}"
    assert "198.51.100" not in out
    envelope = asked.json("why", name)
    assert len(envelope["items"][0]["evidence"]) == 3
    assert (envelope["subject"], envelope["protected"], envelope["more"]) == (name, None, 0)


def test_why_not(asked: Asked) -> None:
    assert re.fullmatch(r"100::\S+ is not banned\n", asked("why", "192.0.2.200")[1])
    assert "it is never banned: this machine's own address" in asked("why", "127.0.0.1")[1]
    assert "256 addresses; " in asked("why", NET)[1]
    done = privet("why", "--runtime", asked.runtime, "--json", "-", text="192.0.2.200\n")
    assert json.loads(done.stdout)["items"] == []


def test_a_pause_and_its_end(asked: Asked) -> None:
    code, out, _ = asked("pause", "5m")

    assert code == 0
    assert re.fullmatch(rf"all bans are off until {DAY.pattern}\nundo with: privet pause --end\n", out)
    assert asked.json("pause", "10m")["was"]
    code, status, _ = asked("status")
    assert code == 1
    assert "all bans are off for a while; let them hold again with: privet pause --end" in status
    assert re.fullmatch(rf"bans hold again \(before: until {DAY.pattern}\)\n", asked("pause", "--end")[1])
    assert asked("pause", "--end")[1] == "there is no pause\n"


def test_a_list_with_the_mark_of_windows_is_read_and_an_empty_one_is_told(asked: Asked, tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(b"\xef\xbb\xbf203.0.113.77\r\n")

    assert asked("ban", "--file", str(tmp_path / "list"), "--reveal")[1].startswith(f"{V4} banned")
    (tmp_path / "list").write_text("# nobody\n")
    assert asked("ban", "--file", str(tmp_path / "list")) == (0, "0 banned: the list is empty\n", "")


def test_a_ban_again_is_undone_by_the_end_that_it_had(asked: Asked) -> None:
    asked("ban", V4, "--for", "2h")
    _, out, _ = asked("ban", V4, "198.51.100.1", "--for", "10m", "--reveal")

    assert "undo with: privet unban 198.51.100.1" in out.splitlines()
    assert re.search(rf"^undo with: privet ban {V4} --for (7200|719\d)s$", out, re.MULTILINE)


def test_each_unban_is_undone_by_its_own_time_jail_and_reason(asked: Asked) -> None:
    asked("ban", V4, "--for", "2h", "--why", "it's bad")
    asked("ban", "198.51.100.1", "--for", "good", "--jail", "leech")
    _, out, _ = asked("unban", "--since", "1m", "--reveal")

    assert re.search(rf"^undo with: privet ban {V4} --for 7\d+s --why 'it'\"'\"'s bad'$", out, re.MULTILINE)
    assert "undo with: privet ban 198.51.100.1 --for good --jail leech" in out.splitlines()


def test_all_and_some_is_no_order(asked: Asked) -> None:
    asked("ban", V4)

    for some in ((V4,), ("--jail", "leech"), ("--since", "1h")):
        assert asked("unban", "--all", *some)[0] == 64
    assert len(asked.json("bans")["items"]) == 1


@pytest.mark.parametrize("verb", ["bans", "unban"])
def test_a_jail_that_nobody_knows_is_said(asked: Asked, verb: str) -> None:
    code, out, err = asked(verb, "--jail", "leach")

    assert (code, out, err) == (2, "", "privet: there is no such jail: did you mean 'leech'?\n")
    assert asked(verb, "--jail", "by hand")[0] == 0
