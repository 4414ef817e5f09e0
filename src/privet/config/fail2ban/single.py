"""One filter of a folder like /etc/fail2ban, for whoever tries it without a jail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from privet.config.fail2ban.files import Files
from privet.config.fail2ban.filters import FilterFile
from privet.config.fail2ban.text import Place, Text

if TYPE_CHECKING:
    from pathlib import Path

    from privet.core.filters.model import FilterSpec


def read_filter(folder: Path, word: str, *, journal: bool = False) -> tuple[FilterSpec, tuple[tuple[str, ...], ...]]:
    """Read `NAME` or `NAME[option=value, ...]` as a jail would have it, on the journal or not; and its journalmatch.

    Raises RefusedError.
    """
    place = Place(str(folder))
    found = FilterFile(Files(folder), Text.of(word, place), "systemd" if journal else "auto").read({})
    return found.spec("raw"), found.journalmatch  # names show as they are written, nothing is looked up
