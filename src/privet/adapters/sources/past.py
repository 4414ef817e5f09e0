"""What followed log files hold of the time before they were followed, and what their rotated predecessors hold.

The rules that hold:
- reading begins with the first line that is not older than asked for, and ends where following begins;
- a file is searched backwards from its end in steps, so that little of a large one is read;
- if all of a file is young, the file that was rotated before it comes first, and so on; compressed ones too;
- as much of each chain of files is read as the limit says, since somebody waits for the end of it.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from privet.adapters.sources.archive import File
from privet.core.parsing.lines import DISORDER, LONGEST_LINE, LineSplitter, LineTime, newest
from privet.ports import SourceError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

REREAD_LIMIT = 64 << 20
"""Bytes of each file and its predecessors that a restart reads again at most: about a second of work."""

REREAD_STEP = 1 << 17
"""Bytes between the places that a restart looks at on its way back to the longest findtime."""

UNPACK_LIMIT = 256 << 20
"""Bytes that a compressed predecessor may unpack to: it can be read from its beginning only."""

COMPRESSED = (".gz", ".xz", ".zst", ".bz2")
SAMPLE = 1 << 14
"""Bytes of such a place, and"""
_SAMPLE_LINES = 50  # lines of them, whose times tell how old it is
_ROTATED = re.compile(r"[.-]\d.*")  # what a rotated file has after the name: .1, -20260131, .2.gz

Key = tuple[int, int]
"""Device and inode: what a file is, whatever it is called."""


class Reread(msgspec.Struct):
    """What reading again came to. `problems` are by path."""

    bytes_read: int = 0
    too_long: int = 0
    problems: dict[str, str] = {}


class History:
    """The past of one followed file: `fd` is open, `end` is where following begins."""

    def __init__(self, fd: int, path: str, end: int, line_time: LineTime, since: float) -> None:
        self._fd, self._path, self._end = fd, path, end
        self._line_time, self._since = line_time, since
        self.told = Reread()

    def blocks(self, followed: Collection[Key], limit: int, size: int) -> Iterator[bytes]:
        """Yield lines, those of the oldest file first; `followed` files are none's predecessors."""
        past = _Past(self._fd, self._end, self._line_time, self._since, limit)
        if past.is_whole:
            for path, key, left in reversed(self._predecessors(followed, limit - self._end)):
                try:
                    yield from self._predecessor(path, key, left, size)
                except (OSError, SourceError) as error:
                    self.told.problems[path] = reason(error)
        yield from past.blocks(self._fd, size, self.told)

    def _predecessors(self, followed: Collection[Key], limit: int) -> list[tuple[str, Key, int]]:
        """Return the rotated files that reach into the time asked for, the youngest first, with their limits."""
        found: list[tuple[str, Key, int]] = []
        for path, info in rotated(self._path):
            if info.st_mtime < self._since or limit <= 0:
                break
            key = key_of(info)
            if key in followed:
                continue
            found.append((path, key, limit))
            try:
                if not self._is_whole(path, key, limit):
                    break
            except (OSError, SourceError) as error:
                self.told.problems[path] = reason(error)
                break
            limit -= info.st_size
        return found

    def _is_whole(self, path: str, key: Key, limit: int) -> bool:
        """Tell whether a predecessor has no line that is too old."""
        if path.endswith(COMPRESSED):
            return File(path).start(self._line_time) >= self._since
        with _opened(path, key) as fd:
            return _Past(fd, os.fstat(fd).st_size, self._line_time, self._since, limit).is_whole

    def _predecessor(self, path: str, key: Key, limit: int, size: int) -> Iterator[bytes]:
        if path.endswith(COMPRESSED):
            yield from self._unpacked(path)
            return
        with _opened(path, key) as fd:
            past = _Past(fd, os.fstat(fd).st_size, self._line_time, self._since, limit)
            yield from past.blocks(fd, size, self.told)

    def _unpacked(self, path: str) -> Iterator[bytes]:
        file, begun, read = File(path), False, 0
        for block in file.blocks():
            read += len(block)
            if read > UNPACK_LIMIT:
                raise SourceError(f"only the first {UNPACK_LIMIT >> 20} MiB are read again")
            last = newest(block, self._line_time)
            if not begun and last is not None and last + DISORDER < self._since:
                continue
            young = block if begun else _from_first(block, self._line_time, self._since)
            begun = begun or bool(young)
            if young:
                yield young
        self.told.bytes_read += read
        self.told.too_long += file.too_long


