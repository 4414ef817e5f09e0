"""Windows, one rule each: when a verdict falls, what it covers, what is forgotten and what is not."""

from __future__ import annotations

from time import process_time
from typing import TYPE_CHECKING

import pytest

from privet.core.jails import Jail
from privet.core.windows.detect import Limit, Reached, Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

KEY, OTHER = b"\xc0\0\2\1", b"\xc0\0\2\2"
T = 1431857103.0


def jail(findtime: float = 60, maxretry: int = 3, bantime: float = 600, name: str = "j") -> Jail:
    return Jail(name, ("w",), findtime=findtime, maxretry=maxretry, bantime=bantime)


def window(*jails: Jail, tolerance: float = 60, cap: int = 100_000) -> Window:
    return Window([Limit(one, order) for order, one in enumerate(jails or (jail(),))], tolerance, cap)


def hit(counting: Window, rows: Sequence[int], keys: Sequence[bytes], times: Sequence[float]) -> list[Reached]:
    """Count failures, all of them."""
    return list(counting.hit(rows, keys, times))


def hits(counting: Window, times: Iterable[float], key: bytes = KEY) -> list[Reached]:
    """Count failures of one client at T + each of `times`."""
    moments = [T + time for time in times]
    return hit(counting, range(len(moments)), [key] * len(moments), moments)


def at(reached: list[Reached]) -> list[tuple[int, float, int]]:
    return [(r.row, r.time - T, r.failures) for r in reached]


@pytest.mark.parametrize(("times", "verdicts"), [
    ([0, 1], []),
    ([0, 1, 2], [(2, 2, 3)]),
    ([0, 0, 0], [(2, 0, 3)]),
    ([0, 30, 60], [(2, 60, 3)]),
    ([0, 30, 60.001], []),
    ([0, 30, 61, 90], [(3, 90, 3)]),
    ([0, 1, 2, 3, 4, 5, 6], [(2, 2, 3)]),
    ([0, 1, 2, 601, 601.9, 602, 603, 604], [(2, 2, 3), (7, 604, 3)]),  # until 602 nothing counts
    ([0, 1, 2, 602, 602, 602], [(2, 2, 3), (5, 602, 3)]),
    ([10, 5, 0], [(2, 0, 3)]),
    ([60, 30, 0], [(2, 0, 3)]),
    ([60.001, 30, 0], []),
    ([0, 40, 80, 20], [(3, 20, 3)]),  # 0, 20 and 40
    ([0, 80, 100, 70], [(3, 70, 3)]),
    ([0, 1, 2, -1, 1.5, 50], [(2, 2, 3)]),  # late ones, from before the verdict, change nothing
])  # fmt: skip
def test_when_a_verdict_falls(times: list[float], verdicts: list[tuple[int, float, int]]) -> None:
    assert at(hits(window(), times)) == verdicts


def test_one_failure_may_be_enough() -> None:
    assert at(hits(window(jail(maxretry=1, bantime=10)), [0, 1, 9.9, 10, 15, 20])) == [
        (0, 0, 1),
        (3, 10, 1),
        (5, 20, 1),
    ]


def test_a_late_failure_bans_from_its_own_time() -> None:
    counting = window(jail(maxretry=2, bantime=10))
    assert at(hits(counting, [50, 0])) == [(1, 0, 2)]
    assert at(hits(counting, [51])) == [(0, 51, 2)], "the one at 50 came after that ban and counts anew"


def test_a_findtime_below_the_tolerance() -> None:
    counting = window(jail(findtime=1, maxretry=2))
    assert at(hits(counting, [0, 30, 58, 29.5])) == [(3, 29.5, 2)]


def test_clients_do_not_mix() -> None:
    counting = window()
    assert not hits(counting, [0, 1])
    assert not hits(counting, [2, 3], OTHER)
    assert at(hits(counting, [4], OTHER)) == [(0, 4, 3)]
    assert at(hits(counting, [5])) == [(0, 5, 3)]


def test_limits_that_share_a_window_decide_each_for_itself() -> None:
    counting = window(jail(60, 3, 5, "a"), jail(600, 5, 600, "b"), jail(1, 2, 1, "c"))
    reached = hits(counting, [0, 10, 20, 21, 30, 40, 41])
    assert [(r.limit.jail.name, r.time - T) for r in reached] == [
        *[("a", 20), ("c", 21), ("b", 30), ("a", 41), ("c", 41)],
    ]


def test_forgetting_a_client_lets_its_count_start_anew() -> None:
    counting = window()
    assert hits(counting, [0, 1, 2])
    counting.forget(KEY)
    assert not hits(counting, [3, 4])
    assert at(hits(counting, [5])) == [(0, 5, 3)]
    counting.forget(OTHER)


def test_a_flood_of_clients_stays_within_the_cap() -> None:
    counting = window(cap=5000)
    for start in range(0, 60_000, 500):
        keys = [number.to_bytes(4) for number in range(start, start + 500)]
        hit(counting, range(500), keys, [T + start / 1000] * 500)
        assert len(counting.clients) <= 5000
    assert counting.evicted >= 55_000
    assert counting.evicted + len(counting.clients) == 60_000


