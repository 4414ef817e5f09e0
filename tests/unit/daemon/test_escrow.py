"""The escrow of a daemon: an hour's clients are sealed, a full disk is loud, and nothing is ever in clear."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

import pyrage
import pytest

from privet.adapters.escrow import batches_in, opened
from privet.core.masking.escrow import read_text
from privet.daemon import escrow
from tests.privacy.search import leaks
from tests.unit.daemon.serving import Served, serving, until
from tests.unit.processes import JAIL, line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from privet.core.masking.escrow import Batch

V4, V6, LATER = "203.0.113.77", "2001:db8:a:b::7", "198.51.100.77"
KEY = pyrage.x25519.Identity.generate()
SOURCE = 'pipe = true\nformat = "vhost_combined"'
SEALED = f'[escrow]\nrecipient = "{KEY.to_public()}"\n'


@pytest.fixture
def place(place: Served) -> Served:
    place.configure(SOURCE, JAIL + SEALED)
    return place


def play(place: Served, scene: Callable[[], Awaitable[None]]) -> None:
    """Play a scene with a daemon that runs."""

    async def run() -> None:
        async with serving(place):
            await scene()

    asyncio.run(run())


def take(place: Served, *clients: str, host: str = "www.example.org") -> None:
    block = "".join(f"{host}:80 {line(client)}\n" for client in clients)
    place.daemon.take("web", block.encode())


def sealed(place: Served) -> list[Batch]:
    return [read_text(opened(path, [KEY])) for path in batches_in(place.state / "escrow")]


def hours_later(monkeypatch: pytest.MonkeyPatch, place: Served, hours: int) -> None:
    """Have the next look find that so much time has gone by."""
    clock = place.daemon.clock
    monkeypatch.setattr(clock, "now", lambda now=clock.now: now() + 3600.0 * hours)


def test_the_end_of_a_daemon_seals_what_the_hour_has_brought(place: Served, capfd: pytest.CaptureFixture[str]) -> None:
    names: dict[str, str] = {}

    async def scene() -> None:
        take(place, V4, V6, V4)
        for site, client in itertools.product(("www.example.org", "web"), (V4, V6)):
            mask = place.daemon.mask_of(site)
            names[mask.scrub(client.encode()).decode()] = client if client == V4 else "2001:db8:a:b::/64"
        assert (await place.ask("status"))["escrow"] == {"waiting": 4, "sealed": 0, "left_out": 0, "problem": None}

    play(place, scene)
    (batch,) = sealed(place)

    assert batch.pairs == names
    assert leaks([place.config.parent, place.runtime], [V4, V6]) == []
    assert V4 not in capfd.readouterr().err


def test_every_hour_is_sealed_whether_anybody_came_or_not(place: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        take(place, V4)
        for hour in (1, 2):
            hours_later(monkeypatch, place, 1)
            await until(lambda: place.daemon.escrow.sealed == hour)  # noqa: B023  it is asked at once

    play(place, scene)

    assert [len(batch.pairs) for batch in sealed(place)] in ([2, 0, 0], [0, 2, 0], [0, 0, 2])  # names are random


def test_batches_are_kept_for_so_long(place: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        take(place, V4)
        hours_later(monkeypatch, place, 1)
        await until(lambda: place.daemon.escrow.sealed == 1)
        hours_later(monkeypatch, place, 7 * 24)
        await until(lambda: place.daemon.escrow.sealed == 2)

    play(place, scene)

    assert [batch.pairs for batch in sealed(place)] == [{}, {}]  # of that hour, and of the end


def test_at_midnight_clients_are_named_by_both_days(place: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        take(place, V4)
        hours_later(monkeypatch, place, 24)
        take(place, LATER)
        monkeypatch.setattr(escrow, "MIDNIGHT", -1.0)
        hours_later(monkeypatch, place, 24)
        take(place, V6)

    play(place, scene)
    addresses = sorted(address for batch in sealed(place) for address in batch.pairs.values())

    assert addresses == [LATER] * 4 + ["2001:db8:a:b::/64"] * 2 + [V4] * 2  # by host and by source


def test_what_cannot_be_written_is_loud_and_waits_in_memory(
    place: Served, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(escrow, "AGAIN", 0.0)

    async def scene() -> None:
        in_the_way = place.state / "escrow"
        in_the_way.write_text("")
        take(place, V4)
        hours_later(monkeypatch, place, 1)
        await until(lambda: place.daemon.escrow.problem)
        (warning,) = [one for one in (await place.ask("status"))["warnings"] if one.startswith("escrow")]
        assert warning.startswith(f"escrow: nothing can be sealed, 2 pairs wait in memory: {in_the_way}: ")
        assert leaks([place.config.parent, place.runtime], [V4]) == []

        in_the_way.unlink()
        await until(lambda: place.daemon.escrow.sealed)
        assert place.daemon.escrow.problem is None

    play(place, scene)

    assert {V4} in [set(batch.pairs.values()) for batch in sealed(place)]
    said = capfd.readouterr().err
    assert said.index("nothing can be sealed") < said.index("the escrow works again")


def test_without_an_escrow_there_is_none(place: Served) -> None:
    place.configure(SOURCE)

    async def scene() -> None:
        take(place, V4)
        assert (await place.ask("status"))["escrow"] is None

    play(place, scene)

    assert not (place.state / "escrow").exists()


def test_an_escrow_that_is_configured_no_more_is_told_of_as_long_as_batches_are_there(place: Served) -> None:
    async def scene() -> None:
        take(place, V4)
        await place.daemon.escrow.close()
        place.configure(SOURCE)
        place.daemon.reload()
        (warning,) = [one for one in (await place.ask("status"))["warnings"] if one.startswith("escrow")]
        assert "holds batches of an escrow that is configured no more" in warning

    play(place, scene)


def test_a_daemon_that_does_not_share_its_keys_says_so(place: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        monkeypatch.setattr(type(place.daemon), "keys_complaint", "/run: is not on tmpfs")
        assert place.daemon.escrow.problem == "/run: is not on tmpfs"

    play(place, scene)


def test_too_many_are_counted_and_told(place: Served) -> None:
    async def scene() -> None:
        place.daemon.escrow._collected._most = 1  # noqa: SLF001  200,000 would take long
        take(place, V4)
        take(place, V6)
        problem = place.daemon.escrow.problem
        assert problem == "3 pairs were left out, since there were too many"

    play(place, scene)
