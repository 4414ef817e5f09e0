"""Tests of adapters.sources.past: chains of rotated files, packed and not."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import sys
from typing import TYPE_CHECKING

import pytest

from privet.adapters.sources import past
from privet.adapters.sources.past import History, key_of

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstd.compress,
}


def line_time(line: bytes) -> float | None:
    first = line.split(b" ")[0]
    return float(first) if first.isdigit() else None


def lines(times: Iterable[int]) -> bytes:
    return b"".join(b"%d some text of a line\n" % time for time in times)


class Log:
    """A log with its rotated files; `rotate` makes the youngest of them."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "access.log"
        self.path.touch()
        self._day = 0

    def rotate(self, name: str, content: bytes) -> Path:
        """Put a rotated file beside the log."""
        self._day += 1
        path = self.path.with_name(f"access.log{name}")
        suffix = next(suffix for suffix in reversed(PACKERS) if name.endswith(suffix))
        path.write_bytes(PACKERS[suffix](content))
        os.utime(path, (4e9 + self._day, 4e9 + self._day))
        return path

    def history(
        self, since: float, followed: Iterable[Path] = (), limit: int = past.REREAD_LIMIT
    ) -> tuple[bytes, History]:
        """Return what is read again, and what there is to tell of it."""
        fd = os.open(self.path, os.O_RDONLY)
        try:
            one = History(fd, str(self.path), self.path.stat().st_size, line_time, since)
            keys = [key_of(path.stat()) for path in followed]
            return b"".join(one.blocks(keys, limit, 1 << 17)), one
        finally:
            os.close(fd)


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path)


@pytest.mark.parametrize("suffix", PACKERS)
def test_the_past_is_read_through_all_rotated_files_that_it_reaches(suffix: str, log: Log) -> None:
    log.rotate(f".4{suffix}", b"no time and no pack")
    log.rotate(f".3{suffix}", lines(range(100)))
    log.rotate(f".2{suffix}", lines(range(100, 200)))
    log.rotate(".1", lines(range(200, 300)))
    log.path.write_bytes(lines(range(300, 310)))

    for since in (50, 99, 100, 150, 299, 305):
        read, history = log.history(since)
        assert read == lines(range(since, 310))
        assert history.told.problems == {}


@pytest.mark.parametrize("suffix", PACKERS)
def test_the_place_in_a_large_rotated_file_is_found_exactly(suffix: str, log: Log) -> None:
    log.rotate(f".1{suffix}", lines(range(60_000)))

    assert log.history(50_001)[0] == lines(range(50_001, 60_000))


def test_files_that_were_rotated_before_the_time_are_not_opened(log: Log) -> None:
    old = log.rotate(".2.gz", lines(range(10)))
    old.write_bytes(b"\x1f\x8bdamaged")
    os.utime(old, (10, 10))
    log.rotate(".1", lines(range(20, 30)))

    read, history = log.history(20)

    assert (read, history.told.problems) == (lines(range(20, 30)), {})


def test_files_that_are_followed_themselves_are_left_out(log: Log) -> None:
    followed = log.rotate(".1", lines(range(10, 20)))
    log.path.write_bytes(lines(range(20, 30)))

    assert log.history(0, [followed])[0] == lines(range(20, 30))


def test_a_damaged_file_is_named_and_the_others_are_read(log: Log) -> None:
    damaged = log.rotate(".2.gz", lines(range(10, 50_000)))
    damaged.write_bytes(damaged.read_bytes()[:-1000])
    os.utime(damaged, (4e9, 4e9))
    log.path.write_bytes(lines(range(50_000, 50_010)))

    read, history = log.history(20)

    assert read.startswith(lines(range(20, 1000)))
    assert read.endswith(lines(range(50_000, 50_010)))
    assert "ends too early" in history.told.problems[str(damaged)]


def test_what_unpacks_to_too_much_is_cut_off(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(past, "UNPACK_LIMIT", 1 << 20)
    bomb = log.rotate(".1.gz", b"9 x\n" * (4 << 20))

    read, history = log.history(0)

    assert 0 < len(read) <= 1 << 20
    assert history.told.problems == {str(bomb): "only the first 1 MiB are read again"}


def test_the_limit_holds_for_the_whole_chain(log: Log) -> None:
    for age in range(5, 0, -1):
        log.rotate(f".{age}", lines(range(10_000 * (6 - age), 10_000 * (7 - age))))

    read, _ = log.history(0, limit=600_000)

    assert 500_000 < len(read) <= 700_000
    assert read.endswith(lines([59_999]))


def test_a_file_that_is_rotated_in_between_is_named(log: Log, tmp_path: Path) -> None:
    first = log.rotate(".1", lines(range(10)))
    fd = os.open(log.path, os.O_RDONLY)
    asked = 0

    def rotating(line: bytes) -> float | None:
        nonlocal asked
        asked += 1
        if asked == 1:
            first.rename(tmp_path / "access.log.2")
            first.write_bytes(lines(range(10, 20)))
        return line_time(line)

    history = History(fd, str(log.path), 0, rotating, 0)

    assert list(history.blocks([], past.REREAD_LIMIT, 1 << 17)) == []
    assert history.told.problems == {str(first): "rotated just now"}
    os.close(fd)


def test_only_rotated_names_count(log: Log) -> None:
    for name in (".offset", "_1", ".old", "2"):
        log.rotate(name, b"")
    wanted = [log.rotate(name, b"") for name in (".1", "-20260131", ".2026-01-31.gz")]

    assert [path for path, _ in past.rotated(str(log.path))] == [str(path) for path in reversed(wanted)]
