"""What the daemon does with two pipes of the kernel: it moves bytes from one to the other, and sees them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from privet.adapters.sources.loans import READ, Copies, Onward, pipe_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def copies() -> Iterator[Copies]:
    found = Copies()
    yield found
    found.close()


@pytest.fixture
def onward() -> Iterator[Onward]:
    found = Onward(b"")
    yield found
    found.close()


@pytest.fixture
def ends() -> Iterator[tuple[int, int]]:
    out, into = os.pipe()
    os.set_blocking(out, False)
    yield out, into
    os.close(out)
    os.close(into)


def moved(copies: Copies, source: int, target: int) -> tuple[bytes, int]:
    count = copies.copy(source)
    return (copies.moved(source, target, count) if count > 0 else b""), count


def test_what_came_is_moved_and_seen(copies: Copies, onward: Onward, ends: tuple[int, int]) -> None:
    out, into = ends
    assert moved(copies, out, onward.into) == (b"", -1)
    for text in (b"one\n", b"two\nthr", b"ee\n"):
        os.write(into, text)
        assert moved(copies, out, onward.into) == (text, len(text))
    assert onward.waiting == 14
    assert os.read(onward.out, 100) == b"one\ntwo\nthree\n"
    with pytest.raises(BlockingIOError):
        os.read(out, 1)


def test_an_input_whose_writers_are_gone_has_an_end(copies: Copies, onward: Onward) -> None:
    out, into = os.pipe()
    os.write(into, b"last\n")
    os.close(into)
    assert moved(copies, out, onward.into) == (b"last\n", 5)
    assert moved(copies, out, onward.into) == (b"", 0)
    os.close(out)


def test_what_the_second_pipe_has_no_room_for_stays_in_the_first(copies: Copies, onward: Onward) -> None:
    out, into = os.pipe()
    os.set_blocking(out, False)
    written = seen = b""
    for turn in range(10_000):
        block = b"%05d\n" % turn * 100
        written += block
        os.write(into, block)
        data, count = moved(copies, out, onward.into)
        seen += data
        if len(data) < count:
            break
    assert len(seen) < len(written)
    read = b""
    while len(read) < len(written):
        read += os.read(onward.out, READ)
        seen += moved(copies, out, onward.into)[0]
    assert read == seen == written
    os.close(out)
    os.close(into)


def test_the_beginning_of_a_line_is_known_to_who_goes_on() -> None:
    onward = Onward(b"beg")
    assert onward.splitter.feed(b"un\n") == b"begun\n"
    onward.close()


def test_pipes_are_told_apart_from_each_other_and_from_files(tmp_path: Path, ends: tuple[int, int]) -> None:
    out, _ = ends
    other = os.dup(out)
    file = os.open(tmp_path / "file", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        assert pipe_of(out) == pipe_of(other) is not None
        assert pipe_of(file) is None
    finally:
        os.close(other)
        os.close(file)
