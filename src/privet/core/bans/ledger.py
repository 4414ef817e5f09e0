"""The ledger of bans: what was ordered, what the kernel confirmed, and how each one ended.

The rules it keeps:
- every ban that is ordered, restored or adopted ends in exactly one account, so that at any time
  ordered = waiting + in the kernel + expired + unbanned + superseded + refused + failed;
- the truth is kept for each *element*, a subject and one service: several bans may want it, and the kernel
  holds the latest of their ends, so that lifting one brings back the next;
- a ban is confirmed when the kernel holds every element of its scope to its end at least, and fails when
  it refuses one of them;
- one jail has one ban of a subject; a new one supersedes it;
- what jails find goes to the kernel before whatever came in bulk, from a list or a store.
"""

from __future__ import annotations

from collections import deque
from itertools import chain, islice
from math import inf
from typing import TYPE_CHECKING

from privet.core.addresses.address import Subject
from privet.core.bans.model import ADOPTED, Accounts, Ban, Later, Order
from privet.core.bans.scope import scope_of, services
from privet.core.verdicts import JAIL

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from privet.core.bans.model import Held
    from privet.core.verdicts import Verdict

ROUNDING = 1.0
"""Seconds by which an end that the kernel tells, as the time left, may differ from the end that was ordered."""

LATE = 60.0
"""Seconds by which the kernel may hold an end too late: it counts from when it gets an order, and may be busy."""

BATCH = 2_000
"""Orders at once, some 20 ms: so long a verdict waits when a hundred thousand bans are on their way."""

CHANGES = 10_000
"""Changes that a store gets at once."""

MOST_EVIDENCE = 10_000
"""Bans whose evidence is kept, the latest: it takes more memory than all the rest of a ban."""

Element = tuple[Subject, str]
"""A subject and a service: what is one element in the kernel."""

Told = dict[str, dict[Subject, float]]
"""What a firewall told: until when it holds whom, by service."""

Due = dict[str, dict[Subject, None]]
"""What is to be brought up to date in the kernel, by service."""

Changes = tuple[list[Ban], list[Ban]]
"""What a store is to know: bans to put, and bans to drop."""


def told(held: Iterable[Held], now: float, slept: float = 0.0) -> Told:
    """Return what a firewall that was asked at `now` holds, as if its timers had not stood still before."""
    ends: Told = {}
    for one in held:
        until = inf if one.seconds is None else now + one.seconds - slept
        ends.setdefault(one.service, {})[one.subject] = until
    return ends


