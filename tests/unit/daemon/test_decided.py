"""What follows a verdict and can wait: told and counted within a second, or when the daemon ends."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

from privet.core.addresses.address import Subject
from privet.core.verdicts import Action, Verdict
from privet.daemon.decided import MOST, SINGLE_LINES
from tests.unit.daemon.serving import Served, serving, until
from tests.unit.processes import line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import pytest

V4 = "203.0.113.77"


def play(place: Served, scene: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with serving(place):
            await scene()

    asyncio.run(whole())


def told(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(text) for text in capsys.readouterr().err.splitlines()]


def verdicts(count: int) -> list[Verdict]:
    subject = Subject.parse(V4)
    return [Verdict(Action.REPORT, subject, "leech", 0.0, time.time() + 60, 3) for _ in range(count)]


def test_a_verdict_is_told_within_a_second_with_the_time_at_which_the_firewall_was_asked(
    place: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    place.append()
    seen: list[dict[str, Any]] = []

    async def scene() -> None:
        began = time.time()
        place.append(*[line(V4)] * 3)
        await until(lambda: any(place.daemon.bans()))
        asked = time.time()
        while not any(one["event"] == "ban" for one in seen):
            assert time.time() < asked + 2
            await asyncio.sleep(0.05)
            seen.extend(told(capsys))
        (ban,) = (one for one in seen if one["event"] == "ban")
        assert (ban["jail"], ban["failures"]) == ("leech", 3)
        assert began - 0.001 <= datetime.fromisoformat(ban["timestamp"]).timestamp() <= asked

    play(place, scene)


def test_what_was_not_told_yet_is_when_the_daemon_ends(place: Served, capsys: pytest.CaptureFixture[str]) -> None:
    place.append()

    async def scene() -> None:
        place.daemon.decided.look()
        place.append(*[line(V4)] * 3)
        await until(lambda: any(place.daemon.bans()))
        place.daemon.decided.note(verdicts(1))

    play(place, scene)
    assert [one["event"] for one in told(capsys) if one.get("jail")] == ["ban", "report"]


def test_many_are_told_in_one_line_and_do_not_wait_in_any_number(
    place: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    async def scene() -> None:
        place.daemon.decided.note(verdicts(SINGLE_LINES))
        place.daemon.decided.look()
        place.daemon.decided.note(verdicts(MOST + 1))

    play(place, scene)
    events = [(one["event"], one.get("count")) for one in told(capsys) if one["event"] in ("report", "verdicts")]
    assert events == [("report", None)] * SINGLE_LINES + [("verdicts", MOST + 1)]
