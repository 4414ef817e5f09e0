"""Real files, written, rotated and broken while they are followed."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inotify_simple import INotify, flags

from privet.adapters.sources import files, past
from privet.adapters.sources.files import QUIET_POLLS, FileSource
from privet.core.parsing.lines import LONGEST_LINE

if TYPE_CHECKING:
    from collections.abc import Iterator

Follow = Callable[..., FileSource]
NOBODY = 65_534


def line_time(line: bytes) -> float | None:
    """Read the time in front of a test line."""
    word = line.partition(b" ")[0]
    return float(word) if word.isdigit() else None


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def told(source: FileSource) -> bytes:
    """Return what comes because inotify tells, without a poll."""
    source.drain()
    return b"".join(source.read())


def polled(source: FileSource) -> bytes:
    source.poll()
    return b"".join(source.read())


def let_go(source: FileSource) -> None:
    """Poll until a quiet file that is over is closed."""
    for _ in range(QUIET_POLLS + 1):
        assert polled(source) == b""


def open_files(under: Path) -> list[str]:
    links = [os.path.realpath(link) for link in Path("/proc/self/fd").iterdir()]
    return sorted(Path(link).name for link in links if link.startswith(str(under)))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "access.log"
    path.write_bytes(b"1 old\n")
    return path


@pytest.fixture
def follow() -> Iterator[Follow]:
    sources: list[FileSource] = []

    def follow(*patterns: Path | str, **options: Any) -> FileSource:  # noqa: ANN401  as FileSource takes them
        sources.append(FileSource("web", [str(pattern) for pattern in patterns], **options))
        return sources[-1]

    yield follow
    for source in sources:
        source.close()


def test_what_is_appended_comes_and_what_was_there_does_not(log: Path, follow: Follow) -> None:
    source = follow(log)
    assert told(source) == b""
    append(log, b"2 new\n3 new\n")
    assert told(source) == b"2 new\n3 new\n"
    assert told(source) == polled(source) == b""
    assert source.problems == {}
    assert source.paths == [str(log)]
    assert source.counts.bytes_read == 12


def test_the_descriptor_becomes_readable(log: Path, follow: Follow) -> None:
    source = follow(log)

    def readable() -> bool:
        return bool(select.select([source.fileno()], [], [], 0)[0])

    assert not readable()
    append(log, b"2 new\n")
    assert readable()
    source.drain()
    assert not readable()


def test_a_poll_finds_what_inotify_missed(log: Path, follow: Follow) -> None:
    source = follow(log)
    append(log, b"2 new\n")
    assert b"".join(source.read()) == b""
    assert polled(source) == b"2 new\n"


def test_an_unfinished_line_waits_for_its_end(log: Path, follow: Follow) -> None:
    source = follow(log)
    append(log, b"2 new\n3 ne")
    assert told(source) == b"2 new\n"
    append(log, b"w")
    assert told(source) == polled(source) == b""
    append(log, b"er\r\n")
    assert told(source) == b"3 newer\n"


def test_a_line_begun_before_the_start_comes_whole(log: Path, follow: Follow) -> None:
    append(log, b"2 n")
    source = follow(log)
    append(log, b"ew\n")
    assert told(source) == b"2 new\n"


def test_too_long_a_line_begun_before_the_start_is_dropped(log: Path, follow: Follow) -> None:
    append(log, b"x" * (LONGEST_LINE + 50))
    source = follow(log)
    append(log, b"x\n2 new\n")
    assert told(source) == b"2 new\n"
    assert source.counts.too_long == 1


def test_blocks_are_bounded_and_the_reader_may_leave(log: Path, follow: Follow) -> None:
    source = follow(log, block_size=100)
    lines = b"".join(b"%09d\n" % number for number in range(100))
    append(log, lines + b"x" * (LONGEST_LINE + 1) + b"\nlast\n")
    source.drain()
    seen = []
    for block in source.read():
        seen.append(block)
        break
    seen += source.read()
    assert b"".join(seen) == lines + b"last\n"
    assert len(seen) == 11
    assert source.counts.too_long == 1


def test_an_event_while_reading_is_not_forgotten(log: Path, follow: Follow) -> None:
    source = follow(log)
    append(log, b"2 new\n")
    source.drain()
    blocks = source.read()
    assert next(blocks) == b"2 new\n"
    append(log, b"3 new\n")
    source.drain()
    assert list(blocks) == [b"3 new\n"]


def test_a_flood_of_events_loses_nothing(log: Path, follow: Follow) -> None:
    source = follow(log)
    events = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    noise = log.with_name("of.no.interest")
    for _ in range(events // 2 + 1):
        noise.touch()
        noise.unlink()
    log.rename(log.with_name("access.log.1"))
    append(log, b"2 new\n")
    assert told(source) == b"2 new\n"


def test_files_that_come_at_once_come_in_the_order_of_writing(tmp_path: Path, follow: Follow) -> None:
    source = follow(tmp_path / "*.log")
    for number in range(6):
        append(tmp_path / f"{number}.log", b"%d\n" % number)
        os.utime(tmp_path / f"{number}.log", (9 - number, 9 - number))
    assert told(source) == b"5\n4\n3\n2\n1\n0\n"


def test_a_file_may_come_late(tmp_path: Path, follow: Follow) -> None:
    log = tmp_path / "access.log"
    source = follow(log)
    assert source.problems == {str(log): "No such file or directory"}
    append(log, b"1 new\n")
    assert told(source) == b"1 new\n"
    assert source.problems == {}
    append(log, b"2 new\n")
    assert told(source) == b"2 new\n"
    assert source.counts.rotations == 0


def test_a_directory_may_come_late(tmp_path: Path, follow: Follow) -> None:
    directory = tmp_path / "logs" / "apache2"
    source = follow(directory / "*.log")
    assert polled(source) == b""
    directory.mkdir(parents=True)
    append(directory / "a.log", b"1 new\n")
    assert polled(source) == b"1 new\n"
    append(directory / "a.log", b"2 new\n")
    append(directory / "b.log", b"1 other\n")
    assert told(source) == b"2 new\n1 other\n"


def test_a_directory_may_be_made_anew(tmp_path: Path, follow: Follow) -> None:
    log = tmp_path / "logs" / "a.log"
    log.parent.mkdir()
    source = follow(log)
    for number in range(3):
        append(log, b"%d new\n" % number)
        assert polled(source) == b"%d new\n" % number
        log.unlink()
        log.parent.rmdir()
        log.parent.mkdir()


def test_directories_may_be_a_pattern(tmp_path: Path, follow: Follow) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    (tmp_path / "file").touch()
    source = follow(tmp_path / "*" / "access.log")
    assert list(source.problems) == [str(tmp_path / "*" / "access.log")]
    append(tmp_path / "a" / "access.log", b"1 a\n")
    append(tmp_path / "b" / "access.log", b"1 b\n")
    assert told(source) == b"1 a\n1 b\n"
    assert source.problems == {}


def test_relative_patterns(tmp_path: Path, follow: Follow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    source = follow("access.*")
    append(tmp_path / "access.log", b"1 new\n")
    assert told(source) == b"1 new\n"


def test_rename_and_create(log: Path, follow: Follow) -> None:
    source = follow(log)
    old = log.with_name("access.log.1")
    append(log, b"2 old\n")
    log.rename(old)
    append(old, b"3 old\n")
    append(log, b"4 new\n")
    append(old, b"5 old, a long request\n")
    assert told(source) == b"2 old\n3 old\n5 old, a long request\n4 new\n"
    append(log, b"6 new\n")
    append(old, b"7 old\n")
    assert told(source) == b"7 old\n6 new\n"
    assert source.counts.rotations == 1
    assert source.counts.truncations == 0


def test_the_old_file_is_kept_until_it_is_quiet(log: Path, follow: Follow, tmp_path: Path) -> None:
    source = follow(log)
    old = log.with_name("access.log.1")
    log.rename(old)
    append(log, b"2 new\n")
    assert told(source) == b"2 new\n"
    for _ in range(QUIET_POLLS - 1):
        assert polled(source) == b""
    append(old, b"3 old\n")
    assert told(source) == b"3 old\n"
    for _ in range(QUIET_POLLS):
        assert polled(source) == b""
    assert open_files(tmp_path) == ["access.log", "access.log.1"]
    append(old, b"4 old, un")  # no event is taken
    source.poll()
    assert open_files(tmp_path) == ["access.log", "access.log.1"]
    assert b"".join(source.read()) == b""
    let_go(source)
    assert open_files(tmp_path) == ["access.log"]
    assert source.counts.cut_off == 1
    append(old, b"5 old\n")
    append(log, b"6 new\n")
    assert told(source) == b"6 new\n"


def test_the_old_file_is_kept_while_there_is_no_new_one(log: Path, follow: Follow) -> None:
    source = follow(log)
    old = log.with_name("access.log.1")
    log.rename(old)
    let_go(source)
    append(old, b"2 old\n")
    assert told(source) == b"2 old\n"
    old.rename(log)
    append(log, b"3 old\n")
    assert polled(source) == b"3 old\n"
    assert source.counts.rotations == 0


def test_a_pattern_that_matches_rotated_files_reads_nothing_twice(log: Path, follow: Follow, tmp_path: Path) -> None:
    source = follow(tmp_path / "access.log*")
    for number in range(2, 9):
        append(log, b"%d new\n" % number)
        for age in range(number, 0, -1):
            with suppress(FileNotFoundError):
                log.with_name(f"access.log.{age}").rename(log.with_name(f"access.log.{age + 1}"))
        log.rename(log.with_name("access.log.1"))
        append(log, b"")
        assert told(source) == b"%d new\n" % number
    assert source.counts.rotations == 7
    let_go(source)
    assert source.paths == sorted(map(str, tmp_path.iterdir()))


def test_copytruncate(log: Path, follow: Follow) -> None:
    source = follow(log)
    append(log, b"2 new\n3 cut o")
    assert told(source) == b"2 new\n"
    os.truncate(log, 0)
    assert told(source) == b""
    append(log, b"4 n\n")
    assert told(source) == b"4 n\n"
    assert source.counts.truncations == 1
    assert source.counts.cut_off == 1
    assert source.counts.rotations == 0


@pytest.mark.parametrize("length", [1, 5, 6, 7, 100, 5000])
def test_a_truncated_file_is_read_anew_however_far_it_grew(length: int, log: Path, follow: Follow) -> None:
    source = follow(log)
    os.truncate(log, 0)
    append(log, b"x" * length + b"\n")
    assert told(source) == b"x" * length + b"\n"
    assert source.counts.truncations == 1


def test_deletion_and_a_new_file(log: Path, follow: Follow, tmp_path: Path) -> None:
    source = follow(log)
    with log.open("ab") as writer:
        log.unlink()
        writer.write(b"2 into the void\n")
        writer.flush()
        assert told(source) == b"2 into the void\n"
        assert source.problems == {str(log): "No such file or directory"}
        append(log, b"3 new\n")
        assert told(source) == b"3 new\n"
        writer.write(b"4 into the void\n")
        writer.flush()
        assert told(source) == b"4 into the void\n"
    let_go(source)
    assert open_files(tmp_path) == ["access.log"]


def test_deletion_for_good(log: Path, follow: Follow, tmp_path: Path) -> None:
    source = follow(log)
    log.unlink()
    let_go(source)
    assert open_files(tmp_path) == []
    assert source.paths == []
    append(log, b"2 new\n")
    assert told(source) == b"2 new\n"
    assert source.counts.rotations == 0


def test_a_name_that_changes_while_it_is_looked_at(log: Path, follow: Follow, monkeypatch: pytest.MonkeyPatch) -> None:
    source = follow(log)
    old = log.with_name("access.log.1")
    log.rename(old)
    append(log, b"2 short lived\n")
    opened = past.opened

    def rename_back_and_open(path: str) -> int:
        monkeypatch.undo()
        old.rename(log)
        return opened(path)

    monkeypatch.setattr(files, "opened", rename_back_and_open)
    assert told(source) == b""
    append(log, b"3 new\n")
    assert told(source) == b"3 new\n"
    assert polled(source) == b""


def test_a_name_that_becomes_a_fifo_while_it_is_looked_at(
    tmp_path: Path, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "access.log"
    source = follow(log)
    log.touch()
    opened = past.opened

    def replace_and_open(path: str) -> int:
        log.unlink()
        os.mkfifo(log)
        return opened(path)  # would wait for a writer

    monkeypatch.setattr(files, "opened", replace_and_open)
    assert told(source) == b""
    assert source.problems == {str(log): "not a regular file"}


@contextmanager
def as_nobody() -> Iterator[None]:
    """Give up the rights of root, who may read everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def public() -> Iterator[Path]:
    """Make a directory that everybody may enter."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_a_file_without_permission_is_a_problem_until_it_is_given(public: Path, follow: Follow) -> None:
    closed, other = public / "a.log", public / "b.log"
    append(closed, b"1 old\n")
    append(other, b"1 old\n")
    closed.chmod(0)
    with as_nobody():
        source = follow(public / "*.log")
        assert source.problems == {str(closed): "Permission denied"}
    append(other, b"2 b\n")
    with as_nobody():
        assert told(source) == b"2 b\n"
        assert polled(source) == b""
        assert source.problems == {str(closed): "Permission denied"}
    closed.chmod(0o600)
    append(closed, b"3 a\n")
    closed.chmod(0o644)
    with as_nobody():
        assert told(source) == b"3 a\n"
    assert source.problems == {}


def test_a_directory_without_permission_is_a_problem(public: Path, follow: Follow) -> None:
    directory = public / "logs"
    directory.mkdir(mode=0)
    with as_nobody():
        source = follow(directory / "a.log", directory / "*.txt")
        assert source.problems[str(directory / "a.log")] == "Permission denied"
        assert source.problems[str(directory / "*.txt")] == "Permission denied"
        assert "Permission denied" in source.problems[f"{directory}/"]
    directory.chmod(0o755)
    append(directory / "a.log", b"1 new\n")
    with as_nobody():
        assert polled(source) == b"1 new\n"
        assert list(source.problems) == [str(directory / "*.txt")]


def test_one_file_under_many_names_is_read_once(log: Path, follow: Follow, tmp_path: Path) -> None:
    (tmp_path / "symbolic.log").symlink_to(log)
    (tmp_path / "hard.log").hardlink_to(log)
    source = follow(log, log, tmp_path / "*.log", tmp_path / "symbolic.*")
    append(log, b"2 new\n")
    assert told(source) == b"2 new\n"
    assert polled(source) == b""


def test_a_symbolic_link_may_lead_elsewhere_later(tmp_path: Path, follow: Follow) -> None:
    store, link = tmp_path / "store", tmp_path / "current.log"
    store.mkdir()
    append(store / "monday", b"1 old\n")
    link.symlink_to(store / "monday")
    source = follow(link)
    append(store / "monday", b"2 new\n")
    append(store / "tuesday", b"3 new\n")
    link.unlink()
    link.symlink_to(store / "tuesday")
    assert told(source) == b"2 new\n3 new\n"
    assert source.counts.rotations == 1


def test_only_regular_files_are_followed(tmp_path: Path, follow: Follow) -> None:
    os.mkfifo(tmp_path / "fifo.log")
    (tmp_path / "zero.log").symlink_to("/dev/zero")
    (tmp_path / "directory.log").mkdir()
    (tmp_path / "nowhere.log").symlink_to("missing")
    (tmp_path / "loop.log").symlink_to("loop.log")
    (tmp_path / "a.log.gz").write_bytes(b"")
    with INotify() as opened:
        opened.add_watch(tmp_path / "fifo.log", flags.OPEN)
        source = follow(tmp_path / "*.log", tmp_path / "*.gz")
        assert opened.read(timeout=0) == []
    assert source.problems == {
        str(tmp_path / "fifo.log"): "not a regular file",
        str(tmp_path / "zero.log"): "not a regular file",
        str(tmp_path / "directory.log"): "not a regular file",
        str(tmp_path / "nowhere.log"): "No such file or directory",
        str(tmp_path / "loop.log"): "Too many levels of symbolic links",
        str(tmp_path / "a.log.gz"): "compressed, so not followed",
    }
    assert source.paths == []
    assert polled(source) == b""


def test_close_lets_go_of_all_descriptors(log: Path, tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    source = FileSource("web", [str(log), str(tmp_path / "*")])
    source.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


FEW_WATCHES = """
import sys
from pathlib import Path
from privet.adapters.sources.files import FileSource
Path("/proc/sys/user/max_inotify_watches").write_text("2")
logs = [Path(name) for name in sys.argv[1:]]
source = FileSource("web", sys.argv[1:])
assert list(source.problems.values()) == ["read once a second only: inotify: No space left on device"], source.problems
for log in logs:
    with log.open("a") as file:
        file.write("1 new\\n")
