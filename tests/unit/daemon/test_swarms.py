"""What the daemon says of swarms."""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from itertools import count

import msgspec
import pytest

from privet.cli.main import run
from privet.core.swarms.swarm import WARM, Baseline
from privet.daemon.swarms import FILE
from tests.unit.core.traffic import entry, swarm
from tests.unit.daemon.serving import Served, serving, until

JAIL = "[jail.many]\nsource = 'web'\nkind = 'swarm'\naction = 'ban'\nbantime = '1h'\n"


def attack(ago: float = 300) -> list[str]:
    """Return the lines of a swarm that began so many seconds ago, and of a quiet site before it."""
    begin = time.time() - ago
    targets = (f"/wiki?action=history&id=Page{number}" for number in count())
    before = [entry(begin - second, "192.0.2.9", "/robots.txt") for second in range(int(WARM) + 300, 0, -30)]
    return [line.decode().rstrip() for _, line in [*before, *swarm(random.Random(1), 60, begin, targets, seconds=200)]]


def test_a_swarm_is_in_status_in_the_log_and_its_members_are_banned(
    place: Served, capfd: pytest.CaptureFixture[str]
) -> None:
    place.configure(f'path = "{place.log}"', JAIL)
    place.append(*attack())

    async def scene() -> None:
        async with serving(place):
            await until(lambda: bool(place.daemon.swarms.problems))
            status = await place.ask("status")
            (one,) = status["swarms"]
            assert (one["jail"], one["level"], one["what"]) == ("many", "shape", "/wiki?action=history&id=*")
            assert one["members"] > 150
            assert one["ended"] is None
            assert [text for text in status["warnings"] if text.startswith("swarm on the shape /wiki?action=history")]
            (jail,) = (await place.ask("jails"))["items"]
            assert (jail["kind"], jail["banned"]) == ("swarm", one["members"])
            await until(lambda: bool(place.daemon.swarms._told))  # noqa: SLF001  that it was logged

    asyncio.run(scene())

    said = capfd.readouterr().err
    assert said.count('"swarm"') + said.count(" swarm ") >= 1
    assert "2001:db8" not in said


@pytest.mark.parametrize(("action", "folder"), [("slow", "slow"), ("deny", "deny")])
def test_members_are_on_the_list_of_the_web_server(place: Served, action: str, folder: str) -> None:
    place.configure(f'path = "{place.log}"', JAIL.replace("'ban'", f"'{action}'"))
    place.append(*attack())

    async def scene() -> None:
        async with serving(place):
            await until(lambda: bool(place.daemon.swarms.problems))
            await place.daemon.settle()
            members = (await place.ask("status"))["swarms"][0]["members"]
            assert len(list((place.runtime / folder).iterdir())) >= members > 150
            assert (await place.accounts())["ordered"] == 0

    asyncio.run(scene())


def test_a_swarm_lasted_until_its_last_request_whenever_that_is_noticed(
    place: Served, capfd: pytest.CaptureFixture[str]
) -> None:
    place.configure(f'path = "{place.log}"', JAIL)
    place.append()

    async def scene() -> None:
        async with serving(place):
            place.append(*attack(7200), entry(time.time(), "192.0.2.9", "/")[1].decode().rstrip())
            await until(lambda: [one for one in place.daemon.swarms.state() if one["ended"]])
            (one,) = place.daemon.swarms.state()
            assert 190 < one["last"] - one["began"] < 210 < one["ended"] - one["began"]
            assert await asyncio.to_thread(run, ["status", "--runtime", str(place.runtime)]) == 1
            await until(lambda: any(place.daemon.swarms._told.values()))  # noqa: SLF001  that its end was logged

    asyncio.run(scene())

    said = capfd.readouterr()
    assert re.search(r"swarm on the shape /wiki.* clients at .*, over after 3 min$", said.out, re.MULTILINE)
    (told,) = [json.loads(text) for text in said.err.splitlines() if "swarm over" in text]
    assert 190 < told["seconds"] < 210


def test_what_is_usual_is_kept_for_the_next_start(place: Served) -> None:
    place.configure(f'path = "{place.log}"', JAIL)
    place.append(
        *(entry(time.time() - second, "192.0.2.9", "/p")[1].decode().rstrip() for second in range(900, 0, -30))
    )
    place.state.mkdir(mode=0o700)
    known = Baseline(86_400.0, {"0123456789abcdef": (5.0, 9.0)})
    (place.state / FILE).write_bytes(msgspec.json.encode({"many": known, "gone": Baseline(-1.0, {})}))

    async def scene() -> None:
        async with serving(place):
            await until(lambda: place.daemon.engine.sources["web"].lines == 30)

    asyncio.run(scene())

    file = place.state / FILE
    kept = msgspec.json.decode(file.read_bytes(), type=dict[str, Baseline])
    assert file.stat().st_mode & 0o777 == 0o600
    assert b"192.0.2" not in file.read_bytes()
    assert kept.keys() == {"many"}
    assert kept["many"].seconds >= 86_400
    assert kept["many"].sums["0123456789abcdef"][1] > 8.9
