"""The deny list on a tmpfs; real web servers look into it in tests/e2e/test_denylist.py."""

from __future__ import annotations

import grp
import os
import shutil
import stat
from typing import TYPE_CHECKING

import pytest

from privet.adapters import denylist
from privet.adapters.daykeys import filesystem_of
from privet.adapters.denylist import DenyList
from privet.core.addresses.address import Subject
from privet.core.bans.model import Held, Order
from privet.core.plurals import counted
from privet.ports import FirewallError

if TYPE_CHECKING:
    from pathlib import Path

    from privet.ports import Firewall

GROUP = grp.getgrgid(os.getegid()).gr_name
V4, NET, V6 = Subject.parse("203.0.113.7"), Subject.parse("203.0.113.0/24"), Subject.parse("2001:db8:0:1::5")


class Clock:
    """A clock that is set by hand."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def folder(runtime: Path) -> Path:
    runtime.mkdir()
    return runtime / "deny"


def made(folder: Path, clock: Clock, group: str = GROUP) -> DenyList:
    """Return a deny list that is open."""
    one = DenyList(folder, group, clock, filesystem_of)
    one.open()
    return one


def names(folder: Path) -> set[str]:
    """Return the files of the list."""
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("subject", "files"),
    [
        ("203.0.113.7", {"203.0.113.7"}),
        ("203.0.113.0/24", {"203.0.113"}),
        ("203.0.112.0/22", {f"203.0.{n}" for n in range(112, 116)}),
        ("203.0.0.0/16", {f"203.0.{n}" for n in range(256)}),
        ("203.0.113.4/30", {f"203.0.113.{n}" for n in range(4, 8)}),
        ("2001:db8:0:1::5", {"2001:db8:0:1"}),
        ("2001:db8::5", {"2001:db8:0:0"}),
        ("2001:db8::/48", {"2001:db8:0"}),
        ("2001:db8::/47", {"2001:db8:0", "2001:db8:1"}),
        ("2001:db8:0:100::/62", {f"2001:db8:0:10{n}" for n in range(4)}),
        ("2001:db8:0:100::/56", {f"2001:db8:0:1{n:02x}" for n in range(256)}),
    ],
)
def test_files_are_called_like_the_beginning_of_an_address(
    folder: Path, clock: Clock, subject: str, files: set[str]
) -> None:
    ban = Subject.parse(subject)
    one: Firewall = made(folder, clock)
    assert one.apply([Order(ban, 60.0)]) == [None]
    assert names(folder) == files
    assert list(one.held()) == [Held(ban, 60.0)]
    assert list(made(folder, clock).held()) == [Held(ban, 60.0)]
    assert one.show() == f"# {folder}: {counted(len(files), 'file')}\n"
    assert one.apply([Order(ban, None, known=True)]) == [None]
    assert names(folder) == set()
    assert list(one.held()) == []


@pytest.mark.parametrize("subject", ["203.0.0.0/15", "0.0.0.0/0", "2001:db8::/39", "2001:db8::/49", "2001:db8::5/128"])
def test_what_servers_cannot_cut_out_is_answered_and_loses_nobody_else(
    folder: Path, clock: Clock, subject: str
) -> None:
    one = made(folder, clock)
    answers = one.apply([Order(V4, 60.0), Order(Subject.parse(subject), 60.0), Order(V6, 60.0)])
    assert [answer is None for answer in answers] == [True, False, True]
    assert names(folder) == {"203.0.113.7", "2001:db8:0:1"}


def test_bans_end_at_their_second(folder: Path, clock: Clock) -> None:
    one = made(folder, clock)
    one.apply([Order(V4, 10.0), Order(V6, 20.5)])
    clock.now += 9.9
    assert not one.repair()
    assert names(folder) == {"203.0.113.7", "2001:db8:0:1"}
    clock.now += 0.1
    assert not one.repair()
    assert names(folder) == {"2001:db8:0:1"}
    assert list(one.held()) == [Held(V6, 11.0)]  # whole seconds, never too early
    clock.now += 11
    assert not one.repair()
    assert names(folder) == set()


def test_a_ban_can_be_made_longer_and_shorter(folder: Path, clock: Clock) -> None:
    one = made(folder, clock)
    one.apply([Order(V4, 10.0)])
    one.apply([Order(V4, 100.0, known=True)])
    clock.now += 50
    one.repair()
    assert list(made(folder, clock).held()) == [Held(V4, 50.0)]
    one.apply([Order(V4, 5.0, known=True)])
    clock.now += 5
    one.repair()
    assert names(folder) == set()


def test_prefixes_that_share_a_file_do_not_open_each_other(folder: Path, clock: Clock) -> None:
    one, wide = made(folder, clock), Subject.parse("203.0.112.0/23")
    one.apply([Order(NET, 60.0), Order(wide, 30.0), Order(V4, 90.0)])
    assert names(folder) == {"203.0.112", "203.0.113", "203.0.113.7"}
    clock.now += 30
    one.repair()
    assert names(folder) == {"203.0.113", "203.0.113.7"}
    one.apply([Order(wide, 100.0), Order(NET, None, known=True)])
    assert names(folder) == {"203.0.112", "203.0.113", "203.0.113.7"}
    assert {held.subject for held in made(folder, clock).held()} == {wide, V4}


def test_who_was_over_while_no_daemon_ran_is_let_in_at_the_start(folder: Path, clock: Clock) -> None:
    made(folder, clock).apply([Order(V4, 10.0), Order(V6, 60.0)])
    clock.now += 30
    assert list(made(folder, clock).held()) == [Held(V6, 30.0)]
    assert names(folder) == {"2001:db8:0:1"}


def test_a_ban_for_good(folder: Path, clock: Clock) -> None:
    one = made(folder, clock)
    assert one.apply([Order(V4, float("inf"))]) == [None]
    assert list(one.held()) == list(made(folder, clock).held()) == [Held(V4, None)]


def test_others_cannot_look_and_the_group_cannot_list(folder: Path, clock: Clock) -> None:
    one = made(folder, clock)
    assert not folder.exists()
    one.apply([Order(V4, 60.0)])
    assert stat.S_IMODE(folder.stat().st_mode) == 0o710
    assert stat.S_IMODE((folder / "203.0.113.7").stat().st_mode) == 0o600
    assert (folder / "203.0.113.7").stat().st_size == 0


@pytest.mark.needs("root")
def test_the_folder_belongs_to_the_servers_group(folder: Path, clock: Clock) -> None:
    group = next(one for one in grp.getgrall() if one.gr_gid != os.getegid())
    made(folder, clock, group.gr_name).apply([Order(V4, 60.0)])
    assert folder.stat().st_gid == group.gr_gid


def test_a_missing_group_matters_only_with_a_ban(folder: Path, clock: Clock) -> None:
    one = made(folder, clock, "no-such-group")
    assert not one.repair()
    with pytest.raises(FirewallError, match="no group no-such-group: name the web server's own"):
        one.apply([Order(V4, 60.0)])
    assert not folder.exists()


def test_addresses_stay_off_the_disk(folder: Path, clock: Clock) -> None:
    one = DenyList(folder, GROUP, clock, lambda _: "ext4")
    one.open()
    assert not one.repair()
    with pytest.raises(FirewallError, match="not on tmpfs"):
        one.apply([Order(V4, 60.0)])
    with pytest.raises(FirewallError, match="not on tmpfs"):
        one.pause(60.0)
    assert not folder.exists()


def test_what_somebody_took_away_is_told_once(folder: Path, clock: Clock) -> None:
    one = made(folder, clock)
    one.apply([Order(V4, 60.0), Order(V6, 60.0)])
    (folder / "203.0.113.7").unlink()
    assert one.repair()
    assert not one.repair()
    assert one.apply([Order(V4, 60.0), Order(V6, 60.0)]) == [None, None]
    assert names(folder) == {"203.0.113.7", "2001:db8:0:1"}
    one.remove()
    assert not folder.exists()
    one.open()
    one.apply([Order(V4, 60.0)])
    (folder / "203.0.113.7").unlink()
    folder.rmdir()
    assert one.repair()
    assert not one.repair()
    assert one.apply([Order(V4, 60.0)]) == [None]
    (folder / "somebody-elses").touch()
    assert not one.repair()


def test_those_who_are_allowed_come_in_whatever_is_banned(folder: Path, clock: Clock) -> None:
    one = made(folder, clock)
    one.apply([Order(V4, 60.0), Order(V6, 60.0)])
    one.allow([Subject.parse("203.0.113.0/28")])
    assert names(folder) == {"2001:db8:0:1"}
    assert one.apply([Order(NET, 60.0)]) == [None]
    assert names(folder) == {"2001:db8:0:1"}
    assert not one.repair()
    assert {held.subject for held in one.held()} == {V4, V6, NET}
    one.allow([])
    assert names(folder) == {"2001:db8:0:1", "203.0.113.7", "203.0.113"}
    assert not one.repair()


def test_a_pause_lets_everybody_in_for_a_while(folder: Path, clock: Clock) -> None:
    one = made(folder, clock)
    one.apply([Order(V4, 60.0)])
    one.pause(30.0)
    assert one.paused() == 30.0
    assert not folder.exists()
    assert one.apply([Order(V6, 60.0)]) == [None]
    clock.now += 20
    assert not one.repair()
    assert not folder.exists()
    one.pause(20.0)
    clock.now += 19
    again = made(folder, clock)  # a new daemon
    assert again.paused() == 1.0
    assert {held.subject for held in again.held()} == {V4, V6}
    clock.now += 1
    assert not again.repair()
    assert again.paused() == 0.0
    assert names(folder) == {"203.0.113.7", "2001:db8:0:1"}
    again.pause(60.0)
    again.resume()
    again.resume()
    assert names(folder) == {"203.0.113.7", "2001:db8:0:1"}
    again.pause(60.0)
    again.remove()
    assert list(folder.parent.iterdir()) == []


def test_it_is_bounded(folder: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(denylist, "MOST", 3)
    one = made(folder, clock)
    nets = [Subject.parse(f"203.0.113.{n}") for n in range(4)]
    answers = one.apply([Order(net, 60.0) for net in nets])
    assert [answer is None for answer in answers] == [True, True, True, False]
    assert one.apply([Order(nets[0], 90.0, known=True)]) == [None]
    assert one.apply([Order(nets[1], None, known=True), Order(nets[3], 60.0)]) == [None, None]


def test_a_failing_file_system_is_told_without_an_address(folder: Path, clock: Clock) -> None:
    one = made(folder, clock)
    (folder / "203.0.113.7").mkdir(parents=True)
    (answer,) = one.apply([Order(V4, 60.0), Order(V4, None)])[1:]
    assert answer
    assert "203" not in answer
    assert "folder" not in repr(answer)


def test_foreign_files_are_nobody(folder: Path, clock: Clock) -> None:
    folder.mkdir()
    for name in ("none", "203.0", "203.0.113.07", "2001:db8", "2001:DB8:0:1", "1.2.3.4.5", "a", ":::", "300.1.1.1"):
        (folder / name).touch()
    assert list(made(folder, clock).held()) == []


def test_who_may_not_read_is_told(folder: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    made(folder, clock).apply([Order(V4, 60.0)])

    def forbidden(*_: object) -> None:
        raise PermissionError(13, "Permission denied", str(folder / "203.0.113.7"))

    monkeypatch.setattr(os, "scandir", forbidden)
    monkeypatch.setattr(shutil, "rmtree", forbidden)
    one = DenyList(folder, GROUP, clock, filesystem_of)
    for what in (one.open, one.remove):
        with pytest.raises(FirewallError, match="Permission denied") as error:
            what()
        assert "203" not in str(error.value)


def test_the_folder_appears_when_the_server_may_look_into_it(
    folder: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    there: list[bool] = []
    chmod = type(folder).chmod

    def watched(self: Path, mode: int) -> None:
        there.append(folder.exists())
        chmod(self, mode)

    monkeypatch.setattr(type(folder), "chmod", watched)
    made(folder, clock).apply([Order(V4, 60.0)])

    assert there == [False]
    assert folder.exists()


def test_a_folder_from_a_pause_is_ready_when_it_comes_back(folder: Path, clock: Clock) -> None:
    one = made(folder, clock)
    one.pause(60.0)
    assert not folder.exists()
    one.resume()

    assert stat.S_IMODE(folder.stat().st_mode) == 0o710
