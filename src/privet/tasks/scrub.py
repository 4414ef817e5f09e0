"""Mask archives: file by file, each replaced whole or not at all, or written to another place.

A file is left as it is, with the reason, whenever what it holds or who uses it is not beyond doubt. What is done is
marked with an extended attribute, so that it is not done again.
"""

from __future__ import annotations

import signal
import stat
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from privet.adapters.replace import Replacement, is_written, mark_of, put_mark
from privet.adapters.sinks.packed import PACKERS
from privet.adapters.sources.archive import packing, pieces
from privet.core.masking.scrub import FINDS
from privet.ports import PrivetError, SinkError, SourceError
from privet.tasks.cleaning import Cleaner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from privet.tasks.cleaning import Order

BLOCK = 1 << 18  # bytes that are looked at together
LONGEST = 1 << 20  # bytes of a line; longer ones are none
_STRANGE = bytes(set(range(32)) - set(b"\t\n\r\x1b\a\b\v\f"))  # what text does not hold
_FEW = 0.01  # the share of it that a log may hold all the same
_CHANGED = "has changed meanwhile"

Result = Literal["masked", "unchanged", "done", "left"]


class Outcome(msgspec.Struct, kw_only=True):
    """What became of a file. `found` counts the words that held an address; `reason` is why it was left as it is."""

    file: str
    result: Result = "left"
    reason: str | None = None
    lines: int = 0
    found: int = 0


def stream(order: Order, write: Callable[[bytes], object]) -> Outcome:
    """Mask standard input. Raises SourceError."""
    outcome, cleaner = Outcome(file="-", result="masked"), Cleaner(order)
    lines = _Lines("-", cleaner, outcome, lambda _size: None)
    lines.copy(date.today(), write)  # noqa: DTZ011  logs are in local time
    outcome.found = cleaner.found
    return outcome


def scrub(
    paths: Sequence[str], order: Order, progress: Callable[[int], None] | None = None, jobs: int = 1
) -> Iterator[Outcome]:
    """Mask files, `jobs` at a time; yields what became of each, in order."""

    def begin() -> Callable[[str, Callable[[int], None]], Outcome]:
        signal.signal(signal.SIGIO, signal.SIG_IGN)  # see `is_written`
        cleaner = Cleaner(order)  # with its key, which goes along in memory
        return lambda path, count: _one(path, cleaner, count)

    from privet.tasks.together import together  # noqa: PLC0415  slow to import, and a stream needs no processes

    yield from together(paths, begin, progress, jobs)


def _one(path: str, cleaner: Cleaner, count: Callable[[int], None]) -> Outcome:
    """Mask one file; whatever is wrong with it becomes the reason why it is left as it is."""
    outcome, before = Outcome(file=path), cleaner.found
    try:
        outcome.result = _File(path, cleaner, outcome, count).scrub()
    except PrivetError as error:
        outcome.reason = str(error).removeprefix(f"{path}: ")
    except OSError as error:
        outcome.reason = error.strerror or "an error of the system"
    outcome.found = cleaner.found - before
    return outcome


class _Lines:
    """The lines of one input on their way to be masked."""

    def __init__(self, path: str, cleaner: Cleaner, outcome: Outcome, count: Callable[[int], None]) -> None:
        self.path, self._cleaner, self._outcome, self._count = path, cleaner, outcome, count

    def copy(self, last: date, write: Callable[[bytes], object]) -> bool:
        """Write the lines masked; tell whether that changed nothing. `last` is when they were written."""
        days, same = self._cleaner.days(last), True
        for block in _blocks(pieces(self.path, self._count)):
            if b"\0" in block:
                raise SourceError("holds NUL bytes: it is no text, or in an encoding that has them")
            if not self._outcome.lines and len(block) - len(block.translate(None, _STRANGE)) > _FEW * len(block):
                raise SourceError("holds control characters, so it seems to be no text")
            self._outcome.lines += self._cleaner.lines(block)
            masked = self._cleaner.clean(block, days)
            same = same and masked == block
            write(masked)
        return same


