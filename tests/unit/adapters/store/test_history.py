"""The history on the disk: added up, bounded, and begun anew when damaged."""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING

import pytest

from privet.adapters.pressure import machine_now
from privet.adapters.store.history import KEPT, History, loads_in
from privet.core.reports.history import Bans, Machine, Offence, Traffic
from privet.ports import StoreError

NOW = 1_795_345_200.0

if TYPE_CHECKING:
    from pathlib import Path

DAY = 86_400
START = 19_700 * DAY


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "history.db")


def filled(history: History, days: int) -> None:
    """Add a request each ten minutes, and a ban each day."""
    traffic = [Traffic(START + second, "blog", 1, 100, ok=1) for second in range(0, days * DAY, 600)]
    bans = [Bans(START + day * DAY, "leech", 1) for day in range(days)]
    history.add(traffic, bans, None, START + days * DAY)


def test_numbers_of_the_same_minute_are_added_up_and_peaks_kept(history: History) -> None:
    for load in (1.0, 3.0, 2.0):
        history.add([Traffic(START, "a", 2, 10, ok=2)], [Bans(START, "j", 1)], Machine(START, load, 5.0, 50.0), START)

    (row,) = history.read(START, 60)

    assert row == {
        "time": START,
        "hits": 6,
        "bytes": 30,
        "ok": 6,
        "moved": 0,
        "refused": 0,
        "failed": 0,
        "other": 0,
        "bans": 3,
        "reports": 0,
        "load": 3.0,
        "psi": 5.0,
        "memory": 50.0,
    }
    assert history.newest() == START


def test_minutes_become_hours_and_hours_become_days_without_losing_anything(history: History) -> None:
    filled(history, 120)
    now = START + 120 * DAY
    before = history.by("traffic", START)
    history.roll_up(now)
    history.roll_up(now)

    days, hours, minutes = (history.read(START, step) for step in (DAY, 3600, 60))

    assert history.by("traffic", START) == before == [{"site": "blog", "hits": 120 * 144, **NOTHING, "ok": 120 * 144}]
    assert [row["hits"] for row in days] == [144] * 120
    assert sum(row["bans"] for row in days) == 120
    assert len(minutes) == 2 * 144 + 90 * 24 + 28
    assert len(hours) == 92 * 24 + 28


NOTHING = {"bytes": 120 * 14_400, "moved": 0, "refused": 0, "failed": 0, "other": 0}


def test_the_oldest_goes(history: History) -> None:
    filled(history, 1)
    history.roll_up(START + KEPT[-1] + 2 * DAY)

    assert history.read(START, DAY) == []


def test_sites_and_jails_come_with_the_largest_first(history: History) -> None:
    history.add(
        [Traffic(START, "a", 1), Traffic(START, "b", 5)], [Bans(START, "x", 0, 9), Bans(START, "y", 2)], None, None
    )

    assert [one["site"] for one in history.by("traffic", START)] == ["b", "a"]
    assert [one["jail"] for one in history.by("bans", START)] == ["y", "x"]
    assert history.by("bans", START + 60) == []


def test_it_outlasts_a_restart_for_its_owner_alone(history: History, tmp_path: Path) -> None:
    filled(history, 1)
    history.close()

    again = History(tmp_path / "history.db")

    assert again.newest() == START + DAY
    assert len(again.read(START, 3600)) == 24
    assert (tmp_path / "history.db").stat().st_mode & 0o777 == 0o600


def test_loads_are_read_beside_a_daemon_that_has_the_file_open(history: History, tmp_path: Path) -> None:
    history.add([], [], Machine(START, 3.0, 5.0, 50.0), START)
    assert history.loads() == loads_in(tmp_path) == [(START, 3.0)]
    assert loads_in(tmp_path / "nowhere") == []


def test_a_damaged_file_is_set_aside_and_a_new_one_begun(tmp_path: Path) -> None:
    (tmp_path / "history.db").write_bytes(b"no database" * 1000)

    assert History(tmp_path / "history.db").read(0, 60) == []
    (aside,) = tmp_path.glob("history.db.corrupt-*")
    assert aside.read_bytes() == b"no database" * 1000


def test_damage_is_noticed_while_it_is_in_use(history: History, tmp_path: Path) -> None:
    filled(history, 40)
    history.close()
    file = tmp_path / "history.db"
    data = file.read_bytes()
    file.write_bytes(data[:4096] + os.urandom(len(data) - 4096))  # the schema is there, and nothing else
    filled(history, 1)

    assert len(history.read(START, 3600)) == 24
    assert len(list(tmp_path.glob("history.db.corrupt-*"))) == 1


def test_a_file_that_cannot_be_opened_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"history\.db"):
        History(tmp_path / "file" / "history.db")


def test_the_database_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "history.db") as db:
        db.execute("CREATE TABLE kept (mine TEXT)")
    with pytest.raises(StoreError, match="not one of Privet's"):
        History(tmp_path / "history.db")


def test_without_a_file_it_stays_in_memory() -> None:
    history = History(None)
    filled(history, 1)

    assert len(history.read(START, 3600)) == 24
    assert history.newest() == START + DAY


def test_the_machine_says_how_it_is(tmp_path: Path) -> None:
    (tmp_path / "pressure").mkdir()
    (tmp_path / "pressure" / "cpu").write_text(
        "some avg10=1.00 avg60=12.50 avg300=0.10 total=9\nfull avg10=0 avg60=3\n"
    )
    (tmp_path / "meminfo").write_text("MemTotal:     1000 kB\nMemFree:  1 kB\nMemAvailable:  250 kB\n")

    assert machine_now(START + 61.5, tmp_path) == Machine(START + 60, round(os.getloadavg()[0], 2), 12.5, 75.0)
    assert machine_now(START, tmp_path / "nowhere").memory == 0.0


def test_offenders_are_counted_kept_for_a_time_and_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history = History(tmp_path / "history.db")
    history.add([], [], None, None, [Offence(NOW - age, jail, who) for age, jail, who in (
        (100 * 86_400.0, "old", b"a"), (7200.0, "web", b"a"), (3600.0, "ssh", b"a"), (10.0, "web", b"b"),
    )])  # fmt: skip
    history.roll_up(NOW)

    assert history.offenders(0) == [
        {"client": b"a", "bans": 2, "jails": ["ssh", "web"], "first": NOW - 7200.0, "last": NOW - 3600.0},
        {"client": b"b", "bans": 1, "jails": ["web"], "first": NOW - 10.0, "last": NOW - 10.0},
    ]
    assert [one["client"] for one in history.offenders(NOW - 60)] == [b"b"]
    monkeypatch.setattr("privet.adapters.store.history.OFFENCES", 1)
    history.roll_up(NOW)
    assert [one["client"] for one in history.offenders(0)] == [b"b"]
    history.close()
