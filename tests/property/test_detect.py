"""Windows against the oracle: any order of arrival, any limits, any batches, while old clients are swept away."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from unittest.mock import patch

from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from privet.core.jails import Jail
from privet.core.windows import detect
from privet.core.windows.detect import Limit, Reached, Window
from privet.core.windows.loads import Loads
from tests.property.oracle import Ban, Oracle

if TYPE_CHECKING:
    from collections.abc import Iterable

KEYS = [b"\xc0\0\2\1", b"\x20\1\x0d\xb8\0\0\0\1", b"\xc0\0\2\2", b"\xc0\0\2\3"]


class Hit(NamedTuple):
    """A failure: how much later than the newest so far the log is now, and how late the failure itself comes."""

    client: int
    step: float
    late: float


HITS = st.lists(
    st.builds(
        Hit,
        st.sampled_from([0, 0, 0, 1, 2, 3]),
        st.sampled_from([0, 0, 0, 1, 2, 5, 10, 30, 60, 61, 200]),
        st.sampled_from([0, 0, 0, 0, 1, 5, 30, 59, 60]),
    ),
    max_size=60,
)
TIMES = st.sampled_from([0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 100.0, 600.0])
JAILS = st.lists(st.tuples(TIMES, st.sampled_from([1, 2, 2, 3, 3, 4, 5, 9]), TIMES), min_size=1, max_size=4).map(
    lambda limits: [
        Jail(f"j{number}", ("w",), findtime=findtime, maxretry=maxretry, bantime=bantime)
        for number, (findtime, maxretry, bantime) in enumerate(limits)
    ]
)
CUTS = st.lists(st.integers(0, 60), max_size=6)
BEGIN = 1431857103.0


def arrivals(hits: list[Hit], tolerance: float) -> list[tuple[bytes, float]]:
    """Return clients and times: late by no more than the tolerance."""
    now, seen = BEGIN, []
    for hit in hits:
        now += hit.step
        seen.append((KEYS[hit.client], now - min(hit.late, tolerance)))
    return seen


def columns(seen: list[tuple[bytes, float]]) -> tuple[list[bytes], list[float]]:
    return [key for key, _ in seen], [time for _, time in seen]


def window(jails: list[Jail], tolerance: float, cap: int = 1000, loads: Loads | None = None) -> Window:
    return Window([Limit(jail, order, loads) for order, jail in enumerate(jails)], tolerance, cap)


def bans(reached: Iterable[Reached]) -> list[Ban]:
    return [Ban(r.row, r.limit.jail.name, r.key, r.time, r.failures) for r in reached]


def run(
    jails: list[Jail], seen: list[tuple[bytes, float]], tolerance: float, cuts: list[int], loads: Loads | None = None
) -> list[Ban]:
    counting, made = window(jails, tolerance, loads=loads), list[Ban]()
    ends = sorted({min(cut, len(seen)) for cut in cuts} | {len(seen)})
    for start, end in zip([0, *ends], ends, strict=False):
        made += bans(counting.hit(range(start, end), *columns(seen[start:end])))
    return made


def limits(*settings_of_jails: tuple[float, int, float]) -> list[Jail]:
    return [
        Jail(f"j{number}", ("w",), findtime=findtime, maxretry=maxretry, bantime=bantime)
        for number, (findtime, maxretry, bantime) in enumerate(settings_of_jails)
    ]


@settings(max_examples=300)
@given(JAILS, HITS, st.sampled_from([60.0, 60.0, 5.0, 0.0]), CUTS, st.sampled_from([1, 2, 1024]))
@example(limits((60, 2, 1)), [Hit(0, 0, 0), Hit(0, 60, 0), Hit(0, 0, 60), Hit(0, 0, 30)], 60.0, [], 1)
@example(limits((60, 1, 60)), [Hit(0, 0, 0), Hit(0, 60, 0), Hit(0, 0, 60), Hit(0, 0, 1)], 60.0, [], 1)
@example(limits((1, 3, 600), (600, 2, 1)), [Hit(0, 1, 0)] * 9, 60.0, [3], 2)
@example(limits((5, 3, 5)), [Hit(0, 0, 0), Hit(0, 10, 0), Hit(0, 0, 5), Hit(0, 0, 5)], 60.0, [], 1)
def test_windows_decide_as_the_manual_says(
    jails: list[Jail], hits: list[Hit], tolerance: float, cuts: list[int], sweep_from: int
) -> None:
    seen = arrivals(hits, tolerance)
    oracle = Oracle(jails)
    expected = [ban for row, (key, time) in enumerate(seen) for ban in oracle.hit(row, key, time)]
    with patch.object(detect, "_SWEEP_FROM", sweep_from):
        assert run(jails, seen, tolerance, cuts) == expected


@settings(max_examples=200)
@given(JAILS, HITS, CUTS, st.lists(st.tuples(st.integers(0, 300), st.sampled_from([0.5, 5.5, 11.0])), max_size=6))
def test_limits_by_load_hold_at_the_time_of_each_failure(
    jails: list[Jail], hits: list[Hit], cuts: list[int], changes: list[tuple[int, float]]
) -> None:
    loads, seen = Loads(), arrivals(hits, 60.0)
    for seconds, load in sorted(changes):
        loads.note(BEGIN + seconds, load)
    steps = [
        replace(jail, by_load=((0, jail.maxretry), (5, jail.maxretry - 1), (10, jail.maxretry - 2)))
        for jail in jails
        if jail.maxretry > 2
    ]
    oracle = Oracle(steps, loads)
    expected = [ban for row, (key, time) in enumerate(seen) for ban in oracle.hit(row, key, time)]
    got = run(steps, seen, 60.0, cuts, loads) if steps else []

    assert [ban[:4] for ban in got] == [ban[:4] for ban in expected]
    assert all(one.failures >= other.failures for one, other in zip(got, expected, strict=True))


@settings(max_examples=150)
@given(JAILS, HITS, CUTS)
def test_a_shared_window_decides_for_each_jail_as_if_alone(jails: list[Jail], hits: list[Hit], cuts: list[int]) -> None:
    seen = arrivals(hits, 60.0)
    together = run(jails, seen, 60.0, cuts)
    alone = [ban for jail in jails for ban in run([jail], seen, 60.0, [])]
    assert sorted(together) == sorted(alone)


@settings(max_examples=150)
@given(JAILS, HITS, st.integers(0, 60), st.lists(st.sampled_from(["kept", "changed", "gone"]), min_size=4, max_size=4))
def test_a_jail_that_stays_decides_as_if_nothing_were_reloaded(
    jails: list[Jail], hits: list[Hit], cut: int, fates: list[str]
) -> None:
    seen = arrivals(hits, 60.0)
    stays = {jail.name for jail, fate in zip(jails, fates, strict=False) if fate == "kept"}
    after = [
        replace(jail, maxretry=jail.maxretry + (fate == "changed"))
        for jail, fate in zip(jails, fates, strict=False)
        if fate != "gone"
    ]
    expected = [ban for ban in run(jails, seen, 60.0, []) if ban.jail in stays]
    old = window(jails, 60.0)
    got = bans(old.hit(range(len(seen[:cut])), *columns(seen[:cut])))
    if after:
        new = window(after, 60.0)
        new.carry(old)
        got += bans(new.hit(range(cut, cut + len(seen[cut:])), *columns(seen[cut:])))
    assert [ban for ban in got if ban.jail in stays] == expected


@settings(max_examples=80)
@given(
    JAILS, st.lists(st.tuples(st.integers(0, 300), st.sampled_from([0, 1, 10, 100])), max_size=300), st.integers(8, 40)
)
def test_the_cap_holds_however_many_come(jails: list[Jail], hits: list[tuple[int, int]], cap: int) -> None:
    counting, now = window(jails, 60.0, cap), BEGIN
    for client, step in hits:
        now += step
        list(counting.hit([0], [client.to_bytes(4)], [now]))
        assert len(counting.clients) <= cap
        assert all(len(limit.until) <= 2 * cap for limit in counting.limits)
