"""The key of an export: a file of one line, `ipcrypt-VARIANT` and 64 hexadecimal digits, for its owner's eyes only."""

from __future__ import annotations

import os
import re
import stat
from typing import TYPE_CHECKING

from privet.ports import SourceError

if TYPE_CHECKING:
    from pathlib import Path

_LINE = re.compile(r"ipcrypt-([a-z]+) ([0-9a-f]{64})\n?")


def key_in(path: Path, variant: str) -> tuple[bytes, bool]:
    """Return the key in a file and whether it was made now, since there was none. Raises SourceError and OSError."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return _read(path, variant), False
    key = os.urandom(32)
    with os.fdopen(fd, "w", encoding="ascii") as file:
        file.write(f"ipcrypt-{variant} {key.hex()}\n")
        file.flush()
        os.fsync(file.fileno())
    return key, True


def _read(path: Path, variant: str) -> bytes:
    with path.open(encoding="ascii", errors="replace") as file:
        info, text = os.fstat(file.fileno()), file.read(200)
    if stat.S_IMODE(info.st_mode) & 0o077 or info.st_uid not in (0, os.geteuid()):
        raise SourceError(f"{path}: others can read this key; chmod 600, or make another one")
    found = _LINE.fullmatch(text)
    if not found:
        raise SourceError(
            f"{path}: is no key of ipcrypt: it should read 'ipcrypt-{variant} ' and 64 hexadecimal digits"
        )
    if found[1] != variant:
        raise SourceError(f"{path}: is a key of ipcrypt-{found[1]}: each variant needs a key of its own")
    return bytes.fromhex(found[2])
