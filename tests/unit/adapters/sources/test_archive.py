"""Archives as the real programs write them: gzip, xz, zstd, whole, joined and damaged."""

from __future__ import annotations

import functools
import gzip
import lzma
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privet.adapters.sources import archive
from privet.adapters.sources.archive import Archive
from privet.core.parsing.lines import BLOCK, LONGEST_LINE

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ZSTD_BLOCK = 1 << 17  # bytes that are decoded together
Put = Callable[[str, bytes], Path]

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda data: data,
    "gz": functools.partial(gzip.compress, compresslevel=1),
    "xz": functools.partial(lzma.compress, preset=0),
    "zst": functools.partial(zstd.compress, options={zstd.CompressionParameter.checksum_flag: 1}),
}
PACKED = [name for name in PACKERS if name != "plain"]


def line_time(line: bytes) -> float | None:
    """Read the time in front of a test line."""
    word = line.partition(b" ")[0]
    return float(word) if word.isdigit() else None


def numbered(count: int, start: int = 0, step: int = 1) -> bytes:
    """Return lines that compress about as well as a log."""
    noise = random.Random(count)
    return b"".join(b"%d GET /%x\n" % (start + step * n, noise.getrandbits(40)) for n in range(count))


def read(*paths: Path | str) -> bytes:
    out, damages = read_damaged(*paths)
    assert not damages
    return out


def read_damaged(*paths: str | Path) -> tuple[bytes, str]:
    """Return what could be read, and what was said about the rest."""
    archive = Archive(paths, line_time)
    return b"".join(archive.blocks()), "; ".join(archive.damages)