def test_an_offender_outlives_a_flood_of_strangers() -> None:
    counting = window(jail(findtime=600, maxretry=10), cap=1000)
    assert not hits(counting, range(9))
    for number in range(20_000):
        hit(counting, [0], [number.to_bytes(4)], [T + 10 + number / 1000])
    assert counting.evicted
    assert at(hits(counting, [30])) == [(0, 30, 10)]


def test_the_fewest_failures_go_first_and_of_these_the_longest_silent() -> None:
    counting = window(jail(findtime=600, maxretry=10), cap=8)
    for number in range(7):
        hits(counting, [number], b"one%d" % number)
    hits(counting, [7, 8], b"twos")
    assert b"one0" not in counting.clients
    assert len(counting.clients) == 7
    assert counting.evicted == 1
    hits(counting, [100], b"one1")
    hits(counting, [101], b"more")
    assert b"one2" not in counting.clients
    assert b"one1" in counting.clients


def test_clients_whose_failures_left_the_findtime_are_swept_not_evicted() -> None:
    counting = window(jail(findtime=10), tolerance=60, cap=2000)
    for number in range(10_000):
        hit(counting, [0], [number.to_bytes(4)], [T + number])
    assert counting.evicted == 0
    assert len(counting.clients) <= 1200


def test_a_sweep_spares_what_may_still_count() -> None:
    counting = window(jail(findtime=10, maxretry=2), tolerance=60)
    hits(counting, [0])
    hit(counting, range(2000), [number.to_bytes(4) for number in range(2000)], [T + 69] * 2000)
    assert at(hits(counting, [9])) == [(0, 9, 2)], "60 late, and 9 after the first"


def test_a_ban_outlives_the_eviction_of_its_client() -> None:
    counting = window(jail(bantime=600), cap=8)
    assert hits(counting, [0, 1, 2])
    for number in range(100):
        hit(counting, [0], [number.to_bytes(4)], [T + 3])
    assert KEY not in counting.clients
    assert not hits(counting, [4, 5, 6, 7, 8])


def test_bans_of_a_swarm_stay_within_a_bound() -> None:
    counting = window(jail(maxretry=1, bantime=1e6), cap=1000)
    for number in range(20_000):
        assert hit(counting, [0], [number.to_bytes(4)], [T + number / 1000])
    assert len(counting.limits[0].until) <= 2000


def test_a_stubborn_offender_costs_no_memory() -> None:
    counting = window(jail(60, 30, 600), jail(3600, 1000, 600, "slow"), jail(60, 100, 5, "short"))
    for second in range(1300):
        hits(counting, [second] * 100)
        assert len(counting.clients[KEY]) <= 1200


def test_a_clock_that_was_ahead_costs_no_memory() -> None:
    counting = window(jail(60, 30, 600))
    hits(counting, [60])
    for _ in range(10_000):
        hits(counting, [0])  # all at the edge of the tolerance
    assert len(counting.clients[KEY]) <= 40


def test_a_smaller_cap_holds_soon_after_a_reload() -> None:
    old = window(cap=50_000)
    hit(old, range(40_000), [number.to_bytes(4) for number in range(40_000)], [T] * 40_000)
    new = window(cap=1000)
    new.carry(old)
    begin = process_time()
    hits(new, [0, 1, 2], OTHER)
    assert len(new.clients) <= 1000
    assert process_time() - begin < 1


def test_carrying_over_keeps_counts_and_bans_of_jails_that_stay() -> None:
    old = window(jail(name="stays"), jail(name="changes", maxretry=5))
    assert [r.limit.jail.name for r in hits(old, [0, 1, 2])] == ["stays"]
    new = window(jail(name="changes", maxretry=4), jail(name="stays"), jail(name="comes", maxretry=100))
    new.carry(old)
    assert [(r.limit.jail.name, r.failures) for r in hits(new, [3])] == [("changes", 4)]


def test_many_limits_cost_little_more_than_one() -> None:
    def cost(*jails: Jail) -> float:
        counting = window(*jails)
        keys = [number.to_bytes(4) for number in range(500)] * 100
        times = [T + number / 100 for number in range(len(keys))]
        begin = process_time()
        hit(counting, range(len(keys)), keys, times)
        return process_time() - begin

    twenty = [jail(60 * n, 20 + 10 * n, 600, f"j{n}") for n in range(1, 21)]
    one = min(cost(twenty[0]) for _ in range(3))
    assert min(cost(*twenty) for _ in range(3)) < 12 * one, "each jail by itself would cost twenty times"


@pytest.mark.parametrize(
    "times", [[0, 1, 2, 650, 651, 652, 1002, 1003, 1004], [0, 2, 1, 650, 652, 651, 1002, 1004, 1003]]
)
def test_who_takes_a_ban_may_make_it_longer(times: list[float]) -> None:
    counting, until = window(), []
    for reached in counting.hit(range(len(times)), [KEY] * len(times), [T + time for time in times]):
        until.append(reached.limit.until[KEY] - T)
        reached.limit.until[KEY] = T + 1002

    assert until == [times[2] + 600, times[8] + 600]