class _File:
    """One file, to be replaced or to be copied masked."""

    def __init__(self, path: str, cleaner: Cleaner, outcome: Outcome, count: Callable[[int], None]) -> None:
        self._order, self._path = cleaner.order, Path(path)
        self._count, self._read = count, 0
        self._lines = _Lines(path, cleaner, outcome, self._bound)
        self._target = Path(self._order.output) / self._path.name if self._order.output else self._path
        self._info = self._path.lstat()

    def scrub(self) -> Result:
        """Mask the file. Raises PrivetError and OSError; then it is as it was."""
        self._check_kind()
        if mark_of(self._target) == self._mark(self._info.st_size) and not self._order.again:
            return "done"
        if self._order.output and self._target.exists() and not self._is_copied():
            raise SinkError("there is another file of that name in the output directory")
        self._check_use()
        if self._order.dry_run:
            return "unchanged" if self._copy(len) else "masked"
        return self._write()

    def _write(self) -> Result:
        packer = PACKERS[packing(str(self._path))]()
        with Replacement(self._path, self._target) as new:
            same = self._copy(lambda data: new.write(packer.compress(data)))
            new.write(packer.flush())
            self._check_use()
            if same and not self._order.output:
                put_mark(self._path, self._mark(self._info.st_size))
            else:
                size = self._info.st_size if self._order.output else new.size
                new.commit(self._mark(size), strict=not self._order.output)
        return "unchanged" if same else "masked"

    def _copy(self, write: Callable[[bytes], object]) -> bool:
        return self._lines.copy(date.fromtimestamp(self._info.st_mtime), write)  # noqa: DTZ012  logs are in local time

    def _bound(self, size: int) -> None:
        """Count what is read of the file; what grows as fast as it is read would have no end."""
        self._read += size
        if self._read > self._info.st_size:
            raise SourceError(_CHANGED, transient=True)
        self._count(size)

    def _mark(self, size: int) -> str:
        """Return the mark of the file when it is done: of a copy, with the size of what it was made from."""
        return f"{self._order.name} {size} {self._info.st_mtime_ns} {FINDS}"

    def _is_copied(self) -> bool:
        """Tell whether the target is such a copy of the file as is wanted, be it by an older version."""
        name, *facts = mark_of(self._target).split(" ")
        return name == self._order.name and facts[:2] == [str(self._info.st_size), str(self._info.st_mtime_ns)]

    def _check_kind(self) -> None:
        """Raise SourceError for what is no file of its own."""
        if stat.S_ISLNK(self._info.st_mode):
            raise SourceError("is a symbolic link: name the file itself")
        if not stat.S_ISREG(self._info.st_mode):
            raise SourceError("is no regular file")
        if self._info.st_nlink > 1:
            raise SourceError(f"has {self._info.st_nlink} names (hard links), and the others would keep the addresses")

    def _check_use(self) -> None:
        """Raise SourceError if somebody has written to the file since we looked at it first, or may do so."""
        now, before = self._path.lstat(), self._info
        if (now.st_ino, now.st_size, now.st_mtime_ns) != (before.st_ino, before.st_size, before.st_mtime_ns):
            raise SourceError(_CHANGED, transient=True)
        if self._order.force:
            return
        written = is_written(self._path)
        if written is None:
            raise SourceError("cannot tell whether somebody writes to it: run as root, or --force if nobody does")
        if written:
            raise SourceError("is open for writing: rotate it first, or --force and lose what comes meanwhile")


def _blocks(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield whole lines, some BLOCK bytes at a time; the last one as it ends, with a newline or without."""
    held: list[bytes] = []
    size = 0
    for chunk in chunks:
        held.append(chunk)
        size += len(chunk)
        if size < BLOCK:
            continue
        data = b"".join(held)
        end = data.rfind(b"\n") + 1
        if not end and size > LONGEST:
            raise SourceError(f"has a line of more than {LONGEST >> 20} MiB, so it seems to be no log")
        if end:
            yield data[:end]
        held = [data[end:]]
        size -= end
    if data := b"".join(held):
        yield data
