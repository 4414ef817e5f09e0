"""What every store does, be it on the disk or in memory."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from privet.adapters.store.memory import MemoryStore
from privet.adapters.store.rows import BANS
from privet.adapters.store.sqlite import SqliteStore
from tests.unit.adapters.store.examples import HOUR, NOW, ban, bans, by_subject, for_good

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from privet.adapters.store.ring import Buckets
    from privet.core.bans.model import Ban
    from privet.ports import Store

MOST = 50


@pytest.fixture(params=["memory", "sqlite"])
def twin(request: pytest.FixtureRequest, path: Path, buckets: Buckets) -> Iterator[Store[Ban]]:
    """Return a small store of each kind."""
    store: Store[Ban] = MemoryStore(BANS, MOST) if request.param == "memory" else SqliteStore(path, buckets, BANS, MOST)
    store.open()
    yield store
    store.close()
    assert store.complaint is None
    assert (store.refused, store.losses) == (0, 0)


def test_it_begins_empty(twin: Store[Ban]) -> None:
    assert twin.load(NOW) == []
    assert twin.size() == 0
    assert twin.expire(NOW) == 0


def test_what_was_put_is_loaded(twin: Store[Ban]) -> None:
    twin.put(bans(30))
    twin.put([for_good(30), ban(31, why="scanned for backups")])

    assert by_subject(twin.load(NOW)) == by_subject([*bans(30), for_good(30), ban(31, why="scanned for backups")])
    assert twin.size() == 32


def test_at_rest_the_same_is_stored(twin: Store[Ban]) -> None:
    twin.put([*bans(30), for_good(30), ban(31, why="scanned for backups", hours=-1)])
    left = [*bans(30), for_good(30)]
    for one in left:
        one.confirmed = True
    assert twin.expire(NOW) == 1
    twin.rest(left)

    assert by_subject(twin.load(NOW)) == by_subject([*bans(30), for_good(30)])
    twin.drop([ban(1)])
    assert len(twin.load(NOW)) == 30


def test_opening_again_changes_nothing(twin: Store[Ban]) -> None:
    twin.put(bans(3))
    twin.open()

    assert twin.size() == 3


def test_nothing_is_nothing(twin: Store[Ban]) -> None:
    twin.put([])
    twin.drop([])

    assert twin.size() == 0


def test_the_kernel_has_to_confirm_anew(twin: Store[Ban]) -> None:
    confirmed = ban(1)
    confirmed.confirmed = True
    twin.put([confirmed])

    assert twin.load(NOW) == [ban(1)]
    assert confirmed.confirmed


def test_what_becomes_of_a_ban_later_does_not_change_the_stored_one(twin: Store[Ban]) -> None:
    one = ban(1)
    twin.put([one])
    one.until = NOW + 99 * HOUR

    assert twin.load(NOW) == [ban(1)]


def test_a_later_ban_of_the_same_subject_and_jail_replaces_the_one_before(twin: Store[Ban]) -> None:
    twin.put([ban(1, hours=1), ban(2, hours=1)])
    twin.put([ban(1, hours=5, why="again")])

    assert by_subject(twin.load(NOW)) == by_subject([ban(1, hours=5, why="again"), ban(2, hours=1)])


def test_of_two_bans_in_one_call_the_latter_counts(twin: Store[Ban]) -> None:
    twin.put([ban(1, hours=9), ban(1, hours=2)])

    assert twin.load(NOW) == [ban(1, hours=2)]


def test_each_jail_has_its_own(twin: Store[Ban]) -> None:
    twin.put([ban(1, "ssh"), ban(1, "web"), ban(1, "")])
    twin.drop([ban(1, "web")])

    assert by_subject(twin.load(NOW)) == [ban(1, ""), ban(1, "ssh")]


def test_what_was_dropped_is_gone(twin: Store[Ban]) -> None:
    twin.put(bans(10))
    twin.drop([*bans(3), ban(77)])

    assert by_subject(twin.load(NOW)) == by_subject(bans(7, first=3))
    assert twin.size() == 7


def test_dropped_and_put_again_it_is_there(twin: Store[Ban]) -> None:
    twin.put([ban(1)])
    twin.drop([ban(1)])
    twin.put([ban(1, hours=3)])

    assert twin.load(NOW) == [ban(1, hours=3)]


def test_ended_bans_are_not_loaded_and_erased_when_told(twin: Store[Ban]) -> None:
    twin.put([*bans(4, hours=1), *bans(5, first=4, hours=2), for_good(9)])

    assert len(twin.load(NOW + HOUR)) == 6
    assert twin.size() == 10
    assert twin.expire(NOW + HOUR) == 4
    assert twin.size() == 6
    assert twin.expire(NOW + HOUR) == 0
    assert twin.expire(NOW + 1e9) == 5
    assert twin.load(math.nextafter(math.inf, 0)) == [for_good(9)]


def test_when_there_are_too_many_those_that_end_first_go(twin: Store[Ban]) -> None:
    first = [ban(number, hours=number + 1) for number in range(MOST)]
    twin.put(first)
    assert twin.evicted == 0

    twin.put([ban(MOST, hours=30.5), for_good(MOST + 1)])

    assert twin.evicted == 2
    assert twin.size() == MOST
    assert by_subject(twin.load(NOW)) == by_subject([*first[2:], ban(MOST, hours=30.5), for_good(MOST + 1)])


def test_too_many_at_once_are_too_many(twin: Store[Ban]) -> None:
    twin.put([ban(number, hours=number + 1) for number in range(3 * MOST)])

    assert twin.evicted == 2 * MOST
    assert by_subject(twin.load(NOW)) == by_subject(
        [ban(number, hours=number + 1) for number in range(2 * MOST, 3 * MOST)]
    )


def test_replacing_a_ban_in_a_full_store_needs_no_room(twin: Store[Ban]) -> None:
    twin.put(bans(MOST))
    twin.put([ban(3, hours=9)])

    assert (twin.evicted, twin.size()) == (0, MOST)
