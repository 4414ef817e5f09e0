"""Bans in a file outlast a restart, cannot be tampered with, and leave no address and no remnant."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from privet.adapters.store import sqlite
from privet.adapters.store.ring import Buckets, Ring
from privet.adapters.store.rows import BANS, open_row
from privet.adapters.store.sqlite import BATCH, SqliteStore
from privet.core.addresses.address import Subject
from privet.core.bans.model import Ban
from privet.ports import StoreError
from tests.privacy.search import leaks
from tests.unit.adapters.store.examples import HOUR, NOW, ban, bans, by_subject, for_good

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from privet.adapters.store.rows import Form, Row
    from privet.ports import Seal


def again(store: SqliteStore[Ban], buckets: Buckets) -> SqliteStore[Ban]:
    """Return the same store after a restart."""
    store.close()
    return SqliteStore(store.path, buckets, BANS)


def edit(path: Path, *statements: str) -> None:
    """Change a database by hand."""
    with closing(sqlite3.connect(path)) as db, db:
        for statement in statements:
            assert db.execute(statement).rowcount > 0


def names(path: Path) -> set[str]:
    """Return what stands beside a database."""
    return {one.name for one in path.parent.iterdir()}


def clear(found: list[Ban]) -> list[str]:
    """Return the addresses of bans."""
    return [one.subject.reveal().partition("/")[0] for one in found]


# Restart


def test_bans_outlast_a_restart(store: SqliteStore[Ban], buckets: Buckets) -> None:
    store.put([*bans(20), for_good(20)])
    store.put([ban(3, hours=7)])
    store.drop([ban(4)])
    store.expire(NOW)
    expected = by_subject(store.load(NOW))

    store = again(store, buckets)

    assert by_subject(store.load(NOW)) == expected
    assert len(expected) == 20
    store.close()


def test_it_needs_no_opening(store: SqliteStore[Ban]) -> None:
    store.put([ban(1)])

    assert store.load(NOW) == [ban(1)]


def test_it_can_be_used_after_it_was_closed(store: SqliteStore[Ban]) -> None:
    store.put([ban(1)])
    store.close()
    store.close()
    store.put([ban(2)])

    assert store.size() == 2


def test_closing_what_was_never_opened_makes_no_file(store: SqliteStore[Ban]) -> None:
    store.close()

    assert not store.path.exists()


def test_closed_there_is_one_file_with_everything_in_it(store: SqliteStore[Ban]) -> None:
    store.put(bans(9))
    store.close()

    assert names(store.path) == {"bans.db"}


def test_many_are_stored_in_several_transactions(store: SqliteStore[Ban], buckets: Buckets) -> None:
    many = [Ban(Subject(number.to_bytes(4), 32), "ssh", NOW, NOW + HOUR, 1, "jail") for number in range(2 * BATCH + 1)]
    store.put(many)
    assert store.size() == 2 * BATCH + 1
    store.drop(many[: BATCH + 1])
    assert store.size() == BATCH

    store = again(store, buckets)

    assert store.load(NOW) == many[BATCH + 1 :]
    store.close()


# Who can read it


def test_files_are_for_their_owner_alone(store: SqliteStore[Ban]) -> None:
    old = os.umask(0)
    try:
        store.put(bans(9))
    finally:
        os.umask(old)

    assert names(store.path) == {"bans.db", "bans.db-wal"}
    assert {stat.S_IMODE(one.stat().st_mode) for one in store.path.parent.iterdir()} == {0o600}
    assert stat.S_IMODE(store.path.parent.stat().st_mode) == 0o700


def test_a_file_that_others_could_read_is_closed_to_them(store: SqliteStore[Ban], buckets: Buckets) -> None:
    store.put(bans(9))
    store.close()
    store.path.chmod(0o644)

    store = again(store, buckets)
    store.put([ban(10)])

    assert {stat.S_IMODE(one.stat().st_mode) for one in store.path.parent.iterdir()} == {0o600}
    store.close()


def test_the_search_finds_what_is_stored_in_the_clear(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "clear.db")) as db, db:
        db.execute("CREATE TABLE kept (packed BLOB, text TEXT)")
        for one in bans(20):
            db.execute("INSERT INTO kept VALUES (?, ?)", (one.subject.packed, one.subject.reveal()))

    for address in clear(bans(20)):
        assert {"plain", "packed"} <= {spelling for _, spelling in leaks([tmp_path], [address])}


def test_no_address_is_in_any_file_at_any_time(
    store: SqliteStore[Ban], path: Path, monkeypatch: pytest.MonkeyPatch, steady: Callable[[int], bytes]
) -> None:
    monkeypatch.setattr(os, "urandom", steady)  # else four random bytes may be an address, some day
    used = bans(20)
    addresses = clear(used)
    store.open()
    store.put(used)
    assert path.with_name("bans.db-wal").stat().st_size > 0
    assert names(path) == {"bans.db", "bans.db-wal"}
    assert leaks([path.parent], addresses) == []

    store.put(bans(10, hours=9))
    store.drop([ban(19)])
    assert leaks([path.parent], addresses) == []
    store.expire(NOW + HOUR)
    assert store.size() == 10
    assert leaks([path.parent], addresses) == []
    store.close()
    assert leaks([path.parent], addresses) == []


@pytest.mark.parametrize("erase", [lambda store: store.expire(NOW + HOUR), lambda store: store.drop(bans(200))])
def test_what_was_erased_is_nowhere_even_sealed(
    store: SqliteStore[Ban], path: Path, erase: Callable[[SqliteStore[Ban]], None]
) -> None:
    store.put([*bans(200), for_good(200)])
    store.close()
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute("SELECT id, sealed FROM kept WHERE until < 1e12").fetchall()
    store.open()
    store.put(bans(200))  # and the journal knows of them, too
    assert path.with_name("bans.db-wal").stat().st_size > 0
    words = [word for row in rows for word in (row[0], row[1][:16], row[1][-16:])]
    content = b"".join(one.read_bytes() for one in path.parent.iterdir())
    assert len(words) == 600
    assert all(word in content for word in words[::3])

    erase(store)

    assert names(path) == {"bans.db", "bans.db-wal"}
    assert path.with_name("bans.db-wal").stat().st_size == 0
    content = path.read_bytes()
    assert [word for word in words if word in content] == []
    assert store.load(NOW) == [for_good(200)]


def test_the_journal_of_a_killed_process_is_emptied_when_it_is_found(
    store: SqliteStore[Ban], path: Path, buckets: Buckets
) -> None:
    store.open()
    store.put(bans(9))
    wal = path.with_name("bans.db-wal")
    killed = path.parent.with_name("killed")
    shutil.copytree(path.parent, killed)
    assert (killed / wal.name).stat().st_size > 0

    with closing(SqliteStore(killed / path.name, buckets, BANS)) as found:
        found.open()
        assert (killed / wal.name).stat().st_size == 0
        assert found.size() == 9


def test_errors_and_complaints_have_no_address(store: SqliteStore[Ban], path: Path, buckets: Buckets) -> None:
    store.put(bans(9))
    second = SqliteStore(path, buckets, BANS)
    with pytest.raises(StoreError) as caught:
        second.put(bans(9))
    with pytest.raises(StoreError):
        second.close()
    texts = [str(caught.value), repr(caught.value), str(caught.value.__cause__), second.complaint, repr(bans(9))]

    assert not any(address in str(text) for text in texts for address in clear(bans(9)))


# In one piece


@pytest.fixture
def rested(store: SqliteStore[Ban]) -> SqliteStore[Ban]:
    """Return a store that was left in one piece, and closed."""
    store.put([*bans(20), for_good(20)])
    store.rest([*bans(20), for_good(20)])
    store.close()
    return store


def rows_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows with every row that is opened."""
    read: list[int] = []

    def counted(row: Row, seal: Seal, form: Form[Ban]) -> Ban:
        read.append(1)
        return open_row(row, seal, form)

    monkeypatch.setattr(sqlite, "open_row", counted)
    return read


