"""The schema is brought up to date step by step; what is damaged is set aside, never deleted."""

from __future__ import annotations

import random
import sqlite3
import stat
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from privet.adapters.store import database
from privet.adapters.store.database import MOST_SET_ASIDE, STEPS
from privet.adapters.store.rows import BANS
from privet.adapters.store.sqlite import SqliteStore
from privet.core.addresses.address import Subject
from privet.core.bans.model import Ban
from privet.ports import StoreError
from tests.unit.adapters.store.examples import NOW, ban, bans, by_subject

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from privet.adapters.store.ring import Buckets

PAGE = 4096


def version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def aside(path: Path) -> list[Path]:
    """Return the databases that were set aside, without what belongs to them."""
    return sorted(path.parent.glob("*.corrupt-*[0-9]"))


# Migrations


def test_a_fresh_file_is_of_the_latest_version(path: Path) -> None:
    with closing(database.connect(path)) as db:
        assert version(db) == len(STEPS)
        database.migrate(path, db)
        assert version(db) == len(STEPS)


def test_an_empty_file_is_a_fresh_one(path: Path, store: SqliteStore[Ban]) -> None:
    path.parent.mkdir()
    path.touch()
    store.put([ban(1)])

    assert (store.size(), store.losses) == (1, 0)


def test_a_later_step_is_taken_once_and_keeps_the_rows(path: Path, store: SqliteStore[Ban]) -> None:
    store.put(bans(5))
    store.close()
    steps = (*STEPS, ("ALTER TABLE kept ADD COLUMN later INTEGER NOT NULL DEFAULT 7", "CREATE TABLE more (a)"))
    with closing(database.connect(path)) as db:
        assert version(db) == len(STEPS)
        database.migrate(path, db, steps)
        database.migrate(path, db, steps)

        assert version(db) == len(steps)
        assert db.execute("SELECT count(*), sum(later) FROM kept").fetchone() == (5, 35)


def test_a_step_is_taken_whole_or_not_at_all(path: Path, store: SqliteStore[Ban]) -> None:
    store.put(bans(5))
    store.close()
    with closing(database.connect(path)) as db:
        with pytest.raises(sqlite3.OperationalError):
            database.migrate(path, db, (*STEPS, ("CREATE TABLE more (a)", "CREATE TABLE more (a)")))
        assert version(db) == len(STEPS)
        assert not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'more'").fetchall()

    assert by_subject(store.load(NOW)) == by_subject(bans(5))


def test_what_a_newer_version_wrote_is_left_alone(path: Path, store: SqliteStore[Ban]) -> None:
    store.put(bans(5))
    store.close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")
    before = path.read_bytes()

    for call in (store.open, lambda: store.load(NOW), lambda: store.put([ban(7)]), store.close):
        with pytest.raises(StoreError, match=r"version 99 of the store, this one knows 2.*update Privet") as caught:
            call()
        assert not caught.value.transient

    assert path.read_bytes() == before
    assert "update Privet" in str(store.complaint)
    path.rename(path.with_name("moved"))  # as the complaint says
    store.open()
    assert (store.size(), store.complaint) == (1, None)


def test_a_database_of_something_else_is_left_alone(path: Path, store: SqliteStore[Ban]) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE music (title TEXT)")

    with pytest.raises(StoreError, match="not one of Privet's") as caught:
        store.open()

    assert not caught.value.transient
    assert aside(path) == []


# Damage


def noise(path: Path) -> None:
    path.write_bytes(random.Random(1).randbytes(5 * PAGE))


def cut_to_a_header(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:50])


def cut_to_a_page(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:PAGE])


def text(path: Path) -> None:
    path.write_text("not a database\n" * 100)


def no_table(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DROP TABLE kept")


@pytest.mark.parametrize("damage", [noise, cut_to_a_header, cut_to_a_page, text, no_table])
@pytest.mark.parametrize("first", ["load", "put", "drop", "expire", "size"])
def test_a_damaged_file_is_set_aside_and_a_fresh_one_begun(
    path: Path, buckets: Buckets, damage: Callable[[Path], None], first: str
) -> None:
    with closing(SqliteStore(path, buckets, BANS)) as store:
        store.put(bans(100))
    damage(path)
    damaged = path.read_bytes()

    with closing(SqliteStore(path, buckets, BANS)) as store:
        calls: dict[str, Callable[[], object]] = {
            "load": lambda: store.load(NOW),
            "put": lambda: store.put([ban(500)]),
            "drop": lambda: store.drop([ban(500)]),
            "expire": lambda: store.expire(NOW),
            "size": store.size,
        }
        calls[first]()
        store.put([ban(501)])
        assert ban(501) in store.load(NOW)
        assert store.losses == 1
        (kept,) = aside(path)
        assert store.complaint == (
            f"{path}: was damaged, and is set aside as {kept.name}: remove that once you have looked at it"
        )

    assert kept.read_bytes() == damaged
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_what_stands_before_the_damage_is_saved(path: Path, buckets: Buckets) -> None:
    many = bans(600)
    with closing(SqliteStore(path, buckets, BANS)) as store:
        store.put(many)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2 // PAGE * PAGE
    content[middle : middle + 10 * PAGE] = random.Random(1).randbytes(10 * PAGE)
    path.write_bytes(content)

    with closing(SqliteStore(path, buckets, BANS)) as store:
        found = store.load(NOW)
        assert 50 < len(found) < 600
        assert all(one in many for one in found)
        assert store.losses == 1

    with closing(SqliteStore(path, buckets, BANS)) as store:
        assert by_subject(store.load(NOW)) == by_subject(found)


def test_damage_met_in_the_middle_of_the_work_is_a_loss_too(path: Path, buckets: Buckets) -> None:
    many = [Ban(Subject(number.to_bytes(4), 32), "ssh", NOW, NOW + 1, 1, "jail") for number in range(12_000)]
    with closing(SqliteStore(path, buckets, BANS)) as store:
        store.put(many)  # more than SQLite has in memory
        size = path.stat().st_size
        path.write_bytes(random.Random(1).randbytes(size))
        store.put(many[:9000])
        assert store.losses == 1
        store.put(many)

        assert by_subject(store.load(NOW)) == many
        assert store.losses == 1


def test_each_one_that_is_set_aside_has_a_name_of_its_own(path: Path, buckets: Buckets) -> None:
    for _ in range(MOST_SET_ASIDE):
        with closing(SqliteStore(path, buckets, BANS)) as store:
            store.put([ban(1)])
        noise(path)
        with closing(SqliteStore(path, buckets, BANS)) as store:
            store.open()
            assert store.losses == 1

    assert len(aside(path)) == MOST_SET_ASIDE


def test_there_is_an_end_to_setting_aside(path: Path, buckets: Buckets) -> None:
    path.parent.mkdir()
    for number in range(MOST_SET_ASIDE):
        path.with_name(f"bans.db.corrupt-20260101-00000{number}").touch()
    noise(path)

    store = SqliteStore(path, buckets, BANS)
    with pytest.raises(StoreError, match=r"check the disk, then remove .*corrupt-\*") as caught:
        store.put([ban(1)])

    assert not caught.value.transient
    assert "check the disk" in str(store.complaint)
    assert len(aside(path)) == MOST_SET_ASIDE
    for one in aside(path):
        one.unlink()
    store.open()
    assert (store.size(), store.losses) == (1, 1)
    store.close()