source.drain()
assert b"".join(source.read()) == b"1 new\\n"
source.poll()
assert b"".join(source.read()) == b"1 new\\n"
"""


@pytest.mark.needs("root", "unshare")
def test_without_enough_watches_files_are_polled(tmp_path: Path) -> None:
    logs = [tmp_path / "a.log", tmp_path / "b.log"]
    for log in logs:
        log.touch()
    command = ["unshare", "--user", "--map-root-user", sys.executable, "-c", FEW_WATCHES, *map(str, logs)]
    subprocess.run(command, check=True)


NO_INOTIFY = """
import resource
from privet.adapters.sources.files import FileSource, INotify
from privet.ports import SourceError
INotify().close()
resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
try:
    FileSource("web", ["/nowhere"])
except SourceError as error:
    print(error, error.transient)
"""


def test_without_inotify_there_is_no_source() -> None:
    done = subprocess.run([sys.executable, "-c", NO_INOTIFY], check=True, capture_output=True, text=True)
    assert done.stdout == "source web: inotify: Too many open files True\n"


class World:
    """Two logs that live through anything, and a model of them: files, of each what is not read yet."""

    def __init__(self, directory: Path, block_size: int) -> None:
        self.paths = {letter: directory / f"{letter}.log" for letter in "ab"}
        self.writers = {letter: path.open("ab", buffering=0) for letter, path in self.paths.items()}
        self.unread: dict[str, list[bytes]] = {letter: [b""] for letter in self.paths}
        self.expected = dict.fromkeys(self.paths, b"")
        self.got = b""
        self.source = FileSource("web", [f"{directory}/*.log"], block_size=block_size)

    def write(self, letter: str, text: bytes) -> None:
        self.writers[letter].write(text)
        self.unread[letter][-1] += text

    def end(self, letter: str, text: bytes) -> None:
        self.write(letter, text + b"\n")

    def truncate(self, letter: str, _text: bytes) -> None:
        self.writers[letter].truncate(0)
        self.unread[letter][-1] = b""

    def rewrite(self, letter: str, text: bytes) -> None:
        self.truncate(letter, text)
        self.end(letter, text * 30)

    def rotate(self, letter: str, text: bytes) -> None:
        self.source.poll()  # a file that comes and goes unseen is nobody's log
        path = self.paths[letter]
        path.rename(path.with_name(text.decode()))
        self.writers[letter].close()
        self.writers[letter] = path.open("ab", buffering=0)
        self.unread[letter].append(b"")

    def poll(self, _letter: str, _text: bytes) -> None:
        self.source.poll()

    def read(self, _letter: str, _text: bytes) -> None:
        self.got += told(self.source)
        for letter, parts in self.unread.items():
            for number, part in enumerate(parts):
                cut = part.rfind(b"\n") + 1
                self.expected[letter] += part[:cut]
                parts[number] = part[cut:]

    def close(self) -> None:
        self.source.close()
        for writer in self.writers.values():
            writer.close()


OPERATIONS = (World.write, World.end, World.truncate, World.rewrite, World.rotate, World.poll, World.read, World.read)


@given(st.lists(st.tuples(st.sampled_from(OPERATIONS), st.sampled_from("ab")), max_size=40), st.integers(1, 40))
def test_any_course_of_events(course: list[tuple[Callable[..., None], str]], block_size: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        world = World(Path(name), block_size)
        try:
            for number, (operation, letter) in enumerate([*course, (World.rotate, "a"), (World.read, "a")]):
                operation(world, letter, b"%s%d;" % (letter.encode(), number))
        finally:
            world.close()
    for letter, expected in world.expected.items():
        lines = world.got.splitlines(keepends=True)
        assert b"".join(line for line in lines if letter.encode() in line) == expected


class Reader(threading.Thread):
    """The daemon's loop in small, until the line `end`."""

    def __init__(self, source: FileSource) -> None:
        super().__init__()
        self.source = source
        self.got = b""

    def run(self) -> None:
        deadline = time.monotonic() + 20
        next_poll = 0.0
        while not self.got.endswith(b"end\n") and (now := time.monotonic()) < deadline:
            if select.select([self.source.fileno()], [], [], 0.02)[0]:
                self.source.drain()
            if now >= next_poll:
                self.source.poll()
                next_poll = now + 0.05
            for block in self.source.read():
                self.got += block

    def wait_for(self, line: bytes) -> None:
        deadline = time.monotonic() + 10
        while not self.got.endswith(line) and time.monotonic() < deadline:
            time.sleep(0.0005)