def test_what_was_left_in_one_piece_is_read_in_one(
    rested: SqliteStore[Ban], buckets: Buckets, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = rows_read(monkeypatch)
    store = again(rested, buckets)
    assert by_subject(store.load(NOW)) == by_subject([*bans(20), for_good(20)])
    assert (read, store.refused, store.complaint) == ([], 0, None)
    assert [one.subject for one in store.load(NOW + HOUR)] == [for_good(20).subject]
    store.close()


def test_after_any_change_rows_are_read(
    rested: SqliteStore[Ban], buckets: Buckets, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = rows_read(monkeypatch)
    store = again(rested, buckets)
    store.put([ban(3, hours=7)])
    store = again(store, buckets)
    assert by_subject(store.load(NOW)) == by_subject([*bans(3), ban(3, hours=7), *bans(16, first=4), for_good(20)])
    assert len(read) == 21
    store.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE whole SET sealed = zeroblob(999)",
        "DELETE FROM whole",
        "UPDATE whole SET sealed = 'text'",
        "UPDATE kept SET until = until + 1 WHERE rowid = 3",
        "DELETE FROM kept WHERE rowid = 3",
    ],
)
def test_a_piece_that_does_not_fit_the_rows_is_nothing(
    rested: SqliteStore[Ban], buckets: Buckets, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    edit(rested.path, statement)
    read = rows_read(monkeypatch)
    store = again(rested, buckets)
    assert len(store.load(NOW)) == (20 if "kept" in statement else 21)
    assert len(read) >= 20
    store.close()


def test_what_is_not_all_is_no_piece(store: SqliteStore[Ban], buckets: Buckets) -> None:
    store.put(bans(20))
    store.rest(bans(19))
    store = again(store, buckets)
    assert len(store.load(NOW)) == 20
    store.close()


def test_a_piece_leaves_no_address_and_no_remnant(rested: SqliteStore[Ban], buckets: Buckets) -> None:
    assert leaks([rested.path.parent], clear(bans(20))) == []
    with closing(sqlite3.connect(rested.path)) as db:
        (piece,) = db.execute("SELECT sealed FROM whole ORDER BY length(sealed) DESC").fetchone()
    assert piece[:64] in rested.path.read_bytes()
    store = again(rested, buckets)
    store.drop([ban(1)])
    assert not any(piece[at : at + 64] in one.read_bytes() for one in store.path.parent.iterdir() for at in (0, 640))
    store.close()


# Tampering


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE kept SET until = until + 3600 WHERE rowid = 3",
        "UPDATE kept SET until = 9e999 WHERE rowid = 3",
        "UPDATE kept SET until = 1 WHERE rowid = 3",
        "UPDATE kept SET until = 'soon' WHERE rowid = 3",
        "UPDATE kept SET jail = 'web' WHERE rowid = 3",
        "UPDATE kept SET jail = x'ff' WHERE rowid = 3",
        "UPDATE kept SET id = x'00' WHERE rowid = 3",
        "UPDATE kept SET id = NULL WHERE rowid = 3",
        "UPDATE kept SET sealed = '' WHERE rowid = 3",
        "UPDATE kept SET sealed = 7 WHERE rowid = 3",
        "UPDATE kept SET sealed = substr(sealed, 1, 40) WHERE rowid = 3",
        "UPDATE kept SET sealed = (SELECT sealed FROM kept WHERE rowid = 4) WHERE rowid = 3",
        "UPDATE kept SET bucket = bucket + 1 WHERE rowid = 3",
        "UPDATE kept SET bucket = 0 WHERE rowid = 3",
        "UPDATE kept SET bucket = 'x' WHERE rowid = 3",
        "INSERT INTO kept VALUES (x'00112233445566778899aabbccddeeff', 'ssh', 9e999, zeroblob(156), 1)",
    ],
)
def test_what_was_edited_is_refused_counted_and_erased(
    store: SqliteStore[Ban], buckets: Buckets, path: Path, statement: str
) -> None:
    store.put(bans(9))
    store.close()
    edit(path, statement)
    expected = bans(9) if statement.startswith("INSERT") else [*bans(2), *bans(6, first=3)]

    store = again(store, buckets)

    assert by_subject(store.load(NOW)) == by_subject(expected)
    assert store.refused == 1
    assert store.complaint == f"{path}: 1 entry not opened: changed, or sealed with another key"
    assert store.size() == len(expected)
    assert store.load(NOW)
    assert store.refused == 1
    store.close()


