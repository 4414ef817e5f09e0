"""The daemon tells the administrator: of alarms, of bans stopped short, of a canary that failed."""

from __future__ import annotations

import asyncio
import random
import time
from itertools import count
from typing import TYPE_CHECKING

import pytest

from privet.adapters.canary import Held, Result, keep_result
from privet.config.errors import ConfigErrors
from privet.config.loader import parse
from privet.core.addresses.address import Subject
from privet.core.swarms.swarm import WARM
from privet.core.verdicts import Action, Verdict
from privet.core.watch.news import SETTLE
from privet.core.watch.vigil import Alarm
from tests.unit.core.traffic import entry, swarm
from tests.unit.daemon.serving import Served, looked, serving, until
from tests.unit.processes import line

if TYPE_CHECKING:
    from pathlib import Path

JAIL = '[jail.net]\nsource = "web"\nkey = "prefix"\nmaxretry = 10000\n'
DEAR = JAIL + "[networks]\nmost_innocent = 3\n"


def teller(folder: Path, code: int = 0) -> tuple[str, Path]:
    """Return the table for a program that keeps what it is told, and where."""
    kept, told = folder / "kept", folder / "told"
    told.write_text(f"#!/bin/sh\ncat >> {kept}\nexit {code}\n")
    told.chmod(0o755)
    return f'[notify]\ncommand = ["{told}"]\nevery = "1m"\n', kept


async def news(place: Served, after: float = SETTLE + 1) -> None:
    """Let so much time pass, and have what there is told."""
    daemon, now = place.daemon, time.time()
    daemon.clock.now = lambda: now + after  # type: ignore[method-assign]
    await looked(daemon.herald.look())


def test_a_network_whose_ban_would_be_too_dear_is_told(place: Served, tmp_path: Path) -> None:
    notify, kept = teller(tmp_path)
    place.configure(f'path = "{place.log}"', DEAR + notify)
    place.append(*(line(f"192.0.2.{number}") for number in range(1, 9)))

    async def scene() -> None:
        async with serving(place):
            daemon, now = place.daemon, time.time()
            await until(lambda: daemon.engine.sources["web"].lines == 8)
            daemon.act([Verdict(Action.BAN, Subject.parse("192.0.2.0/24"), "net", now, now + 60, 8)], now)
            await news(place)
            status = await place.ask("status")
            assert status["notify"] == {"sent": 1, "failed": 0, "waiting": 0, "problem": None}

    asyncio.run(scene())

    text = kept.read_text()
    assert "jail net: a network was not banned: it would close out too many clients" in text
    assert text.startswith("privet on ")
    assert "192.0.2" not in text


def test_a_canary_that_failed_is_told_until_one_lives(place: Served, tmp_path: Path) -> None:
    notify, kept = teller(tmp_path)
    place.configure(f'path = "{place.log}"', JAIL + notify)
    place.append()

    async def scene() -> None:
        async with serving(place):
            held = [Held(path="/var/log/access.log", spelling="text")]
            keep_result(place.runtime, Result(time=time.time(), answered=200, seen=True, held=held, files=9))
            place.daemon.herald.look_at_canary()
            await news(place)
            assert [text for text in (await place.ask("status"))["warnings"] if "LEAK" in text]
            keep_result(place.runtime, Result(time=time.time(), answered=200, seen=True, files=9))
            place.daemon.herald.look_at_canary()
            await news(place, 200)
            assert not [text for text in (await place.ask("status"))["warnings"] if "LEAK" in text]

    asyncio.run(scene())

    said = [text for text in kept.read_text().splitlines() if "canary" in text]
    assert said[0].startswith("the last canary failed: the detector saw it; LEAK: 1 file holds it in 9 files")
    assert said[1:] == ["over: the last canary failed"]


def test_a_program_that_fails_is_a_warning_and_is_tried_again(place: Served, tmp_path: Path) -> None:
    notify, kept = teller(tmp_path, code=7)
    place.configure(f'path = "{place.log}"', JAIL + notify)
    place.append()

    async def scene() -> None:
        async with serving(place):
            place.daemon.herald.tell("something went wrong")
            await news(place)
            status = await place.ask("status")
            assert status["notify"] == {"sent": 0, "failed": 1, "waiting": 1, "problem": "exited with 7"}
            assert "notify: the program that tells you of alarms exited with 7" in status["warnings"]
            (tmp_path / "told").write_text(f"#!/bin/sh\ncat >> {kept}\n")
            await news(place, 200)
            status = await place.ask("status")
            assert (status["notify"]["sent"], status["notify"]["problem"]) == (1, None)

    asyncio.run(scene())

    assert kept.read_text().count("something went wrong") == 2


def test_alarms_and_swarms_are_told_when_they_begin_and_when_they_are_over(place: Served, tmp_path: Path) -> None:
    notify, kept = teller(tmp_path)
    place.configure(f'path = "{place.log}"', JAIL + notify + '[jail.many]\nsource = "web"\nkind = "swarm"\n')
    begin = time.time() - 300
    attack = swarm(random.Random(1), 60, begin, (f"/wiki?action=history&id=Page{n}" for n in count()), seconds=200)
    before = [entry(begin - second, "192.0.2.9", "/robots.txt") for second in range(int(WARM) + 300, 0, -30)]
    place.append(*(data.decode().rstrip() for _, data in [*before, *attack]))

    async def scene() -> None:
        async with serving(place):
            daemon = place.daemon
            await until(lambda: bool(daemon.swarms.problems))
            daemon.swarms.look()
            alarm = Alarm("dead", "web", "net", "matches nothing any more", time.time())
            for alarms in ([alarm], []):
                daemon.vigilance.vigil.alarms = alarms
                daemon.vigilance._tell()  # noqa: SLF001  what a look ends with
            await news(place)

    asyncio.run(scene())

    said = kept.read_text()
    assert "swarm on the shape /wiki?action=history&id=* (jail many): " in said
    assert "\njail net: matches nothing any more\nover: jail net: matches nothing any more\n" in said
    assert "192.0.2" not in said
    assert "2001:db8" not in said


def test_without_a_program_nothing_is_collected(place: Served) -> None:
    place.append()

    async def scene() -> None:
        async with serving(place):
            place.daemon.herald.tell("something went wrong")
            await news(place)
            assert (await place.ask("status"))["notify"] is None

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('command = ["mail", "root"]', "expected the full path"),
        ('command = "/usr/bin/true"\nevery = "5s"', "must be 60 seconds or more"),
        ("shell = true", "unknown setting"),
    ],
)
def test_mistakes_are_named(text: str, said: str) -> None:
    with pytest.raises(ConfigErrors, match=said):
        parse(f"[notify]\n{text}\n", "p.toml")
