"""What a ban of a range would hit: counted over the last day, in bounded memory."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from privet.core.addresses.address import Subject, client_key
from privet.core.bans import seen
from privet.core.bans.seen import PERIOD, PERIODS, Cost, Seen
from privet.core.parsing.parse import Rows

if TYPE_CHECKING:
    import pytest

NOON = 1_800_000_000.0


def subjects(*texts: str) -> list[Subject]:
    return [Subject.parse(text) for text in texts]


def come(found: Seen, *clients: str, at: float = NOON) -> None:
    rows = Rows(len(clients))
    rows.keys = [key for client in clients if (key := client_key(client.encode()))]
    rows.times = [at] * len(rows.keys)
    found("web", rows)


def blame(found: Seen, client: str) -> None:
    key = client_key(client.encode())
    assert key
    found.blame(key)


def test_it_counts_who_came_and_who_did_nothing_wrong() -> None:
    found = Seen()
    come(found, "192.0.2.1", "192.0.2.2", "192.0.2.2", "198.51.100.1", "2001:db8::1", "2001:db8::2", "2001:db8:1::1")
    blame(found, "192.0.2.1")
    assert found.census().cost(subjects("192.0.2.0/24")) == Cost(256, 0, 2, 1)
    assert found.census().cost(subjects("2001:db8::/48")) == Cost(0, 65536, 1, 1)
    assert found.census().cost(subjects("192.0.2.0/25", "192.0.2.0/24", "2001:db8::/32")) == Cost(256, 1 << 32, 4, 3)
    assert found.census().cost(subjects("203.0.113.0/24")) == Cost(256, 0, 0, 0)


def test_pseudonyms_are_nobody() -> None:
    found = Seen()
    come(found, "100::1", "100::2")
    assert found.census().cost(subjects("::/0")).clients == 0


def test_a_day_is_remembered_and_no_more() -> None:
    found = Seen()
    come(found, "192.0.2.1")
    blame(found, "192.0.2.1")
    come(found, "192.0.2.2", at=NOON + PERIOD)
    assert found.census().cost(subjects("192.0.2.0/24")) == Cost(256, 0, 2, 1)
    come(found, "192.0.2.3", at=NOON + (PERIODS - 1) * PERIOD)
    assert found.census().cost(subjects("192.0.2.0/24")) == Cost(256, 0, 3, 2)
    come(found, "192.0.2.3", at=NOON + (PERIODS + 1) * PERIOD)
    assert found.census().cost(subjects("192.0.2.0/24")) == Cost(256, 0, 2, 2)
    come(found, "192.0.2.9", at=NOON + 40 * PERIODS * PERIOD)
    assert found.census().cost(subjects("192.0.2.0/24")) == Cost(256, 0, 1, 1)


def test_who_comes_every_hour_is_one_client() -> None:
    found = Seen()
    for hour in range(20):
        come(found, "192.0.2.1", "2001:db8::1", at=NOON + hour * 3600)
    assert found.census().cost(subjects("192.0.2.0/24", "2001:db8::/32")).clients == 2


def test_late_lines_belong_to_now() -> None:
    found = Seen()
    come(found, "192.0.2.1")
    come(found, "192.0.2.2", at=NOON - 10 * PERIOD)
    assert found.census().cost(subjects("192.0.2.0/24")).clients == 2


def test_an_empty_block_changes_nothing() -> None:
    found = Seen()
    come(found)
    assert found.census().cost(subjects("0.0.0.0/0", "::/0")) == Cost(1 << 32, 1 << 64, 0, 0)


def test_beyond_its_bounds_a_count_is_a_least_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seen, "MOST", 3)
    found = Seen()
    for last in range(3):
        come(found, f"192.0.2.{last}")
    come(found, "192.0.2.1")
    assert not found.census().cost(subjects("192.0.2.0/24")).at_least
    come(found, "192.0.2.7")
    assert found.census().cost(subjects("192.0.2.0/24")) == Cost(256, 0, 3, 3, at_least=True)
    for last in range(9):
        blame(found, f"192.0.2.{last}")
    assert found.census().cost(subjects("192.0.2.0/24")).innocent == 0
    come(found, "192.0.2.7", at=NOON + 2 * PERIODS * PERIOD)
    assert not found.census().cost(subjects("192.0.2.0/24")).at_least


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(0, 30), st.booleans())), st.integers(24, 32))
def test_counts_are_those_of_plain_sets(visits: list[tuple[int, int, bool]], length: int) -> None:
    found, now = Seen(), 0
    period: dict[int, set[int]] = {}
    guilty: dict[int, set[int]] = {}
    for last, step, bad in visits:
        now += step % 3
        come(found, f"192.0.2.{last}", at=NOON + now * PERIOD)
        period.setdefault(now, set()).add(last)
        if bad:
            blame(found, f"192.0.2.{last}")
            guilty.setdefault(now, set()).add(last)
    kept = [number for number in period if number >= now - PERIODS]
    came = set().union(*(period[number] for number in kept))
    wrong = set().union(*(guilty.get(number, ()) for number in kept))
    inside = set(islice(range(256), 1 << (32 - length)))
    cost = found.census().cost([Subject(bytes([192, 0, 2, 0]), length)])
    assert (cost.clients, cost.innocent) == (len(came & inside), len((came - wrong) & inside))


def test_a_census_is_as_of_its_first_question() -> None:
    found = Seen()
    census = found.census()
    come(found, "192.0.2.1", "192.0.2.2")
    assert census.cost(subjects("192.0.2.0/24")).clients == 2
    come(found, "192.0.2.3")
    assert census.cost(subjects("192.0.2.0/24")).clients == 2
    assert found.census().cost(subjects("192.0.2.0/24")).clients == 3
