"""The key of the day, from which every site's pseudonyms are made: in memory, and on tmpfs for the others.

Whichever intake needs a day's key first creates it; the others find it. Nothing is ever written to a disk:
where the directory is not on tmpfs the key stays in memory, and `shared` is False.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from datetime import date
from pathlib import Path

KEY_BYTES = 32
GRACE = 3600  # seconds that the key of yesterday stays, for lines that come late
_IN_MEMORY = ("tmpfs", "ramfs")


class DayKeys:
    """Keys by local day. `complaint` says why they are not shared, None if they are."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._day, self._key = "", b""
        self._begin = self._end = self._tidy_at = 0.0
        self.complaint: str | None = None

    def today(self, now: float) -> tuple[str, bytes]:
        """Return the local day of `now`, as YYYY-MM-DD, and its key; old keys go when their time has come."""
        if not self._begin <= now < self._end:
            day = date.fromtimestamp(now)  # noqa: DTZ012  the day of the log's readers is the local one
            self._begin, self._end = _midnight(day), _midnight(day, 1)
            self._tidy_at = self._begin + GRACE
            if day.isoformat() != self._day:  # where clocks change at midnight, it may be the same still
                self._day = day.isoformat()
                self._key = self._find(self._day)
        if now >= self._tidy_at:
            self._forget_old(now)
            self._tidy_at = float("inf")
        return self._day, self._key

    def _find(self, day: str) -> bytes:
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if filesystem_of(self._directory) not in _IN_MEMORY:
                raise OSError("is not on tmpfs")  # noqa: TRY301  one way out for all that can go wrong
            key = _shared(self._directory / day)
        except OSError as error:
            self.complaint = f"{self._directory}: {error.strerror or error}; pseudonyms differ from other intakes'"
            return os.urandom(KEY_BYTES)
        self.complaint = None
        return key

    def _forget_old(self, now: float) -> None:
        """Remove the keys of days that ended longer ago than the grace period, or begin later: the clock was wrong."""
        with suppress(OSError):
            for path in self._directory.iterdir():
                day = _day(path.name)
                if day and not _midnight(day) - GRACE <= now < _midnight(day, 1) + GRACE:
                    path.unlink(missing_ok=True)


def _shared(path: Path) -> bytes:
    """Return the key in a file, made now if it is not there: a link appears whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with suppress(FileExistsError):
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        try:
            os.write(descriptor, os.urandom(KEY_BYTES))
            if os.geteuid() == 0:  # the other intakes run as the owner of the directory
                owner = path.parent.stat()
                os.fchown(descriptor, owner.st_uid, owner.st_gid)
        finally:
            os.close(descriptor)
        try:
            os.link(draft, path)
        finally:
            draft.unlink(missing_ok=True)
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise OSError(f"the key of {path.name} is damaged")
    return key


def _day(name: str) -> date | None:
    """Return the day of a key; drafts and strangers have none."""
    try:
        return date.fromisoformat(name)
    except ValueError:
        return None


def _midnight(day: date, later: int = 0) -> float:
    """Return when a day, or one some days later, begins: days of 23 and 25 hours exist."""
    return time.mktime((day.year, day.month, day.day + later, 0, 0, 0, 0, 0, -1))


def filesystem_of(path: Path, mounts: str = "/proc/self/mountinfo") -> str:
    """Return the type of the file system that holds a path, "" if it cannot be told."""
    wanted, best, found = path.resolve(), -1, ""
    for line in Path(mounts).read_text(encoding="utf-8", errors="replace").splitlines():
        fields = line.split(" ")
        point = Path(fields[4].replace("\\040", " "))
        if wanted.is_relative_to(point) and len(point.parts) >= best:
            best, found = len(point.parts), fields[fields.index("-") + 1]
    return found
