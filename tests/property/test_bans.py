"""Whatever happens to bans, the accounts balance and the kernel holds the latest end of each element.

The ledger runs beside a kernel that is a dictionary of elements, a store that is a dictionary of bans, and a plain
list of what is in force. Bans have scopes, may belong to groups, and the daemon may be stopped, killed before the
store has heard of everything, or come back after a reboot.
"""

from __future__ import annotations

from math import inf

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from privet.core.addresses.address import Subject
from privet.core.bans import ledger as module
from privet.core.bans.ledger import Ledger, told
from privet.core.bans.model import ADOPTED, Ban, Held, Later, Order
from privet.core.bans.scope import services
from privet.core.verdicts import Action, Verdict

SUBJECTS = [Subject.parse(text) for text in ("192.0.2.1", "192.0.2.2", "2001:db8::1", "198.51.100.0/24")]
JAILS = ["leech", "scanner", "by hand"]
SCOPES = ["", "tcp:22", "tcp:22,80", "tcp:53;udp:53"]
SERVICES = sorted({service for scope in SCOPES for service in services(scope)})
subjects, jails = st.sampled_from(SUBJECTS), st.sampled_from(JAILS)
steps = st.integers(1, 10).map(lambda number: 5 * number)  # seconds: what is closer than ROUNDING is the same
scopes, groups = st.sampled_from(SCOPES), st.sampled_from(["", "", "AS64500"])

Place = tuple[Subject, str]
Element = tuple[Subject, str]


