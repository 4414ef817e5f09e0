"""How long responses took, as logs write it."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from privet.core.parsing.parse import Rows

DURATIONS = MappingProxyType({"duration": 1.0, "duration_ms": 1e-3, "duration_us": 1e-6})
"""Columns that hold a duration, by the seconds that one of their units has."""

_NUMBER = re.compile(rb"\d{1,15}(?:\.\d{1,15})?")


def duration_of(rows: Rows) -> Callable[[int], float | None] | None:
    """Return what gives the seconds that the response of a row took, None for a row that does not say.

    None where no row does. A number with a fraction is in seconds whatever the column says: nginx writes one where the
    same layout has Apache's microseconds.
    """
    for name, unit in DURATIONS.items():
        column = rows.columns.get(name)
        if column:
            return lambda row: _seconds(column[row], unit)
    return None


def _seconds(text: bytes, unit: float) -> float | None:
    if not _NUMBER.fullmatch(text):
        return None
    return float(text) if b"." in text else int(text) * unit