def test_swapped_rows_are_both_refused(store: SqliteStore[Ban], buckets: Buckets, path: Path) -> None:
    store.put(bans(9))
    store.close()
    with closing(sqlite3.connect(path)) as db, db:
        two, five = (db.execute("SELECT sealed FROM kept WHERE rowid = ?", (row,)).fetchone()[0] for row in (2, 5))
        db.executemany("UPDATE kept SET sealed = ? WHERE rowid = ?", [(five, 2), (two, 5)])

    store = again(store, buckets)

    assert len(store.load(NOW)) == 7
    assert store.refused == 2
    store.close()


@pytest.mark.parametrize("at", [0, 11, 12, 100, -16, -1])
def test_one_flipped_bit_is_enough(store: SqliteStore[Ban], buckets: Buckets, path: Path, at: int) -> None:
    store.put(bans(9))
    store.close()
    with closing(sqlite3.connect(path)) as db:
        sealed = db.execute("SELECT sealed FROM kept WHERE rowid = 1").fetchone()[0]
    content = bytearray(path.read_bytes())
    content[content.index(sealed) + at % len(sealed)] ^= 0x10
    path.write_bytes(content)

    store = again(store, buckets)

    assert by_subject(store.load(NOW)) == by_subject(bans(8, first=1))
    assert store.refused == 1
    store.close()


