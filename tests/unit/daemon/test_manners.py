"""The daemon with jails for manners: what the files say, and who is told first."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from tests.unit.core.manners.callers import entry
from tests.unit.daemon.serving import Served, serving, until

if TYPE_CHECKING:
    from pathlib import Path

LEECH = "192.0.2.1"
ROBOTS = (
    "[jail.nosy]\nsource = 'web'\nkind = 'manners'\nsignal = 'robots'\nfindtime = '1h'\nmaxretry = 3\n"
    "[manners]\nrobots = '{path}'\n"
)
PATIENT = "[jail.fast]\nsource = 'web'\nfindtime = '1h'\nmaxretry = 3\nbantime = '1h'\npatience = '1d'\n"


def lines(count: int, path: str = "/private/") -> list[str]:
    begin = time.time() - 60
    agent = "Nosybot/1.0"
    written = [entry(begin + n, LEECH, f"GET {path}{n}", agent=agent)[1] for n in range(count)]
    return [line.decode().rsplit(' "', 1)[0] for line in written]


def test_robots_txt_is_read_at_the_start_and_missing_ones_are_told_of(place: Served, tmp_path: Path) -> None:
    robots = tmp_path / "robots.txt"
    robots.write_text("User-agent: *\nDisallow: /private/\n")
    place.configure(f'path = "{place.log}"', ROBOTS.format(path=robots))
    place.append(*lines(2), *lines(5, "/public/"), *lines(1))

    async def scene() -> None:
        async with serving(place):
            assert (await place.accounts())["ordered"] == 1
            robots.unlink()
            place.configure(f'path = "{place.log}"', ROBOTS.format(path=tmp_path / "gone.txt"))
            place.daemon.reload()
            await until(lambda: bool(place.daemon.manners.problems))
            warnings = (await place.ask("status"))["warnings"]
            assert f"{tmp_path}/gone.txt: No such file or directory" in warnings

    asyncio.run(scene())


def test_who_is_told_first_stands_in_the_list_of_the_web_server(place: Served) -> None:
    place.configure(f'path = "{place.log}"', PATIENT)
    place.append(*lines(3))

    async def scene() -> None:
        async with serving(place):
            status = await place.ask("status")
            assert (status["slow"]["bans"]["ordered"], status["bans"]["ordered"]) == (1, 0)
            (ban,) = (await place.ask("bans"))["items"]
            assert (ban["jail"], ban["action"], ban["places"]) == ("fast", "slow", ["web server (429)"])
            (jail,) = (await place.ask("jails"))["items"]
            assert (jail["verdicts"], jail["banned"]) == (1, 0)

    asyncio.run(scene())
