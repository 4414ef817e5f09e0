"""The masked log on disk."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from privet.adapters.sinks.logfile import LogFile, Nowhere


def descriptors() -> set[int]:
    """Return what is open."""
    return {int(entry.name) for entry in Path("/proc/self/fd").iterdir() if entry.exists()}


def test_lines_are_appended(tmp_path: Path) -> None:
    place = tmp_path / "access.log"
    place.write_text("old\n")
    log = LogFile(place)

    log.write(b"one\n")
    log.write(b"two\nthree\n")

    assert place.read_text() == "old\none\ntwo\nthree\n"
    assert (log.lost, log.complaint) == (0, None)


def test_a_new_log_is_not_for_everybody(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        LogFile(tmp_path / "access.log")
    finally:
        os.umask(old)

    assert stat.S_IMODE((tmp_path / "access.log").stat().st_mode) == 0o640


def test_a_log_that_was_renamed_is_opened_anew(tmp_path: Path) -> None:
    place = tmp_path / "access.log"
    log = LogFile(place)
    log.write(b"one\n")

    place.rename(tmp_path / "access.log.1")
    log.write(b"two\n")
    log.follow()
    log.write(b"three\n")

    assert (tmp_path / "access.log.1").read_text() == "one\ntwo\n"
    assert place.read_text() == "three\n"


def test_a_log_that_somebody_made_already_is_taken(tmp_path: Path) -> None:
    place = tmp_path / "access.log"
    log = LogFile(place)
    place.rename(tmp_path / "access.log.1")
    place.touch(mode=0o600)

    log.follow()
    log.write(b"one\n")

    assert place.read_text() == "one\n"
    assert stat.S_IMODE(place.stat().st_mode) == 0o600


def test_a_log_that_was_removed_is_made_anew(tmp_path: Path) -> None:
    place = tmp_path / "access.log"
    log = LogFile(place)
    place.unlink()

    log.follow()
    log.write(b"one\n")

    assert place.read_text() == "one\n"


def test_a_log_that_stands_is_not_opened_again(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "access.log")
    before = descriptors()
    for _ in range(10):
        log.follow()

    assert descriptors() == before


def test_a_log_that_is_truncated_goes_on_at_its_start(tmp_path: Path) -> None:
    place = tmp_path / "access.log"
    log = LogFile(place)
    log.write(b"one\n")

    os.truncate(place, 0)
    log.follow()
    log.write(b"two\n")

    assert place.read_text() == "two\n"


def test_where_a_new_log_cannot_be_made_the_old_one_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    log = LogFile(folder / "access.log")
    folder.rename(tmp_path / "away")
    folder.touch()

    log.follow()
    log.write(b"one\n")

    assert (tmp_path / "away" / "access.log").read_text() == "one\n"
    assert log.lost == 0


def test_what_cannot_be_opened_is_complained_of_counted_and_tried_again(tmp_path: Path) -> None:
    place = tmp_path / "logs" / "access.log"
    log = LogFile(place)
    log.write(b"one\ntwo\n")
    assert log.lost == 2
    assert log.complaint == f"{place}: No such file or directory"
    log.follow()

    place.parent.mkdir()
    log.write(b"three\n")

    assert place.read_text() == "three\n"
    assert log.lost == 2
    assert not log.complaint


def test_a_directory_is_no_log(tmp_path: Path) -> None:
    log = LogFile(tmp_path)

    log.write(b"one\n")

    assert (log.lost, log.complaint) == (1, f"{tmp_path}: Is a directory")


def test_a_full_disk_is_complained_of_until_there_is_room(tmp_path: Path) -> None:
    place = tmp_path / "access.log"
    place.symlink_to("/dev/full")
    log = LogFile(place)
    log.write(b"one\ntwo\n")
    log.write(b"three\n")
    assert (log.lost, log.complaint) == (3, f"{place}: No space left on device")

    place.unlink()
    log.follow()
    log.write(b"four\n")

    assert place.read_text() == "four\n"
    assert log.lost == 3
    assert not log.complaint


def test_closing_twice_does_no_harm_and_writing_opens_again(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "access.log")
    log.close()
    log.close()

    log.write(b"one\n")

    assert (tmp_path / "access.log").read_text() == "one\n"


def test_the_descriptor_is_not_inherited(tmp_path: Path) -> None:
    before = descriptors()
    log = LogFile(tmp_path / "access.log")

    assert [os.get_inheritable(number) for number in descriptors() - before] == [False]
    log.close()


@pytest.mark.parametrize("block", [b"", b"one\n", b"one\ntwo\n"])
def test_without_a_log_every_line_is_lost_and_counted(block: bytes) -> None:
    log = Nowhere()
    log.write(block)
    log.follow()
    log.close()

    assert log.lost == block.count(b"\n")
    assert "--log" in log.complaint