def test_a_writer_that_rotates_loses_no_line(log: Path, follow: Follow) -> None:
    reader = Reader(follow(log, block_size=4096))
    reader.start()
    number = 0
    for turn in range(60):
        with log.open("ab", buffering=0) as file:
            number += 1
            file.write(b"%d\n" % number)
            reader.wait_for(b"%d\n" % number)  # as in World.rotate
            for _ in range(turn * 3):
                number += 1
                file.write(b"%d so" % number)
                file.write(b" and so\n")
            log.rename(log.with_name(f"access.log.{turn}"))
            number += 1
            file.write(b"%d after the rename\n" % number)
    append(log, b"end\n")
    reader.join()
    assert [int(line.split()[0]) for line in reader.got.splitlines()[:-1]] == list(range(1, number + 1))
    assert reader.source.counts.rotations == 60
    assert reader.source.counts.truncations == reader.source.counts.cut_off == 0


def test_a_writer_that_truncates_what_was_read_loses_no_line(log: Path, follow: Follow) -> None:
    reader = Reader(follow(log))
    reader.start()
    number = 0
    with log.open("ab", buffering=0) as file:
        for turn in range(60):
            for _ in range(1 + turn * 7 % 50):
                number += 1
                file.write(b"%d so and so\n" % number)
            reader.wait_for(b"%d so and so\n" % number)
            file.truncate(0)
        file.write(b"end\n")
    reader.join()
    assert [int(line.split()[0]) for line in reader.got.splitlines()[:-1]] == list(range(1, number + 1))
    assert reader.source.counts.truncations == 60


