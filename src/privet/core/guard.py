"""Who must never be banned, whatever a jail says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from privet.core.addresses.address import Subject
    from privet.core.addresses.prefixes import PrefixSet

PSEUDONYM = "a pseudonym is nobody's address"


class Listed(msgspec.Struct, frozen=True, order=True):
    """Addresses that are told elsewhere: behind a name, in a file, or by a command, given as its words."""

    kind: Literal["name", "file", "command"]
    words: tuple[str, ...]

    @property
    def title(self) -> str:
        """What to call it."""
        return f"the {self.kind} {self.words[0]}"


def refusal(subject: Subject, protected: Mapping[str, PrefixSet]) -> str | None:
    """Return why a subject must not be banned, None if it may.

    `protected` maps reasons to prefixes; one that shares a single address with them is refused.
    """
    if subject.is_pseudonym:
        return PSEUDONYM
    return next((reason for reason, prefixes in protected.items() if prefixes.overlaps(subject)), None)
