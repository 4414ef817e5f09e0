"""Where things lie unless somebody says otherwise."""

from __future__ import annotations

import os
from pathlib import Path


def state_folder(given: str | None) -> Path:
    """Return the directory of what outlasts a restart."""
    if given:
        return Path(given)
    if os.geteuid() == 0:
        return Path("/var/lib/privet")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "privet"
