"""Epochs turn by the clock; who is banned, or was lately, is known in the next one, and nobody else is."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from privet.adapters.store.ring import EPOCH
from privet.config.loader import parse
from privet.core.addresses.address import Subject
from privet.core.verdicts import Action, Verdict
from privet.daemon.epochs import length_for
from tests.unit.daemon.serving import serving

if TYPE_CHECKING:
    import pytest

    from tests.unit.daemon.serving import Served

DAY = 86_400.0
SOURCE = '[source.web]\npath = "/nowhere"\n'
GROWING = '[jail.a]\nsource = "web"\nincrement = true\n'
AGAIN = '[jail.b]\nbans_of = "a"\nfindtime = "{}"\n'
ONE = Subject.parse("192.0.2.1")


def test_no_epoch_is_shorter_than_what_a_jail_remembers() -> None:
    def length(text: str) -> float:
        return length_for(parse(SOURCE + text, "p.toml").jails)

    assert length('[jail.a]\nsource = "web"\n') == EPOCH
    assert length(GROWING + AGAIN.format("1d")) == EPOCH
    assert length(GROWING + 'forget = "90d"\n') == 90 * DAY
    assert length(GROWING + AGAIN.format("365d")) == 365 * DAY
    assert length('[jail.a]\nsource = "web"\nfindtime = "60d"\n') == EPOCH, "failures are no bans"


def test_over_a_year_of_days(place: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody is banned for half a year, somebody else for an hour: the one is never forgotten before his end."""
    place.configure(f'path = "{place.log}"', GROWING)
    other = Subject.parse("198.51.100.7")

    async def run() -> None:
        async with serving(place):
            daemon, begin = place.daemon, time.time()
            for who, lasts in ((ONE, 180 * DAY), (other, 3600.0)):
                daemon.order(Verdict(Action.BAN, who, "a", begin, begin + lasts, 1), begin, {})
                daemon.engine.memory.recall(who, "a", 3, begin + lasts)
            await daemon.settle()
            seen = {daemon.epochs.secrets[0]}
            known: dict[Subject, list[int]] = {ONE: [], other: []}
            for day in range(180):
                monkeypatch.setattr(daemon.clock, "now", lambda day=day: begin + day * DAY)
                daemon.kernel.ledger.expire(daemon.clock.now())
                await daemon.epochs.look()
                seen.add(daemon.epochs.secrets[0])
                for who, days in known.items():
                    if daemon.engine.memory.history(who) == {"a": 3}:
                        days.append(day)
            monkeypatch.undo()
            assert len(seen) == 6
            assert known[ONE] == list(range(180))
            assert known[other][-1] >= 30

    asyncio.run(run())


def test_a_restart_goes_on_in_the_same_epoch(place: Served) -> None:
    place.configure(f'path = "{place.log}"', GROWING)

    async def run() -> tuple[bytes, ...]:
        async with serving(place):
            return place.daemon.epochs.secrets

    assert asyncio.run(run()) == asyncio.run(run())
