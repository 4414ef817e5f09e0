"""Running bans are read from a database as fail2ban makes it, and nothing is written."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from privet.adapters.fail2ban_db import RunningBan, running_bans
from privet.core.addresses.address import Subject
from privet.ports import SourceError

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_000_000.0

Row = tuple[object, str, float, float, int]


def database(path: Path, *rows: Row) -> Path:
    """Make a database with these rows of address, jail, begin, length and count."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "CREATE TABLE bips(ip TEXT NOT NULL, jail TEXT NOT NULL, timeofban INTEGER NOT NULL, "
            "bantime INTEGER NOT NULL, bancount INTEGER NOT NULL default 1, data JSON, PRIMARY KEY(ip, jail))"
        )
        connection.executemany("INSERT INTO bips VALUES (?, ?, ?, ?, ?, '{}')", rows)
    return path


def test_bans_that_run(tmp_path: Path) -> None:
    path = database(
        tmp_path / "fail2ban.sqlite3",
        ("192.0.2.1", "sshd", NOW - 100, 600, 1),
        ("2001:db8::1", "sshd", NOW - 200, 600, 3),
        ("198.51.100.0/24", "recidive", NOW - 300, -1, 2),
    )

    found = running_bans(path, NOW)

    assert found.skipped == 0
    assert found.bans == (
        RunningBan("recidive", Subject.parse("198.51.100.0/24"), NOW - 300, None, 2),
        RunningBan("sshd", Subject.parse("2001:db8::1"), NOW - 200, NOW + 400, 3),
        RunningBan("sshd", Subject.parse("192.0.2.1"), NOW - 100, NOW + 500, 1),
    )


def test_bans_that_ended_are_left(tmp_path: Path) -> None:
    path = database(tmp_path / "db", ("192.0.2.1", "sshd", NOW - 600, 600, 1), ("192.0.2.2", "sshd", NOW - 600, 601, 1))

    assert [ban.until for ban in running_bans(path, NOW).bans] == [NOW + 1]


def test_what_is_no_address_is_counted(tmp_path: Path) -> None:
    path = database(
        tmp_path / "db", ("alice", "sshd", NOW, 9, 1), (b"\xff\x00", "sshd", NOW, 9, 1), ("192.0.2.2", "a", NOW, 9, 1)
    )

    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO bips VALUES (CAST(X'C328' AS TEXT), 'sshd', ?, 9, 1, '')", (NOW,))

    assert (len(running_bans(path, NOW).bans), running_bans(path, NOW).skipped) == (1, 3)


def test_a_running_server_is_not_disturbed(tmp_path: Path) -> None:
    path = database(tmp_path / "db ?#%41", ("192.0.2.1", "sshd", NOW, 600, 1))
    path.chmod(0o400)
    before = path.read_bytes()
    with closing(sqlite3.connect(path)) as server:
        server.execute("PRAGMA journal_mode = MEMORY")
        server.execute("SELECT * FROM bips").fetchone()

        assert len(running_bans(path, NOW).bans) == 1

    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_server_that_writes_all_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("privet.adapters.fail2ban_db._PATIENCE", 0.05)
    path = database(tmp_path / "db", ("192.0.2.1", "sshd", NOW, 600, 1))
    with closing(sqlite3.connect(path)) as server:
        server.execute("BEGIN EXCLUSIVE")

        with pytest.raises(SourceError) as caught:
            running_bans(path, NOW)

    assert caught.value.transient


@pytest.mark.parametrize("content", [None, b"", b"no database at all, but long enough to be read as one" * 20])
def test_no_database(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "db"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(SourceError, match=f"^{path}: ") as caught:
        running_bans(path, NOW)

    assert not caught.value.transient
    assert path.exists() == (content is not None)


def test_no_address_shows(tmp_path: Path) -> None:
    path = database(tmp_path / "db", ("192.0.2.1", "sshd", NOW, 600, 1))

    assert "192.0.2" not in repr(running_bans(path, NOW))


@pytest.mark.parametrize("ends", ["while it runs", "in the middle of a write", "well"])
def test_a_server_with_a_write_ahead_log(tmp_path: Path, ends: str) -> None:
    path = database(tmp_path / "fail2ban.sqlite3")
    with closing(sqlite3.connect(path, isolation_level=None)) as server:
        server.execute("PRAGMA journal_mode = WAL")
        server.execute("INSERT INTO bips VALUES ('192.0.2.1', 'sshd', ?, 600, 1, '{}')", (NOW - 100,))
        if ends == "in the middle of a write":
            server.execute("BEGIN IMMEDIATE")
            server.execute("INSERT INTO bips VALUES ('192.0.2.2', 'sshd', ?, 600, 1, '{}')", (NOW - 100,))
        elif ends == "well":
            server.close()
        assert [ban.subject for ban in running_bans(path, NOW).bans] == [Subject.parse("192.0.2.1")]


def test_what_is_no_time_is_counted(tmp_path: Path) -> None:
    path = database(tmp_path / "fail2ban.sqlite3", ("192.0.2.1", "sshd", "soon", -1, 1))  # type: ignore[arg-type]
    assert running_bans(path, NOW).skipped == 1