def again(source: FileSource, since: float, limit: int = past.REREAD_LIMIT) -> bytes:
    return b"".join(source.rewind(line_time, since, limit))


def test_a_restart_reads_again_and_nothing_twice(log: Path, follow: Follow) -> None:
    append(log, b"2 a\n3 b\n4 c\n5 unfin")
    source = follow(log)
    append(log, b"ished\n6 d\n")
    assert again(source, since=3) == b"3 b\n4 c\n"
    assert told(source) == b"5 unfinished\n6 d\n"


@pytest.mark.parametrize("since", [0, 1, 4000, 4001, 99_999, 100_000, 200_000])
def test_the_place_in_a_large_file_is_found_exactly(since: int, log: Path, follow: Follow) -> None:
    lines = [b"%d some more text\n" % number for number in range(100_000)]
    log.write_bytes(b"".join(lines))
    source = follow(log)
    assert again(source, since) == b"".join(lines[since:])


def test_little_of_a_large_old_file_is_read(log: Path, follow: Follow) -> None:
    with log.open("wb") as file:
        file.writelines(b"[%d] some more text\n" % number for number in range(400_000))
    source = follow(log)
    asked = 0

    def counting_time(line: bytes) -> float | None:
        nonlocal asked
        asked += 1
        assert line.startswith(b"[")
        assert line.endswith(b" some more text")
        return float(line[1 : line.index(b"]")])

    assert b"".join(source.rewind(counting_time, 399_990)).count(b"\n") == 10
    assert source.counts.bytes_read <= 3 * past.REREAD_STEP
    assert asked < 20_000