class _Past:
    """The part of a file before `end` that holds the lines since a time."""

    def __init__(self, fd: int, end: int, line_time: LineTime, since: float, limit: int) -> None:
        self._end, self._line_time, self._since = end, line_time, since
        floor = max(end - limit, 0)
        start, older = end, 0
        while start > floor and older < 2:  # one may be a few slow requests, so two in a row
            start = max(start - REREAD_STEP, floor)
            older = older + 1 if self._is_older(fd, start) else 0
        self._start = line_start(fd, start)
        self.is_whole = start == older == 0  # the time may lie in the file before this one

    def blocks(self, fd: int, size: int, told: Reread) -> Iterator[bytes]:
        """Yield the lines from the first that is not older."""
        lines = LineSplitter()
        at, found = self._start, False
        while data := os.pread(fd, min(size, self._end - at), at):
            at += len(data)
            told.bytes_read += len(data)
            block = lines.feed(data)
            if not found:
                block = _from_first(block, self._line_time, self._since)
                found = bool(block)
            if block:
                yield block
        told.too_long += lines.too_long

    def _is_older(self, fd: int, start: int) -> bool:
        sample = os.pread(fd, min(SAMPLE, self._end - start), start).split(b"\n")
        lines = sample[start > 0 : -1][:_SAMPLE_LINES]  # the first and the last may be parts of lines
        times = [time for line in lines if (time := self._line_time(line)) is not None]
        return bool(times) and max(times) < self._since


def _from_first(block: bytes, line_time: LineTime, since: float) -> bytes:
    """Return a block from its first line that is not older."""
    pos = 0
    while pos < len(block):
        end = block.find(b"\n", pos)
        time = line_time(block[pos:end])
        if time is not None and time >= since:
            return block[pos:]
        pos = end + 1
    return b""


def rotated(path: str) -> list[tuple[str, os.stat_result]]:
    """Return the files that were rotated from a name, the last one first."""
    name, found = Path(path).name, list[tuple[str, os.stat_result]]()
    for entry in Path(path).parent.iterdir():
        if entry.name.startswith(name) and _ROTATED.fullmatch(entry.name, len(name)):
            with suppress(OSError):  # rotated away this very moment
                info = entry.stat()
                if stat.S_ISREG(info.st_mode):
                    found.append((str(entry), info))
    return sorted(found, key=lambda one: (one[1].st_mtime_ns, one[0]), reverse=True)


@contextmanager
def _opened(path: str, key: Key) -> Iterator[int]:
    """Open a file that must still be the one that had the name."""
    fd = opened(path)
    try:
        if key_of(os.fstat(fd)) != key:
            raise OSError(errno.ESTALE, "rotated just now")
        yield fd
    finally:
        os.close(fd)


def opened(path: str) -> int:
    """Return a descriptor of a regular file."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    raise OSError(errno.EINVAL, "not a regular file")


def line_start(fd: int, offset: int) -> int:
    """Return where the line that `offset` lies in begins, or a place from which that line is too long."""
    back = min(offset, LONGEST_LINE + 1)
    return offset - back + os.pread(fd, back, offset - back).rfind(b"\n") + 1


def key_of(info: os.stat_result) -> Key:
    """Return what a file is known by."""
    return info.st_dev, info.st_ino


def reason(error: OSError | SourceError) -> str:
    """Return what is wrong, without the name of the file."""
    return (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
