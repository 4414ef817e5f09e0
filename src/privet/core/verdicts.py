"""The answer of the engine: what is to happen to whom, and until when."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from privet.core.addresses.address import Subject
from privet.core.addresses.networks import as_number

if TYPE_CHECKING:
    from collections.abc import Iterable


JAIL = "jail"
"""Origin of what a jail has found by itself."""


class Action(StrEnum):
    """What a verdict asks for."""

    BAN = "ban"
    DENY = "deny"
    SLOW = "slow"  # the web server answers 429: come back later
    TELL = "tell"  # nothing is closed, only programs are told
    REPORT = "report"


class Verdict(msgspec.Struct, frozen=True):
    """One decision of a jail (or of the administrator, then `origin` says so).

    `time` and `until` are seconds since the epoch; `failures` is how many made the decision;
    `scope` names what is closed to the subject, "" for everything; `count` is how many bans escalation
    has counted before this one. Verdicts of one `group`, such as "AS64500", fall together.
    """

    action: Action
    subject: Subject
    jail: str
    time: float
    until: float
    failures: int
    scope: str = ""
    origin: str = JAIL
    count: int = 0
    group: str = ""

    @property
    def who(self) -> Subject | int:
        """Whom it is about: the AS number of its group, or else its subject."""
        return as_number(self.group) or self.subject


def decisions(verdicts: Iterable[Verdict]) -> list[tuple[Verdict, int]]:
    """Return verdicts with those of one group that fell together as one, and how many subjects each has."""
    counted: dict[tuple[object, ...], tuple[Verdict, int]] = {}
    for number, verdict in enumerate(verdicts):
        key = (verdict.jail, verdict.group, verdict.time) if verdict.group else (number,)
        first, count = counted.get(key, (verdict, 0))
        counted[key] = first, count + 1
    return list(counted.values())
