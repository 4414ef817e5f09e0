"""Where the lines of a log went that does not grow any more: another file in its folder.

It began when the log stopped, or it is the log itself under another name, as rotation leaves it, to which the server
still writes.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from privet.core.parsing.lines import LineTime

FILES = 200
"""Files of a folder that are looked at."""

LEAST = 20  # lines that the other file must have
_PART = 1 << 16  # bytes of it that are read
_EARLIER = 5.0  # seconds by which its first line may be older than the last one of the log


def gone_to(paths: Iterable[str], patterns: Iterable[str], last: float, time_of: LineTime) -> tuple[str, bool] | None:
    """Return the file that the lines go to now, and whether it is the log under a later name; None if there is none.

    `paths` are the files that are followed already, `patterns` where they are looked for, `last` is the time of the
    last line that was read, `time_of` tells that of any line, so that only files with lines of the same kind count.
    """
    followed = {os.path.realpath(path) for path in paths}
    for folder in dict.fromkeys(str(Path(one).parent) for one in (*followed, *patterns)):
        for path in _young(folder, last):
            if path in followed:
                continue
            if any(path.startswith((f"{one}.", f"{one}-")) for one in (*followed, *patterns)):
                if _goes_on(path, last, time_of):
                    return path, True
            elif _began_after(path, last - _EARLIER, time_of):
                return path, False
    return None


def _young(folder: str, since: float) -> list[str]:
    """Return the plain files of a folder that were written after some time."""
    try:
        with os.scandir(folder) as entries:
            found = [entry for entry, _ in zip(entries, range(FILES), strict=False)]
            states = [(entry.path, entry.stat()) for entry in found if entry.is_file()]
    except OSError:
        return []
    return [os.path.realpath(path) for path, info in states if stat.S_ISREG(info.st_mode) and info.st_mtime > since]


def _began_after(path: str, since: float, time_of: LineTime) -> bool:
    """Tell whether a file holds enough lines of the kind, all of them younger."""
    lines = _part(path).split(b"\n")[:-1]
    times = [time_of(line) for line in (lines[0], lines[-1])] if len(lines) >= LEAST else [None]
    return all(time is not None and time >= since for time in times)


def _goes_on(path: str, last: float, time_of: LineTime) -> bool:
    """Tell whether a file ends with enough lines of the kind that are younger."""
    times = [time_of(line) for line in _part(path, end=True).split(b"\n")[-LEAST - 1 : -1]]
    return len(times) == LEAST and all(time is not None and time > last for time in times)


def _part(path: str, *, end: bool = False) -> bytes:
    """Return the beginning of a file, or its end; nothing of one that cannot be read."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return b""
    try:
        return os.pread(fd, _PART, max(0, os.fstat(fd).st_size - _PART) if end else 0)
    except OSError:
        return b""
    finally:
        os.close(fd)
