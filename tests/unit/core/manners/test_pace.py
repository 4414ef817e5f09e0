"""What is usual for somebody is learnt from the latest pages of all, however they came."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from privet.core.manners import pace
from privet.core.manners.pace import Doubled, Unslowed
from privet.core.parsing.parse import Rows
from privet.core.rows.facts import Registry

if TYPE_CHECKING:
    from collections.abc import Sequence

Row = tuple[float, bytes, bytes]

GUEST, OTHER = b"aaaa", b"bbbb"


def rows_of(requests: list[Row], column: str = "status") -> Rows:
    rows = Rows(len(requests))
    rows.times, rows.keys = [time for time, _, _ in requests], [key for _, key, _ in requests]
    others: dict[str, Sequence[bytes]] = {"status": [b"200"] * len(rows), "request": [b"GET /a HTTP/1.1"] * len(rows)}
    rows.columns = others | {column: [text for _, _, text in requests]}
    return rows


def found(habit: Unslowed | Doubled, registry: Registry, requests: list[Row], size: int, column: str) -> list[float]:
    times = []
    for start in range(0, len(requests), size):
        rows = rows_of(requests[start : start + size], column)
        facts = registry.facts(rows)
        times += [rows.times[row] for row in habit.find(facts, facts.times)]
    return times


def unslowed(requests: list[Row], size: int = 1000) -> list[float]:
    registry = Registry(100)
    return found(Unslowed(100, 3600.0, registry), registry, requests, size, "status")


def hasty(pages: int, refused: int, pause: float = 10.0) -> list[Row]:
    """Return a client who is refused after some pages, and goes on as before."""
    return [(number * pause, GUEST, b"200" if number < pages else b"429") for number in range(pages + refused)]


def test_who_goes_on_as_before_is_found_from_the_fourth_time_on() -> None:
    assert unslowed(hasty(6, 8)) == [100.0, 110.0, 120.0, 130.0]


def test_who_makes_longer_pauses_is_not() -> None:
    slower = [*hasty(6, 1), *((75.0 + 15 * number, GUEST, b"429") for number in range(8))]
    assert unslowed(slower) == []


@pytest.mark.parametrize("size", [1, 3, 7])
def test_blocks_do_not_matter_when_the_room_is_used_again(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "_LATEST", 60)
    monkeypatch.setattr(pace, "_ROOM", 67)
    crowd = [(float(number), OTHER, b"200") for number in range(1, 300)]
    requests = sorted([*hasty(12, 8), *crowd])

    assert unslowed(requests, size) == unslowed(requests, 5) == [160.0, 170.0, 180.0, 190.0]


def test_pages_that_many_others_came_after_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "_LATEST", 20)
    monkeypatch.setattr(pace, "_ROOM", 47)
    crowd = [(float(number), OTHER, b"200") for number in range(1, 300)]

    assert unslowed(sorted([*hasty(12, 8), *crowd]), 5) == []


def test_who_was_not_refused_costs_no_memory_of_his_own() -> None:
    registry = Registry(100)
    habit = Unslowed(100, 3600.0, registry)
    found(habit, registry, hasty(50, 0), 10, "status")
    assert not len(habit.clients)
    found(habit, registry, [(600.0, GUEST, b"503")], 1, "status")
    assert list(habit.clients) == [GUEST]


@pytest.mark.parametrize("size", [1, 2, 9])
def test_pages_asked_for_by_head_twice_are_found_when_they_are_fetched(size: int) -> None:
    registry = Registry(100)
    requests = [
        (0.0, GUEST, b"HEAD /a HTTP/1.1"),
        (1.0, GUEST, b"HEAD /a HTTP/1.1"),
        (1.0, OTHER, b"GET /a HTTP/1.1"),
        (2.0, GUEST, b"GET /a HTTP/1.1"),
        (3.0, GUEST, b"GET /a HTTP/1.1"),
        (4.0, OTHER, b"HEAD /a HTTP/1.1"),
        (5.0, OTHER, b"GET /a HTTP/1.1"),
        (6.0, GUEST, b"HEAD /b HTTP/1.1"),
        (7.0, GUEST, b"HEAD /b HTTP/1.1"),
        (608.0, GUEST, b"GET /b HTTP/1.1"),
    ]

    assert found(Doubled(100, registry), registry, requests, size, "request") == [2.0]
