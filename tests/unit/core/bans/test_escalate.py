"""How long the next ban is, and who was banned how often."""

from __future__ import annotations

import math
import time
from typing import Any

import pytest

from privet.core.bans.escalate import LONGEST, MOST, Escalation, Offences, draw_for, state_of
from privet.core.bans.formula import FormulaError

HOUR, DAY, WEEK = 3600.0, 86_400.0, 604_800.0
EXP = "ban.Time * math.exp(float(ban.Count+1)*banFactor)/math.exp(1*banFactor)"


def lengths(base: float, count: int, draw: float = 0.0, **settings: Any) -> list[float]:  # noqa: ANN401
    """Return how long the first `count` bans are."""
    grown = Escalation(increment=True, **settings)
    return [grown.bantime(base, before, draw) for before in range(count)]


# What fail2ban 1.0.2 makes of the same settings, ban by ban (its observer was asked), and what its jail.conf says.
@pytest.mark.parametrize(
    ("base", "settings", "expected"),
    [
        (600, {}, [600, 1200, 2400, 4800, 9600, 19_200, 38_400, 76_800]),
        (600, {"factor": 3.0}, [600, 3600, 7200, 14_400, 28_800, 57_600]),
        (600, {"factor": 24.0, "maxtime": DAY}, [600, 28_800, 57_600, 86_400, 86_400, 86_400]),
        (
            60,
            {"multipliers": (1.0, 5.0, 30.0, 60.0, 300.0, 720.0, 1440.0, 2880.0)},
            [60, 300, 1800, 3600, 18_000, 43_200, 86_400, 172_800, 172_800, 172_800],
        ),
        (60, {"multipliers": (1.0, 5.0, 30.0), "factor": 2.0}, [60, 600, 3600, 3600]),
        (600, {"multipliers": (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)}, [600, 1200, 2400, 4800, 9600, 19_200, 38_400]),
        (
            600,
            {"formula": EXP, "factor": 2.0 / 2.885385},
            [600, 1200.0014649367868, 2400.0058597507245, 4800.017579262904, 9600.046878063022, 19_200.11719522909],
        ),
        (600, {"formula": "ban.Count"}, [600, 600, 600, 600]),
    ],
)
def test_bans_grow_as_in_fail2ban(base: float, settings: dict[str, Any], expected: list[float]) -> None:
    assert lengths(base, len(expected), **settings) == pytest.approx(expected, rel=1e-12)


def test_without_increment_nothing_grows() -> None:
    plain = Escalation(factor=9.0, multipliers=(5.0,), rndtime=100.0)

    assert [plain.bantime(600, count, 0.5) for count in (0, 1, 50)] == [600, 600, 600]


def test_growth_ends_after_twenty_doublings_and_after_a_century() -> None:
    assert lengths(60, 23)[-3:] == [60 * 2.0**20] * 3
    assert lengths(DAY, 23)[-1] == LONGEST
    assert lengths(60, 3, formula="exp(exp(exp(ban.Count)))", factor=1.0)[1:] == pytest.approx(
        [60 * 0 + math.exp(math.exp(math.e)), LONGEST]
    )


def test_no_ban_is_shorter_than_the_first() -> None:
    assert lengths(600, 3, maxtime=60.0) == [600, 600, 600]
    assert lengths(600, 3, multipliers=(0.1,)) == [600, 600, 600]
    assert lengths(600, 3, formula="exp(1000) - exp(1000)") == [600, 600, 600], "no number at all"


def test_chance_comes_on_top_of_the_longest_but_not_of_the_first() -> None:
    assert lengths(600, 3, draw=0.5, rndtime=100.0, maxtime=1000.0) == [600, 1050, 1050]
    assert lengths(LONGEST, 2, draw=0.5, rndtime=100.0)[1] == LONGEST


def test_counts_without_end_are_as_the_last_that_was_tried() -> None:
    grown = Escalation(increment=True, formula="ban.Count * 1000")

    assert grown.bantime(600, 10**9, 0.0) == grown.bantime(600, MOST, 0.0) == MOST * 1000


