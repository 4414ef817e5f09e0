"""On sight: nothing that is stored tells who is banned, and whoever was is banned again at his first line."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from privet.adapters.firewall.null import NullFirewall
from tests.privacy.search import leaks
from tests.unit.daemon.serving import serving, until
from tests.unit.processes import line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import pytest

    from privet.ports import Firewall
    from tests.unit.daemon.serving import Served

V4, V6, OTHER = "203.0.113.79", "2001:db8:a:b::/64", "198.51.100.7"


def play(place: Served, *scenes: Callable[[Served], Awaitable[None]], firewall: Firewall | None = None) -> None:
    """Run scenes, each with a daemon of its own; without a firewall in common the machine reboots in between."""
    place.configure(
        f'path = "{place.log}"', '[jail.ssh]\nsource = "web"\npath = "^/never"\n[store]\npersist = "on-sight"\n'
    )

    async def run(scene: Callable[[Served], Awaitable[None]]) -> None:
        async with serving(place, firewall):
            await scene(place)

    for scene in scenes:
        asyncio.run(run(scene))


async def banned(place: Served) -> dict[str, str]:
    """Return who is banned, and by which jail."""
    items = (await place.ask("bans", reveal=True))["items"]
    return {item["subject"]: item["jail"] for item in items}


async def unseen(place: Served) -> int:
    return int((await place.ask("status"))["store"]["unseen"])


async def first(place: Served) -> None:
    await place.ask("ban", subjects=[V4, V6], seconds=3600, why="because", agreed=True)
    await place.ask("ban", subjects=[OTHER], seconds=3600, jail="ssh", agreed=True)
    assert await banned(place) == {V4: "by hand", V6: "by hand", OTHER: "ssh"}


def test_after_a_reboot_the_first_line_bans_again_within_a_second(place: Served) -> None:
    async def second(place: Served) -> None:
        assert await banned(place) == {}
        assert await unseen(place) == 3
        place.append(line("192.0.2.9", "/"))
        await until(lambda: place.daemon.engine.sources["web"].lines >= 1)
        assert await unseen(place) == 3
        began = time.monotonic()
        place.append(line(V4, "/"), line("2001:db8:a:b::77", "/"))
        await until(lambda: len(place.daemon.sight.waiting) == 1)
        assert time.monotonic() - began < 2 * 1.0 + 1.0, "files are read each second"
        assert await banned(place) == {V4: "by hand", V6: "by hand"}
        (item,) = (await place.ask("why", subject=V4))["items"]
        assert item["why"] == "because"
        assert (await place.accounts())["in_kernel"] == 2

    play(place, first, second)


def test_a_restart_finds_them_in_the_firewall_under_their_names(place: Served) -> None:
    async def second(place: Served) -> None:
        assert await banned(place) == {V4: "by hand", V6: "by hand", OTHER: "ssh"}
        assert await unseen(place) == 0
        await place.accounts()

    play(place, first, second, second, firewall=NullFirewall(time.monotonic))


def test_no_file_tells_who_it_was_and_neither_does_the_key(place: Served) -> None:
    play(place, first)
    folders = [place.state, place.state.with_name(f"{place.state.name}-keys")]
    assert all(folder.is_dir() for folder in folders)
    assert leaks(folders, [V4, "2001:db8:a:b::", OTHER]) == []


def test_an_unban_holds_for_those_who_have_not_come(place: Served) -> None:
    async def lift_one(place: Served) -> None:
        await place.ask("unban", subjects=[V4])
        assert await banned(place) == {}

    async def lift_jail(place: Served) -> None:
        assert await unseen(place) == 2
        await place.ask("unban", jail="ssh")

    async def rest(place: Served) -> None:
        assert await unseen(place) == 1
        place.append(line(V4, "/"), line(OTHER, "/"), line("2001:db8:a:b::77", "/"))
        await until(lambda: not len(place.daemon.sight.waiting))
        assert await banned(place) == {V6: "by hand"}
        await place.ask("unban", all=True)

    async def nobody(place: Served) -> None:
        assert await unseen(place) == 0

    play(place, first, lift_one, lift_jail, rest, nobody)


def test_pardons_are_not_stored(place: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    async def lift(place: Served) -> None:
        await first(place)
        await place.ask("unban", subjects=[V4])
        notes = place.daemon.keeper.stores.notes
        assert await place.daemon.keeper.call(notes.size) == 0
        monkeypatch.setattr(type(place.daemon.sight), "_hides", False)
        place.daemon.engine.memory.pardons.all_changed()
        await place.daemon.settle()
        assert await place.daemon.keeper.call(notes.size) == 1, "so that this can fail"

    play(place, lift)
