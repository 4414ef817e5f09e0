"""The first configuration: from logs that are there, or from fail2ban, and nothing is ever overwritten."""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING

import pytest

from privet.cli.main import run
from privet.config.loader import load
from privet.tasks import init

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.conftest import Asked

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a small configuration of fail2ban."""
    folder = tmp_path / "fail2ban"
    for name, text in {
        "jail.conf": "[DEFAULT]\nusedns = no\n[door]\nenabled = true\nlogpath = /var/log/door.log\n"
        "failregex = ^ door: <HOST> knocked$\naction = iptables[port=7000, protocol=tcp]\n",
        "action.d/iptables.conf": "[Definition]\nactionban = close <ip>\n[Init]\nblocktype = DROP\n",
        "fail2ban.conf": f"[Definition]\ndbfile = {tmp_path}/fail2ban.sqlite3\n",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def database(folder: Path, *bans: tuple[str, str, float, float]) -> None:
    """Write a database as far as it is read: jail, address, time of the ban, length."""
    with sqlite3.connect(folder.with_name("fail2ban.sqlite3")) as file:
        file.execute("CREATE TABLE bips(ip, jail, timeofban, bantime, bancount, data)")
        file.executemany("INSERT INTO bips(jail, ip, timeofban, bantime, bancount) VALUES (?, ?, ?, ?, 1)", bans)
    file.close()


def test_jails_of_fail2ban_become_native(folder: Path, tmp_path: Path, capsys: Captured) -> None:
    target = tmp_path / "privet.toml"

    assert run(["init", "--from-fail2ban", str(folder), "--output", str(target)]) == 0

    out, err = capsys.readouterr()
    assert out.startswith(f"{target}: 1 source, 1 jail; 1 adopted, 3 changed on purpose\n")
    assert f"next: privet check --config {target}" in out
    assert f"  {folder}/jail.conf:3: door: filter of its own with 1 failregex on 1 log path; closes tcp:7000" in err
    config = load(target)
    assert (config.jails["door"].scope, config.sources["door-log"].paths) == ("tcp:7000", ("/var/log/door.log",))
    assert config.jails["door"].filter is not None
    assert f"# {folder}/jail.conf:3\n[jail.door]\n" in target.read_text()
    assert run(["check", "--config", str(target)]) == 0


def test_nothing_is_overwritten(folder: Path, tmp_path: Path, capsys: Captured) -> None:
    target = tmp_path / "privet.toml"
    target.write_text("mine")

    assert run(["init", "--from-fail2ban", str(folder), "--output", str(target)]) == 2
    assert "is there already: name another with --output" in capsys.readouterr().err
    assert target.read_text() == "mine"


def test_it_can_be_looked_at_first(folder: Path, capsys: Captured) -> None:
    assert run(["init", "--from-fail2ban", str(folder), "--output", "-"]) == 0
    assert "\n[jail.door]\n" in capsys.readouterr().out


def test_what_was_not_understood_is_an_exit_code(folder: Path, tmp_path: Path, capsys: Captured) -> None:
    with (folder / "jail.conf").open("a") as file:
        file.write("[bad]\nenabled = true\nlogpath = /x\nfailregex = <HOST>(\naction =\n")

    assert run(["init", "--from-fail2ban", str(folder), "--output", str(tmp_path / "p")]) == 1
    assert f"not understood:\n  {folder}/jail.conf:11: bad: failregex: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--from-fail2ban", "/no/where"], 78, "there is no folder /no/where"),
        (["--adopt-bans"], 64, "--adopt-bans needs --from-fail2ban DIR"),
    ],
)
def test_mistakes(arguments: list[str], code: int, said: str, capsys: Captured) -> None:
    assert run(["init", "--output", "-", *arguments]) == code
    assert said in capsys.readouterr().err


def test_a_folder_that_is_not_there(folder: Path, tmp_path: Path, capsys: Captured) -> None:
    assert run(["init", "--from-fail2ban", str(folder), "--output", str(tmp_path / "no" / "p")]) == 2
    assert f"there is no folder {tmp_path}/no: make it" in capsys.readouterr().err


def test_logs_that_are_there_are_found(tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("apache2", "nginx"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "access.log").touch()
    patterns = tuple(f"{tmp_path}/{name}/*access.log" for name in ("apache2", "caddy", "nginx"))
    target = tmp_path / "privet.toml"
    monkeypatch.setattr(init.from_logs, "__defaults__", (patterns,))

    assert run(["init", "--output", str(target)]) == 0
    config = load(target)
    assert config.sources["web"].paths == (patterns[0], patterns[2])
    assert all(jail.dry_run for jail in config.jails.values())
    assert capsys.readouterr().out.startswith(f"{target}: 1 source, {len(config.jails)} jails\n")
    assert {"leech", "web-probing"} <= config.jails.keys()


def test_without_any_log_it_says_so(tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(init.from_logs, "__defaults__", ((f"{tmp_path}/*.log",),))

    assert run(["init", "--output", str(tmp_path / "p")]) == 2
    assert "no access log of a web server was found" in capsys.readouterr().err


def test_running_bans_are_handed_to_the_daemon(asked: Asked, folder: Path, tmp_path: Path) -> None:
    now = time.time()
    database(
        folder,
        ("door", "198.51.100.201", now - 5, 600),
        ("door", "127.0.0.1", now - 5, 600),
        ("door", "198.51.100.202", now - 900, 600),
        ("door", "a user", now - 5, 600),
    )
    target = tmp_path / "privet.toml"
    words = ("init", "--from-fail2ban", str(folder), "--output", str(target), "--adopt-bans")

    code, out, _ = asked(*words)

    path = folder.with_name("fail2ban.sqlite3")
    assert code == 1
    assert out.endswith(
        f"{path}: 1 running ban adopted, 1 of no address left out\n  1 refused: this machine's own address\n"
    )
    assert target.exists()
    (ban,) = [ban for ban in asked.json("bans", "--reveal")["items"] if ban["origin"] == "fail2ban"]
    assert (ban["subject"], ban["jail"]) == ("198.51.100.201", "door")
    before = target.read_text()
    assert asked(*words)[0] == 1  # again: what is there is left as it is
    assert target.read_text() == before


def test_without_a_daemon_it_says_how(folder: Path, tmp_path: Path, capsys: Captured) -> None:
    database(folder, ("door", "198.51.100.201", time.time() - 5, 600))

    code = run(
        ["init", "--from-fail2ban", str(folder), "-o", str(tmp_path / "p"), "--adopt-bans", "--runtime", str(tmp_path)]
    )

    assert code == 69
    said = capsys.readouterr().err
    assert "1 running ban to be adopted; the daemon does not run yet: start it, then give the same" in said
    assert "198.51.100" not in said


def test_no_database_means_no_bans(folder: Path, tmp_path: Path, capsys: Captured) -> None:
    assert run(["init", "--from-fail2ban", str(folder), "-o", str(tmp_path / "p"), "--adopt-bans"]) == 0
    assert "no running bans" in capsys.readouterr().out
