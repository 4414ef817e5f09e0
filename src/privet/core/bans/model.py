"""Bans as data: what a jail or the administrator ordered, what the firewall is asked for, and what it holds."""

from __future__ import annotations

from collections import Counter

import msgspec

from privet.core.addresses.address import Subject
from privet.core.verdicts import Action

ADOPTED = "adopted"
"""Origin, and beginning of the jail's name, of bans that only the kernel still knew when the daemon started."""


class Order(msgspec.Struct, frozen=True, gc=False):
    """One wish to the firewall: close a service to `subject` for `seconds`, or open it again (None).

    `service` is one of `scope.services`. `known` tells that the firewall holds this element already, so that
    the new end replaces the old one.
    """

    subject: Subject
    seconds: float | None
    known: bool = False
    service: str = ""


class Later(str):
    """Why an order was not carried out now, though it was nothing about it: it is to be given again."""

    __slots__ = ()


class Held(msgspec.Struct, frozen=True, gc=False):
    """One element that the firewall holds, with the seconds left (None: for good)."""

    subject: Subject
    seconds: float | None
    service: str = ""


class Ban(msgspec.Struct, gc=False, array_like=True):
    """One ban of one jail. `confirmed` once the kernel holds every element of its scope to its end at least.

    Bans of one `group` (an AS number, say) were ordered together, and are shown and lifted together.
    `evidence` is a few masked lines that led to it. `action` says where it is enforced.
    """

    subject: Subject
    jail: str
    since: float
    until: float
    failures: int
    origin: str
    why: str = ""
    confirmed: bool = False
    scope: str = ""
    group: str = ""
    evidence: tuple[str, ...] = ()
    action: Action = Action.BAN


class Accounts(msgspec.Struct):
    """How many bans were ordered and what became of them; refusals and failures by reason."""

    ordered: int = 0
    expired: int = 0
    unbanned: int = 0
    superseded: int = 0
    refused: Counter[str] = msgspec.field(default_factory=Counter)
    failed: Counter[str] = msgspec.field(default_factory=Counter)
