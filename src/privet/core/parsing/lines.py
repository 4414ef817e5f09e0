"""Whole lines out of pieces of bytes, and several streams of lines merged by time.

Both work on blocks: many lines at once, each with its newline. The rules that hold:
- how the input was cut into pieces never changes what comes out;
- a line has at most `limit` bytes before its line feed, a longer one is dropped and counted;
- CR LF becomes LF, a CR elsewhere stays;
- a merge keeps the order within each stream.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heapreplace
from math import inf, nextafter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LineTime = Callable[[bytes], float | None]
"""Tells the time of a line that is given without its newline; None: it has none."""

LONGEST_LINE = 65_536
"""Bytes. Servers take request lines and headers of up to 8 kB each and may escape a byte as four (`\\xhh`):
one such field always fits, two fit. More is noise, and an unfinished line must not fill the memory."""

BLOCK = 1 << 17
"""Read size: large enough that the cost per block vanishes beside that per line, small enough for the cache."""

DISORDER = 600.0
"""Seconds. A merge looks at single lines only where another stream is nearer than this; lines of one
stream that are out of order by less are merged exactly. Servers write a line when the request ends
but stamp its start, and few requests take longer than ten minutes."""

_SAMPLE = 2048  # bytes at the end of a block whose times tell how far the block reaches


def line_feeds(block: bytes) -> int:
    """Return how many line feeds there are: `count` would look at each byte, and take six times as long."""
    return len(block) - len(block.replace(b"\n", b""))


class LineSplitter:
    """Turns pieces of bytes into blocks of complete lines and keeps the unfinished last line."""

    def __init__(self, limit: int = LONGEST_LINE) -> None:
        self.limit = limit
        self.too_long = 0
        self._tail = bytearray()
        self._skipping = False

    @property
    def pending(self) -> bool:
        """Whether a line has begun and not ended."""
        return bool(self._tail) or self._skipping

    @property
    def tail(self) -> bytes | None:
        """The beginning of a line that has not ended; None if it is too long already."""
        return None if self._skipping else bytes(self._tail)

    def feed(self, data: bytes) -> bytes:
        """Return the lines that are complete by now, as one block."""
        end = data.rfind(b"\n") + 1
        if not end:
            self._keep(data)
            return b""
        start = 0
        if self._skipping:
            start = data.find(b"\n") + 1
            self._skipping = False
        if self._tail or start or end < len(data):
            block = b"".join((self._tail, memoryview(data)[start:end]))
            self._tail.clear()
            self._keep(data[end:])
        else:
            block = data
        return self._tidy(block)

    def flush(self) -> bytes:
        """Return the unfinished last line with a newline: for the end of a finite input."""
        return self.feed(b"\n") if self.pending else b""

    def reset(self) -> None:
        """Forget the unfinished line."""
        self._tail.clear()
        self._skipping = False

    def _keep(self, rest: bytes) -> None:
        if self._skipping:
            return
        self._tail += rest
        if len(self._tail) > self.limit:
            self._tail.clear()
            self._skipping = True
            self.too_long += 1

    def _tidy(self, block: bytes) -> bytes:
        if len(block) > self.limit + 1:
            block = self._drop_long(block)
        return block.replace(b"\r\n", b"\n") if b"\r" in block else block

    def _drop_long(self, block: bytes) -> bytes:
        """Drop what is too long, looking at one newline in every `limit` bytes."""
        kept: list[bytes] = []
        start = pos = 0
        while len(block) - pos > self.limit + 1:
            end = block.rfind(b"\n", pos, pos + self.limit + 1)
            if end < 0:
                end = block.find(b"\n", pos + self.limit + 1)
                kept.append(block[start:pos])
                start = end + 1
                self.too_long += 1
            pos = end + 1
        return b"".join((*kept, block[start:])) if start else block


def in_portions(blocks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """Join blocks to such of about so many bytes; the last one may have fewer."""
    pieces: list[bytes] = []
    held = 0
    for block in blocks:
        pieces.append(block)
        held += len(block)
        if held >= size - BLOCK // 2:  # blocks end with a line, somewhat before or after their size
            yield b"".join(pieces)
            pieces.clear()
            held = 0
    if pieces:
        yield b"".join(pieces)


def merge_by_time(
    streams: Iterable[tuple[float, Iterator[bytes]]],
    line_time: LineTime,
    *,
    size: int = BLOCK,
) -> Iterator[bytes]:
    """Merge streams of blocks into one, by the time of their lines.

    Each stream comes with the time of its first line and is not touched before the merge has reached that
    time. A line never goes before an earlier line of its own stream: it counts with the latest time so
    far, as does a line without a time. At equal times the stream given first goes first. While one
    stream is alone its blocks pass untouched.
    """
    heap = [(start, order, _Stream(start, blocks, line_time)) for order, (start, blocks) in enumerate(streams)]
    heapify(heap)
    pieces: list[bytes] = []
    held = 0
    while heap:
        _, order, stream = heap[0]
        for piece in stream.take(_limit(heap)):
            if held + len(piece) > size and pieces:
                yield b"".join(pieces)
                pieces.clear()
                held = 0
            pieces.append(piece)
            held += len(piece)
        if stream.ended:
            heappop(heap)
        else:
            heapreplace(heap, (stream.key, order, stream))
    if pieces:
        yield b"".join(pieces)


def newest(block: bytes, line_time: LineTime) -> float | None:
    """Return the latest time of the last few lines of a block: one of them may be an old request."""
    lines = block[block.rfind(b"\n", 0, -_SAMPLE) + 1 : -1].split(b"\n")
    return max((time for time in map(line_time, lines) if time is not None), default=None)


def _limit(heap: list[tuple[float, int, _Stream]]) -> float:
    """Return the time that lines of the foremost stream must stay below to go before all others."""
    if len(heap) == 1:
        return inf
    key, order, _ = min(heap[1:3])
    return key if order < heap[0][1] else nextafter(key, inf)


class _Stream:
    """One input of a merge. `key` is the time of its next line, or before that is known, of one before it."""

    def __init__(self, start: float, blocks: Iterator[bytes], line_time: LineTime) -> None:
        self.key = start
        self.ended = False
        self._blocks = blocks
        self._line_time = line_time
        self._block = b""
        self._pos = 0  # where the next line begins
        self._seen = 0  # where it ends if `key` counts it already, else the same as `_pos`

    def take(self, limit: float) -> Iterator[bytes]:
        """Yield the lines before `limit`, in pieces as large as can be."""
        while self._pos < len(self._block) or self._next_block():
            if limit == inf:
                piece, self._block = self._block[self._pos :], b""
            elif self._seen == 0 and self._newest() + DISORDER < limit:
                piece, self._block = self._block, b""
            else:
                piece = self._cut(limit)
            if piece:
                yield piece
            if self._pos < len(self._block):
                return

    def _next_block(self) -> bool:
        self._block = next(self._blocks, b"")
        self._pos = self._seen = 0
        self.ended = not self._block
        return not self.ended

    def _newest(self) -> float:
        """Return the latest time of the end of the block, or else that of the line before it."""
        time = newest(self._block, self._line_time)
        return self.key if time is None else time

    def _cut(self, limit: float) -> bytes:
        """Return the lines of the block up to the first that reaches `limit`."""
        block, key, line_time = self._block, self.key, self._line_time
        start = pos = self._pos
        end = self._seen
        while pos < len(block):
            if end == pos:
                end = block.find(b"\n", pos) + 1
                time = line_time(block[pos : end - 1])
                if time is not None:  # if earlier than those before, it goes at once like them
                    key = time
            if key >= limit:
                break
            pos = end
        self._pos, self._seen, self.key = pos, end, key
        return block[start:pos]