@pytest.fixture
def put(tmp_path: Path) -> Put:
    def put(name: str, data: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return put


@pytest.mark.parametrize("kind", PACKERS)
def test_contents_decide_and_not_the_name(kind: str, put: Put) -> None:
    data = numbered(20_000)
    assert read(put("log.txt", PACKERS[kind](data))) == data
    assert read(put("log.gz", PACKERS[kind](data))) == data


@pytest.mark.parametrize("kind", PACKERS)
def test_windows_lines_and_a_missing_last_newline(kind: str, put: Put) -> None:
    assert read(put("log", PACKERS[kind](b"1 a\r\n2 b\r\n3 c"))) == b"1 a\n2 b\n3 c\n"


@pytest.mark.parametrize("kind", PACKERS)
def test_blocks_are_large_and_of_whole_lines(kind: str, put: Put) -> None:
    blocks = list(Archive([put("log", PACKERS[kind](numbered(100_000)))], line_time).blocks())
    assert all(block.endswith(b"\n") for block in blocks)
    assert all(len(block) <= 2 * BLOCK + LONGEST_LINE for block in blocks)
    assert all(len(block) > BLOCK // 2 for block in blocks[:-1])


@pytest.mark.parametrize("kind", PACKERS)
def test_a_file_without_a_line(kind: str, put: Put) -> None:
    assert read(put("log", PACKERS[kind](b""))) == b""


@pytest.mark.parametrize(
    "command", [["gzip", "-9"], ["xz", "-9"], ["zstd", "-q", "-19"], ["zstd", "-q", "--ultra", "--long=27"]]
)
@pytest.mark.needs("gzip", "xz", "zstd")
def test_what_the_programs_write(command: list[str], tmp_path: Path) -> None:
    data = numbered(30_000)
    packed = tmp_path / "log"
    packed.write_bytes(subprocess.run([*command, "-c"], input=data, capture_output=True, check=True).stdout)
    assert read(packed) == data


@pytest.mark.parametrize("kind", PACKED)
def test_members_follow_one_another(kind: str, put: Put) -> None:
    pack = PACKERS[kind]
    data = numbered(30_000)
    parts = [data[:10], data[10:200_000], b"", data[200_000:]]
    assert read(put("log", b"".join(map(pack, parts)))) == data


def test_frames_to_skip_are_skipped(put: Put) -> None:
    skip = b"\x50\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"\xff" * 4
    assert read(put("log", skip + zstd.compress(b"1 a\n") + skip + zstd.compress(b"2 b\n"))) == b"1 a\n2 b\n"


@pytest.mark.parametrize("kind", PACKED)
def test_zero_bytes_are_padding(kind: str, put: Put) -> None:
    pack = PACKERS[kind]
    archive = Archive([put("log", pack(b"1 a\n") + bytes(BLOCK + 4) + pack(b"2 b\n") + bytes(512))], line_time)
    assert b"".join(archive.blocks()) == b"1 a\n2 b\n"
    assert archive.notes == []


@pytest.mark.parametrize("kind", PACKED)
@pytest.mark.parametrize("garbage", [b"G", b"\0\0garbage", b"garbage\n" * BLOCK])
def test_garbage_behind_is_ignored_with_a_note(kind: str, garbage: bytes, put: Put) -> None:
    path = put("log", PACKERS[kind](b"1 a\n2 b") + garbage)
    archive = Archive([path], line_time)
    assert b"".join(archive.blocks()) == b"1 a\n2 b\n"
    assert len(archive.notes) == 1
    assert str(path) in archive.notes[0]


@pytest.mark.parametrize("kind", PACKED)
@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_a_cut_off_file_is_read_as_far_as_it_goes(kind: str, share: float, put: Put) -> None:
    data = numbered(100_000)
    packed = PACKERS[kind](data)
    path = put("log", packed[: int(len(packed) * share)])
    out, message = read_damaged(path)
    assert data.startswith(out)
    assert out.endswith(b"\n") or not out
    assert len(out) > len(data) * share - 3 * ZSTD_BLOCK  # zstd decodes block by block
    assert str(path) in message
    assert f"at byte {path.stat().st_size}" in message


def test_every_cut_of_a_short_file_is_told(put: Put) -> None:
    for pack in (PACKERS[kind] for kind in PACKED):
        packed = pack(b"1 a\n2 b\n")
        for end in range(6, len(packed)):
            out, _ = read_damaged(put("log", packed[:end]))
            assert b"1 a\n2 b\n".startswith(out)


@pytest.mark.parametrize("kind", PACKED)
def test_a_damaged_file_is_read_up_to_the_damage(kind: str, put: Put) -> None:
    data = numbered(100_000)
    packed = bytearray(PACKERS[kind](data))
    middle = len(packed) // 2
    packed[middle : middle + 40] = b"\xff" * 40
    out, message = read_damaged(path := put("log", bytes(packed)))
    assert out[: (good := int(len(data) * 0.5) - 3 * ZSTD_BLOCK)] == data[:good]
    assert f"{path}: damaged before byte " in message


def test_a_wrong_checksum_costs_little(put: Put) -> None:
    data = numbered(3_000)
    packed = bytearray(gzip.compress(data))
    packed[-8] ^= 1
    out, message = read_damaged(put("log", bytes(packed)))
    assert data.startswith(out)
    assert len(out) > len(data) - (1 << 14) - 100
    assert "damaged" in message


@pytest.mark.parametrize("cut", [0, 8, 9, 5_000])
@pytest.mark.parametrize("damage", [b"", b"\xff" * 40], ids=["whole", "damaged"])
def test_gzip_is_unpacked_without_isal_as_well(
    cut: int, damage: bytes, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = numbered(20_000)
    packed = bytearray(gzip.compress(data[:90_000]) + bytes(100) + gzip.compress(data[90_000:]))
    packed[70_000 : 70_000 + len(damage)] = damage
    path = put("log", bytes(packed[: len(packed) - cut]))

    def told() -> tuple[bytes, str]:
        out, message = read_damaged(path)
        assert bool(message) == bool(cut or damage)
        return out, "damaged" if "damaged" in message else message

    with_isal, told_with = told()
    monkeypatch.setattr(archive, "isal", None)
    without, told_without = told()

    shorter, longer = sorted((with_isal, without), key=len)
    assert longer.startswith(shorter)
    assert len(longer) - len(shorter) <= 1 << 14
    assert told_with == told_without
    if not damage:
        assert data.startswith(longer)


def test_the_other_files_go_on_and_all_damage_is_told(put: Put) -> None:
    packed = gzip.compress(b"1 a\n2 a\n")
    first = put("first", packed[:-9])
    third = put("third", packed[:-1])
    archive = Archive([first, put("second", b"1 b\n3 b\n"), third], line_time)
    assert b"".join(archive.blocks()).count(b" b\n") == 2
    assert [one.partition(": ")[0] for one in archive.damages] == [str(first), str(third)]


def test_the_others_are_read_where_one_is_missing(put: Put, tmp_path: Path) -> None:
    data, message = read_damaged(tmp_path / "nowhere", put("a", b"1 a\n"), put("b", b"2 b\n"))
    assert data == b"1 a\n2 b\n"
    assert message == f"{tmp_path}/nowhere: No such file or directory"


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    missing = tmp_path / "nowhere"
    assert read_damaged(missing, tmp_path) == (
        b"",
        f"{missing}: No such file or directory; {tmp_path}: is a directory",
    )


def test_a_file_that_vanishes_is_told(put: Put) -> None:
    path = put("log", b"1 a\n")
    archive = Archive([path, put("other", b"2 b\n")], line_time)
    path.unlink()
    assert b"".join(archive.blocks()) == b"2 b\n"
    assert archive.damages == [f"{path}: No such file or directory"]


READ_BOMB = """
import sys
from privet.adapters.sources.archive import Archive
def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
archive = Archive(sys.argv[1:], lambda line: None)
before = peak()
assert list(archive.blocks()) == []
print(archive.too_long, peak() - before)
"""


@pytest.mark.parametrize("kind", PACKED)
def test_a_bomb_takes_no_memory(kind: str, put: Put) -> None:
    bomb = put("bomb", PACKERS[kind](bytes(1 << 24)) * 8)
    command = [sys.executable, "-c", READ_BOMB, str(bomb)]
    too_long, kilobytes = subprocess.run(command, capture_output=True, check=True).stdout.split()
    assert int(too_long) == 1
    assert int(kilobytes) < 12_000  # of 128 MiB


def test_a_dictionary_that_is_too_large_is_refused(put: Put) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 28}]
    _, message = read_damaged(put("log", lzma.compress(b"1 a\n", filters=filters)))
    assert "emory" in message


def test_long_lines_are_counted(put: Put) -> None:
    archive = Archive([put("a", b"1 a\n" + b"x" * 70_000 + b"\n"), put("b", b"x" * 70_000)], line_time)
    assert b"".join(archive.blocks()) == b"1 a\n"
    assert archive.too_long == 2


def test_files_in_any_order_come_in_order_of_time(put: Put) -> None:
    days = [numbered(9000, start=86_400 * day, step=9) for day in range(4)]
    names = ["zst", "plain", "xz", "gz"]
    paths = [put(f"log.{day}", PACKERS[name](days[day])) for day, name in enumerate(names)]
    assert read(*paths) == read(*reversed(paths)) == b"".join(days)


def test_files_that_overlap_are_merged(put: Put) -> None:
    odd, even = numbered(30_000, start=1, step=2), numbered(30_000, start=0, step=2)
    out = read(put("odd", gzip.compress(odd)), put("even", even))
    assert [int(line.split()[0]) for line in out.splitlines()] == list(range(60_000))


def test_a_file_is_open_only_while_it_is_read(put: Put) -> None:
    data = [numbered(200_000, start=1_000_000 * day) for day in range(3)]
    paths = [str(put(f"log.{day}", data[day])) for day in range(3)]

    def opened() -> list[str]:
        links = [os.path.realpath(link) for link in Path("/proc/self/fd").iterdir()]
        return [path for path in links if path in paths]

    seen = [opened() for _ in Archive(paths, line_time).blocks()]
    assert max(map(len, seen)) == 1
    assert {path for files in seen for path in files} == set(paths)
    assert opened() == []


def test_a_file_whose_first_times_come_late(put: Put) -> None:
    late = b"# no time here\n" * 20_000 + b"5 a\n"
    assert read(put("b", b"4 b\n6 b\n"), put("a", late)) == b"4 b\n" + late + b"6 b\n"


def test_a_file_without_times_goes_first_and_is_not_searched_through(put: Put) -> None:
    asked = 0

    def counting_time(line: bytes) -> float | None:
        nonlocal asked
        asked += 1
        return line_time(line)

    notes = b"# note\n" * 400_000
    assert b"".join(Archive([put("b", b"4 b\n"), put("a", notes)], counting_time).blocks()) == notes + b"4 b\n"
    assert asked < 250_000


def test_an_archive_may_be_read_again(put: Put) -> None:
    path = put("log", gzip.compress(b"1 a\n" + b"x" * 70_000 + b"\n2 b\n")[:-1])
    archive = Archive([path], line_time)
    for _ in range(2):
        list(archive.blocks())
        assert archive.damages == [f"{path}: the compressed data ends too early, at byte {path.stat().st_size}"]
        assert archive.too_long == 1


@pytest.mark.parametrize("kind", PACKERS)
def test_progress_adds_up_to_the_size(kind: str, put: Put) -> None:
    steps: list[int] = []
    paths = [put(f"log.{n}", PACKERS[kind](numbered(50_000, start=n))) for n in range(2)]
    archive = Archive(paths, line_time, steps.append)
    assert archive.size == sum(path.stat().st_size for path in paths)
    list(archive.blocks())
    assert sum(steps) == archive.size
    assert all(step > 0 for step in steps)


def test_progress_reaches_the_end_in_spite_of_garbage(put: Put) -> None:
    steps: list[int] = []
    archive = Archive([put("log", gzip.compress(b"1 a\n") + b"garbage" * BLOCK)], line_time, steps.append)
    list(archive.blocks())
    assert sum(steps) == archive.size


READ_STDIN = """
import sys
from privet.adapters.sources.archive import Archive
archive = Archive(sys.argv[1:], lambda line: float(line.split()[0]))
print(archive.size, file=sys.stderr)
for block in archive.blocks():
    sys.stdout.buffer.write(block)
"""


@pytest.mark.parametrize("kind", PACKERS)
def test_standard_input(kind: str) -> None:
    data = numbered(30_000)
    command = [sys.executable, "-c", READ_STDIN, "-"]
    done = subprocess.run(command, input=PACKERS[kind](data), capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (data, b"0\n")


def test_standard_input_is_merged_with_files(put: Put) -> None:
    command = [sys.executable, "-c", READ_STDIN, str(put("log", b"2 b\n4 b\n")), "-"]
    done = subprocess.run(command, input=gzip.compress(b"1 a\n3 a\n5 a\n"), capture_output=True, check=True)
    assert done.stdout == b"1 a\n2 b\n3 a\n4 b\n5 a\n"


def test_a_fifo_is_read_once(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    data = PACKERS["zst"](numbered(30_000))

    def write() -> None:
        with fifo.open("wb", buffering=0) as file:
            for at in range(9):
                file.write(data[at : at + 1])
                time.sleep(0.002)
            file.write(data[9:])

    thread = threading.Thread(target=write)
    thread.start()
    assert read(fifo) == numbered(30_000)
    thread.join()


def test_any_damage_is_survived(tmp_path: Path) -> None:
    path = tmp_path / "log"

    @given(st.binary(max_size=300), st.sampled_from(PACKED), st.integers(0, 400), st.integers(0, 255))
    def check(data: bytes, kind: str, at: int, byte: int) -> None:
        packed = bytearray(PACKERS[kind](data))
        packed[at % len(packed)] = byte
        path.write_bytes(packed)
        for block in Archive([path], line_time).blocks():
            assert block.endswith(b"\n")

    check()
