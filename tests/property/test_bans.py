"""Whatever happens to bans, the accounts balance and the kernel holds the latest end of each subject."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from privet.core.address import Subject
from privet.core.bans import Held
from privet.core.ledger import Ledger
from privet.core.verdicts import Action, Verdict

SUBJECTS = [Subject.parse(text) for text in ("192.0.2.1", "192.0.2.2", "2001:db8::1", "198.51.100.0/24")]
JAILS = ["leech", "scanner", "by hand"]
subjects, jails = st.sampled_from(SUBJECTS), st.sampled_from(JAILS)


class Bans(RuleBasedStateMachine):
    """The ledger beside a kernel that is a dictionary, and a plain list of what is in force."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger()
        self.now = 1000.0
        self.kernel: dict[Subject, float] = {}
        self.wanted: dict[tuple[Subject, str], float] = {}

    @rule(subject=subjects, jail=jails, seconds=st.integers(-5, 50))
    def order(self, subject: Subject, jail: str, seconds: int) -> None:
        until = self.now + seconds
        self.ledger.order(Verdict(Action.BAN, subject, jail, self.now, until, 3), self.now)
        if until > self.now:
            self.wanted[subject, jail] = until

    @rule(subject=subjects, jail=jails)
    def refuse(self, subject: Subject, jail: str) -> None:
        verdict = Verdict(Action.BAN, subject, jail, self.now, self.now + 10, 3)
        self.ledger.order(verdict, self.now, "this machine's own address")

    @rule(subject=subjects, jail=st.none() | jails)
    def lift(self, subject: Subject, jail: str | None) -> None:
        self.ledger.lift(subject, jail)
        self.wanted = {(s, j): until for (s, j), until in self.wanted.items() if s != subject or jail not in (None, j)}

    @rule(refused=st.sets(subjects, max_size=1))
    def flush(self, refused: set[Subject]) -> None:
        orders = self.ledger.orders(self.now)
        self.ledger.confirm(orders, ["the set is full" if order.subject in refused else None for order in orders])
        for order in orders:
            if order.subject in refused:
                held = self.kernel.get(order.subject, 0.0)
                self.wanted = {
                    (s, j): until for (s, j), until in self.wanted.items() if s != order.subject or until <= held
                }
            elif order.seconds is None:
                self.kernel.pop(order.subject, None)
            else:
                assert order.known == (order.subject in self.kernel)
                self.kernel[order.subject] = self.now + order.seconds

    @rule(seconds=st.integers(1, 30))
    def wait(self, seconds: int) -> None:
        self.now += seconds
        self.kernel = {subject: until for subject, until in self.kernel.items() if until > self.now}
        self.wanted = {place: until for place, until in self.wanted.items() if until > self.now}
        self.ledger.expire(self.now)

    @rule()
    def lose_the_rules(self) -> None:
        self.kernel.clear()
        self.ledger.forget_kernel()

    @invariant()
    def the_accounts_balance(self) -> None:
        totals = self.ledger.totals()
        assert totals.pop("ordered") == sum(totals.values())

    @invariant()
    def what_is_in_force_is_known(self) -> None:
        assert {(ban.subject, ban.jail): ban.until for ban in self.ledger} == self.wanted

    def teardown(self) -> None:
        self.ledger.expire(self.now)  # the next tick: what the kernel refused to open or shorten is due again
        self.flush(set())
        latest: dict[Subject, float] = {}
        for (subject, _), until in self.wanted.items():
            latest[subject] = max(until, latest.get(subject, 0.0))
        assert self.kernel.keys() == latest.keys()
        assert all(abs(self.kernel[subject] - until) < 0.001 for subject, until in latest.items())
        assert all(ban.confirmed for ban in self.ledger)


Bans.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestBans = Bans.TestCase


def test_what_the_kernel_held_is_adopted_and_known_again() -> None:
    ledger = Ledger()
    assert ledger.adopt([Held(SUBJECTS[0], 60.0), Held(SUBJECTS[2], None)], 1000.0) == 2
    assert ledger.orders(1000.0) == []
    ledger.order(Verdict(Action.BAN, SUBJECTS[0], "leech", 990.0, 1060.0, 30), 1000.0)
    assert [ban.jail for ban in ledger.of(SUBJECTS[0])] == ["leech"]
    ledger.confirm(orders := ledger.orders(1001.0), [None] * len(orders))
    totals = ledger.totals()
    assert (totals["ordered"], totals["in_kernel"], totals["superseded"]) == (3, 2, 1)
