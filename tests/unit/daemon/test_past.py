"""The daemon's history: counted, told, and not counted twice after a restart."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from privet.adapters.store.history import FILE
from privet.cli.main import run
from tests.unit.daemon.serving import Served, serving, until
from tests.unit.processes import line

if TYPE_CHECKING:
    import pytest

V4 = "203.0.113.77"


async def hits(place: Served) -> tuple[int, int]:
    """Return how many requests and bans the history has."""
    await place.daemon.past.look()
    items = (await place.ask("history", since=3600, step=60))["items"]
    return sum(item.get("hits", 0) for item in items), sum(item.get("bans", 0) for item in items)


def test_requests_and_bans_are_counted_once_also_over_a_restart(
    place: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    place.append()

    async def scene() -> None:
        async with serving(place):
            before = place.daemon.engine.sources["web"].lines
            place.append(*[line(V4)] * 5, line("192.0.2.1", status=503))
            await until(lambda: place.daemon.engine.sources["web"].lines == before + 6)
            assert await hits(place) == (6, 1)
        async with serving(place):
            assert await hits(place) == (6, 1)
            (row,) = (await place.ask("history", since=3600, step=86_400))["items"]
            assert (row["ok"], row["failed"], row["bytes"]) == (5, 1, 30)
            assert row["memory"] > 0
            assert (await place.ask("history", since=3600, step=7))["error"].startswith("step: expected one of 60")
            code = await asyncio.to_thread(run, ["report", "history", "--runtime", str(place.runtime), "--by", "day"])
            assert code == 0
            (one,) = (await place.ask("offenders", since=3600))["items"]
            assert (one["bans"], one["jails"]) == (1, ["leech"])
            assert one["client"].startswith("100::")
            code = await asyncio.to_thread(run, ["report", "offenders", "--runtime", str(place.runtime)])
            assert code == 0

    asyncio.run(scene())

    shown = capsys.readouterr().out
    assert "█" in shown
    assert " web " in shown
    assert " leech " in shown
    assert shown.splitlines()[-1].split()[1:] == ["1", "100%"]
    kept = b"".join(path.read_bytes() for path in place.state.glob(f"{FILE}*"))
    assert V4.encode() not in kept
    assert bytes(map(int, V4.split("."))) not in kept