@pytest.mark.parametrize("slow", [[20_480], [20_480, 12_288]])
def test_slow_requests_do_not_end_the_search(slow: list[int], log: Path, follow: Follow) -> None:
    """Lines written at the end of a request and stamped at its start, just where the search looks."""
    times = list(range(40_960))
    for place in slow:
        times[place : place + 200] = [0] * 200
    lines = [(b"%d" % time).ljust(31) + b"\n" for time in times]
    assert len(lines) * 32 == 10 * past.REREAD_STEP
    log.write_bytes(b"".join(lines))
    assert again(follow(log), since=8_000) == b"".join(lines[8_000:])


def test_lines_without_a_time_do_not_end_the_search(log: Path, follow: Follow) -> None:
    log.write_bytes(b"1 a\n2 b\n" + b"at some.java.Class\n" * 50_000 + b"3 c\n")
    assert again(follow(log), since=2) == b"2 b\n" + b"at some.java.Class\n" * 50_000 + b"3 c\n"


def test_a_restart_reads_no_more_than_the_limit(log: Path, follow: Follow) -> None:
    log.write_bytes(b"".join(b"%09d\n" % number for number in range(100_000)))
    log.with_name("access.log.1").write_bytes(b"0 older\n")
    assert again(follow(log), since=0, limit=200_000) == b"".join(b"%09d\n" % n for n in range(80_000, 100_000))


