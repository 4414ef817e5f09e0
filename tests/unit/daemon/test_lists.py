"""Lists of others in the daemon: replaced as a whole, kept when they cannot be read, gone with their table."""

from __future__ import annotations

import asyncio
from math import inf
from typing import TYPE_CHECKING

from privet.adapters import lists as adapter
from privet.adapters.lists import Fetched, read
from tests.unit.daemon.serving import Served, looked, serving, until
from tests.unit.processes import JAIL

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    import pytest


def configure(place: Served, more: str = "") -> Path:
    """Let the daemon read a list; return its path."""
    path = place.log.with_name("list")
    place.configure(f'path = "{place.log}"', f'{JAIL}[feed.drop]\npath = "{path}"\nevery = "5m"\n{more}')
    return path


def play(place: Served, scene: Callable[[], Awaitable[None]]) -> None:
    """Run a scene with a daemon."""

    async def run() -> None:
        async with serving(place):
            await scene()

    asyncio.run(run())


async def again(place: Served) -> None:
    """Let the daemon read its lists now, when it is done with what it reads by itself."""
    await until(lambda: all(feed.read or feed.problem for feed in place.daemon.lists.feeds.values()))
    for feed in place.daemon.lists.feeds.values():
        feed.due = -inf
    await looked(place.daemon.lists.look())


def banned(place: Served) -> set[str]:
    return {ban.subject.reveal() for ban in place.daemon.bans()}


def test_who_is_on_the_list_is_banned_and_who_is_gone_is_not(place: Served) -> None:
    path = configure(place)
    path.write_text("192.0.2.1\n198.51.100.0/24 # why\n127.0.0.1\n")

    async def scene() -> None:
        await until(lambda: len(banned(place)) == 2)
        assert {(ban.jail, ban.origin, ban.until) for ban in place.daemon.bans()} == {("feed drop", "feed", inf)}
        first = next(place.daemon.bans())
        path.write_text("192.0.2.1\n203.0.113.0/24\n")
        await again(place)
        assert banned(place) == {"192.0.2.1", "203.0.113.0/24"}
        assert next(place.daemon.bans()) is first  # what stays on the list is not ordered anew
        accounts = await place.accounts()
        assert (accounts["in_kernel"], accounts["unbanned"], accounts["refused"]) == (2, 1, 1)
        (feed,) = (await place.ask("status"))["feeds"]
        assert (feed["feed"], feed["entries"], feed["problem"]) == ("drop", 2, None)

    play(place, scene)


def test_what_cannot_be_read_changes_nothing_and_is_said(place: Served) -> None:
    path = configure(place)
    path.write_text("192.0.2.1\n")

    async def scene() -> None:
        await until(lambda: banned(place))
        for content, problem in (("<html>\n", "line 1 has no address"), ("AS64500\n", "there is no table")):
            path.write_text(content)
            await again(place)
            (feed,) = (await place.ask("status"))["feeds"]
            assert feed["problem"].startswith(problem)
            assert any(warning.startswith("feed drop: ") for warning in (await place.ask("status"))["warnings"])
            assert banned(place) == {"192.0.2.1"}
        path.unlink()
        await again(place)
        assert "No such file" in (await place.ask("status"))["feeds"][0]["problem"]
        path.write_text("192.0.2.2\n")
        await again(place)
        assert banned(place) == {"192.0.2.2"}
        assert (await place.ask("status"))["feeds"][0]["problem"] is None

    play(place, scene)


def test_a_feed_is_listed_when_it_is_asked_for(place: Served) -> None:
    configure(place).write_text("192.0.2.1\n192.0.2.2\n")

    async def scene() -> None:
        await until(lambda: len(banned(place)) == 2)
        await place.ask("ban", subjects=["192.0.2.9"])
        answer = await place.ask("bans")
        assert (len(answer["items"]), answer["feeds"]) == (1, {"feed drop": 2})
        assert len((await place.ask("bans", all=True))["items"]) == 3
        assert len((await place.ask("bans", jail="feed drop"))["items"]) == 2

    play(place, scene)


def test_a_feed_that_is_no_longer_configured_is_let_go(place: Served) -> None:
    configure(place).write_text("192.0.2.1\n")

    async def scene() -> None:
        await until(lambda: banned(place))
        await place.ask("ban", subjects=["192.0.2.9"])
        place.configure(f'path = "{place.log}"')
        place.daemon.reload()
        await until(lambda: banned(place) == {"192.0.2.9"})
        assert (await place.ask("status"))["feeds"] == []

    play(place, scene)


def test_as_numbers_stand_on_lists_too(place: Served, tmp_path: Path) -> None:
    table = tmp_path / "networks"
    table.write_text("192.0.2.0/25\t64500\n198.51.100.0/24\t64500\n")
    path = configure(place, f'[networks]\ntable = "{table}"\n')
    path.write_text("AS64500\n203.0.113.1\n")

    async def scene() -> None:
        await until(lambda: len(place.daemon.networks))
        await again(place)
        assert banned(place) == {"192.0.2.0/25", "198.51.100.0/24", "203.0.113.1"}
        assert {ban.group for ban in place.daemon.bans()} == {"AS64500", ""}

    play(place, scene)


def test_a_list_is_read_again_when_it_is_due_and_not_before(place: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    path = configure(place)
    path.write_text("192.0.2.1\n")
    reads = []

    def counting(path: Path, most: int) -> Fetched:
        reads.append(path)
        return read(path, most)

    monkeypatch.setattr(adapter, "read", counting)

    async def scene() -> None:
        await until(lambda: banned(place))
        for _ in range(5):
            await looked(place.daemon.lists.look())
        assert len(reads) == 1
        await again(place)
        assert len(reads) == 2
        assert (await place.accounts())["ordered"] == 1

    play(place, scene)
