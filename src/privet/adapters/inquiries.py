"""The register of those who asked whose pseudonym it is: a file for its owner only, written anew each time."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

KEPT = 366 * 86_400.0  # seconds
MOST = 10_000  # entries


class Inquiries:
    """One register. Entries are JSON, one a line, with the time `at` in seconds since the epoch."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def note(self, entry: Mapping[str, Any], now: float) -> None:
        """Add an entry, and leave out those that are too old. When it returns, it is on the disk. Raises OSError."""
        entries = [*self._known(now), {"at": round(now, 3), **entry}]
        text = "".join(f"{json.dumps(one)}\n" for one in entries[-MOST:])
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self.path.with_name(f".{self.path.name}.new")
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(self.path)

    def _known(self, now: float) -> list[dict[str, Any]]:
        """Return the entries that stay; a line that is none of ours goes."""
        known = []
        with suppress(FileNotFoundError):
            for line in self.path.read_text("ascii", "replace").splitlines():
                with suppress(ValueError, KeyError, TypeError):
                    entry = json.loads(line)
                    if entry["at"] + KEPT > now:
                        known.append(entry)
        return known