def test_the_limit_holds_for_a_file_and_the_one_before(log: Path, follow: Follow) -> None:
    log.with_name("access.log.1").write_bytes(b"".join(b"%09d\n" % number for number in range(1000)))
    log.write_bytes(b"".join(b"%09d\n" % number for number in range(1000, 1100)))
    assert again(follow(log), since=0, limit=1500) == b"".join(b"%09d\n" % number for number in range(950, 1100))


@pytest.mark.parametrize("rotated", ["access.log.1", "access.log-20260131", "access.log.2026-01-31"])
@pytest.mark.parametrize("current", [b"", b"6 new\n"])
def test_the_file_rotated_last_comes_first(rotated: str, current: bytes, log: Path, follow: Follow) -> None:
    log.with_name("access.log.2").write_bytes(b"1 too far back\n9 a\n")
    os.utime(log.with_name("access.log.2"), (1, 1))
    for name in ("access.log.offset", "access.log_1", "other.log.1"):
        log.with_name(name).write_bytes(b"9 not this\n")
        os.utime(log.with_name(name), (1 << 32, 1 << 32))
    log.with_name(rotated).write_bytes(b"3 a\n4 b\n5 c\n")
    log.write_bytes(current)
    source = follow(log)
    assert again(source, since=4) == b"4 b\n5 c\n" + current
    append(log, b"7 new\n")
    assert told(source) == b"7 new\n"


