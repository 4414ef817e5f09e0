"""Bans by the administrator's own programs, with shell scripts that note what they are told."""

from __future__ import annotations

import json
import math
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from privet.adapters.firewall import command
from privet.adapters.firewall.command import CommandFirewall
from privet.core.addresses.address import Subject
from privet.core.bans.model import Held, Order
from privet.ports import FirewallError

if TYPE_CHECKING:
    from pathlib import Path

    from privet.ports import Firewall

ONE, TWO, NET = (Subject.parse(word) for word in ("192.0.2.1", "2001:db8::1", "192.0.2.0/24"))


class Admin:
    """Two programs, what they were told, and a clock that is set by hand."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.now = folder, 1000.0
        self.does("close")
        self.does("open")
        self.firewall = CommandFirewall((self._path("close"), "--all-ports"), (self._path("open"),), lambda: self.now)
        self.firewall.open()
        self.told("open")

    def _path(self, name: str) -> str:
        return str(self.folder / name)

    def does(self, name: str, script: str = "") -> None:
        """Say what a program does after it has noted its input."""
        path = self.folder / name
        path.write_text(f'#!/bin/sh\necho "$@" >> {path}.arguments\ncat >> {path}.lines\n{script}\n')
        path.chmod(0o700)

    def told(self, name: str) -> list[dict[str, Any]]:
        """Return what a program was told since the last time."""
        path = self.folder / f"{name}.lines"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return [json.loads(line) for line in lines]

    def said(self, name: str) -> list[str]:
        """Return the subjects only."""
        return [line["subject"] for line in self.told(name)]


@pytest.fixture
def admin(tmp_path: Path) -> Admin:
    return Admin(tmp_path)


def line(subject: str, version: int, protocol: str | None = None, port: int | None = None) -> dict[str, Any]:
    return {"subject": subject, "version": version, "protocol": protocol, "port": port}


def test_the_programs_get_json_lines_and_only_their_own_arguments(admin: Admin) -> None:
    firewall: Firewall = admin.firewall
    assert (
        firewall.apply([Order(ONE, 60.0), Order(TWO, math.inf), Order(NET, 9.5, service="tcp/22"), Order(NET, None)])
        == [None] * 4
    )
    assert admin.told("close") == [
        line("192.0.2.1", 4) | {"seconds": 60.0},
        line("2001:db8::/64", 6) | {"seconds": None},
        line("192.0.2.0/24", 4, "tcp", 22) | {"seconds": 9.5},
    ]
    assert admin.told("open") == []  # it was not closed
    assert firewall.apply([Order(NET, None, service="tcp/22"), Order(ONE, 70.0, known=True)]) == [None] * 2
    assert admin.told("open") == [line("192.0.2.0/24", 4, "tcp", 22)]
    assert admin.told("close") == [line("192.0.2.1", 4) | {"seconds": 70.0}]
    assert set(firewall.held()) == {Held(ONE, 70.0), Held(TWO, None)}
    assert set((admin.folder / "close.arguments").read_text().split("\n")) == {"--all-ports", ""}
    assert set((admin.folder / "open.arguments").read_text().split("\n")) == {""}


def test_a_start_opens_what_nobody_knows_of_any_more(admin: Admin) -> None:
    admin.firewall.apply([Order(ONE, 60.0)])
    again = CommandFirewall([str(admin.folder / "close")], [str(admin.folder / "open")], lambda: 0.0)
    again.open()
    assert admin.told("open") == [{"all": True}]
    assert list(again.held()) == []


def test_a_ban_that_is_over_is_opened_once(admin: Admin) -> None:
    admin.firewall.apply([Order(ONE, 60.0), Order(TWO, 90.0)])
    admin.now += 59
    assert not admin.firewall.repair()
    assert admin.said("open") == []
    admin.now += 1
    admin.firewall.repair()
    admin.firewall.repair()
    assert admin.said("open") == ["192.0.2.1"]
    assert list(admin.firewall.held()) == [Held(TWO, 30.0)]


def test_failures_are_told_for_each_order(admin: Admin) -> None:
    admin.does("close", "echo 192.0.2.7 is no good; echo 2; echo ' 4 '; echo 9; exit 1")
    subjects = [Subject(bytes([192, 0, 2, number]), 32) for number in range(5)]
    answers = admin.firewall.apply([Order(subject, 60.0) for subject in subjects])
    assert answers == [None, "close refused it", None, "close refused it", None]
    assert [ban.subject for ban in admin.firewall.held()] == [subjects[0], subjects[2], subjects[4]]
    admin.does("open", "echo 1; exit 3")
    assert admin.firewall.apply([Order(subjects[0], None), Order(subjects[2], None)]) == ["open refused it", None]
    assert [ban.subject for ban in admin.firewall.held()] == [subjects[0], subjects[4]]


def test_what_could_not_be_opened_is_tried_again(admin: Admin) -> None:
    admin.firewall.apply([Order(ONE, 60.0)])
    admin.now += 60
    admin.does("open", "echo 1; exit 1")
    for _ in range(2):
        with pytest.raises(FirewallError, match="open refused it") as caught:
            admin.firewall.repair()
        assert caught.value.transient
    assert admin.said("open") == ["192.0.2.1"] * 2
    admin.does("open")
    admin.firewall.repair()
    admin.firewall.repair()
    assert admin.said("open") == ["192.0.2.1"]


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        ("exit 1", "failed without naming a line"),
        ("echo 0; echo 2; echo -1; echo 1x; exit 1", "failed without naming a line"),
        ("kill -9 $$", "failed without naming a line"),
        ("sleep 20", "did not end within"),
    ],
)
def test_a_program_that_fails_as_a_whole_did_nothing(
    admin: Admin, monkeypatch: pytest.MonkeyPatch, script: str, complaint: str
) -> None:
    monkeypatch.setattr(command, "_WITHIN", 0.3)
    admin.does("close", script)
    start = time.monotonic()
    with pytest.raises(FirewallError, match=complaint) as caught:
        admin.firewall.apply([Order(ONE, 60.0)])
    assert caught.value.transient
    assert "192.0.2" not in str(caught.value)
    assert time.monotonic() - start < 5
    assert list(admin.firewall.held()) == []


def test_what_was_done_before_a_failure_is_told(admin: Admin) -> None:
    admin.firewall.apply([Order(TWO, 60.0)])
    admin.does("open", "exit 1")
    done, failed = admin.firewall.apply([Order(ONE, 60.0), Order(TWO, None)])
    assert done is None
    assert failed
    assert "failed without naming a line" in failed
    assert {ban.subject for ban in admin.firewall.held()} == {ONE, TWO}


def test_a_hanging_program_is_ended_with_all_that_it_started(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_WITHIN", 0.3)
    admin.does("close", f"sleep 30 & echo $! > {admin.folder}/child; wait")
    with pytest.raises(FirewallError):
        admin.firewall.apply([Order(ONE, 60.0)])
    child = int((admin.folder / "child").read_text())
    for _ in range(50):
        if not os.path.exists(f"/proc/{child}/exe"):  # noqa: PTH110  a zombie that nobody waits for has none either
            break
        time.sleep(0.02)
    else:
        pytest.fail("it lives on")


def test_a_talkative_program_fills_no_memory(admin: Admin) -> None:
    admin.does("close", "yes 1 | head -c 10000000; yes x | head -c 1000000 >&2; exit 1")
    assert admin.firewall.apply([Order(ONE, 60.0), Order(TWO, 60.0)]) == ["close refused it", None]


def test_many_are_told_in_pieces(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_LINES", 40)
    subjects = [Subject(bytes([192, 0, 2, number]), 32) for number in range(100)]
    admin.does("close", "echo 3; exit 1")
    answers = admin.firewall.apply([Order(subject, 60.0) for subject in subjects])
    assert [number for number, answer in enumerate(answers) if answer] == [2, 42, 82]
    assert len(admin.said("close")) == 100


def test_a_missing_program_is_permanent(tmp_path: Path) -> None:
    firewall = CommandFirewall((str(tmp_path / "close"),), (str(tmp_path / "open"),), time.monotonic)
    for call in (firewall.open, firewall.remove):
        with pytest.raises(FirewallError) as caught:
            call()
        assert not caught.value.transient


def test_the_allow_set_wins(admin: Admin) -> None:
    admin.firewall.apply([Order(NET, 60.0), Order(TWO, 60.0)])
    admin.firewall.allow([ONE])
    assert admin.said("open") == ["192.0.2.0/24"]
    assert admin.firewall.apply([Order(ONE, 60.0)]) == [None]
    assert admin.said("close") == ["192.0.2.0/24", "2001:db8::/64"]
    admin.now += 10
    admin.firewall.allow([])
    assert admin.told("close") == [
        line("192.0.2.0/24", 4) | {"seconds": 50.0},
        line("192.0.2.1", 4) | {"seconds": 50.0},
    ]


def test_a_pause_opens_and_ends(admin: Admin) -> None:
    admin.firewall.apply([Order(ONE, 60.0), Order(TWO, 15.0)])
    admin.said("close")
    admin.firewall.pause(20.0)
    assert sorted(admin.said("open")) == ["192.0.2.1", "2001:db8::/64"]
    assert admin.firewall.apply([Order(NET, 60.0)]) == [None]
    admin.now += 19
    admin.firewall.repair()
    assert (admin.firewall.paused(), admin.told("close")) == (1, [])
    admin.now += 1
    admin.firewall.repair()
    assert sorted(admin.said("close")) == ["192.0.2.0/24", "192.0.2.1"]
    admin.firewall.pause(20.0)
    admin.firewall.resume()
    assert sorted(admin.said("close")) == ["192.0.2.0/24", "192.0.2.1"]
    assert admin.firewall.paused() == 0


def test_remove_opens_everything_without_knowing_it(admin: Admin) -> None:
    admin.firewall.apply([Order(ONE, 60.0)])
    admin.firewall.remove()
    assert admin.told("open") == [{"all": True}]
    assert list(admin.firewall.held()) == []


def test_it_shows_the_programs_and_no_address(admin: Admin) -> None:
    admin.firewall.apply([Order(ONE, 60.0)])
    assert admin.firewall.show() == f"# bans are carried out by {admin.folder}/close, lifted by {admin.folder}/open\n"
    assert (admin.firewall.watch(), admin.firewall.seen(), admin.firewall.counters()) == (None, False, {})  # type: ignore[func-returns-value]


def test_the_programs_inherit_nothing(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/systemd/notify")
    admin.does(
        "close", f"env > {admin.folder}/env; pwd > {admin.folder}/cwd; ls /proc/self/fd > {admin.folder}/open-files"
    )
    with (admin.folder / "other").open("w") as other:
        descriptor = os.dup2(other.fileno(), 99)  # which programs would inherit
        admin.firewall.apply([Order(ONE, 60.0)])
        os.close(descriptor)
    names = {word.partition("=")[0] for word in (admin.folder / "env").read_text().split()}
    assert names <= {"PATH", "LC_ALL", "PWD", "OLDPWD", "SHLVL", "_"}
    assert (admin.folder / "cwd").read_text() == "/\n"
    assert len((admin.folder / "open-files").read_text().split()) == 4  # three, and the folder that is listed


def test_the_addresses_reach_no_disk(admin: Admin) -> None:
    admin.does("close", f"names=$(readlink /proc/$$/fd/0 /proc/$$/fd/1); echo $names > {admin.folder}/names")
    admin.firewall.apply([Order(ONE, 60.0)])
    assert (admin.folder / "names").read_text().split() == ["/memfd:lines", "(deleted)", "/memfd:said", "(deleted)"]
