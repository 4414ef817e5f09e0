"""Log files that are followed while they grow, through every way of rotating them.

inotify tells at once that something was written or that a name changed; `poll`, called about once a
second, finds by looking what inotify missed. The rules that hold:
- a file is its inode: rotation that renames it changes nothing, and two names for it are one file;
- the old file is read to its end before the new one, and kept until it has been quiet for a while;
- the last bytes read are compared before more is read: if they are gone, the file was truncated and is
  read from its start, however fast it has grown since;
- what cannot be read is a problem in `problems`, retried with every poll, and never stops the others.
"""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from fnmatch import translate
from glob import glob
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from inotify_simple import INotify, flags

from privet.adapters.sources.past import (
    COMPRESSED,
    REREAD_LIMIT,
    SAMPLE,
    History,
    Key,
    key_of,
    line_start,
    opened,
    reason,
)
from privet.core.parsing.lines import BLOCK, LineSplitter, LineTime, merge_by_time
from privet.ports import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

QUIET_POLLS = 60
"""How many polls without a new line let go of a file whose name has gone to another, or that was deleted:
after a graceful restart, server processes write the end of long requests to the old file."""

_MARK = 1024  # bytes compared to notice a truncation: enough to hold a time of day
_NAMES_CHANGE = flags.CREATE | flags.MOVED_TO | flags.MOVED_FROM | flags.DELETE | flags.ATTRIB | flags.ONLYDIR


class Counts(msgspec.Struct):
    """What happened to the files of a source since it was made."""

    bytes_read: int = 0
    too_long: int = 0  # lines dropped for their length
    truncations: int = 0
    rotations: int = 0  # another file took a name
    cut_off: int = 0  # unfinished lines lost by truncation or with a file that went away


