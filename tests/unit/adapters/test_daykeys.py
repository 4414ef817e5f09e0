"""Day keys: one per day for all, on tmpfs and nowhere else."""

from __future__ import annotations

import multiprocessing
import os
import stat
import time
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from privet.adapters import daykeys
from privet.adapters.daykeys import GRACE, KEY_BYTES, DayKeys, filesystem_of

if TYPE_CHECKING:
    from multiprocessing.queues import Queue
    from multiprocessing.synchronize import Barrier

pytestmark = pytest.mark.usefixtures("berlin")

NOON = 1_795_345_200.0  # 22 November 2026, 12:00 in Berlin
HOUR = 3600.0


def moment(day: int, hour: float = 0, month: int = 11) -> float:
    """Return a time of 2026."""
    return time.mktime((2026, month, day, 0, 0, 0, 0, 0, -1)) + hour * HOUR


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def test_all_find_the_key_that_the_first_one_made(runtime: Path) -> None:
    first, second = DayKeys(runtime), DayKeys(runtime)

    assert first.today(NOON) == second.today(NOON + 60)
    assert first.today(NOON)[0] == "2026-11-22"
    assert len(first.today(NOON)[1]) == KEY_BYTES
    assert first.complaint is None
    assert second.complaint is None


def test_the_file_is_for_its_owner_alone_and_nothing_else_is_left(runtime: Path) -> None:
    old = os.umask(0)
    try:
        DayKeys(runtime).today(NOON)
    finally:
        os.umask(old)

    assert names(runtime) == {"2026-11-22"}
    assert stat.S_IMODE(runtime.stat().st_mode) == 0o700
    assert stat.S_IMODE((runtime / "2026-11-22").stat().st_mode) == 0o600


def _find(directory: Path, barrier: Barrier, found: Queue[bytes]) -> None:
    keys = DayKeys(directory)
    barrier.wait(30)
    found.put(keys.today(NOON)[1])


def test_several_that_come_at_once_find_one_key(runtime: Path) -> None:
    context = multiprocessing.get_context("fork")
    for attempt in range(5):
        barrier, found = context.Barrier(6), context.Queue()
        children = [context.Process(target=_find, args=(runtime / str(attempt), barrier, found)) for _ in range(6)]
        for child in children:
            child.start()
        keys = {found.get(timeout=30) for _ in children}
        for child in children:
            child.join(30)

        assert len(keys) == 1
        assert names(runtime / str(attempt)) == {"2026-11-22"}


def test_every_day_has_its_own_key(runtime: Path) -> None:
    keys = DayKeys(runtime)

    assert len({keys.today(moment(day, 12)) for day in range(1, 8)}) == 7


@pytest.mark.parametrize(("month", "day", "hours"), [(10, 25, 25), (3, 29, 23), (11, 22, 24)])
def test_a_day_has_one_key_however_long_it_is(
    monkeypatch: pytest.MonkeyPatch, runtime: Path, month: int, day: int, hours: int
) -> None:
    monkeypatch.setattr(daykeys, "_IN_MEMORY", ())  # a key in memory is lost when it is looked for again
    keys = DayKeys(runtime)
    found = [keys.today(moment(day, half / 2, month)) for half in range(-1, 2 * hours + 1)]

    assert found[0] != found[1]
    assert set(found[1:-1]) == {found[1]}
    assert found[-1] != found[-2]
    assert found[1][0] == date(2026, month, day).isoformat()


def test_the_key_of_yesterday_goes_after_the_grace_period(runtime: Path) -> None:
    keys = DayKeys(runtime)
    keys.today(moment(21, 23))

    keys.today(moment(22, 0.5))
    assert names(runtime) == {"2026-11-21", "2026-11-22"}

    keys.today(moment(22) + GRACE + 1)
    assert names(runtime) == {"2026-11-22"}


def test_keys_that_another_run_left_go_too(runtime: Path) -> None:
    DayKeys(runtime).today(moment(1, 12))

    DayKeys(runtime).today(NOON)

    assert names(runtime) == {"2026-11-22"}


def test_over_simulated_days_there_are_never_more_than_two_keys_and_none_after_its_grace(runtime: Path) -> None:
    """Looked at every quarter of an hour for a month, by one process that sleeps at night and one that does not."""
    awake, sleeper, made = DayKeys(runtime), DayKeys(runtime), set()
    now = moment(22)
    while now < moment(22) + 30 * 24 * HOUR:
        day, key = awake.today(now)
        made.add(key)
        if 8 <= time.localtime(now).tm_hour < 20:
            assert sleeper.today(now) == (day, key)
        grace = {date.fromtimestamp(now - GRACE).isoformat()}  # noqa: DTZ012  as in the code
        assert {day} <= names(runtime) <= {day} | grace
        now += HOUR / 4
    assert len(made) == 30


