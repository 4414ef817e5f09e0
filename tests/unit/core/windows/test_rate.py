"""Failures counted by their rate, as fail2ban does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from privet.core.jails import Jail
from privet.core.windows.detect import Limit
from privet.core.windows.rate import Rate

if TYPE_CHECKING:
    from collections.abc import Sequence

A, B = b"\xc0\x00\x02\x01", b"\xc0\x00\x02\x02"
FINDTIME, BANTIME = 600.0, 3600.0


def rate(maxretry: int = 5, max_clients: int = 1000) -> Rate:
    jail = Jail("j", ("s",), findtime=FINDTIME, maxretry=maxretry, bantime=BANTIME, counting="rate")
    return Rate(Limit(jail, 0), max_clients)


def counts(counting: Rate, times: Sequence[float], key: bytes = A) -> list[float]:
    """Return the count after each failure."""
    found = []
    for time in times:
        list(counting.hit([0], [key], [time]))
        found.append(counting.clients[key][2] if key in counting.clients else 0.0)
    return found


def reached(counting: Rate, times: Sequence[float]) -> list[tuple[float, int]]:
    return [(one.time, one.failures) for one in counting.hit(range(len(times)), [A] * len(times), times)]


def test_within_findtime_each_failure_is_one_more() -> None:
    assert reached(rate(), [0, 1, 2, 600, 600]) == [(600, 5)]


def test_beyond_it_the_count_follows_the_rate() -> None:
    assert counts(rate(99), range(0, 1600, 200)) == [1, 2, 3, 4, 4, 4, 4, 4]
    assert counts(rate(99), [0, 0, 0, 0, 0, 0, 600, 601])[-1] == 8
    assert counts(rate(99), [0, 0, 0, 0, 0, 0, 400, 800])[-1] == 6


def test_after_a_findtime_of_silence_it_starts_anew() -> None:
    assert counts(rate(99), [0, 1, 2, 603, 604]) == [1, 2, 3, 1, 2]


def test_during_a_ban_nothing_counts_and_after_it_everything_does() -> None:
    counting = rate(2)

    assert reached(counting, [0, 1, 2, 3, BANTIME, BANTIME + 1, BANTIME + 2]) == [(1, 2), (BANTIME + 2, 2)]


def test_a_longer_ban_is_heeded() -> None:
    counting = rate(1)
    for one in counting.hit([0, 1], [A, A], [0, 5000]):
        one.limit.until[one.key] = 10_000.0
    assert list(counting.hit([0], [A], [9_999.0])) == []


def test_a_failure_that_comes_late_counts() -> None:
    assert reached(rate(3), [100, 50, 101]) == [(101, 3)]


def test_who_is_forgotten_starts_anew() -> None:
    counting = rate(2)
    assert reached(counting, [0, 1]) == [(1, 2)]
    counting.forget(A)

    assert reached(counting, [2, 3]) == [(3, 2)]


def test_a_clock_that_is_set_changes_nothing() -> None:
    counting = rate(2)
    counts(counting, [0, 1])
    counts(counting, [5], B)
    counting.shift(1e6)

    assert reached(counting, [1e6 + BANTIME]) == []
    assert counts(counting, [1e6 + 6], B) == [0.0]
    assert counting.failing(counting.limits[0], 1e6) == 0


def test_an_equal_one_goes_on_where_it_was() -> None:
    before, after = rate(3), rate(3)
    counts(before, [0, 1])
    after.carry(before)

    assert after.failing(after.limits[0], 2) == 1
    assert reached(after, [2]) == [(2, 3)]


def test_memory_is_bounded_and_the_worst_stay() -> None:
    counting = rate(99, max_clients=100)
    counts(counting, [0, 1, 2], A)
    for number in range(1000):
        counts(counting, [10.0], number.to_bytes(4))

    assert len(counting.clients) <= 100
    assert counting.evicted > 0
    assert A in counting.clients


def test_who_is_silent_is_dropped_first() -> None:
    counting = rate(99, max_clients=100)
    for number in range(99):
        counts(counting, [0.0], number.to_bytes(4))
    counts(counting, [5000.0], A)

    assert counting.evicted == 0
    assert list(counting.clients) == [A]


def test_bans_that_are_over_are_let_go_of_and_others_are_bounded() -> None:
    for step, most in ((3600.0, 1100), (0.0, 2100)):
        counting = rate(maxretry=1)
        for client in range(5000):
            list(counting.hit([0], [client.to_bytes(4)], [client * step]))
        assert len(counting.limits[0].until) <= most
        assert (4999).to_bytes(4) in counting.limits[0].until
