"""Jails that count different values: what counts, what is forgotten, and how much is kept."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from privet.config.compile import engine_for, missing_fields
from privet.config.errors import ConfigErrors
from privet.config.loader import parse
from privet.core.engine import Batch, Engine
from privet.core.jails import Jail
from privet.core.parsing.times import write_clf
from privet.core.rows.crowd import NOBODY, Crowd
from privet.core.windows.detect import Limit
from privet.core.windows.distinct import Distinct

if TYPE_CHECKING:
    from collections.abc import Iterable

START = 1_700_000_000.0
WEB = '[source.web]\npipe = true\nformat = "combined"\n'
JAIL = WEB + '[jail.one]\nsource = "web"\ndistinct = "path"\nfindtime = 60\nmaxretry = 3\nbantime = 600\n'


def line(path: str, seconds: float, client: str, agent: str) -> bytes:
    told = client.encode(), write_clf(START + seconds), path.encode(), agent.encode()
    return b'%b - - [%b] "GET %b HTTP/1.1" 200 5 "-" "%b"\n' % told


def bans(engine: Engine, hits: Iterable[tuple[str, float]], client: str = "192.0.2.7", agent: str = "x") -> list[float]:
    batch = Batch("web", b"".join(line(path, seconds, client, agent) for path, seconds in hits))
    return [verdict.time - START for verdict in engine.feed(batch, math.inf)]


def engine(text: str = JAIL) -> Engine:
    return engine_for(parse(text, "p.toml"))


@pytest.mark.parametrize(
    ("hits", "expected"),
    [
        ([("/a", 0), ("/b", 1), ("/c", 2)], [2]),
        ([("/a", 0), ("/a", 1), ("/a", 2), ("/a", 3)], []),
        ([("/a?1", 0), ("/a?2", 1), ("/a?3", 2)], []),
        ([("/a", 0), ("/b", 1), ("/a", 50), ("/c", 61)], [61]),  # the last /a counts
        ([("/a", 0), ("/b", 1), ("/c", 62)], []),
        ([("/a", 0), ("/b", 1), ("/c", 60)], [60]),
        ([("/b", 30), ("/c", 31), ("/a", 0)], [0]),  # late
        ([("/a", 0), ("/b", 1), ("/c", 2), *((f"/{n}", n) for n in range(3, 9))], [2]),
        ([("/a", 0), ("/b", 1), ("/c", 2), ("/a", 602), ("/b", 603), ("/d", 604)], [2, 604]),
    ],
)
def test_what_counts(hits: list[tuple[str, float]], expected: list[float]) -> None:
    assert bans(engine(), hits) == expected
    apart = engine()
    assert [ban for hit in hits for ban in bans(apart, [hit])] == expected


def test_other_fields_than_the_path() -> None:
    one = engine(JAIL.replace('"path"', '"agent"'))

    assert [ban for n in range(4) for ban in bans(one, [("/", n)], agent=f"name{n % 2}")] == []
    assert [ban for n in range(4, 6) for ban in bans(one, [("/", n)], agent=f"name{n}")] == [4]


def test_only_what_the_conditions_choose_counts() -> None:
    one = engine(JAIL + "path = '^/x'\n")

    assert bans(one, [("/a", 0), ("/b", 1), ("/x1", 2), ("/c", 3), ("/x2", 4), ("/x3", 5)]) == [5]


KEY = b"\xc0\0\2\1"


def test_no_more_values_are_kept_than_matter() -> None:
    crowd = Crowd(1000)
    window = Distinct(Limit(Jail("one", ("web",), findtime=10.0, maxretry=5), 0), 60.0, crowd)
    for n in range(1000):
        assert list(window.take([n], [n * 3.0], crowd.numbers([KEY], np.array([n * 3.0])), [n])) == []
        assert window.counted(window.limits[0], KEY, n * 3.0) <= 4
    assert window.failing(window.limits[0], 2997.0) == 1
    assert window.failing(window.limits[0], 3010.0) == 0


def test_clients_with_several_values_are_swept_away() -> None:
    crowd = Crowd(100)
    window = Distinct(Limit(Jail("one", ("web",), findtime=10.0, maxretry=5), 0), 60.0, crowd)
    for n in range(10_000):
        crowd.make_room()
        keys, times = [n.to_bytes(4)] * 2, [float(n)] * 2
        assert list(window.take([n, n], times, crowd.numbers(keys, np.array(times)), [1, 2])) == []
        assert window.failing(window.limits[0], float(n)) <= 11


def showing(window: Distinct, crowd: Crowd, names: list[int], clients: range) -> None:
    """Let clients show values, one client after the other, a second apart."""
    for client in clients:
        crowd.make_room()
        keys, times = [client.to_bytes(4)] * len(names), [float(client)] * len(names)
        list(window.take(range(len(names)), times, crowd.meet(keys, np.array(times)), names))


def test_whom_the_crowd_forgets_is_forgotten_with_all_values() -> None:
    window = Distinct(Limit(Jail("one", ("web",), findtime=1e6, maxretry=5), 0), 60.0, crowd := Crowd(1000))
    showing(window, crowd, [1, 2], range(9000))
    assert window.failing(window.limits[0], 9000.0) <= 1000
    showing(window, crowd, [1, 2], range(3))
    assert window.counted(window.limits[0], bytes(4), 9000.0) == 2


def test_who_comes_back_after_the_crowd_forgot_him_begins_anew() -> None:
    window = Distinct(Limit(Jail("one", ("web",), findtime=1e6, maxretry=4), 0), 60.0, crowd := Crowd(100))
    many = np.zeros(100)
    list(window.take(range(100), many, crowd.meet([bytes(4)] * 100, many), [1, 2] * 50))
    showing(window, crowd, [1], range(1, 101))
    assert crowd.number(bytes(4)) == NOBODY
    last = np.full(100, 200.0)
    found = window.take(range(100), last, crowd.meet([bytes(4)] * 100, last), [3, 4] * 50)
    assert list(found) == []
    assert window.counted(window.limits[0], bytes(4), 200.0) == 2


def test_bans_that_are_over_are_let_go_of_and_others_are_bounded() -> None:
    for bantime, most in ((5.0, 1100), (1e6, 2100)):
        limit = Limit(Jail("one", ("web",), findtime=10.0, maxretry=2, bantime=bantime), 0)
        showing(Distinct(limit, 60.0, crowd := Crowd(1000)), crowd, [1, 2], range(5000))
        assert len(limit.until) <= most
        assert (4999).to_bytes(4) in limit.until


def test_to_forget_somebody_unknown_changes_nothing_for_others() -> None:
    window = Distinct(Limit(Jail("one", ("web",), findtime=60.0, maxretry=2), 0), 60.0, crowd := Crowd(10_000))
    keys = [client.to_bytes(4) for client in range(crowd.size)]
    zeros = np.zeros(len(keys))
    list(window.take(range(len(keys)), zeros, crowd.meet(keys, zeros), [1] * len(keys)))
    window.forget(b"none")
    assert [window.counted(window.limits[0], key, 0.0) for key in (keys[0], keys[-1])] == [1, 1]


def test_who_is_pardoned_starts_anew_and_so_does_a_clock() -> None:
    window = Distinct(
        Limit(Jail("one", ("web",), findtime=60.0, maxretry=2, bantime=100.0), 0), 60.0, crowd := Crowd(9)
    )
    one = crowd.numbers([KEY], np.array([0.0]))
    list(window.take([0], [0.0], one, [1]))
    window.shift(1000.0)
    assert [found.time for found in window.take([0], [1030.0], one, [2])] == [1030.0]
    window.shift(10.0)
    assert list(window.take([0, 1], [1139.0] * 2, [*one, *one], [3, 4])) == []
    window.forget(KEY)
    assert len(list(window.take([0, 1], [1139.0] * 2, [*one, *one], [3, 4]))) == 1


def test_a_reload_goes_on_counting() -> None:
    old, new = engine(), engine()
    bans(old, [("/a", 0), ("/b", 1)])
    new.carry(old)

    assert bans(new, [("/c", 2)]) == [2]


@pytest.mark.parametrize("other", ['key = "prefix"', 'counting = "rate"', 'filter = { failregex = "x <HOST>" }'])
def test_what_has_no_different_values_is_refused(other: str) -> None:
    with pytest.raises(ConfigErrors, match=r"p\.toml:6: jail\.one\.distinct: a jail has either this or"):
        parse(JAIL + other + "\n", "p.toml")


def test_a_field_that_the_source_does_not_have_is_told() -> None:
    text = JAIL.replace('"combined"', '"common"').replace('"path"', '"agent"')

    assert missing_fields(parse(text, "p.toml")) == ["jail one: source web has no field agent"]
