"""Journal files of systemd: long messages are compressed in them, so journalctl is asked for the text."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

from privet.ports import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

MAGIC = b"LPKSHHRH"
_PIECE = 1 << 17


def messages(path: str) -> Iterator[bytes]:
    """Yield all fields of all entries of a journal file as text, cut anywhere. Raises SourceError."""
    program = shutil.which("journalctl")
    if program is None:
        raise SourceError(f"{path}: its compressed messages need the program journalctl")
    command = [program, "--quiet", "--no-pager", "--all", "--output=export", f"--file={path}"]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout  # noqa: S101  it was asked for
        while piece := process.stdout.read(_PIECE):
            yield piece
    if process.returncode:
        raise SourceError(f"{path}: journalctl cannot read all of it")
