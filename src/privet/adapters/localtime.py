"""The machine's time zone, for stamps that carry no offset and for tables."""

from __future__ import annotations

import struct
from datetime import UTC, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo


def local_zone(path: str = "/etc/localtime") -> tzinfo:
    """Return the local zone with its whole history, UTC where the machine has none."""
    try:
        with Path(path).open("rb") as file:
            return ZoneInfo.from_file(file)
    except (OSError, ValueError, struct.error):  # missing, or damaged
        return UTC
