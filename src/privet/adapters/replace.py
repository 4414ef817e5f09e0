"""Replace a finished file by another one, whole or not at all, with its times, mode, owner and attributes.

The new one is written beside its target under a name with a dot in front. It is locked meanwhile, so that a second
run leaves it alone; one that a killed run left behind is taken away by the next.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from privet.ports import SinkError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

MARK = "user.privet.scrubbed"
"""The extended attribute that says what was done to a file, and what it was then like."""


class Replacement:
    """A file that is being written to take the place of `target`, and to look like `source`.

    A context manager: what is not committed within it is thrown away. Raises SinkError and OSError.
    """

    def __init__(self, source: Path, target: Path) -> None:
        self._source, self._target = source, target
        self._draft = target.with_name(f".{target.name}.privet-scrub")
        self._fd = _locked(self._draft)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _type: type[BaseException] | None, _error: object, _trace: TracebackType | None) -> None:
        if self._fd >= 0:
            self._draft.unlink(missing_ok=True)
            os.close(self._fd)

    def write(self, data: bytes) -> None:
        """Append to the new file."""
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]

    def commit(self, mark: str, *, strict: bool) -> None:
        """Put the new file in its place; if `strict`, only with the owner of the source."""
        info = self._source.stat()
        try:
            os.fchown(self._fd, info.st_uid, info.st_gid)
        except PermissionError:
            if strict:
                raise SinkError("its owner could not be kept: run as root, or as the owner") from None
        os.fchmod(self._fd, stat.S_IMODE(info.st_mode))
        shutil.copystat(self._source, self._draft)  # times last, and what else there is
        put_mark(self._draft, mark)
        os.fsync(self._fd)
        self._draft.rename(self._target)
        os.close(self._fd)
        self._fd = -1
        _sync(self._target.parent)

    @property
    def size(self) -> int:
        """How many bytes have been written."""
        return os.fstat(self._fd).st_size


def _locked(draft: Path) -> int:
    """Create a file and lock it."""
    for _ in range(2):
        try:
            fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            _take_away(draft)
            continue
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return fd
    raise SinkError("another run is at work on it")


def _take_away(draft: Path) -> None:
    """Remove what a killed run left behind; raise SinkError if that run still goes on."""
    fd = os.open(draft, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        draft.unlink()
    except BlockingIOError:
        raise SinkError("another run is at work on it") from None
    finally:
        os.close(fd)


def _sync(folder: Path) -> None:
    """Let the new name of a file reach the disk."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def put_mark(path: Path, mark: str) -> None:
    """Mark a file; where there are no extended attributes it has none, and will be read again."""
    with suppress(OSError):
        os.setxattr(path, MARK, mark.encode())


def mark_of(path: Path) -> str:
    """Return the mark of a file, "" if it has none."""
    try:
        return os.getxattr(path, MARK).decode("ascii", "replace")
    except OSError:
        return ""


def is_written(path: Path) -> bool | None:
    """Tell whether somebody has a file open for writing; None if the kernel does not say.

    It says so by granting or refusing a lease, given back at once, which only the owner and root may ask for.
    A process that opens the file in that instant gets a SIGIO sent to us: the caller ignores it.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return True if error.errno == errno.EAGAIN else None
    finally:
        os.close(fd)
    return False
