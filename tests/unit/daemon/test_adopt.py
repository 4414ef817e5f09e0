"""Running bans of fail2ban go on: with the ports of their jail, their end, and how many there were."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from tests.unit.daemon.serving import serving, until
from tests.unit.processes import line

if TYPE_CHECKING:
    from tests.unit.daemon.serving import Served

JAILS = """
[jail.leech]
source = "web"
maxretry = 1
bantime = "1h"
ports = [80, 443]
increment = true
[jail.quiet]
source = "web"
dry_run = true
"""


def adopted(
    place: Served, *bans: tuple[str, str, float, float | None, int]
) -> tuple[dict[str, Any], list[Any], dict[str, int]]:
    """Hand over bans; return the answer, the bans that there are then, and the accounts."""
    place.configure(f'path = "{place.log}"', JAILS)
    place.log.touch()

    async def scene() -> tuple[dict[str, Any], list[Any], dict[str, int]]:
        async with serving(place):
            answer = await place.ask("adopt", bans=bans)
            listed = (await place.ask("bans", reveal=True))["items"]
            return answer, listed, await place.accounts()

    return asyncio.run(scene())


def test_bans_go_on_as_they_were(place: Served) -> None:
    now = time.time()
    answer, listed, accounts = adopted(
        place,
        ("leech", "192.0.2.1", now - 60, now + 600, 1),
        ("gone", "2001:db8::1", now - 30, None, 1),
        ("quiet", "192.0.2.2", now - 10, now + 60, 2),
    )

    assert answer == {"adopted": 3, "refused": {}}
    told = {ban["subject"]: (ban["jail"], ban["scope"], ban["origin"], ban["until"]) for ban in listed}
    assert told == {
        "192.0.2.1": ("leech", "tcp:80,443", "fail2ban", now + 600),
        "2001:db8::/64": ("gone", "", "fail2ban", None),
        "192.0.2.2": ("quiet", "", "fail2ban", now + 60),
    }
    assert (accounts["ordered"], accounts["in_kernel"]) == (3, 3)


def test_what_must_never_be_banned_is_refused_and_what_is_over_is_over(place: Served) -> None:
    now = time.time()
    answer, listed, accounts = adopted(
        place, ("leech", "127.0.0.1", now - 60, now + 600, 1), ("leech", "192.0.2.1", now - 60, now - 1, 1)
    )

    assert answer == {"adopted": 1, "refused": {"this machine's own address": 1}}
    assert listed == []
    assert (accounts["refused"], accounts["expired"]) == (1, 1)


def test_the_next_ban_knows_of_those_before(place: Served) -> None:
    place.configure(f'path = "{place.log}"', JAILS)
    place.log.touch()

    async def scene() -> float:
        async with serving(place):
            now = time.time()
            await place.ask("adopt", bans=[("leech", "192.0.2.1", now - 60, now - 1, 3)])
            place.append(line("192.0.2.1"))
            await until(lambda: any(True for _ in place.daemon.bans()))
            (ban,) = place.daemon.bans()
            return ban.until - ban.since

    assert round(asyncio.run(scene())) == 8 * 3600


def test_nonsense_is_refused_as_a_whole(place: Served) -> None:
    answer, listed, _ = adopted(place, ("leech", "nobody", 0.0, None, 1))

    assert "does not understand" in answer["error"]
    assert listed == []