def test_a_rotated_file_is_left_alone_if_the_current_reaches_back(log: Path, follow: Follow) -> None:
    log.with_name("access.log.1").write_bytes(b"9 from a wrong clock\n")
    log.write_bytes(b"1 a\n" * (past.REREAD_STEP // 4) + b"3 a\n4 b\n")
    assert again(follow(log), since=3) == b"3 a\n4 b\n"


def test_a_rotated_file_that_is_followed_itself_is_read_once(log: Path, follow: Follow, tmp_path: Path) -> None:
    log.with_name("access.log.1").write_bytes(b"3 a\n5 b\n")
    log.write_bytes(b"6 c\n")
    assert again(follow(tmp_path / "access.log*"), since=4) == b"5 b\n6 c\n"


def test_many_files_are_read_again_in_order_of_time(tmp_path: Path, follow: Follow) -> None:
    hosts = 20
    for host in range(hosts):
        path = tmp_path / f"{host:02}.log"
        path.write_bytes(b"".join(b"%d host %d\n" % (number, host) for number in range(host, 20_000, hosts)))
    out = again(follow(tmp_path / "*.log"), since=5_000)
    assert [int(line.split()[0]) for line in out.splitlines()] == list(range(5_000, 20_000))


def test_a_file_that_cannot_be_read_again_does_not_stop_the_others(log: Path, follow: Follow, tmp_path: Path) -> None:
    append(tmp_path / "other.log", b"2 other\n")
    source = follow(tmp_path / "*.log")
    broken = next(file for file in source._files.values() if file.path == str(log))  # noqa: SLF001
    null = os.open("/dev/null", os.O_WRONLY)
    os.dup2(null, broken.fd)
    os.close(null)
    assert again(source, since=0) == b"2 other\n"
    assert source.problems == {str(log): "Bad file descriptor"}
    append(tmp_path / "other.log", b"3 other\n")
    assert polled(source) == b"3 other\n"
    assert source.problems == {str(log): "Bad file descriptor"}


@given(st.lists(st.integers(0, 3), max_size=300), st.integers(0, 300), st.integers(20, 200))
def test_no_line_since_the_time_is_left_out(steps: list[int], since: int, block: int) -> None:
    lines = [b"%d %d\n" % (sum(steps[: number + 1]), number) for number in range(len(steps))]
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(past, "REREAD_STEP", block)
        patch.setattr(past, "SAMPLE", 20)
        log = Path(name) / "a.log"
        log.write_bytes(b"".join(lines))
        source = FileSource("web", [str(log)])
        expected = [line for line in lines if (line_time(line) or 0) >= since]
        assert again(source, since) == b"".join(expected)
        source.close()
