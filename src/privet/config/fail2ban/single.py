"""One filter of a folder like /etc/fail2ban, for whoever tries it without a jail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from privet.config.fail2ban.files import Files
from privet.config.fail2ban.filters import FilterFile
from privet.config.fail2ban.text import Place, Text
from privet.core.filters.model import FilterSpec

if TYPE_CHECKING:
    from pathlib import Path


def read_filter(folder: Path, word: str, *, journal: bool = False) -> tuple[FilterSpec, tuple[tuple[str, ...], ...]]:
    """Read `NAME` or `NAME[option=value, ...]` as a jail would have it, on the journal or not; and its journalmatch.

    Raises RefusedError.
    """
    place = Place(str(folder))
    found = FilterFile(Files(folder), Text.of(word, place), "systemd" if journal else "auto").read({})
    spec = FilterSpec(
        name=found.name,
        failregex=tuple(rule.regex for rule in found.failregex),
        ignoreregex=tuple(rule.regex for rule in found.ignoreregex),
        prefregex=found.prefregex.regex if found.prefregex else "",
        datepattern=found.datepattern or "",
        maxlines=found.maxlines,
        usedns="raw",  # names show as they are written, nothing is looked up
    )
    return spec, found.journalmatch
