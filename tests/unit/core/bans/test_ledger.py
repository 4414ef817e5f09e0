"""The ledger: every ban in one account, and the kernel always told the latest end."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from privet.core.addresses.address import Subject
from privet.core.bans import ledger as module
from privet.core.bans.ledger import ROUNDING, Ledger, told
from privet.core.bans.model import ADOPTED, Ban, Held, Order
from privet.core.verdicts import Action, Verdict

T = 1431857103.0
ONE, OTHER, WIDE = Subject.parse("192.0.2.1"), Subject.parse("2001:db8::1"), Subject.parse("192.0.2.0/24")


def verdict(jail: str = "j", seconds: float = 600, *, at: float = T, subject: Subject = ONE) -> Verdict:
    return Verdict(Action.BAN, subject, jail, at, at + seconds, 5)


def balanced(ledger: Ledger) -> dict[str, int]:
    """Return what is not zero of the accounts; check that they add up."""
    totals = ledger.totals()
    assert totals["ordered"] == sum(count for name, count in totals.items() if name != "ordered")
    return {name: count for name, count in totals.items() if count}


def flush(ledger: Ledger, now: float = T, refuse: str | None = None) -> list[Order]:
    orders = ledger.orders(now)
    ledger.confirm(orders, [refuse] * len(orders))
    return orders


def test_a_ban_waits_is_confirmed_and_expires() -> None:
    ledger = Ledger()
    ledger.order(verdict(), T + 1)
    assert balanced(ledger) == {"ordered": 1, "waiting": 1}
    assert flush(ledger, T + 1) == [Order(ONE, 599.0)]
    assert balanced(ledger) == {"ordered": 1, "in_kernel": 1}
    assert ledger.orders(T + 1) == []
    assert ledger.expire(T + 599.9) == 0
    assert ledger.expire(T + 600) == 1
    assert balanced(ledger) == {"ordered": 1, "expired": 1}
    assert ledger.orders(T + 600) == []
    assert list(ledger) == []


def test_what_is_refused_or_over_is_booked_at_once() -> None:
    ledger = Ledger()
    ledger.order(verdict(), T, refusal="own address")
    ledger.order(verdict(), T + 600)
    assert balanced(ledger) == {"ordered": 2, "refused": 1, "expired": 1}
    assert ledger.accounts.refused == {"own address": 1}
    assert ledger.orders(T) == []


def test_the_kernel_holds_the_latest_end_of_several_jails() -> None:
    ledger = Ledger()
    ledger.order(verdict("long", 600), T)
    ledger.order(verdict("short", 60), T)
    assert flush(ledger) == [Order(ONE, 600.0)]
    assert balanced(ledger) == {"ordered": 2, "in_kernel": 2}
    ledger.order(verdict("longest", 6000), T)
    assert flush(ledger) == [Order(ONE, 6000.0, known=True)]
    assert [ban.jail for ban in ledger.lift(ONE, "longest")] == ["longest"]
    assert flush(ledger) == [Order(ONE, 600.0, known=True)]
    assert len(ledger.lift(ONE)) == 2
    assert flush(ledger) == [Order(ONE, None, known=True)]
    assert balanced(ledger) == {"ordered": 3, "unbanned": 3}
    assert ledger.lift(ONE) == []


def test_a_shorter_ban_that_the_kernel_covers_needs_no_order() -> None:
    ledger = Ledger()
    ledger.order(verdict("long", 600), T)
    flush(ledger)
    ledger.order(verdict("short", 60), T)
    assert ledger.orders(T) == []
    assert balanced(ledger) == {"ordered": 2, "in_kernel": 2}


def test_a_new_ban_of_the_same_jail_takes_the_place_of_the_old() -> None:
    ledger = Ledger()
    ledger.order(verdict(seconds=600), T)
    flush(ledger)
    ledger.order(verdict(seconds=60), T)
    assert balanced(ledger) == {"ordered": 2, "waiting": 1, "superseded": 1}
    assert flush(ledger) == [Order(ONE, 60.0, known=True)]
    ledger.order(verdict(seconds=6000), T)
    assert flush(ledger) == [Order(ONE, 6000.0, known=True)]
    assert balanced(ledger) == {"ordered": 3, "in_kernel": 1, "superseded": 2}


def test_bans_that_fail_are_booked_and_what_the_kernel_holds_stays() -> None:
    ledger = Ledger()
    ledger.order(verdict("a", 60), T)
    flush(ledger)
    ledger.order(verdict("b", 600), T)
    ledger.order(verdict("c", 6, subject=OTHER), T)
    flush(ledger, refuse="set is full")
    assert balanced(ledger) == {"ordered": 3, "in_kernel": 1, "failed": 2}
    assert ledger.accounts.failed == {"set is full": 2}
    assert [ban.jail for ban in ledger] == ["a"]
    assert ledger.orders(T) == []


def test_a_ban_that_the_kernel_covers_is_in_force_even_if_it_refuses_to_shorten() -> None:
    ledger = Ledger()
    ledger.order(verdict(seconds=600), T)
    flush(ledger)
    ledger.order(verdict(seconds=60), T)
    flush(ledger, refuse="busy")
    assert balanced(ledger) == {"ordered": 2, "in_kernel": 1, "superseded": 1}
    ledger.expire(T + 1)
    assert flush(ledger, T + 1) == [Order(ONE, 59.0, known=True)]


def test_a_ban_that_comes_while_an_order_is_out_is_not_lost_with_it() -> None:
    ledger = Ledger()
    ledger.order(verdict("a", 60), T)
    orders = ledger.orders(T)
    ledger.order(verdict("b", 600), T)
    ledger.confirm(orders, ["busy"])
    assert balanced(ledger) == {"ordered": 2, "waiting": 1, "failed": 1}
    assert flush(ledger) == [Order(ONE, 600.0)]


def test_an_unban_while_an_order_is_out_is_carried_out_after_it() -> None:
    ledger = Ledger()
    ledger.order(verdict(), T)
    orders = ledger.orders(T)
    ledger.lift(ONE)
    ledger.confirm(orders, [None])
    assert flush(ledger) == [Order(ONE, None, known=True)]
    assert balanced(ledger) == {"ordered": 1, "unbanned": 1}


def test_an_unban_that_fails_is_tried_again_but_not_at_once() -> None:
    ledger = Ledger()
    ledger.order(verdict(), T)
    flush(ledger)
    ledger.lift(ONE)
    assert flush(ledger, refuse="busy") == [Order(ONE, None, known=True)]
    assert ledger.orders(T) == [], "or else the daemon would try again and again without a pause"
    ledger.expire(T + 1)
    assert flush(ledger, T + 1) == [Order(ONE, None, known=True)]
    ledger.expire(T + 2)
    assert ledger.orders(T + 2) == []


def test_an_order_of_which_nobody_told_the_end_is_given_again() -> None:
    ledger = Ledger()
    ledger.order(verdict(), T)
    assert ledger.orders(T) == [Order(ONE, 600.0)]
    assert ledger.orders(T + 5) == [Order(ONE, 595.0)], "the firewall did not answer"
    assert balanced(ledger) == {"ordered": 1, "waiting": 1}


def test_bans_that_end_before_the_kernel_knows_are_not_ordered() -> None:
    ledger = Ledger()
    ledger.order(verdict(seconds=5), T)
    assert ledger.orders(T + 5) == []
    ledger.expire(T + 5)
    assert ledger.orders(T + 5) == []
    assert balanced(ledger) == {"ordered": 1, "expired": 1}


def test_what_the_kernel_forgot_is_ordered_anew() -> None:
    ledger = Ledger()
    ledger.order(verdict("a"), T)
    ledger.order(verdict("b", 60, subject=OTHER), T)
    flush(ledger)
    ledger.lift(OTHER)
    assert ledger.compare(told([], T), T) == 2
    assert balanced(ledger) == {"ordered": 2, "waiting": 1, "unbanned": 1}
    assert flush(ledger, T + 100) == [Order(ONE, 500.0)]


def test_bans_that_were_there_before_are_adopted() -> None:
    ledger = Ledger()
    assert ledger.adopt(told([Held(ONE, 100.0), Held(OTHER, None)], T), T) == 2
    assert balanced(ledger) == {"ordered": 2, "in_kernel": 2}
    assert ledger.orders(T) == []
    assert [(ban.jail, ban.until) for ban in ledger] == [(ADOPTED, T + 100), (ADOPTED, inf)]
    ledger.expire(T + 100)
    assert balanced(ledger) == {"ordered": 2, "in_kernel": 1, "expired": 1}
    ledger.lift(OTHER)
    assert flush(ledger, T + 100) == [Order(OTHER, None, known=True)]


def test_what_a_busy_kernel_got_late_is_no_ban_of_its_own() -> None:
    ledger = Ledger()
    ban = Ban(ONE, "j", T, T + 600, 5, "jail")

    assert ledger.adopt({"": {ONE: T + 603}}, T, [ban]) == 0
    assert flush(ledger) == [Order(ONE, 600.0, known=True)]
    assert list(ledger) == [ban]
    assert balanced(ledger) == {"ordered": 1, "in_kernel": 1}


def test_an_adopted_ban_gives_way_to_one_that_lasts_as_long() -> None:
    ledger = Ledger()
    ledger.adopt(told([Held(ONE, 100.0)], T), T)
    ledger.order(verdict(seconds=100), T)
    assert ledger.orders(T) == []
    assert [ban.jail for ban in ledger.of(ONE)] == ["j"]
    assert balanced(ledger) == {"ordered": 2, "in_kernel": 1, "superseded": 1}


@pytest.mark.parametrize("seconds", [100.0, None])
def test_an_adopted_ban_is_not_cut_short(seconds: float | None) -> None:
    ledger = Ledger()
    ledger.adopt(told([Held(ONE, seconds)], T), T)
    ledger.order(verdict(seconds=10), T)
    assert ledger.orders(T) == [], "the kernel goes on to hold the later end"
    assert balanced(ledger) == {"ordered": 2, "in_kernel": 2}


def test_prefixes_are_subjects_of_their_own() -> None:
    ledger = Ledger()
    ledger.order(verdict(), T)
    ledger.order(verdict(subject=WIDE), T)
    assert {order.subject for order in flush(ledger)} == {ONE, WIDE}
    assert len(ledger.lift(WIDE)) == 1
    assert flush(ledger) == [Order(WIDE, None, known=True)]
    assert len(list(ledger)) == 1


# Scopes


def scoped(jail: str, scope: str, seconds: float = 600, group: str = "") -> Verdict:
    return Verdict(Action.BAN, ONE, jail, T, T + seconds, 5, scope, group=group)


def test_a_ban_of_ports_has_an_element_for_each_and_is_in_force_with_the_last() -> None:
    ledger = Ledger()
    ledger.order(scoped("ssh", "tcp:22,80"), T)
    orders = ledger.orders(T)
    assert [(order.service, order.seconds) for order in orders] == [("tcp/22", 600.0), ("tcp/80", 600.0)]
    ledger.confirm(orders[:1], [None])
    assert balanced(ledger) == {"ordered": 1, "waiting": 1}
    flush(ledger)
    assert balanced(ledger) == {"ordered": 1, "in_kernel": 1}


def test_where_scopes_overlap_each_port_has_the_latest_end() -> None:
    ledger = Ledger()
    ledger.order(scoped("ssh", "tcp:22,80", 600), T)
    ledger.order(scoped("web", "tcp:80,443", 60), T)
    assert {order.service: order.seconds for order in flush(ledger)} == {"tcp/22": 600, "tcp/80": 600, "tcp/443": 60}
    ledger.lift(ONE, "ssh")
    assert {order.service: order.seconds for order in flush(ledger)} == {"tcp/22": None, "tcp/80": 60}


def test_a_jail_that_closes_other_ports_now_opens_those_it_closed_before() -> None:
    ledger = Ledger()
    ledger.order(scoped("ssh", "tcp:22"), T)
    flush(ledger)
    ledger.order(scoped("ssh", "tcp:2222"), T)
    assert {order.service: order.seconds for order in flush(ledger)} == {"tcp/22": None, "tcp/2222": 600}
    assert balanced(ledger) == {"ordered": 2, "in_kernel": 1, "superseded": 1}


def test_a_ban_of_which_one_port_fails_is_none() -> None:
    ledger = Ledger()
    ledger.order(scoped("ssh", "tcp:22,80"), T)
    ledger.confirm(ledger.orders(T), [None, "the set is full"])
    assert balanced(ledger) == {"ordered": 1, "failed": 1}
    assert flush(ledger) == [Order(ONE, None, known=True, service="tcp/22")]


# What was stored, and what the kernel holds


def stored(seconds: float, jail: str = "ssh", scope: str = "") -> Ban:
    return Ban(ONE, jail, T - 60, T + seconds, 5, "jail", scope=scope)


def test_a_stored_ban_that_the_kernel_holds_is_known_by_its_name() -> None:
    ledger = Ledger()
    assert ledger.adopt(told([Held(ONE, 599.2)], T), T, [stored(600)]) == 0
    assert [(ban.jail, ban.until, ban.confirmed) for ban in ledger] == [("ssh", T + 600, True)]
    assert ledger.orders(T) == []
    assert ledger.changes() == ([], [])


def test_a_stored_ban_that_the_kernel_lost_is_ordered_anew() -> None:
    ledger = Ledger()
    ledger.adopt(told([], T), T, [stored(600), stored(-1, "over")])
    assert balanced(ledger) == {"ordered": 1, "waiting": 1}
    assert flush(ledger) == [Order(ONE, 600.0)]


def test_what_the_kernel_holds_for_longer_than_was_stored_goes_on() -> None:
    ledger = Ledger()
    assert ledger.adopt(told([Held(ONE, 6000.0)], T), T, [stored(600)]) == 1, "killed between kernel and store"
    assert [(ban.jail, ban.until) for ban in ledger] == [("ssh", T + 600), (ADOPTED, T + 6000)]
    assert ledger.orders(T) == []
    assert [ban.jail for ban in ledger.changes()[0]] == [ADOPTED], "what nobody stored is stored now"


def test_what_the_kernel_holds_too_short_is_made_longer() -> None:
    ledger = Ledger()
    assert ledger.adopt(told([Held(ONE, 60.0)], T), T, [stored(600)]) == 0
    assert balanced(ledger) == {"ordered": 1, "waiting": 1}
    assert flush(ledger) == [Order(ONE, 600.0, known=True)]


def test_a_listing_that_takes_long_looks_shorter_than_it_is() -> None:
    ledger = Ledger()
    assert ledger.adopt(told([Held(ONE, 596.0), Held(OTHER, 60.0)], T), T, [stored(600)], took=3.5) == 1
    assert ledger.orders(T) == []
    assert ledger.compare(told([Held(ONE, 596.0), Held(OTHER, 56.0)], T), T, took=3.5) == 0
    assert ledger.compare(told([Held(ONE, 595.0), Held(OTHER, 55.0)], T), T, took=3.5) == 2


def test_ports_are_adopted_one_by_one() -> None:
    ledger = Ledger()
    held = [Held(ONE, 600.0, "tcp/22"), Held(ONE, 600.0, "tcp/80"), Held(ONE, 99.0, "udp/53")]
    assert ledger.adopt(told(held, T), T, [stored(600, scope="tcp:22,80")]) == 1
    assert [(ban.jail, ban.scope, ban.confirmed) for ban in ledger] == [
        ("ssh", "tcp:22,80", True),
        ("adopted udp:53", "udp:53", True),
    ]


def test_an_adopted_ban_gives_way_only_to_one_that_closes_as_much() -> None:
    ledger = Ledger()
    ledger.adopt(told([Held(ONE, 100.0)], T), T)
    ledger.order(scoped("ssh", "tcp:22"), T)
    assert [ban.jail for ban in ledger] == [ADOPTED, "ssh"]
    ledger.order(scoped("web", ""), T)
    assert [ban.jail for ban in ledger] == ["ssh", "web"]


def test_a_verdict_that_is_told_again_is_no_other_ban() -> None:
    ledger = Ledger()
    ledger.order(scoped("ssh", "tcp:22"), T)
    ledger.order(scoped("ssh", "tcp:22"), T + 1)
    assert balanced(ledger) == {"ordered": 1, "waiting": 1}
    ledger.order(scoped("ssh", ""), T + 1)
    assert balanced(ledger) == {"ordered": 2, "waiting": 1, "superseded": 1}


def test_what_the_kernel_lost_or_shortened_comes_back() -> None:
    ledger = Ledger()
    for subject in (ONE, OTHER, WIDE):
        ledger.order(verdict(subject=subject), T)
    flush(ledger)
    assert ledger.compare(told([Held(ONE, 599.0), Held(OTHER, 10.0)], T + 0.5), T + 0.5) == 2
    assert balanced(ledger) == {"ordered": 3, "in_kernel": 1, "waiting": 2}
    assert flush(ledger, T + 1) == [Order(OTHER, 599.0, known=True), Order(WIDE, 599.0)]
    assert ledger.compare(told([Held(one, 599.0) for one in (ONE, OTHER, WIDE)], T + 1), T + 1) == 0


# Clocks


@pytest.mark.parametrize("day", [86_400.0, -86_400.0])
def test_a_clock_that_is_set_changes_no_length(day: float) -> None:
    ledger = Ledger()
    ledger.order(verdict("a", 600), T)
    flush(ledger)
    ledger.order(verdict("b", 900), T)
    orders = ledger.orders(T)
    ledger.shift(day)
    ledger.confirm(orders, [None])
    assert ledger.orders(T + day) == [], "the kernel counts by a timer of its own"
    assert balanced(ledger) == {"ordered": 2, "in_kernel": 2}
    assert len(ledger.changes()[0]) == 2
    ledger.expire(T + day + 599)
    assert balanced(ledger) == {"ordered": 2, "in_kernel": 2}
    ledger.expire(T + day + 600)
    assert balanced(ledger) == {"ordered": 2, "in_kernel": 1, "expired": 1}


def test_after_a_suspension_the_kernel_is_told_the_true_end() -> None:
    ledger = Ledger()
    ledger.order(verdict("a", 6000), T)
    ledger.order(scoped("b", "tcp:22", 60), T)
    flush(ledger)
    ledger.overslept(3600)
    ledger.expire(T + 3600)
    assert sorted(flush(ledger, T + 3600), key=lambda order: order.service) == [
        Order(ONE, 2400.0, known=True),
        Order(ONE, None, known=True, service="tcp/22"),
    ]
    assert balanced(ledger) == {"ordered": 2, "in_kernel": 1, "expired": 1}


def test_what_a_jail_finds_goes_before_what_came_in_bulk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH", 3)
    ledger = Ledger()
    for number in range(7):
        subject = Subject(bytes([10, 0, 0, number]), 32)
        ledger.order(Verdict(Action.BAN, subject, "feed long", T, T + 600, 0, origin="feed"), T)
    first = ledger.orders(T)
    ledger.order(verdict(), T)
    ledger.confirm(first, [None] * 3)
    second = flush(ledger)
    assert second[0] == Order(ONE, 600.0)
    assert len(second) == 3
    ledger.lift(ONE)
    assert flush(ledger)[0] == Order(ONE, None, known=True)
    assert flush(ledger) == []
    assert balanced(ledger) == {"ordered": 8, "in_kernel": 7, "unbanned": 1}


def test_what_a_jail_finds_is_ordered_once_though_it_is_due_in_bulk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH", 1)
    ledger = Ledger()
    ledger.order(Verdict(Action.BAN, OTHER, "feed long", T, T + 600, 0, origin="feed"), T)
    ledger.order(Verdict(Action.BAN, ONE, "feed long", T, T + 600, 0, origin="feed"), T)
    ledger.order(verdict(seconds=900), T)
    assert [flush(ledger), flush(ledger), flush(ledger)] == [[Order(ONE, 900.0)], [Order(OTHER, 600.0)], []]
    assert ledger.quiet


def test_the_evidence_of_many_bans_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_EVIDENCE", 3)
    ledger = Ledger()
    for number in range(5):
        subject = Subject(number.to_bytes(4), 32)
        ledger.order(verdict(subject=subject), T, evidence=(f"line {number}",) if number else ())
    assert [ban.evidence for ban in ledger] == [(), (), ("line 2",), ("line 3",), ("line 4",)]


# What a store is to know


def test_changes_are_told_once_and_as_they_are_in_the_end() -> None:
    ledger = Ledger()
    ledger.order(verdict("a"), T)
    ledger.order(verdict("a", 60), T)
    ledger.order(verdict("b"), T)
    ledger.lift(ONE, "b")
    puts, drops = ledger.changes()
    assert [(ban.jail, ban.until) for ban in puts] == [("a", T + 60)]
    assert [ban.jail for ban in drops] == ["b"]
    assert ledger.changes() == ([], [])
    ledger.all_changed()
    assert [ban.jail for ban in ledger.changes()[0]] == ["a"]


def test_what_ends_by_itself_is_left_to_the_store() -> None:
    ledger = Ledger()
    ledger.order(verdict("a"), T)
    ledger.changes()
    ledger.expire(T + 600)
    assert ledger.changes() == ([], [])


def test_a_ban_that_fails_is_dropped() -> None:
    ledger = Ledger()
    ledger.order(verdict("a"), T)
    ledger.changes()
    flush(ledger, refuse="the set is full")
    assert [ban.jail for ban in ledger.changes()[1]] == ["a"]


class LedgerMachine(RuleBasedStateMachine):
    """A ledger, and a kernel that is nothing but a dict of ends; orders may be out while other things happen."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger, self.now = Ledger(), T
        self.kernel: dict[Subject, float] = {}
        self.orders: list[Order] = []

    @initialize(held=st.dictionaries(st.sampled_from([ONE, OTHER]), st.sampled_from([5.0, 50.0, None])))
    def start(self, held: dict[Subject, float | None]) -> None:
        self.ledger.adopt(told([Held(*pair) for pair in held.items()], self.now), self.now)
        self.kernel = {subject: inf if seconds is None else self.now + seconds for subject, seconds in held.items()}

    @rule(
        jail=st.sampled_from(["a", "b", "c"]),
        subject=st.sampled_from([ONE, OTHER, WIDE]),
        seconds=st.sampled_from([-1, 1, 5, 10, 10, 50, 100]),
        refusal=st.sampled_from([None, None, None, "own"]),
    )
    def order(self, jail: str, subject: Subject, seconds: float, refusal: str | None) -> None:
        self.ledger.order(verdict(jail, seconds, at=self.now, subject=subject), self.now, refusal)

    @rule(subject=st.sampled_from([ONE, OTHER, WIDE]), jail=st.sampled_from([None, "a", "b", ADOPTED]))
    def lift(self, subject: Subject, jail: str | None) -> None:
        self.ledger.lift(subject, jail)
        assert not [ban for ban in self.ledger.of(subject) if jail in (None, ban.jail)]

    @rule(seconds=st.sampled_from([0, 1, 4, 5, 10, 60]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.kernel = {subject: end for subject, end in self.kernel.items() if end > self.now}

    @rule()
    def expire(self) -> None:
        self.ledger.expire(self.now)
        assert all(ban.until > self.now for ban in self.ledger)

    @precondition(lambda self: not self.orders)
    @rule()
    def send(self) -> None:
        self.orders = self.ledger.orders(self.now)
        assert len({order.subject for order in self.orders}) == len(self.orders)
        for order in self.orders:
            assert order.seconds is None or order.seconds > 0
            self.sent_at = self.now

    @precondition(lambda self: self.orders)
    @rule(refused=st.sets(st.sampled_from([ONE, OTHER, WIDE])))
    def answer(self, refused: set[Subject]) -> None:
        for order in self.orders:
            if order.subject in refused:
                continue
            end = None if order.seconds is None else self.sent_at + order.seconds
            self.kernel.pop(order.subject, None)
            if end is not None and end > self.now:
                self.kernel[order.subject] = end
        self.ledger.confirm(self.orders, ["no" if order.subject in refused else None for order in self.orders])
        self.orders = []

    @precondition(lambda self: self.orders)
    @rule()
    def no_answer(self) -> None:
        self.orders = []

    @precondition(lambda self: not self.orders)
    @rule()
    def lose(self) -> None:
        """Lose all but what ends at once anyway: that is not missed."""
        self.kernel = {subject: end for subject, end in self.kernel.items() if end <= self.now + ROUNDING}
        held = [Held(subject, end - self.now) for subject, end in self.kernel.items()]
        self.ledger.compare(told(held, self.now), self.now)

    @precondition(lambda self: not self.orders)
    @rule()
    def settle(self) -> None:
        """Carry everything out: the kernel then holds just what the ledger says, the latest end of each."""
        self.ledger.expire(self.now)
        self.send()
        self.answer(set())
        assert self.ledger.orders(self.now) == [], "one round is enough"
        ends: dict[Subject, float] = {}
        for ban in self.ledger:
            ends[ban.subject] = max(ends.get(ban.subject, ban.until), ban.until)
        assert self.kernel == ends
        assert all(ban.confirmed for ban in self.ledger)

    @invariant()
    def accounts_balance(self) -> None:
        balanced(self.ledger)
        assert all(ban in self.ledger.of(ban.subject) for ban in self.ledger)


LedgerMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=30)
TestLedger = LedgerMachine.TestCase
