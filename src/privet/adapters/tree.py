"""All files below some directories, each once, and what of them cannot be looked into."""

from __future__ import annotations

import os
import stat
from collections import Counter
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

MOUNTS = "/proc/self/mountinfo"
_IN_MEMORY = ("tmpfs", "ramfs")


class File(NamedTuple):
    """A regular file; `in_memory` when a disk never sees it, unless it is swapped out."""

    path: Path
    size: int
    in_memory: bool
    changed: float


class Tree:
    """Walks below its roots; links are not followed. `skipped` counts by reason what was left out."""

    def __init__(self, roots: Iterable[Path], accepted: Sequence[str] = (), mounts: str = MOUNTS) -> None:
        self.roots = list(dict.fromkeys(roots))
        self.skipped: Counter[str] = Counter()
        self._accepted = accepted
        self._devices = devices_in_memory(mounts)

    def files(self) -> Iterator[File]:
        """Yield every regular file, a file with several names once."""
        self.skipped.clear()
        seen: set[tuple[int, int]] = set()
        for path in self._paths():
            if any(fnmatch(str(path), pattern) for pattern in self._accepted):
                self.skipped["accepted by --accept"] += 1
                continue
            try:
                info = path.lstat()
            except OSError as error:
                self._refuse(error)
                continue
            if not stat.S_ISREG(info.st_mode):
                self._count_special(info.st_mode)
            elif (info.st_dev, info.st_ino) not in seen:
                seen.add((info.st_dev, info.st_ino))
                yield File(path, info.st_size, info.st_dev in self._devices, max(info.st_mtime, info.st_ctime))

    def _paths(self) -> Iterator[Path]:
        for root in self.roots:
            if not root.is_dir() or root.is_symlink():
                if os.path.lexists(root):
                    yield root
                else:
                    self.skipped["roots that do not exist"] += 1
                continue
            for folder, _, names in os.walk(root, onerror=self._refuse):
                yield from (Path(folder, name) for name in names)

    def _refuse(self, error: OSError) -> None:
        self.skipped[(error.strerror or type(error).__name__).lower()] += 1

    def _count_special(self, mode: int) -> None:
        kinds = ((stat.S_ISLNK, "symbolic links"), (stat.S_ISSOCK, "sockets"), (stat.S_ISFIFO, "FIFOs"))
        self.skipped[next((name for test, name in kinds if test(mode)), "devices")] += 1


def devices_in_memory(mounts: str = MOUNTS) -> set[int]:
    """Return the device numbers of the file systems that live in memory."""
    found = set()
    for line in Path(mounts).read_text("utf-8", "replace").splitlines():
        fields = line.split(" ")
        if fields[fields.index("-") + 1] in _IN_MEMORY:
            major, _, minor = fields[2].partition(":")
            found.add(os.makedev(int(major), int(minor)))
    return found