class Bans(RuleBasedStateMachine):
    """Everything that can happen to bans, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger()
        self.now = 1.79e9
        self.kernel: dict[Element, float] = {}
        self.store: dict[Place, Ban] = {}
        self.wanted: dict[Place, Ban] = {}

    @rule(subject=subjects, jail=jails, seconds=st.just(-5) | steps, scope=scopes, group=groups)
    def order(self, subject: Subject, jail: str, seconds: int, scope: str, group: str) -> None:
        until = self.now + seconds
        verdict = Verdict(Action.BAN, subject, jail, self.now, until, 3, scope, group=group)
        for _ in range(2):  # told again, it is the same
            self.ledger.order(verdict, self.now)
        if until > self.now:
            covered = [
                place
                for place, old in self.wanted.items()
                if old.origin == ADOPTED
                and place[0] == subject
                and set(services(old.scope)) <= set(services(scope))
                and old.until <= until + 1
            ]
            for place in covered:  # it goes on under the name of the jail
                del self.wanted[place]
            self.wanted[subject, jail] = Ban(subject, jail, self.now, until, 3, "jail", scope=scope, group=group)

    @rule(subject=subjects, jail=jails)
    def refuse(self, subject: Subject, jail: str) -> None:
        verdict = Verdict(Action.BAN, subject, jail, self.now, self.now + 10, 3)
        self.ledger.order(verdict, self.now, "this machine's own address")

    @rule(subject=subjects, jail=st.none() | jails)
    def lift(self, subject: Subject, jail: str | None) -> None:
        self.ledger.lift(subject, jail)
        self.wanted = {(s, j): ban for (s, j), ban in self.wanted.items() if s != subject or jail not in (None, j)}

    @rule(refused=st.sets(st.tuples(subjects, st.sampled_from(SERVICES)), max_size=2), batch=st.integers(1, 5))
    def flush(self, refused: set[Element], batch: int) -> None:
        module.BATCH, before = batch, module.BATCH
        try:
            while orders := self.ledger.orders(self.now):
                assert len(orders) <= batch
                self._carry_out(orders, refused)
        finally:
            module.BATCH = before

    @rule()
    def interrupt(self) -> None:
        orders = self.ledger.orders(self.now)
        self.ledger.confirm(orders, [Later("busy")] * len(orders))
        again = self.ledger.orders(self.now)
        assert {(one.subject, one.service) for one in again} == {(one.subject, one.service) for one in orders}

    def _carry_out(self, orders: list[Order], refused: set[Element]) -> None:
        answers = ["the set is full" if (order.subject, order.service) in refused else None for order in orders]
        for order in orders:
            element = order.subject, order.service
            if element in refused:
                continue
            if order.seconds is None:
                self.kernel.pop(element, None)
            else:
                assert order.known == (element in self.kernel)
                self.kernel[element] = self.now + order.seconds
        asked = {(o.subject, o.service): o.seconds for o in orders}
        for place, ban in list(self.wanted.items()):
            failing = [
                element
                for element in self._elements(ban)
                if element in refused
                and (seconds := asked.get(element)) is not None
                and self.kernel.get(element, 0.0) < ban.until <= self.now + seconds + 0.1
            ]
            if failing:
                del self.wanted[place]
        self.ledger.confirm(orders, answers)

    @rule(seconds=steps)
    def wait(self, seconds: int) -> None:
        self.now += seconds
        self.kernel = {element: until for element, until in self.kernel.items() if until > self.now}
        self.wanted = {place: ban for place, ban in self.wanted.items() if ban.until > self.now}
        self.ledger.expire(self.now)

    @rule()
    def save(self) -> None:
        while any(told := self.ledger.changes()):
            puts, drops = told
            for ban in drops:
                self.store.pop((ban.subject, ban.jail), None)
            for ban in puts:
                self.store[ban.subject, ban.jail] = msgspec.structs.replace(ban, confirmed=False)
        self.store = {place: ban for place, ban in self.store.items() if ban.until > self.now}
        assert {place: ban.until for place, ban in self.store.items()} == {
            (ban.subject, ban.jail): ban.until for ban in self.ledger
        }

    @rule(lost=st.sets(st.tuples(subjects, st.sampled_from(SERVICES)), max_size=9))
    def somebody_changes_the_rules(self, lost: set[Element]) -> None:
        self.flush(set(), 5)
        self.kernel = {element: until for element, until in self.kernel.items() if element not in lost}
        self.ledger.compare(told(self._held(), self.now), self.now)

    @rule(stopped=st.booleans(), rebooted=st.booleans(), down=st.just(0) | steps)
    def restart(self, stopped: bool, rebooted: bool, down: int) -> None:  # noqa: FBT001  by Hypothesis
        if stopped:
            self.flush(set(), 5)
            self.save()
        self.now += down
        self.kernel = {element: until for element, until in self.kernel.items() if until > self.now and not rebooted}
        self.store = {place: ban for place, ban in self.store.items() if ban.until > self.now}
        self.ledger = Ledger()
        self.ledger.adopt(
            told(self._held(), self.now), self.now, [msgspec.structs.replace(ban) for ban in self.store.values()]
        )
        if stopped:
            self.wanted = {place: ban for place, ban in self.wanted.items() if ban.until > self.now}
        else:  # what the store had not heard of goes on as the kernel has it
            known = [(ban.subject, ban.jail) for ban in self.ledger if ban.origin != ADOPTED]
            assert set(known) == {place for place, ban in self.store.items() if ban.origin != ADOPTED}
            self.wanted = {(ban.subject, ban.jail): ban for ban in map(msgspec.structs.replace, self.ledger)}
        for element, until in self.kernel.items():
            assert self._latest().get(element, 0.0) >= until - 0.1, "no packet gets through meanwhile"

    @rule(seconds=st.sampled_from([86_400.0, -86_400.0, 25.0]))
    def set_the_clock(self, seconds: float) -> None:
        self.now += seconds
        self.ledger.shift(seconds)
        self.kernel = {element: until + seconds for element, until in self.kernel.items()}
        self.wanted = {
            place: msgspec.structs.replace(ban, since=ban.since + seconds, until=ban.until + seconds)
            for place, ban in self.wanted.items()
        }
        self.store = {
            place: msgspec.structs.replace(ban, until=ban.until + seconds) for place, ban in self.store.items()
        }

    @rule(seconds=steps)
    def sleep(self, seconds: int) -> None:
        self.flush(set(), 5)
        self.now += seconds
        self.kernel = {element: until + seconds for element, until in self.kernel.items()}
        self.wanted = {place: ban for place, ban in self.wanted.items() if ban.until > self.now}
        self.ledger.overslept(seconds)
        self.ledger.expire(self.now)
        self.flush(
            set(), 5
        )  # as `Enforcement.overslept` does; who is killed before that knows of it from the clock's file

    def _held(self) -> list[Held]:
        """Return what the kernel would tell, with what its clock rounds off."""
        return [
            Held(subject, until - self.now - 0.01 if until < inf else None, service)
            for (subject, service), until in self.kernel.items()
        ]

    def _latest(self) -> dict[Element, float]:
        latest: dict[Element, float] = {}
        for ban in self.ledger:
            for element in self._elements(ban):
                latest[element] = max(ban.until, latest.get(element, 0.0))
        return latest

    @staticmethod
    def _elements(ban: Ban) -> list[Element]:
        return [(ban.subject, service) for service in services(ban.scope)]

    @invariant()
    def the_accounts_balance(self) -> None:
        totals = self.ledger.totals()
        assert totals.pop("ordered") == sum(totals.values())

    @invariant()
    def what_is_in_force_is_known(self) -> None:
        found = {(ban.subject, ban.jail): (ban.until, ban.scope, ban.group) for ban in self.ledger}
        assert found.keys() == self.wanted.keys()
        for place, ban in self.wanted.items():
            assert abs(found[place][0] - ban.until) < 0.1
            assert found[place][1:] == (ban.scope, ban.group)

    @invariant()
    def what_is_confirmed_is_in_the_kernel(self) -> None:
        for ban in self.ledger:
            if ban.confirmed and ban.until > self.now:
                assert all(self.kernel.get(element, 0.0) >= ban.until - 0.1 for element in self._elements(ban))

    def teardown(self) -> None:
        self.ledger.expire(self.now)  # the next tick: what the kernel refused to open or shorten is due again
        self.flush(set(), 5)
        latest = self._latest()
        assert self.kernel.keys() == latest.keys()
        assert all(abs(self.kernel[element] - until) < 0.1 for element, until in latest.items())
        assert all(ban.confirmed for ban in self.ledger)


Bans.TestCase.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)
TestBans = Bans.TestCase


def test_what_the_kernel_held_is_adopted_and_known_again() -> None:
    ledger = Ledger()
    assert ledger.adopt(told([Held(SUBJECTS[0], 60.0), Held(SUBJECTS[2], None)], 1000.0), 1000.0) == 2
    assert ledger.orders(1000.0) == []
    ledger.order(Verdict(Action.BAN, SUBJECTS[0], "leech", 990.0, 1060.0, 30), 1000.0)
    assert [ban.jail for ban in ledger.of(SUBJECTS[0])] == ["leech"]
    ledger.confirm(orders := ledger.orders(1001.0), [None] * len(orders))
    totals = ledger.totals()
    assert (totals["ordered"], totals["in_kernel"], totals["superseded"]) == (3, 2, 1)
