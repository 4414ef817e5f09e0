"""What a subject is called in output: its address for those who may see it, else a pseudonym."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from privet.cli.output import rfc3339
from privet.core.masking.mask import Mask
from privet.core.verdicts import decisions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from privet.core.addresses.address import Subject
    from privet.core.verdicts import Verdict


class Names:
    """Pseudonyms under a key that is forgotten when the process ends, so they mean nothing elsewhere."""

    def __init__(self, *, reveal: bool) -> None:
        self._reveal = reveal
        self._mask = Mask("pseudonym", os.urandom(32))

    def of(self, subject: Subject) -> str:
        """Return the name of a subject."""
        if self._reveal or subject.is_pseudonym:
            return subject.reveal()
        return self._mask.name(subject)

    def shown(self, verdict: Verdict, prefixes: int) -> str:
        """Return the name of whom a verdict is about for a table, where a network says how large it is."""
        if verdict.group:
            return f"{verdict.group} ({prefixes:,} prefixes)"
        name, subject = self.of(verdict.subject), verdict.subject
        return name if subject.key or "/" in name else f"{name} (a /{subject.length})"

    def verdicts(self, verdicts: Iterable[Verdict]) -> list[dict[str, object]]:
        """Return verdicts as JSON lists them."""
        return [
            {
                "time": rfc3339(v.time),
                "jail": v.jail,
                "subject": v.group or self.of(v.subject),
                "length": v.subject.length,
                "prefixes": prefixes,
                "failures": v.failures,
                "action": v.action.value,
                "until": rfc3339(v.until),
                "count": v.count,
            }
            for v, prefixes in decisions(verdicts)
        ]