@pytest.mark.parametrize("leap", [2 * HOUR, 26 * HOUR, 90 * 24 * HOUR, -2 * HOUR, -26 * HOUR, -90 * 24 * HOUR])
def test_after_a_leap_the_key_is_that_of_the_day_and_the_other_goes(runtime: Path, leap: float) -> None:
    """Forward as out of a suspension, or either way as a clock that was wrong is set."""
    keys = DayKeys(runtime)
    keys.today(NOON)
    before = (runtime / "2026-11-22").read_bytes()
    day, key = keys.today(NOON + leap)
    assert day == date.fromtimestamp(NOON + leap).isoformat()  # noqa: DTZ012  as in the code
    assert names(runtime) == {day}
    assert (key == before) == (abs(leap) < 12 * HOUR)


def test_a_clock_that_is_set_back_a_little_at_midnight_keeps_both_keys(runtime: Path) -> None:
    keys = DayKeys(runtime)
    first = keys.today(moment(22) - 2)
    second = keys.today(moment(22) + 1)
    assert keys.today(moment(22) - 1) == first
    assert keys.today(moment(22) + 3) == second


def test_what_is_no_key_stays(runtime: Path) -> None:
    runtime.mkdir()
    for name in ("README", "2026-99-99", ".2026-11-01.77"):
        (runtime / name).touch()

    DayKeys(runtime).today(NOON)

    assert names(runtime) == {"README", "2026-99-99", ".2026-11-01.77", "2026-11-22"}


def test_off_tmpfs_the_key_stays_in_memory_and_it_says_so(on_disk: Path) -> None:
    keys, other = DayKeys(on_disk / "keys"), DayKeys(on_disk / "keys")

    assert keys.today(NOON)[1] != other.today(NOON)[1]
    assert keys.today(NOON) == keys.today(NOON + HOUR)
    assert keys.complaint is not None
    assert "tmpfs" in keys.complaint
    assert [path for path in on_disk.rglob("*") if path.is_file()] == []


def test_a_damaged_key_is_not_used(runtime: Path) -> None:
    runtime.mkdir()
    (runtime / "2026-11-22").write_bytes(b"short")

    keys = DayKeys(runtime)

    assert len(keys.today(NOON)[1]) == KEY_BYTES
    assert keys.complaint is not None
    assert "damaged" in keys.complaint
    assert (runtime / "2026-11-22").read_bytes() == b"short"


def test_a_directory_that_cannot_be_had_is_complained_of_until_it_can(runtime: Path) -> None:
    runtime.write_text("in the way")
    keys = DayKeys(runtime)
    assert len(keys.today(NOON)[1]) == KEY_BYTES
    assert keys.complaint is not None

    runtime.unlink()
    keys.today(NOON + 24 * HOUR)

    assert keys.complaint is None


def test_a_link_laid_in_its_way_is_not_followed(runtime: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    runtime.mkdir()
    (runtime / f".2026-11-22.{os.getpid()}").symlink_to(victim)

    keys = DayKeys(runtime)
    keys.today(NOON)

    assert victim.read_text() == "precious"
    assert keys.complaint is not None


@pytest.mark.needs("root")
def test_what_root_makes_belongs_to_the_owner_of_the_directory(runtime: Path) -> None:
    runtime.mkdir(mode=0o700)
    os.chown(runtime, 65534, 65534)

    DayKeys(runtime).today(NOON)

    key = (runtime / "2026-11-22").stat()
    assert (key.st_uid, key.st_gid, stat.S_IMODE(key.st_mode)) == (65534, 65534, 0o600)


MOUNTS = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
23 22 0:21 / /dev/shm rw,nosuid shared:2 master:3 - tmpfs tmpfs rw
24 22 0:22 / /run rw - tmpfs tmpfs rw
25 24 0:23 / /run/privet rw - ext4 /dev/vdb rw
26 22 0:24 / /mnt/a\\040b rw - ramfs ramfs rw
27 22 0:25 / /srv rw - tmpfs tmpfs rw
28 27 0:26 / /srv rw - xfs /dev/vdc rw
29 22 0:27 / /dev/shmoo rw - btrfs /dev/vdd rw
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", "ext4"),
        ("/var/log", "ext4"),
        ("/dev/shm/x", "tmpfs"),  # noqa: S108  a word in a table
        ("/dev/shmoo/x", "btrfs"),  # noqa: S108  likewise
        ("/run", "tmpfs"),
        ("/run/privet/keys", "ext4"),
        ("/run/privets/keys", "tmpfs"),
        ("/mnt/a b/x", "ramfs"),
        ("/srv/x", "xfs"),
    ],
)
def test_the_file_system_is_that_of_the_nearest_mount(tmp_path: Path, path: str, expected: str) -> None:
    (tmp_path / "mountinfo").write_text(MOUNTS)

    assert filesystem_of(Path(path), str(tmp_path / "mountinfo")) == expected


def test_without_mounts_the_file_system_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "mountinfo").write_text("")

    assert filesystem_of(Path("/run"), str(tmp_path / "mountinfo")) == ""


def test_the_file_system_of_a_link_is_that_of_its_target(tmp_path: Path, runtime: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(runtime.parent)

    assert filesystem_of(link) == "tmpfs"
