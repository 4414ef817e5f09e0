"""Filters in a running daemon: plain logs, names that are looked up, and expressions that take too long."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from privet.core.addresses.address import client_key
from privet.daemon import lookups, rounds
from tests.unit.daemon.serving import serving, until
from tests.unit.processes import line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.unit.daemon.serving import Served

GATE = """
[jail.gate]
source = "web"
filter = { failregex = 'gate: <HOST> refused$'%s }
maxretry = 2
bantime = "1h"
"""


def play(place: Served, jails: str, scene: Callable[[], Awaitable[None]]) -> None:
    """Run a scene with a daemon that follows a plain log."""
    place.configure(f'path = "{place.log}"\nformat = "plain"', jails)
    place.log.touch()

    async def run() -> None:
        async with serving(place):
            await scene()

    asyncio.run(run())


def gate(client: str, seconds_ago: float = 0.0) -> str:
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time.time() - seconds_ago))
    return f"{stamp} gate: {client} refused"


async def banned(place: Served, count: int = 1) -> list[Any]:
    await until(lambda: sum(1 for _ in place.daemon.bans()) == count)
    found: list[Any] = (await place.ask("bans", reveal=True))["items"]
    return found


def test_a_plain_log_bans_and_is_told_as_what_it_is(place: Served) -> None:
    async def scene() -> None:
        place.append("noise", gate("192.0.2.1"), gate("192.0.2.1"), gate("nobody.example"))
        (ban,) = await banned(place)
        assert (ban["subject"], ban["jail"], ban["failures"]) == ("192.0.2.1", "gate", 2)
        source = await place.source()
        assert (source["format"], source["lines"], source["parsed"], source["ignored"]) == ("plain", 4, 2, 2)
        assert source["nobody"] == {"a host name": 1}
        (jail,) = (await place.ask("jails"))["items"]
        assert (jail["filter"], jail["failures"], jail["banned"]) == ("gate", 2, 1)

    play(place, GATE % "", scene)


def test_a_clock_of_its_own_does_not_save_anybody_but_the_past_stays_the_past(place: Served) -> None:
    place.log.write_text(f"{gate('192.0.2.7', 9000)}\n" * 2)

    async def scene() -> None:
        place.append(gate("192.0.2.1", 7200), gate("192.0.2.1", 7200))
        (ban,) = await banned(place)
        assert ban["subject"] == "192.0.2.1"
        assert abs(ban["since"] - time.time()) < 30
        assert (await place.source())["late"] == 2

    play(place, GATE % "", scene)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Answer for the name servers; return the names that were asked for."""
    asked: list[str] = []

    def answer(name: str) -> list[bytes]:
        asked.append(name)
        keys = [client_key(address) for address in (b"192.0.2.1", b"2001:db8::1")]
        return [key for key in keys if key] if name == "evil.example" else []

    monkeypatch.setattr(lookups, "addresses_of", answer)
    return asked


def test_names_are_looked_up_if_the_filter_says_so(place: Served, names: list[str]) -> None:
    async def scene() -> None:
        place.append(gate("evil.example"), gate("Evil.Example"), gate("nobody.example"))
        found = await banned(place, 2)
        assert {ban["subject"] for ban in found} == {"192.0.2.1", "2001:db8::/64"}
        assert sorted(names) == ["evil.example", "nobody.example"]

    play(place, GATE % ', usedns = "yes"', scene)


@pytest.mark.parametrize("usedns", ["no", "warn", "raw"])
def test_else_nobody_is_asked(place: Served, names: list[str], usedns: str) -> None:
    async def scene() -> None:
        place.append(*[gate("evil.example")] * 3, gate("192.0.2.1"), gate("192.0.2.1"))
        await banned(place)
        assert names == []

    play(place, GATE % f', usedns = "{usedns}"', scene)


def test_more_names_than_can_be_asked_for_are_counted(
    place: Served, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookups, "MOST", 3)

    async def scene() -> None:
        place.append(*[gate(f"host{number}.example") for number in range(10)])
        await until(lambda: place.daemon.lookups.unasked == 7 and len(names) == 3)
        assert any("7 failures of names" in warning for warning in (await place.ask("status"))["warnings"])

    play(place, GATE % ', usedns = "yes"', scene)


SLOW = """
[jail.slow]
source = "web"
filter = { failregex = ['^ slow: (a+)+ <HOST>$', ' gate: <HOST> refused$'] }
maxretry = 2
"""


def test_an_expression_that_takes_too_long_is_named_and_the_others_go_on(place: Served) -> None:
    async def scene() -> None:
        began = time.process_time()
        place.append(gate("x").replace("gate: x refused", f"slow: {'a' * 60}!"), gate("192.0.2.1"), gate("192.0.2.1"))
        (ban,) = await banned(place)
        assert ban["jail"] == "slow"
        assert time.process_time() - began < 5
        (warning,) = (await place.ask("status"))["warnings"][-1:]
        assert "slow" in warning
        assert "failregex 1" in warning

    play(place, SLOW, scene)


def test_an_expression_that_a_line_made_too_slow_is_told_of_at_once_and_once(
    place: Served, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(rounds, "MINUTE", 1)
    monkeypatch.setattr(rounds, "TICK", 0.05)
    jails = GATE.replace("gate: <HOST> refused$", r"gate: (\w+)*! <HOST> refused$") % ""

    async def scene() -> None:
        place.append(gate("192.0.2.1").replace("gate: ", f"gate: {'a' * 60} "))
        await until(lambda: any(place.daemon.engine.sources["web"].filters.slow))  # type: ignore[union-attr]
        await asyncio.sleep(0.3)
        (source,) = (await place.ask("status"))["items"]
        assert any("is too slow to use" in warning for warning in source["warnings"])

    play(place, jails, scene)
    assert capfd.readouterr().err.count("failregex 1 is too slow to use") == 1


def test_a_request_that_keeps_an_expression_of_a_jail_busy_holds_up_nothing(place: Served) -> None:
    jails = """
[jail.odd]
source = "web"
query = { regex = '^(\\w+=?)+$' }
[jail.plain]
source = "web"
path = "/bad"
maxretry = 1
bantime = "1h"
"""
    place.configure(f'path = "{place.log}"', jails)
    place.log.touch()

    async def run() -> None:
        async with serving(place):
            place.append(line("192.0.2.1", f"/?{'a' * 60}!"), line("192.0.2.2", "/bad"))
            (ban,) = await banned(place)
            assert (ban["subject"], ban["jail"]) == ("192.0.2.2", "plain")
            warnings = (await place.ask("status"))["warnings"]
            assert any("too slow to use" in warning and "query" in warning for warning in warnings)

    asyncio.run(run())
