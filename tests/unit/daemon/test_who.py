"""`privet who`: root is told of today, and it is noted; nobody else is told anything."""

from __future__ import annotations

import asyncio
import json
import os
import struct
from typing import TYPE_CHECKING, Any

import pytest

from privet.daemon import control, who
from tests.privacy.search import leaks
from tests.unit.daemon.serving import Served, serving, until
from tests.unit.processes import line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

V4, V6 = "203.0.113.77", "2001:db8:a:b::7"
NOBODY = (
    "nobody who came today has this pseudonym: it is of another day, of a site that --site must name, or was never seen"
)


def play(place: Served, scene: Callable[[], Awaitable[None]]) -> None:
    """Play a scene with a daemon that has seen two clients."""

    async def run() -> None:
        async with serving(place):
            place.append(line(V4), line(V6))
            await until(lambda: len(place.daemon.seen.clients()) == 2)
            place.log.write_text("")  # it is a plain log, and would be found
            await scene()

    asyncio.run(run())


def name(place: Served, client: str, site: str = "web") -> str:
    return place.daemon.mask_of(site).scrub(client.encode()).decode()


def noted(place: Served) -> list[dict[str, Any]]:
    return [json.loads(text) for text in (place.state / "who.log").read_text().splitlines()]


@pytest.fixture(autouse=True)
def _root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let whoever runs the tests be root, who had logged in as 1000."""
    monkeypatch.setattr(control, "_PEER", Peer(0))
    monkeypatch.setattr(who, "_login", lambda _pid: 1000)


class Peer:
    """The credentials of a caller, with another user."""

    def __init__(self, user: int) -> None:
        self._real, self._user = struct.Struct("iII"), user
        self.size = self._real.size

    def unpack(self, data: bytes) -> tuple[int, int, int]:
        pid, _user, group = self._real.unpack(data)
        return pid, self._user, group


@pytest.mark.parametrize(("client", "address"), [(V4, V4), (V6, "2001:db8:a:b::/64")])
def test_root_is_told_and_it_is_noted_without_the_address(
    place: Served, client: str, address: str, capfd: pytest.CaptureFixture[str]
) -> None:
    async def scene() -> None:
        pseudonym = name(place, client)
        assert await place.ask("who", subject=pseudonym) == {
            "items": [{"pseudonym": pseudonym, "address": address}],
            "noted": str(place.state / "who.log"),
        }
        (entry,) = noted(place)
        assert abs(entry.pop("at") - place.daemon.clock.now()) < 60
        assert entry == {"uid": 0, "login": 1000, "pseudonym": pseudonym, "found": True}

    play(place, scene)
    said = capfd.readouterr().err

    assert '"event": "somebody asked who a pseudonym is"' in said
    assert client not in said
    assert leaks([place.state, place.runtime], [V4, V6]) == []


def test_a_site_of_its_own_must_be_named(place: Served) -> None:
    async def scene() -> None:
        pseudonym = name(place, V4, "www.example.org")
        assert await place.ask("who", subject=pseudonym) == {"error": NOBODY}
        answer = await place.ask("who", subject=pseudonym, site="www.example.org")
        assert answer["items"] == [{"pseudonym": pseudonym, "address": V4}]
        assert [entry["found"] for entry in noted(place)] == [False, True]

    play(place, scene)


def test_who_is_banned_is_known_by_the_name_that_privet_gives_him(place: Served) -> None:
    async def scene() -> None:
        await place.ask("ban", subjects=["198.51.100.7"])
        (ban,) = (await place.ask("bans"))["items"]
        assert (await place.ask("who", subject=ban["subject"]))["items"][0]["address"] == "198.51.100.7"

    play(place, scene)


def test_after_the_day_nobody_can_tell(place: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        pseudonym, clock = name(place, V4), place.daemon.clock
        monkeypatch.setattr(clock, "now", lambda now=clock.now: now() + 86_400.0)
        assert await place.ask("who", subject=pseudonym) == {"error": NOBODY}

    play(place, scene)


def test_nobody_but_root_is_told(place: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "_PEER", Peer(4711))
    monkeypatch.setattr(os, "geteuid", lambda: 4711)  # the daemon's own user, who may ask other things

    async def scene() -> None:
        answer = await place.ask("who", subject=name(place, V4))
        assert answer == {"error": "not allowed: only root may ask who somebody is"}
        assert not (place.state / "who.log").exists()

    play(place, scene)


@pytest.mark.parametrize("text", [V4, "100::/64", "100::/120", "x", "", "101::1"])
def test_what_is_no_pseudonym_is_refused(place: Served, text: str) -> None:
    async def scene() -> None:
        assert (await place.ask("who", subject=text))["error"].startswith("that is no pseudonym")

    play(place, scene)


def test_a_site_has_a_name_of_some_length(place: Served) -> None:
    async def scene() -> None:
        assert await place.ask("who", subject="100::1", site="x" * 256) == {"error": "no site has a name that long"}

    play(place, scene)


def test_what_cannot_be_noted_is_not_answered(place: Served) -> None:
    async def scene() -> None:
        (place.state / "who.log").mkdir()
        answer = await place.ask("who", subject=name(place, V4))
        assert answer["error"].endswith("what cannot be noted is not answered")
        assert V4 not in str(answer)

    play(place, scene)