def test_a_formula_is_tried_for_every_count() -> None:
    Escalation(formula="ban.Time / (1001 - ban.Count)").check(600)
    Escalation(formula=EXP, factor=1e9).check(600)

    with pytest.raises(FormulaError, match=r"^division by zero, at ban\.Count = 7$"):
        Escalation(formula="ban.Time / (7 - ban.Count)").check(600)
    with pytest.raises(FormulaError, match=r"^division by zero, at ban\.Count = 1000$"):
        Escalation(formula="ban.Time / (1000 - ban.Count)").check(600)


def test_trying_a_hostile_formula_takes_no_time() -> None:
    began = time.process_time()
    Escalation(formula="9**9**9**9**9**9**9**9 + (1<<(1<<(1<<(1<<ban.Count))))").check(600)

    assert time.process_time() - began < 1


def test_draws_are_spread_repeatable_and_of_each_ban() -> None:
    draws = [draw_for(b"%d" % number, "jail", 1) for number in range(2000)]

    assert draws == [draw_for(b"%d" % number, "jail", 1) for number in range(2000)]
    assert 0 <= min(draws) < 0.01
    assert 0.99 < max(draws) < 1
    assert sum(draws) / 2000 == pytest.approx(0.5, abs=0.03)
    assert len({draw_for(b"x", jail, count) for jail in ("a", "b") for count in range(10)}) == 20


def count(offences: Offences, token: bytes, time: float, *others: str, forget: float = DAY, jail: str = "a") -> int:
    return offences.before(token, jail, others, time, forget)


def test_bans_are_counted_by_client_and_jail() -> None:
    offences = Offences(100, DAY)
    offences.note(b"x", "a", 0, 10, DAY)
    offences.note(b"x", "a", 20, 40, DAY)
    offences.note(b"x", "b", 50, 60, DAY)
    offences.note(b"y", "a", 50, 60, DAY)

    assert count(offences, b"x", 100) == 2
    assert count(offences, b"x", 100, "a", "b") == 3, "its own jail counts once"
    assert count(offences, b"y", 100, "b") == 1
    assert count(offences, b"z", 100, "a", "b") == 0
    assert len(offences) == 3


def test_a_time_without_a_ban_is_forgiven_from_the_end_of_the_last() -> None:
    offences = Offences(100, WEEK)
    offences.note(b"x", "a", 0, WEEK, DAY)

    assert count(offences, b"x", WEEK + DAY) == 1
    assert count(offences, b"x", WEEK + DAY + 1) == 0
    assert count(offences, b"x", WEEK + DAY + 1, forget=WEEK) == 1

    offences.note(b"x", "a", WEEK + DAY + 1, WEEK + DAY + 2, DAY)
    assert count(offences, b"x", WEEK + DAY + 3, forget=WEEK) == 1, "the count began anew"


def test_each_jail_forgets_for_itself() -> None:
    offences = Offences(100, WEEK)
    offences.note(b"x", "a", 0, 10, DAY)
    offences.note(b"x", "b", 3 * DAY, 3 * DAY + 10, DAY)

    assert count(offences, b"x", 3 * DAY + 20, "b") == 1
    assert count(offences, b"x", 3 * DAY + 20, "b", forget=WEEK) == 2


def test_a_ban_that_is_told_again_counts_once() -> None:
    offences = Offences(100, DAY)
    offences.note(b"x", "a", 0, 10, DAY)
    offences.note(b"x", "a", 20, 40, DAY)
    assert count(offences, b"x", 20) == 1, "so that it is as long as before"

    offences.note(b"x", "a", 20, 40, DAY)
    assert count(offences, b"x", 39.9) == 1
    assert count(offences, b"x", 40) == 2


def test_an_unban_forgives_everywhere() -> None:
    offences = Offences(100, DAY)
    offences.note(b"x", "a", 0, 10, DAY)
    offences.note(b"x", "b", 0, 10, DAY)
    offences.note(b"y", "b", 0, 10, DAY)
    offences.forgive(b"x")

    assert list(offences.export()) == [(b"y", "b", 1, 10)]


