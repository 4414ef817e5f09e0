"""One place of enforcement: what it does when its firewall fails, forgets, is slow or is touched by others."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from privet.adapters.firewall.null import NullFirewall
from privet.core.addresses.address import Subject
from privet.core.bans.model import ADOPTED, Ban, Later, Order
from privet.core.verdicts import Action, Verdict
from privet.daemon.enforce import SELDOM, Enforcement
from privet.daemon.log import make_log
from privet.ports import FirewallError
from tests.unit.daemon.serving import looked, until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from privet.core.bans.model import Held

ONE, OTHER = Subject.parse("192.0.2.1"), Subject.parse("2001:db8::1")


class Firewall(NullFirewall):
    """A firewall of which somebody else can remove bans, and which can fail."""

    def __init__(self) -> None:
        super().__init__(time.monotonic)
        self.problem: FirewallError | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.batches: list[int] = []
        self.lost = False
        self.ends: list[int] = list(os.pipe())

    def _may(self) -> None:
        if self.problem:
            raise self.problem

    def open(self) -> None:
        self._may()

    def apply(self, orders: Sequence[Order]) -> list[str | None]:
        self.gate.wait(20)
        self._may()
        self.batches.append(len(orders))
        return super().apply(orders)

    def repair(self) -> bool:
        self._may()
        lost, self.lost = self.lost, False
        return lost

    def watch(self) -> int:
        return self.ends[0]

    def seen(self) -> bool:
        return bool(os.read(self.ends[0], 99))

    def take_away(self, *subjects: Subject) -> None:
        """Do as somebody who changes the rules by hand."""
        super().apply([Order(subject, None) for subject in subjects])
        self.lost = True
        os.write(self.ends[1], b"x")

    def close(self) -> None:
        for end in self.ends:
            os.close(end)
        self.ends.clear()

    @property
    def subjects(self) -> set[Subject]:
        """Who is banned."""
        return {held.subject for held in self.held()}


def ban(subject: Subject = ONE, jail: str = "ssh", seconds: float = 600) -> Ban:
    return Ban(subject, jail, time.time(), time.time() + seconds, 5, "jail")


def order(place: Enforcement, subject: Subject = ONE, seconds: float = 600) -> None:
    now = time.time()
    place.ledger.order(Verdict(Action.BAN, subject, "ssh", now, now + seconds, 5), now)


@pytest.fixture(autouse=True)
def _mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def play(scene: Callable[[Enforcement, Firewall], Awaitable[None]], firewall: Firewall | None = None) -> list[int]:
    """Run a scene; return how often changes were to be stored."""
    changes: list[int] = []

    async def run() -> None:
        door, mark = firewall or Firewall(), Path("mark")
        place = Enforcement("kernel", door, time.time, lambda: changes.append(1), make_log(), mark=mark)
        try:
            await scene(place, door)
        finally:
            door.gate.set()
            await place.close()

    asyncio.run(run())
    return changes


def test_what_was_stored_is_in_the_firewall_before_anything_else() -> None:
    async def scene(place: Enforcement, firewall: Firewall) -> None:
        await place.open()
        await place.restore([ban(), ban(OTHER)])
        assert firewall.subjects == {ONE, OTHER}
        assert place.ledger.totals()["in_kernel"] == 2

    assert play(scene)


def test_what_only_the_firewall_knew_is_adopted_and_stored() -> None:
    firewall = Firewall()
    NullFirewall.apply(firewall, [Order(ONE, 600.0), Order(OTHER, None), Order(OTHER, 60.0)])

    async def scene(place: Enforcement, firewall: Firewall) -> None:
        await place.open()
        await place.restore([ban()])
        assert [(one.subject, one.jail) for one in place.ledger] == [(ONE, "ssh"), (OTHER, ADOPTED)]
        assert firewall.batches == [], "what is held as it should be is left alone"
        assert [one.jail for one in place.ledger.changes()[0]] == [ADOPTED]

    play(scene, firewall)


def test_after_a_suspension_while_it_was_down_ends_are_true_again() -> None:
    firewall = Firewall()
    NullFirewall.apply(firewall, [Order(ONE, 600.0)])

    async def scene(place: Enforcement, firewall: Firewall) -> None:
        await place.open(slept=100.0)
        await place.restore([ban(seconds=500)])
        (held,) = firewall.held()
        assert held.seconds == pytest.approx(500, abs=1)
        assert [one.jail for one in place.ledger] == ["ssh"]

    play(scene, firewall)


def test_where_the_firewall_fails_at_first_bans_wait_and_then_hold() -> None:
    firewall = Firewall()
    firewall.problem = FirewallError("the program nft is missing")
    NullFirewall.apply(firewall, [Order(OTHER, 600.0)])

    async def scene(place: Enforcement, firewall: Firewall) -> None:
        await place.open()
        await place.restore([ban()])
        assert place.problem == "the program nft is missing"
        assert place.ledger.totals()["waiting"] == 1
        await looked(place.look())
        assert place.problem
        firewall.problem = None
        await looked(place.look())
        assert place.problem is None
        assert {one.jail for one in place.ledger} == {"ssh", ADOPTED}
        assert place.ledger.totals()["in_kernel"] == 2
        assert firewall.subjects == {ONE, OTHER}
        assert (place.losses, place.brought_back) == (0, 0), "nobody took anything away"

    play(scene, firewall)


def test_what_somebody_takes_away_is_back_at_once_and_counted() -> None:
    async def scene(place: Enforcement, firewall: Firewall) -> None:
        await place.open()
        await place.restore([ban(), ban(OTHER)])
        before = time.time()
        for times in (1, 2):
            firewall.take_away(ONE)
            await until(lambda: firewall.subjects == {ONE, OTHER})
            await until(lambda count=times: place.losses == count)  # type: ignore[misc]
        assert time.time() - before < 2
        assert place.brought_back == 2
        assert place.last_loss == pytest.approx(time.time(), abs=2)
        assert place.ledger.totals()["in_kernel"] == 2
        firewall.take_away(ONE, OTHER)
        await until(lambda: firewall.subjects == {ONE, OTHER})

    play(scene)


def test_without_news_the_look_of_every_second_finds_it() -> None:
    class Deaf(Firewall):
        def watch(self) -> None:  # type: ignore[override]
            return None

    async def scene(place: Enforcement, firewall: Firewall) -> None:
        await place.open()
        await place.restore([ban()])
        firewall.take_away(ONE)
        await looked(place.look())
        assert (firewall.subjects, place.losses) == ({ONE}, 1)

    play(scene, Deaf())


def test_a_loss_that_could_not_be_looked_at_is_not_forgotten() -> None:
    class Blind(Firewall):
        def held(self) -> list[Held]:  # type: ignore[override]
            self._may()
            return list(super().held())

        def repair(self) -> bool:
            lost, self.lost = self.lost, False
            return lost

    async def scene(place: Enforcement, firewall: Firewall) -> None:
        await place.open()
        await place.restore([ban()])
        firewall.problem = FirewallError("the kernel did not answer")
        firewall.take_away(ONE)
        await until(lambda: place.problem)
        firewall.problem = None
        await looked(place.look())
        assert firewall.subjects == {ONE}

    play(scene, Blind())


def test_a_slow_firewall_holds_up_nobody_and_gets_what_came_meanwhile_in_one_go() -> None:
    async def scene(place: Enforcement, firewall: Firewall) -> None:
        await place.open()
        await place.restore([])
        firewall.gate.clear()
        order(place)
        place.wake()
        await asyncio.sleep(0.05)
        for number in range(50):
            order(place, Subject(number.to_bytes(4), 32))
            place.wake()
        firewall.gate.set()
        await place.flush()
        assert firewall.batches == [1, 50]

    play(scene)


def test_a_hundred_thousand_in_one_go() -> None:
    async def scene(place: Enforcement, firewall: Firewall) -> None:
        await place.open()
        await place.restore([])
        for number in range(100_000):
            order(place, Subject((0x0A000000 + number).to_bytes(4), 32))
        await place.flush()
        assert place.ledger.totals()["in_kernel"] == 100_000
        assert max(firewall.batches) <= 10_000, "between batches lines are read"

    play(scene)


class Marked(Firewall):
    """A firewall that tells whether anything was changed, and counts how often it was asked for all."""

    generation = 1
    asked = 0

    def mark(self) -> str:  # type: ignore[override]  # the other one cannot tell
        return f"generation {self.generation}"

    def apply(self, orders: Sequence[Order]) -> list[str | None]:
        self.generation += 1
        return super().apply(orders)

    def held(self) -> Iterator[Held]:
        self.asked += 1
        return super().held()

    def close(self) -> None:
        """Stay open: the next daemon has the same."""


def test_a_firewall_that_nobody_changed_is_not_asked_before_the_start_but_after_it() -> None:
    firewall = Marked()

    async def first(place: Enforcement, _firewall: Firewall) -> None:
        await place.open()
        await place.restore([ban(), ban(OTHER, jail="web"), ban(OTHER)])

    async def second(place: Enforcement, _firewall: Firewall) -> None:
        await place.open()
        await place.restore([ban(), ban(OTHER, jail="web"), ban(OTHER)], rested=True)
        assert firewall.asked == 0
        assert place.ledger.totals()["in_kernel"] == 3
        assert place.ledger.orders(time.time()) == []
        await looked(place.look())
        await looked(place.look())
        assert (firewall.asked, place.brought_back, place.losses) == (1, 0, 0)

    play(first, firewall)
    firewall.asked = 0
    play(second, firewall)


@pytest.mark.parametrize("what", ["changed", "not rested", "no word", "killed"])
def test_otherwise_it_is_asked(what: str) -> None:
    firewall = Marked()

    async def first(place: Enforcement, _firewall: Firewall) -> None:
        await place.open()
        await place.restore([ban()])

    async def second(place: Enforcement, _firewall: Firewall) -> None:
        await place.open()
        await place.restore([ban()], rested=what != "not rested")
        assert firewall.asked == 1
        assert firewall.subjects == {ONE}

    play(first, firewall)
    if what == "changed":
        firewall.apply([Order(ONE, None)])
    elif what == "no word":
        Path("mark").unlink()
    elif what == "killed":
        firewall.generation += 1
    firewall.asked = 0
    play(second, firewall)


def test_a_firewall_that_lies_is_found_out() -> None:
    firewall = Marked()

    async def first(place: Enforcement, _firewall: Firewall) -> None:
        await place.open()
        await place.restore([ban()])

    async def second(place: Enforcement, _firewall: Firewall) -> None:
        await place.open()
        await place.restore([ban()], rested=True)
        assert firewall.subjects == set()
        await looked(place.look())
        assert firewall.subjects == {ONE}
        assert place.brought_back == 1

    play(first, firewall)
    NullFirewall.apply(firewall, [Order(ONE, None)])
    play(second, firewall)


def test_what_is_not_as_it_should_be_is_not_left_word_of() -> None:
    async def scene(place: Enforcement, firewall: Firewall) -> None:
        await place.open()
        await place.restore([])
        firewall.problem = FirewallError("busy")
        order(place)

    Path("mark").write_text("old")
    play(scene, Marked())
    assert not Path("mark").exists()


def test_what_the_firewall_does_later_waits_behind_the_rest_and_is_not_lost() -> None:
    class Slow(Firewall):
        busy = True

        def apply(self, orders: Sequence[Order]) -> list[str | None]:
            held = [] if self.busy else [one for one in orders if one.subject == ONE]
            super().apply([one for one in orders if one.subject != ONE] + held)
            return [Later("busy") if self.busy and one.subject == ONE else None for one in orders]

    door = Slow()

    async def scene(place: Enforcement, _door: Firewall) -> None:
        await place.open()
        await place.restore([])
        order(place)
        order(place, OTHER)
        for _ in range(2):
            await place.flush()
            assert (place.problem, door.subjects) == ("busy", {OTHER})
            assert place.ledger.totals()["waiting"] == 1
        door.busy = False
        await looked(place.look())
        assert (place.problem, door.subjects) == (None, {ONE, OTHER})
        assert place.ledger.totals() == dict.fromkeys(place.ledger.totals(), 0) | {"ordered": 2, "in_kernel": 2}

    play(scene, door)


def test_a_firewall_that_tells_what_others_do_is_asked_seldom() -> None:
    asked = []

    class Counting(Firewall):
        def repair(self) -> bool:
            asked.append(1)
            return super().repair()

    async def scene(place: Enforcement, _firewall: Firewall) -> None:
        await place.open()
        await place.restore([ban()])
        for _ in range(4 * SELDOM):
            await looked(place.look())
        assert len(asked) == SELDOM + 3

    play(scene, Counting())
