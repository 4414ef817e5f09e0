"""However the input is cut, the same lines come out; a merge is a stable sort."""

from __future__ import annotations

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from privet.core.parsing.lines import LineSplitter, merge_by_time

TEXT = st.lists(st.sampled_from([b"a", b"bc", b"\n", b"\r", b"\r\n", b"\0", b"\xff" * 7, b"x" * 20])).map(b"".join)
CUTS = st.lists(st.integers(0, 400))
LIMITS = st.integers(0, 30)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    ends = sorted({min(cut, len(data)) for cut in cuts} | {len(data)})
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]


@given(TEXT, CUTS, LIMITS)
def test_cuts_change_nothing(data: bytes, cuts: list[int], limit: int) -> None:
    splitter = LineSplitter(limit)
    out = b"".join(splitter.feed(piece) for piece in pieces(data, cuts)) + splitter.flush()
    *lines, last = data.split(b"\n")
    if last:
        lines.append(last)
    kept = [line.removesuffix(b"\r") + b"\n" for line in lines if len(line) <= limit]
    assert out == b"".join(kept)
    assert splitter.too_long == len(lines) - len(kept)


@given(TEXT, CUTS, LIMITS)
def test_counters_agree_at_every_cut(data: bytes, cuts: list[int], limit: int) -> None:
    splitter = LineSplitter(limit)
    fed = b""
    for piece in pieces(data, cuts):
        fed += piece
        splitter.feed(piece)
        whole = LineSplitter(limit)
        whole.feed(fed)
        assert (splitter.too_long, splitter.pending) == (whole.too_long, whole.pending)


STREAM = st.lists(st.lists(st.one_of(st.none(), st.integers(0, 500)), min_size=1), max_size=4)


def line_time(line: bytes) -> float | None:
    word = line.partition(b" ")[0]
    return float(word) if word != b"-" else None


@given(st.lists(STREAM, max_size=4), st.integers(1, 100))
def test_merge_is_a_stable_sort_by_the_latest_time_so_far(streams: list[list[list[int | None]]], size: int) -> None:
    blocks: list[list[bytes]] = []
    starts: list[float] = []
    expected: list[tuple[float, int, int, bytes]] = []
    for number, stream in enumerate(streams):
        times = [time for block in stream for time in block]
        key = next((float(time) for time in times if time is not None), -inf)
        starts.append(key)
        lines: list[list[bytes]] = [[] for _ in stream]
        for part, block in enumerate(stream):
            for time in block:
                key = key if time is None else max(key, time)
                text = b"%s stream %d line %d\n" % (b"-" if time is None else b"%d" % time, number, len(expected))
                expected.append((key, number, len(expected), text))
                lines[part].append(text)
        blocks.append([b"".join(part) for part in lines])
    merge = merge_by_time(zip(starts, map(iter, blocks), strict=True), line_time, size=size)
    assert b"".join(merge) == b"".join(text for *_, text in sorted(expected))


@given(st.lists(STREAM, max_size=4))
def test_merge_loses_nothing_however_wild_the_times(streams: list[list[list[int | None]]]) -> None:
    blocks = [
        [b"".join(b"%s %d\n" % (b"-" if time is None else b"%d" % (time * 1000), n) for time in block) for block in s]
        for n, s in enumerate(streams)
    ]
    lines = b"".join(merge_by_time([(0.0, iter(stream)) for stream in blocks], line_time)).splitlines(keepends=True)
    for number, stream in enumerate(blocks):
        assert b"".join(line for line in lines if line.endswith(b" %d\n" % number)) == b"".join(stream)
