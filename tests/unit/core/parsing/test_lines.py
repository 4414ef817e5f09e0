"""Line splitting and merging by time, one case each."""

from __future__ import annotations

from itertools import chain
from time import process_time
from typing import TYPE_CHECKING

import pytest

from privet.core.parsing.lines import DISORDER, LONGEST_LINE, LineSplitter, in_portions, merge_by_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def line_time(line: bytes) -> float | None:
    """Read the time in front of a test line."""
    word = line.partition(b" ")[0]
    return float(word) if word.isdigit() else None


def merged(*streams: list[bytes]) -> bytes:
    return b"".join(merge_by_time([(first(stream), iter(stream)) for stream in streams], line_time))


def first(stream: Iterable[bytes]) -> float:
    lines = chain.from_iterable(block.splitlines() for block in stream)
    return next((time for line in lines if (time := line_time(line)) is not None), float("-inf"))


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([b"a\nb\n"], [b"a\nb\n"]),
        ([b"a\nb"], [b"a\n"]),
        ([b"a", b"b\nc", b"\n"], [b"", b"ab\n", b"c\n"]),
        ([b"", b"\n", b"\n\n"], [b"", b"\n", b"\n\n"]),
        ([b"a\r\nb\r\n"], [b"a\nb\n"]),
        ([b"a\r", b"\nb"], [b"", b"a\n"]),
        ([b"a\rb\n"], [b"a\rb\n"]),
        ([b"a\r\r\n"], [b"a\r\n"]),
    ],
)
def test_complete_lines_come_out(pieces: list[bytes], expected: list[bytes]) -> None:
    splitter = LineSplitter()
    assert [splitter.feed(piece) for piece in pieces] == expected
    assert splitter.too_long == 0


def test_flush_ends_the_last_line_once() -> None:
    splitter = LineSplitter()
    splitter.feed(b"a\nb\r")
    assert splitter.pending
    assert splitter.flush() == b"b\n"
    assert not splitter.pending
    assert splitter.flush() == b""


@pytest.mark.parametrize(("length", "too_long"), [(10, 0), (11, 1)])
def test_what_is_too_long_is_let_go_before_it_ends(length: int, too_long: int) -> None:
    splitter = LineSplitter(limit=10)
    splitter.feed(b"x" * length)
    assert splitter.too_long == too_long


def test_reset_forgets_the_unfinished_line() -> None:
    splitter = LineSplitter()
    splitter.feed(b"a\nlost")
    splitter.reset()
    assert not splitter.pending
    assert splitter.feed(b"b\n") == b"b\n"


@pytest.mark.parametrize("length", [9, 10, 11, 12, 22, 23, 100])
@pytest.mark.parametrize("before", [b"", b"x\n", b"0123456789\n"])
def test_a_line_may_have_the_limit_and_no_more(length: int, before: bytes) -> None:
    splitter = LineSplitter(limit=10)
    line = b"y" * length + b"\n"
    kept = b"" if length > 10 else line
    assert splitter.feed(before + line + b"z\n") == before + kept + b"z\n"
    assert splitter.too_long == (length > 10)


def test_a_long_line_in_a_thousand_pieces_takes_no_memory() -> None:
    splitter = LineSplitter()
    for _ in range(1000):
        assert splitter.feed(b"x" * 4096) == b""
        assert len(splitter._tail) <= LONGEST_LINE  # noqa: SLF001  that it is bounded is the point
    assert splitter.too_long == 1
    assert splitter.pending
    assert splitter.feed(b"x\nnext\n") == b"next\n"
    assert splitter.too_long == 1


def test_a_long_line_may_never_end() -> None:
    splitter = LineSplitter(limit=10)
    splitter.feed(b"ok\n" + b"x" * 50)
    assert splitter.flush() == b""
    assert splitter.too_long == 1
    splitter.feed(b"x" * 50)
    splitter.reset()
    assert splitter.feed(b"b\n") == b"b\n"
    assert splitter.too_long == 2


def test_a_byte_at_a_time_is_not_quadratic() -> None:
    def cost(length: int) -> float:
        splitter = LineSplitter(limit=length)
        start = process_time()
        for _ in range(length):
            splitter.feed(b"x")
        return process_time() - start

    small = min(cost(10_000) for _ in range(3))
    assert cost(160_000) < 80 * small  # 16 times if linear, 256 if quadratic


