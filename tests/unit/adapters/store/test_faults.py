"""Full and read-only disks lose nothing, and neither does kill -9."""

from __future__ import annotations

import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from privet.adapters.store.ring import Buckets, Ring
from privet.adapters.store.rows import BANS
from privet.adapters.store.sqlite import SqliteStore
from privet.core.addresses.address import Subject
from privet.core.bans.model import Ban
from privet.ports import StoreError
from tests.unit.adapters.store.examples import NOW, ban, bans, by_subject, for_good

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KILLS = 12
BURST = 20  # bans in one call of the process that is killed

WRITER = """
import sys
from pathlib import Path
from privet.adapters.store.rows import BANS
from privet.adapters.store.ring import Buckets, Ring
from privet.adapters.store.sqlite import SqliteStore
from privet.core.addresses.address import Subject
from privet.core.bans.model import Ban

path, first, burst = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
store = SqliteStore(path, Buckets(Ring(path.with_name("ring")), "bans"), BANS)
number = first
while True:
    store.put(
        Ban(Subject(one.to_bytes(4), 32), "ssh", 1e9, 1e9 + one, 1, "jail") for one in range(number, number + burst)
    )
    number += burst
    if number % (burst * 5) == 0:
        store.expire(1e9 + number / 4)
    print(number, flush=True)
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Return a small disk of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k,mode=700", "none", place], check=True)
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def remount(disk: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", disk], check=True)


def fill(disk: Path) -> Path:
    """Leave no room on a disk; return what takes it."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    assert shutil.disk_usage(disk).free == 0
    return ballast


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """Let writes beyond a size fail."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.needs("root", "mount")
def test_on_a_full_disk_changes_wait_until_there_is_room(disk: Path, buckets: Buckets) -> None:
    path = disk / "state" / "bans.db"
    with closing(SqliteStore(path, buckets, BANS)) as store:
        store.put(bans(100))
        ballast = fill(disk)
        with pytest.raises(StoreError, match=r"bans\.db: the disk") as caught:
            store.put(bans(200, first=100))
        assert caught.value.transient
        with pytest.raises(StoreError):
            store.drop(bans(10))
        with pytest.raises(StoreError):
            store.put([ban(50, hours=9)])
        assert str(store.complaint).endswith("; changes waiting in memory: 211")
        expected = by_subject([*bans(40, first=10), ban(50, hours=9), *bans(249, first=51)])
        assert by_subject(store.load(NOW)) == expected
        assert store.complaint

        ballast.unlink()
        store.put([])

        assert store.complaint is None
        assert store.size() == len(expected)
        assert store.losses == 0
    with closing(SqliteStore(path, buckets, BANS)) as store:
        assert by_subject(store.load(NOW)) == expected


@pytest.mark.needs("root", "mount")
def test_a_full_disk_does_not_keep_the_daemon_from_starting(disk: Path, buckets: Buckets) -> None:
    path = disk / "bans.db"
    with closing(SqliteStore(path, buckets, BANS)) as store:
        store.put(bans(100))
    fill(disk)

    store = SqliteStore(path, buckets, BANS)
    assert by_subject(store.load(NOW)) == by_subject(bans(100))
    with pytest.raises(StoreError):
        store.put(bans(1000, first=100))
    with pytest.raises(StoreError):
        store.close()


@pytest.mark.needs("root", "mount")
def test_a_store_that_cannot_be_made_is_made_later(disk: Path, buckets: Buckets) -> None:
    ballast = fill(disk)
    with closing(SqliteStore(disk / "state" / "bans.db", buckets, BANS)) as store:
        for call in (store.open, lambda: store.put([ban(1)]), store.size):
            with pytest.raises(StoreError) as caught:
                call()
            assert caught.value.transient
        assert store.load(NOW) == [ban(1)]
        ballast.unlink()
        store.open()

        assert store.load(NOW) == [ban(1)]
        assert (store.size(), store.complaint) == (1, None)


@pytest.mark.needs("root", "mount")
@pytest.mark.parametrize("killed", [False, True], ids=["closed", "killed"])
def test_a_read_only_disk_can_be_read(disk: Path, buckets: Buckets, *, killed: bool) -> None:
    path = disk / "bans.db"
    if killed:
        with closing(SqliteStore(disk.with_name("origin") / path.name, buckets, BANS)) as origin:
            origin.open()
            origin.put(bans(100))
            shutil.copytree(origin.path.parent, disk, dirs_exist_ok=True)
            assert path.with_name("bans.db-wal").stat().st_size > 0
    else:
        with closing(SqliteStore(path, buckets, BANS)) as store:
            store.put(bans(100))
    remount(disk, "ro")

    store = SqliteStore(path, buckets, BANS)
    with pytest.raises(StoreError) as caught:
        store.open()
    assert caught.value.transient
    assert by_subject(store.load(NOW)) == by_subject(bans(100))
    assert str(path) in str(store.complaint)
    with pytest.raises(StoreError):
        store.put([ban(100)])
    with pytest.raises(StoreError):
        store.drop([ban(0)])
    with pytest.raises(StoreError):
        store.expire(NOW)
    assert by_subject(store.load(NOW)) == by_subject(bans(100, first=1))
    assert str(store.complaint).endswith("; changes waiting in memory: 2")

    remount(disk, "rw")
    assert store.expire(NOW) == 0
    assert (store.size(), store.complaint) == (100, None)
    store.close()


@pytest.mark.needs("root", "mount")
def test_bans_on_a_read_only_disk_that_do_not_open_are_counted(disk: Path, buckets: Buckets) -> None:
    path = disk / "bans.db"
    with closing(SqliteStore(path, buckets, BANS)) as store:
        store.put(bans(100))
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE kept SET until = 9e999 WHERE rowid = 3")
    remount(disk, "ro")

    store = SqliteStore(path, buckets, BANS)
    assert len(store.load(NOW)) == 99
    assert store.refused == 1
    store.close()


@pytest.mark.needs("root", "mount")
def test_damage_on_a_read_only_disk_is_an_error_and_stays(disk: Path, buckets: Buckets) -> None:
    path = disk / "bans.db"
    path.write_bytes(bytes(random.Random(1).randbytes(9999)))
    remount(disk, "ro")

    store = SqliteStore(path, buckets, BANS)
    with pytest.raises(StoreError) as caught:
        store.load(NOW)
    assert caught.value.transient
    assert store.losses == 0

    remount(disk, "rw")
    assert store.load(NOW) == []
    assert store.losses == 1
    store.close()


def test_writes_that_fail_half_way_leave_what_was_there(store: SqliteStore[Ban], buckets: Buckets, path: Path) -> None:
    store.put(bans(50))
    with no_file_larger_than(path.stat().st_size + 8192):
        for first in range(50, 500, 150):
            confirmed = bans(150, first=first)
            for one in confirmed:
                one.confirmed = True
            with pytest.raises(StoreError) as caught:
                store.put(confirmed)
            assert caught.value.transient
        assert "disk" in str(store.complaint)
        assert by_subject(store.load(NOW)) == by_subject(bans(500))
    store.expire(NOW)

    assert store.complaint is None
    store.close()
    store = SqliteStore(path, buckets, BANS)
    assert by_subject(store.load(NOW)) == by_subject(bans(500))
    assert store.losses == 0
    store.close()


def test_what_waits_is_bounded_and_what_ends_last_is_kept(path: Path, buckets: Buckets) -> None:
    store = SqliteStore(path, buckets, BANS, most=30)
    path.parent.mkdir()
    with no_file_larger_than(0):
        for number in range(100):
            with pytest.raises(StoreError):
                store.put([ban(number, hours=number + 1)])
        assert store.evicted == 70
        assert str(store.complaint).endswith("; changes waiting in memory: 30")
    store.put([for_good(500)])

    assert store.evicted == 71
    assert by_subject(store.load(NOW)) == by_subject(
        [*(ban(number, hours=number + 1) for number in range(71, 100)), for_good(500)]
    )
    store.close()


def test_what_could_not_be_stored_at_the_end_is_an_error_and_all_is_released(path: Path, buckets: Buckets) -> None:
    store = SqliteStore(path, buckets, BANS)
    store.put([ban(1)])
    with no_file_larger_than(0):
        with pytest.raises(StoreError):
            store.put([ban(2)])
        with pytest.raises(StoreError):
            store.close()

    with closing(SqliteStore(path, buckets, BANS)) as second:
        assert second.load(NOW) == [ban(1)]


@pytest.mark.timeout(120)
def test_kill_9_never_damages_and_never_loses_what_was_confirmed(path: Path) -> None:
    chance = random.Random(3)
    first = 0
    for _ in range(KILLS):
        command = [sys.executable, "-c", WRITER, str(path), str(first), str(BURST)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            said = process.stdout.readline()
            time.sleep(chance.uniform(0, 0.15))
            process.send_signal(signal.SIGKILL)
            confirmed = int((said + process.stdout.read()).rpartition("\n")[0].rpartition("\n")[2])
        assert process.returncode == -signal.SIGKILL

        with closing(SqliteStore(path, Buckets(Ring(path.with_name("ring")), "bans"), BANS)) as store:
            found = {int.from_bytes(one.subject.packed): one for one in store.load(0)}
            assert (store.losses, store.refused, store.complaint) == (0, 0, None)
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        begin = min(found)
        assert begin <= (confirmed + BURST) / 4 + 1
        assert set(range(begin, confirmed)) <= set(found)
        assert all(
            one == Ban(Subject(number.to_bytes(4), 32), "ssh", 1e9, 1e9 + number, 1, "jail")
            for number, one in found.items()
        )
        assert max(found) + 1 in (confirmed, confirmed + BURST)
        first = max(found) + 1


def test_what_another_process_writes_waits_for_its_end(path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(path), "0", str(BURST)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert [int(process.stdout.readline()) for _ in range(10)] == list(range(BURST, 11 * BURST, BURST))
        with closing(SqliteStore(path, Buckets(Ring(path.with_name("ring")), "bans"), BANS)) as store:
            with pytest.raises(StoreError, match="another process") as caught:
                store.load(NOW)
            assert caught.value.transient
            process.send_signal(signal.SIGKILL)
            process.wait()
            assert len(store.load(0)) > 5 * BURST
            assert (store.complaint, store.losses) == (None, 0)