def test_at_the_cap_those_with_few_and_old_bans_go_first() -> None:
    offences = Offences(16, DAY)
    for number in range(16):
        for ban in range(2 if number < 4 else 1):
            offences.note(b"%02d" % number, "a", ban * 100, ban * 100 + number, DAY)
    assert len(offences) == 16
    assert offences.evicted == 0

    offences.note(b"new", "b", 6000, 6100, DAY)

    assert offences.evicted == 3
    assert {token for token, *_ in offences.export()} == {b"new", *(b"%02d" % n for n in range(16))} - {
        b"04",
        b"05",
        b"06",
    }


def test_memory_is_bounded_and_what_is_over_goes_before_anything_else() -> None:
    offences = Offences(5000, DAY)
    for number in range(4000):
        offences.note(b"old %d" % number, "a", 0, 10, DAY)
    for number in range(4000):
        offences.note(b"new %d" % number, "a", 2 * DAY, 2 * DAY + 10, DAY)
        assert len(offences) <= 5000

    assert offences.evicted == 0
    assert all(token.startswith(b"new") for token, *_ in offences.export())

    for number in range(20_000):
        offences.note(b"more %d" % number, "a", 2 * DAY, 2 * DAY + 10, DAY)
        assert len(offences) <= 5000
    assert offences.evicted == 24_000 - len(offences)


def test_what_nobody_asks_for_any_more_is_dropped() -> None:
    offences = Offences(100, DAY)
    offences.note(b"x", "a", 0, 10, DAY)
    offences.note(b"x", "b", 0, 11, DAY)
    offences.expire(DAY + 10)
    assert len(offences) == 2

    offences.expire(DAY + 11)
    assert [state[1] for state in offences.export()] == ["b"]


def test_a_store_can_hold_it() -> None:
    offences = Offences(100, DAY)
    offences.note(b"x", "a", 0, 10, DAY)
    offences.note(b"x", "a", 20, 40, DAY)
    offences.note(b"\0\xff", "b", 0, 10, DAY)
    kept = list(offences.export())
    assert kept == [(b"x", "a", 2, 40), (b"\0\xff", "b", 1, 10)]

    fresh = Offences(100, DAY)
    fresh.note(b"x", "a", 0, 10, DAY)
    fresh.note(b"\0\xff", "b", 100, 110, DAY)
    fresh.restore(kept)

    assert list(fresh.export()) == [(b"x", "a", 2, 40), (b"\0\xff", "b", 1, 110)], "whatever ends later is newer"


def test_restoring_keeps_the_cap() -> None:
    offences = Offences(10, DAY)
    offences.restore((b"%d" % number, "a", number, 1000.0) for number in range(100))

    assert sorted(count for _, _, count, _ in offences.export()) == list(range(91, 100))


def test_notes_of_what_changed_bring_it_back() -> None:
    offences = Offences(100, DAY)
    offences.note(b"x", "a", 0, 10, DAY)
    assert offences.changed.take(9) == [], "nothing is collected before there is a store"
    offences.changed.begin()
    offences.all_changed()
    offences.note(b"y", "a", 20, math.inf, DAY)
    first, second = (offences.note_of(*one) for one in offences.changed.take(9))
    assert offences.changed.take(9) == []
    assert (first[1], second[1], first[0].until) == (True, True, 10 + DAY)

    fresh = Offences(100, 2 * DAY)
    fresh.restore(state_of(note) for note, _ in (first, second))
    assert list(fresh.export()) == list(offences.export())

    offences.forgive(b"x")
    ((gone, stays),) = (offences.note_of(*one) for one in offences.changed.take(9))
    assert (gone.key, stays) == (first[0].key, False)


def test_when_the_clock_is_set_everybody_stays_as_bad_as_before() -> None:
    offences = Offences(100, DAY)
    offences.note(b"x", "a", 0, 10, DAY)
    offences.shift(-5 * DAY)
    assert offences.before(b"x", "a", (), 11 - 5 * DAY, DAY) == 1
    assert offences.before(b"x", "a", (), 11, DAY) == 0
