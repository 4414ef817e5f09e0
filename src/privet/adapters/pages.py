"""Files that a report is written to: whole or not at all, for their owner only, and never in place of another's."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from pathlib import Path

from privet.ports import SinkError


def write_page(path: Path, page: str, beginning: str) -> None:
    """Write a page that begins like this, in place of one that does, if there is one. Raises SinkError and OSError."""
    _refuse_others(path, beginning.encode())
    try:
        fd, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # 0600
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None  # who reads it knows nothing of a draft
    with ExitStack() as undo:
        undo.callback(Path(draft).unlink)
        with os.fdopen(fd, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(page)
            file.flush()
            os.fsync(fd)
        Path(draft).rename(path)
        undo.pop_all()


def _refuse_others(path: Path, beginning: bytes) -> None:
    try:
        if path.is_symlink() or not path.is_file():
            path.lstat()
            raise SinkError(f"{path} is no plain file; - writes to standard output")
        with path.open("rb") as file:
            ours = file.read(len(beginning)) == beginning
    except FileNotFoundError:
        return
    if not ours:
        raise SinkError(f"{path} is there, and is no report of Privet: remove it, or name another file")
