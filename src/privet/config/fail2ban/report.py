"""What became of a configuration: adopted, changed on purpose, or not understood; each with file and line."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec

from privet.config.fail2ban.text import Place

if TYPE_CHECKING:
    from collections.abc import Iterable


class Fate(StrEnum):
    """What became of a setting."""

    ADOPTED = "adopted"
    CHANGED = "changed on purpose"
    UNKNOWN = "not understood"


class Finding(msgspec.Struct, frozen=True, order=True):
    """One line of the report; `jail` is empty where it concerns no single one."""

    place: Place
    jail: str
    text: str
    fate: Fate

    def __str__(self) -> str:
        """Return `file:line: jail: text`."""
        return ": ".join(part for part in (str(self.place), self.jail, self.text) if part)


def as_items(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Return findings as JSON has them; the line is null where a whole file is meant, the jail where none is."""
    return [
        {
            "file": one.place.file,
            "line": one.place.line or None,
            "jail": one.jail or None,
            "fate": one.fate.value,
            "text": one.text,
        }
        for one in findings
    ]


class Report:
    """Findings, each once."""

    def __init__(self) -> None:
        self._findings: dict[Finding, None] = {}

    def adopted(self, place: Place, jail: str, text: str) -> None:
        """Note what goes on as before."""
        self._findings[Finding(place, jail, text, Fate.ADOPTED)] = None

    def changed(self, place: Place, jail: str, text: str) -> None:
        """Note what is done in another way, and why."""
        self._findings[Finding(place, jail, text, Fate.CHANGED)] = None

    def unknown(self, place: Place, jail: str, text: str) -> None:
        """Note what has no effect here."""
        self._findings[Finding(place, jail, text, Fate.UNKNOWN)] = None

    def of(self, fate: Fate) -> list[Finding]:
        """Return the findings of one kind, by place."""
        return sorted(finding for finding in self._findings if finding.fate is fate)
