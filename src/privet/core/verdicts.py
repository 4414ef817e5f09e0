"""The answer of the engine: what is to happen to whom, and until when."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from privet.core.address import Subject


class Action(StrEnum):
    """What a verdict asks for."""

    BAN = "ban"
    DENY = "deny"
    CHALLENGE = "challenge"
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
    origin: str = "jail"
    count: int = 0
    group: str = ""