def test_files_that_follow_each_other_are_not_cut() -> None:
    early = [b"1 a\n2 a\n", b"3 a\n"]
    late = [b"10000 b\n", b"10001 b\n"]
    assert merged(late, early) == b"1 a\n2 a\n3 a\n10000 b\n10001 b\n"


def test_a_stream_is_not_touched_before_its_time() -> None:
    touched: list[str] = []

    def stream(name: str, *blocks: bytes) -> Iterator[bytes]:
        touched.append(name)
        yield from blocks

    merge = merge_by_time(
        [(9000.0, stream("late", b"9000 c\n")), (1.0, stream("early", b"1 a\n" * 9, b"2 b\n", b"3 b\n"))],
        line_time,
        size=1,
    )
    assert next(merge) == b"1 a\n" * 9
    assert touched == ["early"]
    assert b"".join(merge) == b"2 b\n3 b\n9000 c\n"
    assert touched == ["early", "late"]


def test_a_lone_stream_passes_untouched_and_unread() -> None:
    blocks = [b"%d x\n" % number for number in range(3)]

    def refuse(_line: bytes) -> float:
        raise AssertionError

    assert list(map(id, merge_by_time([(0.0, iter(blocks))], refuse, size=1))) == list(map(id, blocks))


def test_overlapping_streams_are_merged_by_time() -> None:
    assert merged([b"1 a\n4 a\n", b"5 a\n"], [b"2 b\n3 b\n6 b\n"], [b"3 c\n"]) == (
        b"1 a\n2 b\n3 b\n3 c\n4 a\n5 a\n6 b\n"
    )


def test_at_equal_times_the_first_stream_goes_first() -> None:
    assert merged([b"1 a\n1 a\n2 a\n"], [b"1 b\n", b"1 b\n2 b\n"]) == b"1 a\n1 a\n1 b\n1 b\n2 a\n2 b\n"


def test_a_late_line_stays_behind_its_predecessor() -> None:
    assert merged([b"5 a\n1 a\n7 a\n"], [b"2 b\n6 b\n"]) == b"2 b\n5 a\n1 a\n6 b\n7 a\n"


def test_lines_without_a_time_stay_with_their_predecessor() -> None:
    assert merged([b"1 a\ntrace\n5 a\n"], [b"note\n3 b\nend\n"]) == b"1 a\ntrace\nnote\n3 b\nend\n5 a\n"


def test_a_stream_without_any_time_goes_first() -> None:
    assert merged([b"1 a\n"], [b"x\n", b"y\n"]) == b"x\ny\n1 a\n"


def test_disorder_within_a_block_is_seen_near_another_stream() -> None:
    late = b"%d a\n" % (2 + DISORDER)
    block = b"1 a\n" + late + b"2 a\n" * 2000  # the end of the block does not show the late line
    start = 1 + DISORDER
    assert merged([block], [b"%d b\n" % start]) == b"1 a\n" + b"%d b\n" % start + late + b"2 a\n" * 2000


def test_small_pieces_are_gathered() -> None:
    odd = [b"".join(b"%d x\n" % number for number in range(1, 20_000, 2))]
    even = [b"".join(b"%d x\n" % number for number in range(0, 20_000, 2))]
    blocks = list(merge_by_time([(1.0, iter(odd)), (0.0, iter(even))], line_time))
    assert b"".join(blocks) == b"".join(b"%d x\n" % number for number in range(20_000))
    assert len(blocks) <= 2


def test_nothing_merges_to_nothing() -> None:
    assert list(merge_by_time([], line_time)) == []
    assert list(merge_by_time([(0.0, iter([])), (1.0, iter([]))], line_time)) == []


@pytest.mark.parametrize(("sizes", "expected"), [
    ([131_000] * 4, [262_000, 262_000]), ([131_072, 131_100, 131_000], [262_172, 131_000]), ([10], [10]), ([], []),
    ([600_000, 1], [600_000, 1]),
])  # fmt: skip
def test_blocks_are_joined_to_portions(sizes: list[int], expected: list[int]) -> None:
    blocks = [b"x" * size for size in sizes]
    portions = list(in_portions(blocks, 1 << 18))
    assert list(map(len, portions)) == expected
    assert b"".join(portions) == b"".join(blocks)