class FileSource:
    """All files that match one of the patterns, as one stream of lines.

    Register `fileno()` with an event loop; when it is readable call `drain()` and, a little later so that
    more lines come at once, `read()`. Call `poll()` about once a second and `read()` after it.
    """

    def __init__(self, name: str, patterns: Sequence[str], *, optional: bool = False, block_size: int = BLOCK) -> None:
        """Begin at the end of the files that exist, and at the start of those that come later.

        That there is none is a problem unless they are `optional`. Raises SourceError if inotify is not to be had;
        files that cannot be read are only `problems`.
        """
        self.name = name
        self.patterns = tuple(patterns)
        self.problems: dict[str, str] = {}
        self.counts = Counts()
        self._optional, self._block_size = optional, block_size
        try:
            self._inotify = INotify(nonblocking=True)
        except OSError as error:
            raise SourceError(f"source {name}: inotify: {error.strerror}", transient=True) from error
        self._of_interest = re.compile("|".join(translate(Path(pattern).name) for pattern in patterns))
        self._files: dict[Key, _File] = {}  # in the order in which they are read
        self._names: dict[str, Key] = {}  # which file had a name last
        self._watches: dict[int, _File] = {}
        self._due: set[_File] = set()
        self._names_changed = False
        self._unread: dict[str, str] = {}  # what is wrong with files that a restart should have read again
        found = self._find()
        # Sizes of the files that were there first and are not open yet: where to begin in them.
        self._at_start = {key_of(info): info.st_size for info in found.values()}
        self._follow(found)

    @property
    def paths(self) -> list[str]:
        """Names of the files that are followed; for one that lost its name, the last that it had."""
        return sorted({file.path for file in self._files.values()})

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when something happens."""
        fd: int = self._inotify.fileno()
        return fd

    def close(self) -> None:
        """Let go of everything."""
        for file in list(self._files.values()):
            self._drop(file)
        self._inotify.close()

    def drain(self) -> None:
        """Take note of what inotify has to tell."""
        for event in self._inotify.read(timeout=0):
            if file := self._watches.get(event.wd):
                self._due.add(file)
            elif not event.name or self._of_interest.match(event.name):
                self._names_changed = True

    def poll(self) -> None:
        """Look at all names and files, whatever inotify has told; close files that are done with."""
        self._scan()
        for file in list(self._files.values()):
            file.quiet_polls += 1
            if file.quiet_polls > QUIET_POLLS and self._is_over(file):
                self.counts.cut_off += file.lines.pending
                self._drop(file)

    def read(self) -> Iterator[bytes]:
        """Yield blocks of complete lines until nothing more is known to be there.

        It may be left between two blocks: the next call goes on where this one was.
        """
        if self._names_changed:
            self._scan()
        for file in list(self._files.values()):
            while file in self._due:
                self._due.discard(file)  # before reading: an event meanwhile makes it due again
                try:
                    block, more = file.read(self._block_size, self.counts)
                except OSError as error:
                    self.problems[file.path] = reason(error)
                    break
                if more:
                    self._due.add(file)
                if block:
                    yield block

    def rewind(self, line_time: LineTime, since: float, limit: int = REREAD_LIMIT) -> Iterator[bytes]:
        """Yield, in order of time, what the files hold from `since` until this source was made.

        Each file begins with its first line that is not older, a young one with the end of its rotated
        predecessors, compressed or not. `read` goes on behind. To be called, and read to its end, before anything else.
        """
        files = list(self._files.values())
        size = max(self._block_size // max(len(files), 1), SAMPLE)  # all files are open at once
        streams = [(-inf, self._history(file, line_time, since, limit, size)) for file in files]
        return merge_by_time(streams, line_time, size=self._block_size)

    def _history(self, file: _File, line_time: LineTime, since: float, limit: int, size: int) -> Iterator[bytes]:
        history = History(file.fd, file.path, file.begin, line_time, since)
        try:
            yield from history.blocks(self._files, limit, size)
        except OSError as error:
            self.problems[file.path] = reason(error)
        self._unread |= history.told.problems
        self.problems |= history.told.problems
        self.counts.bytes_read += history.told.bytes_read
        self.counts.too_long += history.told.too_long

    def _scan(self) -> None:
        self._names_changed = False
        self._follow(self._find())
        self._due.update(self._files.values())

    def _find(self) -> dict[str, os.stat_result]:
        """Return the files to follow, those written last at the end; start a new list of problems."""
        self.problems = dict(self._unread)
        self._watch_directories()
        found: dict[str, os.stat_result] = {}
        for path in {path for pattern in self.patterns for path in _glob(pattern) or [pattern]}:
            try:
                info = Path(path).stat()
            except OSError as error:
                if not (self._optional and isinstance(error, FileNotFoundError)):
                    self.problems[path] = reason(error)
                continue
            if not stat.S_ISREG(info.st_mode):
                self.problems[path] = "not a regular file"
            elif path.endswith(COMPRESSED):
                self.problems[path] = "compressed, so not followed"
            else:
                found[path] = info
        return dict(sorted(found.items(), key=lambda item: (item[1].st_mtime_ns, item[0])))

    def _watch_directories(self) -> None:
        for directory in {path for pattern in self.patterns for path in _glob(f"{Path(pattern).parent}/")}:
            try:
                self._inotify.add_watch(directory, _NAMES_CHANGE)  # once more does no harm
            except OSError as error:
                self.problems[directory] = f"looked into once a second only: inotify: {reason(error)}"

    def _follow(self, found: dict[str, os.stat_result]) -> None:
        for path, info in found.items():
            file = self._files.get(key_of(info)) or self._opened(path)
            if file:
                file.path = path
                self._names[path] = file.key
        for file in self._files.values():
            if file.watch is None:
                self._watch(file)

    def _opened(self, path: str) -> _File | None:
        try:
            fd = opened(path)
        except OSError as error:
            self.problems[path] = reason(error)
            return None
        key = key_of(os.fstat(fd))
        if key in self._files:  # the name went to another file this very moment
            os.close(fd)
            return self._files[key]
        file = self._files[key] = _File(fd, path, key, self._at_start.pop(key, 0))
        self.counts.rotations += path in self._names
        return file

    def _watch(self, file: _File) -> None:
        try:  # by its descriptor, since its name may have gone to another file by now
            file.watch = self._inotify.add_watch(f"/proc/self/fd/{file.fd}", flags.MODIFY)
        except OSError as error:
            self.problems[file.path] = f"read once a second only: inotify: {reason(error)}"
        else:
            self._watches[file.watch] = file

    def _is_over(self, file: _File) -> bool:
        info = os.fstat(file.fd)
        return info.st_size <= file.offset and (info.st_nlink == 0 or self._names.get(file.path) != file.key)

    def _drop(self, file: _File) -> None:
        del self._files[file.key]
        self._due.discard(file)
        self._names = {path: key for path, key in self._names.items() if key != file.key}
        if file.watch is not None:
            self._watches.pop(file.watch, None)
            with suppress(OSError):  # gone with its file system
                self._inotify.rm_watch(file.watch)
        os.close(file.fd)


class _File:
    """One file that is followed: how far it is read, and the line that is not finished yet."""

    def __init__(self, fd: int, path: str, key: Key, offset: int) -> None:
        self.fd = fd
        self.path = path
        self.key = key
        self.begin = self.offset = line_start(fd, min(offset, os.fstat(fd).st_size))
        self.lines = LineSplitter()
        self.quiet_polls = 0
        self.watch: int | None = None
        marked = min(self.begin, _MARK)
        self._mark = os.pread(fd, marked, self.begin - marked)

    def read(self, size: int, counts: Counts) -> tuple[bytes, bool]:
        """Return the lines completed by the next `size` bytes, and whether there may be more."""
        data = os.pread(self.fd, len(self._mark) + size, self.offset - len(self._mark))
        if not data.startswith(self._mark):
            counts.truncations += 1
            counts.cut_off += self.lines.pending
            self.lines.reset()
            self.offset, self._mark = 0, b""
            return b"", True
        fresh = data[len(self._mark) :]
        if fresh:
            self.quiet_polls = 0
        self.offset += len(fresh)
        self._mark = data[-_MARK:]
        counts.bytes_read += len(fresh)
        counts.too_long -= self.lines.too_long
        block = self.lines.feed(fresh)
        counts.too_long += self.lines.too_long
        return block, len(fresh) == size


def _glob(pattern: str) -> list[str]:
    return glob(pattern)  # noqa: PTH207  as the shell does it: absolute patterns, and * finds no dot files