def test_with_another_key_nothing_opens(store: SqliteStore[Ban], path: Path) -> None:
    store.put(bans(9))

    with closing(again(store, Buckets(Ring(), "bans"))) as other:
        assert other.load(NOW) == []
        assert (other.refused, other.size()) == (9, 0)
        other.put(bans(3))
        assert by_subject(other.load(NOW)) == by_subject(bans(3))
        assert path.exists()


# Others at the file


def test_a_second_process_finds_it_taken_and_gets_it_later(
    store: SqliteStore[Ban], path: Path, buckets: Buckets
) -> None:
    store.put([ban(1)])
    with closing(SqliteStore(path, buckets, BANS)) as second:
        with pytest.raises(StoreError, match="another process") as caught:
            second.put([ban(2)])
        assert caught.value.transient
        assert second.complaint == f"{path}: another process has it open; changes waiting in memory: 1"
        store.close()
        second.open()

        assert second.size() == 2
        assert second.complaint is None


def test_a_second_thread_is_a_mistake_of_the_program(store: SqliteStore[Ban]) -> None:
    store.put([ban(1)])

    with ThreadPoolExecutor(1) as pool, pytest.raises(sqlite3.ProgrammingError):
        pool.submit(store.put, [ban(2)]).result()

    store.open()
    assert (store.size(), store.losses, store.complaint) == (2, 0, None)


@pytest.mark.parametrize("act", ["unlink", "rename", "replace"])
def test_a_file_that_is_removed_meanwhile_is_a_loss_and_made_again(
    store: SqliteStore[Ban], path: Path, act: str
) -> None:
    store.put(bans(9))
    if act == "unlink":
        path.unlink()
    else:
        path.rename(path.with_name("moved"))
    if act == "replace":
        path.touch(mode=0o600)

    store.put([ban(9)])

    assert store.load(NOW) == [ban(9)]
    assert store.losses == 1
    assert store.complaint == f"{path}: was removed or replaced while it was in use"
    store.put(bans(9))
    assert (store.size(), store.losses) == (10, 1)
