"""The daemon's answers to scripts: one jail, whom it spares, a reload, and its end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.unit.daemon.serving import serving, until
from tests.unit.processes import line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.unit.daemon.serving import Served

HERE = "203.0.113.77"


def play(place: Served, scene: Callable[[Served], Awaitable[None]]) -> None:
    """Run a scene with a daemon."""

    async def run() -> None:
        async with serving(place):
            await scene(place)

    asyncio.run(run())


def test_a_jail_tells_what_it_reads_and_holds(place: Served) -> None:
    async def scene(place: Served) -> None:
        place.log.touch()
        place.append(line("203.0.113.1"), *(line(HERE) for _ in range(3)))
        await until(lambda: list(place.daemon.bans()))
        await place.ask("ban", jail="leech", subjects=["203.0.113.2"], seconds=5)

        jail = await place.ask("jail", jail="leech")

        assert [item["subject"].startswith("100::") for item in jail["items"]] == [True, True]
        assert jail["items"][0]["until"] < jail["items"][1]["until"]
        assert (jail["failing"], jail["failures"], jail["verdicts"]) == (1, 4, 2)
        assert (jail["files"], jail["matches"]) == ([str(place.log)], None)
        assert HERE not in str(jail)
        shown = await place.ask("jail", jail="leech", reveal=True)
        assert HERE in [item["subject"] for item in shown["items"]]

    play(place, scene)


def test_a_jail_that_is_not_there_is_none(place: Served) -> None:
    async def scene(place: Served) -> None:
        assert await place.ask("jail", jail="what") == {"jail": None}
        assert await place.ask("spare", jail="what", add=[HERE]) == {"jail": None}

    play(place, scene)


def test_those_who_are_spared_can_be_changed(place: Served) -> None:
    async def scene(place: Served) -> None:
        added = await place.ask("spare", jail="leech", add=[HERE, "203.0.113.0/28"], reveal=True)
        assert added["items"] == [HERE, "203.0.113.0/28"]
        place.log.touch()
        place.append(*(line(HERE) for _ in range(5)))
        await until(lambda: place.daemon.engine.spared["leech"])
        assert (await place.ask("spare", jail="leech", drop=["203.0.113.0/28"], reveal=True))["items"] == [HERE]
        assert "error" in await place.ask("spare", jail="leech", drop=["203.0.113.0/28"])
        assert "error" in await place.ask("spare", jail="leech", add=["what"])

    play(place, scene)


def test_a_reload_says_what_is_wrong_and_forgets_who_was_spared(place: Served) -> None:
    async def scene(place: Served) -> None:
        await place.ask("spare", jail="leech", add=[HERE])
        good = place.config.read_text()
        place.config.write_text("what")
        assert "privet.toml" in (await place.ask("reload"))["problem"]
        place.config.write_text(good)
        assert await place.ask("reload") == {"problem": None}
        assert (await place.ask("spare", jail="leech"))["items"] == []

    play(place, scene)


def test_the_daemon_ends_when_it_is_told_to(place: Served) -> None:
    async def scene(place: Served) -> None:
        assert await place.ask("stop") == {"items": []}
        await until(lambda: not (place.runtime / "control.sock").exists())

    play(place, scene)