class Ledger:
    """Bans by subject and jail, and the orders to the firewall that they call for."""

    def __init__(self) -> None:
        self.accounts = Accounts()
        self._bans: dict[Subject, tuple[Ban, ...]] = {}
        self._held: dict[str, dict[Subject, float]] = {"": {}}  # by service: what the kernel confirmed, until when
        self._soon: Due = {}  # of jails: before all the rest
        self._due: Due = {}
        self._sent: dict[str, dict[Subject, float | None]] = {}  # by service: the ends in the orders that are out
        self._again: dict[Element, None] = {}  # what the kernel would not open or shorten: due at the next expire()
        self._changed: dict[tuple[Subject, str], Ban] = {}  # what changes() tells next
        self._next_end = inf  # nothing ends before that
        self._shown: deque[Ban] = deque()  # those that have evidence, or had it

    def __iter__(self) -> Iterator[Ban]:
        """Yield all bans, in the order in which their subjects were first banned."""
        return chain.from_iterable(self._bans.values())

    def of(self, subject: Subject) -> list[Ban]:
        """Return the bans of one subject."""
        return list(self._bans.get(subject, ()))

    def totals(self) -> dict[str, int]:
        """Return both sides of the account: `ordered`, and what it must add up to."""
        confirmed = sum(ban.confirmed for ban in self)
        return {
            "ordered": self.accounts.ordered,
            "in_kernel": confirmed,
            "waiting": sum(map(len, self._bans.values())) - confirmed,
            "expired": self.accounts.expired,
            "unbanned": self.accounts.unbanned,
            "superseded": self.accounts.superseded,
            "refused": self.accounts.refused.total(),
            "failed": self.accounts.failed.total(),
        }

    def adopt(self, told: Told, now: float, stored: Iterable[Ban] = (), took: float = 0.0) -> int:
        """Begin with what a store kept and with what the kernel holds; return how many bans only the kernel knew.

        The kernel took some seconds to tell. An element that lasts longer than every stored ban of it is a ban
        of its own, which nobody stored.
        """
        for ban in stored:
            if ban.until > now:
                self._enter(ban)
        unknown = [ban for service, ends in told.items() for ban in self._adopted(service, ends, now, took)]
        for ban in unknown:
            self._enter(ban)
            self._touch(ban)
        for ban in self:
            if not ban.confirmed:  # or it is the only one, and held as it should be
                self._mark(ban)
                self._settle(ban.subject)
        return len(unknown)

    def resume(self, stored: Iterable[Ban], now: float) -> None:
        """Begin with what was stored when the kernel held just that."""
        for ban in stored:
            if ban.until > now:
                self._enter(ban)
                ban.confirmed = True
                for service in services(ban.scope):
                    ends = self._held.setdefault(service, {})
                    if ends.setdefault(ban.subject, ban.until) < ban.until:
                        ends[ban.subject] = ban.until

    @property
    def quiet(self) -> bool:
        """Whether the kernel holds all that it should, and nothing else."""
        due = chain(self._soon.values(), self._due.values())
        return not any(due) and not self._again and all(ban.confirmed for ban in self)

    def order(
        self,
        verdict: Verdict,
        now: float,
        refusal: str | None = None,
        *,
        why: str = "",
        evidence: tuple[str, ...] = (),
    ) -> None:
        """Enter a ban, unless it is told again, as after a restart; `refusal` says why it must not happen."""
        if refusal is not None:
            self.accounts.ordered += 1
            self.accounts.refused[refusal] += 1
            return
        if verdict.until <= now:
            self.accounts.ordered += 1
            self.accounts.expired += 1
            return
        present = self._bans.get(verdict.subject, ())
        if present and any(_told_again(old, verdict) for old in present):
            return
        ban = Ban(
            verdict.subject,
            verdict.jail,
            verdict.time,
            verdict.until,
            verdict.failures,
            verdict.origin,
            why,
            scope=verdict.scope,
            group=verdict.group,
            evidence=evidence,
            action=verdict.action,
        )
        gone = [old for old in present if old.jail == ban.jail or _known_again(old, ban)]
        if gone:
            self._end(gone)
            self.accounts.superseded += len(gone)
        self._enter(ban)
        self._mark(ban)
        self._touch(ban)

    def lift(self, subject: Subject, jail: str | None = None) -> list[Ban]:
        """End the bans of a subject (of one jail only, if named); return them."""
        lifted = [ban for ban in self.of(subject) if jail in (None, ban.jail)]
        self._end(lifted)
        self.accounts.unbanned += len(lifted)
        return lifted

    def expire(self, now: float) -> int:
        """Book bans whose time is over; kernel and store drop them by themselves. Return how many."""
        for subject, service in self._again:
            self._make_due(subject, service)
        self._again.clear()
        if now < self._next_end:
            return 0
        over = [ban for ban in self if ban.until <= now]
        self._take_out(over)
        self.accounts.expired += len(over)
        for held in self._held.values():
            for subject in [subject for subject, until in held.items() if until <= now]:
                del held[subject]
        ends = chain((ban.until for ban in self), *(held.values() for held in self._held.values()))
        self._next_end = min(ends, default=inf)
        return len(over)

    def compare(self, told: Told, now: float, took: float = 0.0) -> int:
        """Bring back what the kernel lost or shortened, given all that it holds; return how many elements those are.

        The kernel was asked at `now`, after all answers that are booked, and took some seconds to answer.
        """
        lost = [
            (subject, service)
            for service, ends in self._held.items()
            for subject, until in ends.items()
            if until > now + took + ROUNDING and told.get(service, {}).get(subject, -inf) < until - took - ROUNDING
        ]
        for subject, service in lost:
            self._note(subject, service, told.get(service, {}).get(subject))
            self._make_due(subject, service)
        for subject in {subject for subject, _ in lost}:
            for ban in self.of(subject):
                ban.confirmed = False
            self._settle(subject)
        return len(lost)

    def shift(self, seconds: float) -> None:
        """Take note that the clock was set forward by so much: what is left of each ban stays the same."""
        for ban in self:
            ban.since += seconds
            ban.until += seconds
            self._touch(ban)
        for service, ends in self._held.items():
            self._held[service] = {subject: until + seconds for subject, until in ends.items()}
        self._sent = {
            service: {subject: None if until is None else until + seconds for subject, until in sent.items()}
            for service, sent in self._sent.items()
        }
        self._next_end += seconds

    def overslept(self, seconds: float) -> None:
        """Take note that the kernel's timers stood still for so long: what it holds would end too late."""
        for service, ends in self._held.items():
            self._held[service] = {subject: until + seconds for subject, until in ends.items()}
            for subject in ends:
                self._make_due(subject, service)

    @property
    def pending(self) -> bool:
        """Whether there may be something for the firewall to do."""
        return any(self._soon.values()) or any(self._due.values())

    def orders(self, now: float) -> list[Order]:
        """Return what the firewall is to do next so that it holds the latest end of each element."""
        orders: list[Order] = []
        settled: list[Element] = []
        self._sent.clear()
        for subject, service in chain(_elements(self._soon), _elements(self._due)):
            until, held = self._wanted(subject, service), self._held_until(subject, service)
            if until == held:
                settled.append((subject, service))
            elif until is None or until > now:  # what is over is left to expire()
                orders.append(Order(subject, None if until is None else until - now, held is not None, service))
                self._sent.setdefault(service, {})[subject] = until
                if len(orders) == BATCH:
                    break
        for subject, service in settled:
            self._made(subject, service)
            self._settle(subject)
        return orders

    def confirm(self, orders: Iterable[Order], answers: Iterable[str | None]) -> None:
        """Book the firewall's answers to what `orders` returned last: None for done, else the reason why not.

        What is to be done later is due behind all the rest.
        """
        concerned: dict[Subject, None] = {}
        failed: list[tuple[Order, str]] = []
        for order, reason in zip(orders, answers, strict=True):
            if isinstance(reason, Later):
                self._made(order.subject, order.service)
                self._make_due(order.subject, order.service)
            elif reason is not None:
                failed.append((order, reason))
            elif not self._done(order):
                concerned[order.subject] = None
        for order, reason in failed:
            self._fail(order, reason)
            concerned[order.subject] = None
        for subject in concerned:
            self._settle(subject)

    def changes(self) -> Changes:
        """Return what a store is to know since this was asked last, or a part of it; nothing when that is all."""
        puts: list[Ban] = []
        drops: list[Ban] = []
        for subject, jail in list(islice(self._changed, CHANGES)):
            last = self._changed.pop((subject, jail))
            ban = next((ban for ban in self._bans.get(subject, ()) if ban.jail == jail), None)
            if ban is None:
                drops.append(last)
            else:
                puts.append(ban)
        return puts, drops

    def all_changed(self) -> None:
        """Let changes() return every ban: a store has lost them."""
        for ban in self:
            self._touch(ban)

    def _adopted(self, service: str, ends: Mapping[Subject, float], now: float, took: float) -> Iterator[Ban]:
        """Take note of what the kernel holds; yield the bans that explain what no stored one does."""
        held, scope = self._held.setdefault(service, {}), scope_of(service)
        for subject, end in ends.items():
            bans = self._bans.get(subject, ())
            if len(bans) == 1 and (ban := bans[0]).scope == scope and -took - ROUNDING <= end - ban.until <= ROUNDING:
                held[ban.subject], ban.confirmed = ban.until, True  # as nearly all are: no more than this for them
                continue
            wanted = self._wanted(subject, service) or -inf
            known = -took - ROUNDING <= end - wanted <= ROUNDING or end == wanted
            # With the key of a ban that is there anyway: a hundred thousand others would only take memory.
            held[bans[0].subject if bans else subject] = wanted if known else end
            if end > wanted + LATE:  # or the order that is due now makes it end as it should
                yield Ban(subject, f"{ADOPTED} {scope}".rstrip(), now, end, 0, ADOPTED, scope=scope)

    def _enter(self, ban: Ban) -> None:
        self.accounts.ordered += 1
        alone = (ban,)
        bans = self._bans.setdefault(ban.subject, alone)
        if bans is not alone:
            self._bans[ban.subject] = (*bans, ban)
        self._next_end = min(self._next_end, ban.until)
        if ban.evidence:
            self._shown.append(ban)
            if len(self._shown) > MOST_EVIDENCE:
                self._shown.popleft().evidence = ()

    def _take_out(self, bans: Iterable[Ban]) -> None:
        for ban in bans:
            rest = tuple(one for one in self._bans[ban.subject] if one is not ban)
            if rest:
                self._bans[ban.subject] = rest
            else:
                del self._bans[ban.subject]
            self._mark(ban)

    def _end(self, bans: Collection[Ban]) -> None:
        """Take out bans before their time, from the store too."""
        self._take_out(bans)
        for ban in bans:
            self._touch(ban)

    def _mark(self, ban: Ban) -> None:
        """Have the elements of a ban brought up to date."""
        for service in services(ban.scope):
            self._make_due(ban.subject, service, soon=ban.origin == JAIL)

    def _make_due(self, subject: Subject, service: str, *, soon: bool = False) -> None:
        if soon:
            self._made(subject, service)
            self._soon.setdefault(service, {})[subject] = None
        elif subject not in self._soon.get(service, ()):
            self._due.setdefault(service, {})[subject] = None

    def _made(self, subject: Subject, service: str) -> None:
        """Take note that an element is up to date."""
        for lane in (self._soon, self._due):
            if due := lane.get(service):
                due.pop(subject, None)

    def _touch(self, ban: Ban) -> None:
        """Have the store told of a ban."""
        self._changed[ban.subject, ban.jail] = ban

    def _note(self, subject: Subject, service: str, until: float | None) -> None:
        """Take note of what the kernel holds of an element."""
        ends = self._held.setdefault(service, {})
        if until is None:
            ends.pop(subject, None)
        else:
            ends[subject] = until
            self._next_end = min(self._next_end, until)

    def _held_until(self, subject: Subject, service: str) -> float | None:
        ends = self._held.get(service)
        return ends.get(subject) if ends else None

    def _wanted(self, subject: Subject, service: str) -> float | None:
        """Return the latest end that any ban wants for an element."""
        bans = self._bans.get(subject, ())
        if len(bans) == 1 and bans[0].scope == service == "":  # as nearly all are
            return bans[0].until
        return max((ban.until for ban in bans if service in services(ban.scope)), default=None)

    def _done(self, order: Order) -> bool:
        """Book that the kernel did what was asked; tell whether the one ban that wants it is confirmed by that."""
        subject, service = order.subject, order.service
        until = self._sent[service][subject]
        self._note(subject, service, until)
        if self._wanted(subject, service) != until:
            return False  # something came after the order, and stays due
        self._made(subject, service)
        bans = self._bans.get(subject, ())
        if len(bans) == 1 and services(bans[0].scope) == (service,):
            bans[0].confirmed = True
            return True
        return False

    def _fail(self, order: Order, reason: str) -> None:
        """Book the bans that the order was about as failed, but not those to which the kernel holds already."""
        element = order.subject, order.service
        asked, held = self._sent[order.service][order.subject], self._held_until(*element) or -inf
        failing = [
            ban
            for ban in self.of(order.subject)
            if order.service in services(ban.scope) and held < ban.until and asked is not None and ban.until <= asked
        ]
        self._end(failing)
        self.accounts.failed[reason] += len(failing)
        wanted = self._wanted(*element)
        if wanted is None or wanted <= held:  # or else others came after the order, and are due
            self._made(*element)
            if (wanted or -inf) != held:
                self._again[element] = None

    def _settle(self, subject: Subject) -> None:
        """Confirm the bans of a subject that the kernel holds with all their elements."""
        for ban in self._bans.get(subject, ()):
            if not ban.confirmed:
                ends = [self._held_until(subject, service) or -inf for service in services(ban.scope)]
                ban.confirmed = min(ends) >= ban.until


def _elements(due: Due) -> Iterator[Element]:
    return ((subject, service) for service, subjects in due.items() for subject in subjects)


def _known_again(old: Ban, ban: Ban) -> bool:
    """Tell whether a ban of which only the kernel knew goes on under the name of its jail."""
    covered = set(services(old.scope)) <= set(services(ban.scope))
    return old.origin == ADOPTED and covered and old.until <= ban.until + ROUNDING


def _told_again(ban: Ban, verdict: Verdict) -> bool:
    """Tell whether a verdict is the very one that led to a ban."""
    known = (ban.jail, ban.since, ban.until, ban.scope, ban.group)
    return known == (verdict.jail, verdict.time, verdict.until, verdict.scope, verdict.group)
