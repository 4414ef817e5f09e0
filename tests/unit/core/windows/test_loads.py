"""The load over time, and limits that go by it."""

from __future__ import annotations

import math

from privet.config.compile import engine_for
from privet.config.loader import parse
from privet.core.engine import Batch, Engine
from privet.core.parsing.times import write_clf
from privet.core.windows.loads import MOST, Loads

START = 1_700_000_000.0
BY_LOAD = "maxretry = [{ load = 0, limit = 6 }, { load = 5, limit = 4 }, { load = 10, limit = 2 }]\n"
ALONE = '[source.web]\npipe = true\nformat = "common"\n[jail.one]\nsource = "web"\nfindtime = 600\nbantime = 600\n'
NET = ALONE + 'key = "prefix"\n'


def engine(text: str) -> Engine:
    return engine_for(parse(text + BY_LOAD, "p.toml"))


def feed(one: Engine, *hits: tuple[str, float]) -> list[tuple[str, float, int]]:
    lines = (
        b'%b - - [%b] "GET / HTTP/1.1" 200 5\n' % (client.encode(), write_clf(START + seconds))
        for client, seconds in hits
    )
    verdicts = one.feed(Batch("web", b"".join(lines)), math.inf)
    return [(v.subject.reveal(), v.time - START, v.failures) for v in verdicts]


def test_the_load_holds_until_it_changes_and_before_all_is_calm() -> None:
    loads = Loads()
    assert not loads
    loads.note(10, 3.0)
    loads.note(20, 7.5)
    loads.note(15, 99.0)  # late

    assert [loads.at(time) for time in (9, 10, 19, 20, 1000)] == [0, 3, 3, 7.5, 7.5]


def test_between_minutes_that_a_history_has_all_is_calm() -> None:
    loads = Loads()
    loads.learn([(60, 4.0), (120, 8.0), (600, 2.0)])

    assert [loads.at(time) for time in (59, 60, 130, 180, 599, 600, 660)] == [0, 4, 8, 0, 0, 2, 0]


def test_what_is_remembered_is_bounded() -> None:
    loads = Loads()
    for second in range(3 * MOST):
        loads.note(second, second)

    assert loads.at(0) == 0
    assert loads.at(3 * MOST) == 3 * MOST - 1
    assert len(loads._times) <= MOST  # noqa: SLF001  there is no other way to see it


def test_a_client_has_a_limit_by_the_load() -> None:
    one = engine(ALONE)
    one.loads.note(START, 1.0)
    one.loads.note(START + 100, 5.0)  # not above 5
    one.loads.note(START + 200, 5.1)
    one.loads.note(START + 300, 12.0)

    assert feed(one, *[("192.0.2.1", n) for n in range(5)], ("192.0.2.1", 150)) == [("192.0.2.1", 150, 6)]
    assert feed(one, *[("192.0.2.2", 150 + n) for n in range(5)], ("192.0.2.2", 201)) == [("192.0.2.2", 201, 6)]
    assert feed(one, *[("192.0.2.3", 210 + n) for n in range(5)]) == [("192.0.2.3", 213, 4)]
    assert feed(one, *[("192.0.2.4", 310 + n) for n in range(3)]) == [("192.0.2.4", 311, 2)]


def test_a_network_has_one_too() -> None:
    one = engine(NET)
    one.loads.note(START + 100, 11.0)
    one.loads.note(START + 200, 0.5)

    assert feed(one, *[(f"192.0.2.{n}", n) for n in range(1, 6)]) == []
    assert feed(one, ("192.0.2.9", 101)) == [("192.0.2.0/24", 101, 6)]
    assert feed(one, *[(f"198.51.100.{n}", 110 + n) for n in range(3)]) == [("198.51.100.0/24", 111, 2)]
    assert feed(one, *[(f"203.0.113.{n}", 210 + n) for n in range(7)]) == [("203.0.113.0/24", 215, 6)]


def test_without_a_load_the_limit_is_that_of_a_calm_machine() -> None:
    assert feed(engine(ALONE), *[("192.0.2.1", n) for n in range(6)]) == [("192.0.2.1", 5, 6)]


def test_a_reload_and_a_clock_that_is_set_keep_the_load() -> None:
    old, new = engine(ALONE), engine(ALONE)
    old.loads.note(START, 11.0)
    new.carry(old)
    new.shift(3600)

    assert new.loads.at(START + 3600) == 11
    assert new.loads.at(START + 3599) == 0
    assert feed(new, ("192.0.2.1", 3601), ("192.0.2.1", 3602)) == [("192.0.2.1", 3602, 2)]


def test_a_jail_says_which_limit_holds() -> None:
    (jail,) = engine(ALONE).jails

    assert [jail.limit_at(load) for load in (0, 5, 5.01, 10, 10.5, 140)] == [6, 6, 4, 4, 2, 2]
