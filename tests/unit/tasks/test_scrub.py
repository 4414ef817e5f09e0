"""Archives are masked whole or left as they are, and a run that is killed leaves nothing half."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import random
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import msgspec
import pytest

from privet.adapters.replace import MARK
from privet.tasks import scrub as task
from privet.tasks.cleaning import Order
from privet.tasks.scrub import BLOCK, LONGEST, scrub
from privet.tasks.together import jobs_for
from tests.privacy.search import leaks
from tests.unit.processes import PRIVET, line

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from privet.tasks.scrub import Outcome

DAY = 1_431_857_103
CLIENTS = ["192.0.2.1", "198.51.100.77", "2001:db8:1:2::3"]
TEXT = "".join(f"{line(client, at=DAY + number)}\n" for number, client in enumerate(CLIENTS * 400)).encode()
PACK: dict[str, tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]] = {
    "log": (bytes, bytes),
    "gz": (gzip.compress, gzip.decompress),
    "bz2": (bz2.compress, bz2.decompress),
    "xz": (lzma.compress, lzma.decompress),
    "zst": (zstd.compress, zstd.decompress),
}


@pytest.fixture
def order() -> Order:
    return Order(mask="pseudonym", key=os.urandom(32))


def put(folder: Path, kind: str = "log", text: bytes = TEXT) -> Path:
    path = folder / f"access.{kind}"
    path.write_bytes(PACK[kind][0](text))
    path.chmod(0o640)
    os.utime(path, ns=(1, DAY * 10**9 + 7))
    return path


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def one(path: Path, order: Order) -> Outcome:
    (outcome,) = scrub([str(path)], order)
    return outcome


def marks(folder: Path) -> bool:
    """Tell whether files can be marked there."""
    try:
        os.setxattr(folder, MARK, b"x")
    except OSError:
        return False
    return True


@pytest.mark.parametrize("kind", PACK)
def test_a_file_is_masked_and_otherwise_as_before(kind: str, tmp_path: Path, order: Order) -> None:
    path = put(tmp_path, kind)
    outcome = one(path, order)
    assert (outcome.result, outcome.reason, outcome.lines, outcome.found) == ("masked", None, 1200, 1200)
    text = PACK[kind][1](path.read_bytes())
    rest = re.compile(rb"^\S+", re.MULTILINE)
    assert rest.sub(b"", text) == rest.sub(b"", TEXT), "the same lines in the same order"
    assert len(set(rest.findall(text))) == len(CLIENTS)
    assert leaks([tmp_path], CLIENTS) == []
    info = path.stat()
    assert (info.st_mtime_ns, info.st_mode & 0o777) == (DAY * 10**9 + 7, 0o640)
    assert names(tmp_path) == [path.name]


def test_what_is_done_is_not_done_again_unless_it_changed_or_something_else_is_asked(
    tmp_path: Path, order: Order
) -> None:
    if not marks(tmp_path):
        pytest.skip("needs extended attributes")
    path = put(tmp_path, "gz")
    assert one(path, order).result == "masked"
    assert one(path, order).result == "done"
    assert one(path, Order(mask="drop")).result == "unchanged", "pseudonyms stay"
    with path.open("ab") as file:
        file.write(gzip.compress(TEXT))
    assert one(path, order).result == "masked"
    assert gzip.decompress(path.read_bytes()).count(b"\n") == 2400


@pytest.mark.parametrize("copied", [False, True])
def test_what_an_older_masker_did_is_done_again_and_whatever_one_asks_for(
    tmp_path: Path, order: Order, *, copied: bool
) -> None:
    if not marks(tmp_path):
        pytest.skip("needs extended attributes")
    path = put(tmp_path)
    if copied:
        order = msgspec.structs.replace(order, output=str(made(tmp_path / "out")))
    target = tmp_path / "out" / path.name if copied else path
    expected = "masked" if copied else "unchanged"
    assert one(path, order).result == "masked"
    mark = os.getxattr(target, MARK)
    for older in (b" ".join(mark.split()[:3]), mark + b"0"):
        os.setxattr(target, MARK, older)
        assert one(path, order).result == expected
        assert os.getxattr(target, MARK) == mark
        assert one(path, order).result == "done"
    assert one(path, msgspec.structs.replace(order, again=True)).result == expected
    os.setxattr(target, MARK, b"other " + mark)
    assert one(path, order).result == ("left" if copied else "unchanged")


def test_a_file_without_addresses_is_not_written(tmp_path: Path, order: Order) -> None:
    path = put(tmp_path, text=b"Chrome/126.0.0.0\r\n\r\nlast line\xff")
    before = path.stat()
    outcome = one(path, order)
    assert (outcome.result, outcome.lines, outcome.found) == ("unchanged", 3, 0)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_dry_run_counts_and_writes_nothing(tmp_path: Path, order: Order) -> None:
    path = put(tmp_path)
    before = path.stat()
    outcome = one(path, Order(mask="drop", dry_run=True))
    assert (outcome.result, outcome.found) == ("masked", 1200)
    assert path.read_bytes() == TEXT
    assert path.stat().st_ctime_ns == before.st_ctime_ns
    assert one(path, order).result == "masked"


def test_copies_leave_the_files_as_they_are(tmp_path: Path, order: Order) -> None:
    path, output = put(tmp_path, "xz"), tmp_path / "out"
    output.mkdir()
    order = Order(mask="pseudonym", key=order.key, output=str(output))
    assert one(path, order).result == "masked"
    copy = output / path.name
    assert PACK["xz"][1](path.read_bytes()) == TEXT
    assert leaks([output], CLIENTS) == []
    assert copy.stat().st_mtime_ns == path.stat().st_mtime_ns
    if marks(tmp_path):
        assert one(path, order).result == "done"
    path.write_bytes(PACK["xz"][0](TEXT * 2))
    outcome = one(path, order)
    assert (outcome.result, outcome.reason) == ("left", "there is another file of that name in the output directory")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"x\0y\n", "NUL"),
        ("192.0.2.1 GET /\n".encode("utf-16"), "NUL"),
        (TEXT + bytes(5000), "NUL"),
        (b"\1\2\3\4 192.0.2.1\n" * 9, "control characters"),
        (b"192.0.2.1 " * (LONGEST // 8), "a line of more than 1 MiB"),
        (gzip.compress(TEXT)[:-20], "ends too early"),
        (gzip.compress(TEXT)[:40] + b"damage" + gzip.compress(TEXT)[50:], "damaged"),
        (gzip.compress(TEXT) + b"more", "is ignored"),
        (bz2.compress(TEXT)[:-9], "ends too early"),
        (b"PK\3\4" + bytes(40), "NUL"),
    ],
    ids=range(10),
)
def test_what_is_in_doubt_is_left_as_it_is(text: bytes, said: str, tmp_path: Path, order: Order) -> None:
    path = put(tmp_path, text=text)
    outcome = one(path, order)
    assert outcome.result == "left"
    assert said in (outcome.reason or "")
    assert path.read_bytes() == text
    assert names(tmp_path) == [path.name]


def test_what_is_no_file_of_its_own_is_left(tmp_path: Path, order: Order) -> None:
    path = put(tmp_path)
    (tmp_path / "link").symlink_to(path)
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    said = {"link": "symbolic link", "folder": "no regular file", "pipe": "no regular file", "missing": "No such file"}
    for name, reason in said.items():
        outcome = one(tmp_path / name, order)
        assert outcome.result == "left"
        assert reason in (outcome.reason or "")
    (tmp_path / "second").hardlink_to(path)
    assert "2 names" in (one(path, order).reason or "")
    assert path.read_bytes() == TEXT


def test_a_file_that_somebody_writes_to_is_left_unless_forced(
    tmp_path: Path, order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(tmp_path)
    with path.open("ab"):
        assert "open for writing" in (one(path, order).reason or "")
        assert one(path, Order(mask="drop", force=True)).result == "masked"
    monkeypatch.setattr(task, "is_written", lambda _path: None)
    put(tmp_path)
    assert "cannot tell" in (one(path, order).reason or "")


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("more", [b"one more\n", b"much more\n" * 20_000])
def test_a_file_that_changes_meanwhile_is_left(force: bool, more: bytes, tmp_path: Path) -> None:  # noqa: FBT001
    path = put(tmp_path)

    def append(_count: int) -> None:  # always more than was read
        with path.open("ab") as file:
            file.write(more)

    (outcome,) = scrub([str(path)], Order(mask="drop", force=force), append)
    assert outcome.reason == "has changed meanwhile"
    assert path.read_bytes().startswith(TEXT)


def test_lines_are_whole_wherever_the_blocks_end(tmp_path: Path) -> None:
    """An address stands across every place at which the input might be cut."""
    text = b"".join(b"%07d 203.0.113.77 2001:db8:1:2::77\n" % number for number in range(3 * BLOCK // 43))
    path = put(tmp_path, text=text[:-1])
    outcome = one(path, Order(mask="drop"))
    assert outcome.found == 2 * text.count(b"\n")
    assert path.read_bytes() == re.sub(rb"2001:\S+", b"::", text[:-1].replace(b"203.0.113.77", b"0.0.0.0"))


def test_several_processes_do_the_same_in_the_same_order(tmp_path: Path, order: Order) -> None:
    paths = [str(put(made(tmp_path / str(number)))) for number in range(5)]
    paths.append(str(tmp_path / "missing"))
    read: list[int] = []
    outcomes = list(scrub(paths, order, read.append, jobs=2))
    assert [outcome.file for outcome in outcomes] == paths
    assert [outcome.result for outcome in outcomes] == ["masked"] * 5 + ["left"]
    texts = {(tmp_path / str(number) / "access.log").read_bytes() for number in range(5)}
    assert len(texts) == 1, "one client has one pseudonym, whichever process met it"
    assert sum(read) <= 5 * len(TEXT)


def test_several_processes_are_for_large_files_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [str(put(tmp_path, kind)) for kind in PACK]
    assert jobs_for(paths) == 1
    monkeypatch.setattr("privet.tasks.together.PAYS", 1000)
    assert jobs_for(paths) == min(len(os.sched_getaffinity(0)), len(paths))
    assert jobs_for([*paths[:1], "missing"]) == 1


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_run_leaves_whole_files_and_the_next_one_finishes(how: signal.Signals, tmp_path: Path) -> None:
    paths = [put(made(tmp_path / str(number)), "gz", TEXT * 20) for number in range(6)]
    command = [*PRIVET, "scrub", "--mask", "drop", *map(str, paths)]
    for _ in range(4):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(random.uniform(0.3, 0.9))
        process.send_signal(how)
        process.wait()
        for path in paths:
            text = gzip.decompress(path.read_bytes())
            assert text == TEXT * 20 or (text.count(b"\n") == 24_000 and b"192.0.2.1" not in text)
        if how == signal.SIGINT:
            assert process.returncode in (0, 130, -how)  # the last before Privet has begun
            assert [name for path in paths for name in names(path.parent)] == ["access.gz"] * 6
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert leaks([tmp_path], CLIENTS) == []
    assert [name for path in paths for name in names(path.parent)] == ["access.gz"] * 6
