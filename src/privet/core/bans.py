"""The ledger of bans: what was ordered, what the kernel confirmed, and how each one ended.

Every ban that a jail or the administrator orders ends in exactly one account, so that at any time
ordered = waiting + in the kernel + expired + unbanned + superseded + refused + failed.
Several jails may hold one subject; the kernel then holds the latest end.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from privet.core.address import Subject
from privet.core.verdicts import Action

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from privet.core.verdicts import Verdict

ADOPTED = "adopted"
"""The jail of bans that the kernel held already when the daemon started."""

ROUNDING = 1.0
"""Seconds by which the end of an adopted ban, told as the time left, may differ from the end that was ordered."""


class Order(msgspec.Struct, frozen=True, gc=False):
    """One wish to the firewall: close a service to `subject` for `seconds`, or open it again (None).

    `service` is one of `scope.services`. `known` tells that the firewall holds this element already, so that
    the new end replaces the old one.
    """

    subject: Subject
    seconds: float | None
    known: bool = False
    service: str = ""


class Held(msgspec.Struct, frozen=True, gc=False):
    """One element that the firewall holds, with the seconds left (None: for good)."""

    subject: Subject
    seconds: float | None
    service: str = ""


class Ban(msgspec.Struct, gc=False):
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


class Ledger:
    """Bans by subject and jail, and the orders to the firewall that they call for."""

    def __init__(self) -> None:
        self.accounts = Accounts()
        self._bans: dict[Subject, dict[str, Ban]] = {}
        self._held: dict[Subject, float] = {}  # what the kernel confirmed, until when
        self._due: dict[Subject, None] = {}  # subjects whose state in the kernel is to be brought up to date
        self._sent: dict[Subject, float | None] = {}  # the ends in the orders that are out
        self._again: dict[Subject, None] = {}  # what the kernel would not open or shorten: due at the next expire()

    def __iter__(self) -> Iterator[Ban]:
        """Yield all bans, in the order in which their subjects were first banned."""
        for bans in self._bans.values():
            yield from bans.values()

    def of(self, subject: Subject) -> list[Ban]:
        """Return the bans of one subject."""
        return list(self._bans.get(subject, {}).values())

    def totals(self) -> dict[str, int]:
        """Return both sides of the account: `ordered`, and what it must add up to."""
        confirmed = sum(ban.confirmed for ban in self)
        return {
            "ordered": self.accounts.ordered,
            "in_kernel": confirmed,
            "waiting": sum(1 for _ in self) - confirmed,
            "expired": self.accounts.expired,
            "unbanned": self.accounts.unbanned,
            "superseded": self.accounts.superseded,
            "refused": self.accounts.refused.total(),
            "failed": self.accounts.failed.total(),
        }

    def adopt(self, held: Iterable[Held], now: float) -> int:
        """Take over what the kernel holds; return how many bans that is."""
        count = 0
        for ban in held:
            until = float("inf") if ban.seconds is None else now + ban.seconds
            self._bans.setdefault(ban.subject, {})[ADOPTED] = Ban(
                ban.subject, ADOPTED, now, until, 0, ADOPTED, confirmed=True
            )
            self._held[ban.subject] = until
            self.accounts.ordered += 1
            count += 1
        return count

    def order(self, verdict: Verdict, now: float, refusal: str | None = None, why: str = "") -> None:
        """Enter a ban; `refusal` says why it must not happen."""
        self.accounts.ordered += 1
        if refusal is not None:
            self.accounts.refused[refusal] += 1
            return
        if verdict.until <= now:
            self.accounts.expired += 1
            return
        bans = self._bans.setdefault(verdict.subject, {})
        if verdict.jail in bans:
            self.accounts.superseded += 1
        adopted = bans.get(ADOPTED)
        if adopted and adopted.until <= verdict.until + ROUNDING:  # known by its own name again, after a restart
            del bans[ADOPTED]
            self.accounts.superseded += 1
        bans[verdict.jail] = Ban(
            verdict.subject, verdict.jail, verdict.time, verdict.until, verdict.failures, verdict.origin, why
        )
        self._due[verdict.subject] = None

    def lift(self, subject: Subject, jail: str | None = None) -> list[Ban]:
        """End the bans of a subject (of one jail only, if named); return them."""
        bans = self._bans.get(subject, {})
        lifted = [bans.pop(name) for name in list(bans) if jail in (None, name)]
        if lifted:
            self.accounts.unbanned += len(lifted)
            self._due[subject] = None
            if not bans:
                del self._bans[subject]
        return lifted

    def expire(self, now: float) -> int:
        """Book bans whose time is over; the kernel has dropped them by itself. Return how many."""
        over = [ban for ban in self if ban.until <= now]
        for ban in over:
            bans = self._bans[ban.subject]
            del bans[ban.jail]
            if not bans:
                del self._bans[ban.subject]
        self.accounts.expired += len(over)
        for subject in [subject for subject, until in self._held.items() if until <= now]:
            del self._held[subject]
        self._due |= self._again
        self._again.clear()
        return len(over)

    def forget_kernel(self) -> None:
        """Take note that the kernel lost everything: all bans are due again."""
        self._held.clear()
        for ban in self:
            ban.confirmed = False
        self._due.update(dict.fromkeys(self._bans))

    def orders(self, now: float) -> list[Order]:
        """Return what the firewall is to do so that it holds the latest end of each subject."""
        orders = []
        self._sent.clear()
        for subject in list(self._due):
            bans = self._bans.get(subject, {})
            until = _latest(bans.values())
            held = self._held.get(subject)
            if until == held:
                self._settle(subject, held)
            elif until is None or until > now:  # what is over is left to expire()
                seconds = None if until is None else until - now
                orders.append(Order(subject, seconds, known=held is not None))
                self._sent[subject] = until
        return orders

    def confirm(self, orders: Iterable[Order], answers: Iterable[str | None]) -> None:
        """Book the firewall's answers to what `orders` returned last: None for done, else the reason why not."""
        for order, reason in zip(orders, answers, strict=True):
            if reason is not None:
                self._fail(order.subject, reason)
                continue
            until = self._sent[order.subject]
            if until is None:
                self._held.pop(order.subject, None)
            else:
                self._held[order.subject] = until
            self._settle(order.subject, until)

    def _fail(self, subject: Subject, reason: str) -> None:
        """Book the bans that the order was about as failed; those that the kernel holds already stay."""
        asked = self._sent[subject]
        bans = self._bans.get(subject, {})
        self._settle(subject, self._held.get(subject))
        for jail in [ban.jail for ban in bans.values() if not ban.confirmed and asked and ban.until <= asked]:
            del bans[jail]
            self.accounts.failed[reason] += 1
        if not bans:
            self._bans.pop(subject, None)
        if all(ban.confirmed for ban in bans.values()):  # or else others came after the order, and are due
            self._due.pop(subject, None)
            if _latest(bans.values()) != self._held.get(subject):
                self._again[subject] = None

    def _settle(self, subject: Subject, held: float | None) -> None:
        """Mark the bans that the kernel now covers; what is not covered stays due."""
        bans = self.of(subject)
        for ban in bans:
            ban.confirmed = ban.confirmed or (held is not None and ban.until <= held)
        if _latest(bans) == held:
            self._due.pop(subject, None)


def _latest(bans: Iterable[Ban]) -> float | None:
    return max((ban.until for ban in bans), default=None)
