"""Who must never be banned, whatever a jail says: the reasons that a machine knows about itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from privet.core.address import Subject

PSEUDONYM = "a pseudonym is nobody's address"


def refusal(subject: Subject, protected: Mapping[str, Collection[Subject]]) -> str | None:
    """Return why a subject must not be banned, None if it may.

    `protected` maps reasons to subjects; one that shares a single address with them is refused.
    """
    if subject.is_pseudonym:
        return PSEUDONYM
    for reason, subjects in protected.items():
        if any(subject.overlaps(other) for other in subjects):
            return reason
    return None
