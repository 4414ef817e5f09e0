"""Whatever the daemon does may fail with a text that quotes a client: the log tells the kind and the place only."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from operator import attrgetter
from typing import TYPE_CHECKING

import pytest

from tests.unit.daemon.serving import serving, until
from tests.unit.processes import line

if TYPE_CHECKING:
    from tests.unit.daemon.serving import Served

V4, V6 = "203.0.113.77", "2001:db8:a:b::7"


class OddError(Exception):
    """Quotes a client in every way."""

    def __str__(self) -> str:
        return V4


def fails(*_arguments: object, **_options: object) -> None:
    error = OddError(V4, bytes([203, 0, 113, 77]))
    error.add_note(V6)
    raise error


HANDLERS = [
    "clock.look",
    "files.poll",
    "engine.feed",
    "sight.see",
    "sight.waiting.see",
    "told.look",
    "keeper.look",
    "keeper.wake",
    "lists.look",
    "protection.look",
    "kernel.look",
    "kernel.ledger.orders",
    "kernel.firewall.repair",
    "kernel.firewall.apply",
    "keeper.stores.bans.put",
    "keeper.stores.bans.expire",
    "keeper.stores.notes.expire",
    "name",
]


@pytest.mark.parametrize("handler", HANDLERS)
def test_a_daemon_in_which_anything_raises_prints_no_address(
    place: Served, handler: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    said = ""

    def heard() -> bool:
        nonlocal said
        said += capfd.readouterr().err
        return "OddError" in said

    async def run() -> None:
        async with serving(place):
            owner, _, name = handler.rpartition(".")
            with monkeypatch.context() as broken:
                broken.setattr(attrgetter(owner)(place.daemon) if owner else place.daemon, name, fails)
                if handler == "sight.see":  # the engine has it already
                    broken.setattr(place.daemon.engine, "_observers", (fails,))
                place.append(*[line(V4)] * 3)
                with suppress(TimeoutError, json.JSONDecodeError):
                    await asyncio.wait_for(place.ask("ban", subjects=[V6], seconds=60), 2)
                await until(heard)

    asyncio.run(run())
    said += capfd.readouterr().err
    assert V4 not in said
    assert V6 not in said
    assert "Traceback" not in said
