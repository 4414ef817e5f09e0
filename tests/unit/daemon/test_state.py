"""What the daemon says of itself."""

from __future__ import annotations

import asyncio
import json
import os
import time
from typing import TYPE_CHECKING

import pytest

from privet.adapters.firewall.null import NullFirewall
from privet.core.addresses.address import Subject
from privet.core.bans.model import Order
from privet.core.source import BLIND_AFTER
from privet.core.wire import Hello, Lines
from privet.daemon import feeds
from privet.daemon.feeds import MOST_PEERS
from tests.unit.daemon.serving import Served, serving, until
from tests.unit.processes import JAIL, connected, hand_over, line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

V4, V6 = "203.0.113.77", "2001:db8:a:b::7"
NO_FIREWALL = "no firewall: bans are noted, nothing is closed"


def play(place: Served, scene: Callable[[Served], Awaitable[None]], firewall: NullFirewall | None = None) -> None:
    """Run a scene with a daemon."""

    async def run() -> None:
        async with serving(place, firewall):
            await scene(place)

    asyncio.run(run())


@pytest.fixture
def taken(place: Served) -> Served:
    """Return a daemon that takes its lines from a pipe."""
    place.configure("pipe = true")
    return place


async def take(place: Served, *lines: str) -> None:
    """Wait until a file source has taken some more lines."""
    before = place.daemon.engine.sources["web"].lines
    place.append(*lines)
    await until(lambda: place.daemon.engine.sources["web"].lines == before + len(lines))


def test_a_daemon_that_has_seen_nothing_says_so(place: Served) -> None:
    place.append()

    async def scene(place: Served) -> None:
        status = await place.ask("status")
        source = status["items"][0]
        assert status["pid"] == os.getpid()
        assert status["config"] == str(place.config)
        assert status["since"] == pytest.approx(time.time(), abs=60)
        assert status["warnings"] == [NO_FIREWALL]
        assert source == source | {
            "source": "web",
            "kind": "files",
            "format": "auto (not yet recognised)",
            "addresses_at_rest": False,
            "lines": 0,
            "unparsed": {},
            "windows_filling_until": None,
            "files": [str(place.log)],
            "pipes": [],
        }
        (jail,) = (await place.ask("jails"))["items"]
        assert (jail["failures"], jail["last_failure"], jail["verdicts"], jail["banned"]) == (0, None, 0, 0)

    play(place, scene)


def test_lines_are_counted_and_the_sum_balances(place: Served) -> None:
    async def scene(place: Served) -> None:
        await take(place, *[line(V4)] * 3, line(V6), "", f"garbage from {V4}", line("-"))
        source = await place.source()
        assert source == source | {"lines": 7, "parsed": 4, "ignored": 1, "format": "auto (combined)"}
        assert source["unparsed"] == {"not in the format": 1, "no client address": 1}
        assert source["samples"]["not in the format"] == ["garbage from 0.0.0.0"]
        assert source["addresses_at_rest"]

        (jail,) = (await place.ask("jails"))["items"]
        assert jail == jail | {"jail": "leech", "sources": ["web"], "failures": 4, "verdicts": 1, "banned": 1}
        assert jail["last_failure"] == pytest.approx(time.time(), abs=60)

    play(place, scene)


def test_a_blind_source_is_said_loudly_until_it_sees_again(place: Served, capfd: pytest.CaptureFixture[str]) -> None:
    blind = f"source web: no line carries a client address (the last {BLIND_AFTER} lines); no jail on it can ever match"

    async def scene(place: Served) -> None:
        await take(place, line(V4), *[line("-")] * (BLIND_AFTER - 1))
        assert (await place.ask("status"))["warnings"] == [NO_FIREWALL]
        await take(place, line("-"))
        assert (await place.ask("status"))["warnings"] == [NO_FIREWALL, blind]
        await until(lambda: blind in capfd.readouterr().err)

        await take(place, line(V4))
        assert (await place.ask("status"))["warnings"] == [NO_FIREWALL]
        await until(lambda: "source recovered" in capfd.readouterr().err)

    play(place, scene)


def test_a_log_of_pseudonyms_is_said(place: Served) -> None:
    async def scene(place: Served) -> None:
        await take(place, *[line("100::1:2:3:4")] * 5)
        status = await place.ask("status")
        assert "source web: every client is a pseudonym; no jail on it can ever ban" in status["warnings"]
        assert not status["items"][0]["addresses_at_rest"]
        accounts = await place.accounts()
        assert (accounts["ordered"], accounts["refused"], accounts["in_kernel"]) == (1, 1, 0)

    play(place, scene)


def test_a_file_that_cannot_be_read_is_said(place: Served) -> None:
    place.log.mkdir()

    async def scene(place: Served) -> None:
        assert f"source web: {place.log}: not a regular file" in (await place.ask("status"))["warnings"]

    play(place, scene)


NOTHING, SOME = {"dropped": 0, "unwritten": 0}, {"dropped": 7, "unwritten": 4}


def test_pipes_are_listed_with_what_they_say(taken: Served) -> None:
    async def scene(place: Served) -> None:
        with connected(place.runtime) as one, connected(place.runtime) as two:
            hand_over(one, Hello("web", 77, "drop", ("its log is full",)), Lines(f"{line(V4)}\n".encode(), 9, 5, 3))
            hand_over(two, Hello("web", 78, "pseudonym", unheard=7, unwritten=4))
            await until(lambda: len(place.daemon.intakes.peers) == 2)
            await until(lambda: all(peer.hello for peer in place.daemon.intakes.peers.values()))
            await until(lambda: place.daemon.engine.sources["web"].lines)
            status = await place.ask("status")
            source = status["items"][0]
            assert source["pipes"] == [
                {"pid": 77, "mask": "drop", "taken": 9, "dropped": 5, "unwritten": 3, "killed": NOTHING},
                {"pid": 78, "mask": "pseudonym", "taken": 0, "dropped": 0, "unwritten": 0, "killed": SOME},
            ]
            assert (source["kind"], source["lines"], source["addresses_at_rest"]) == ("pipe", 1, False)
            assert status["warnings"] == [NO_FIREWALL, "source web: its log is full"]
        await until(lambda: not place.daemon.intakes.peers)
        assert (await place.source())["pipes"] == []

    play(taken, scene)


def test_lines_that_belong_nowhere_are_said(taken: Served) -> None:
    async def scene(place: Served) -> None:
        with connected(place.runtime) as one, connected(place.runtime) as two:
            hand_over(one, Hello("wbe", 77, "drop"), Lines(b"one\ntwo\n", 2, 0, 0))
            hand_over(two, Lines(b"one\ntwo\nthree\n", 3, 0, 0))
            await until(lambda: place.daemon.unknown_lines == 2 and place.daemon.intakes.nameless == 3)
        assert (await place.ask("status"))["warnings"] == [
            NO_FIREWALL,
            "2 lines came from pipes whose source is not in the configuration",
            "3 lines came from pipes that did not say whose they are",
        ]
        assert (await place.source())["lines"] == 0

    play(taken, scene)


def test_pipes_that_could_not_be_accepted_are_said(taken: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "MOST_PEERS", 0)

    async def scene(place: Served) -> None:
        with connected(place.runtime):
            await until(lambda: place.daemon.intakes.surplus == 1)
        place.daemon.intakes.starved = 2
        assert (await place.ask("status"))["warnings"] == [
            NO_FIREWALL,
            f"1 connection to the intake closed, of more than {MOST_PEERS}",
            "the daemon had too many files open to accept a pipe, 2 times",
        ]

    play(taken, scene)


def test_the_windows_of_a_pipe_fill_for_the_longest_findtime(taken: Served) -> None:
    taken.configure("pipe = true", JAIL + '[jail.slow]\nsource = "web"\nfindtime = "1h"\n')

    async def scene(place: Served) -> None:
        since = place.daemon.since
        assert (await place.source())["windows_filling_until"] == since + 3600
        place.daemon.since -= 3601
        assert (await place.source())["windows_filling_until"] is None

    play(taken, scene)


def test_a_ban_that_the_firewall_held_already_is_listed_as_adopted(place: Served) -> None:
    firewall = NullFirewall(time.time)
    firewall.apply([Order(Subject.parse(V4), 600), Order(Subject.parse(V6), float("inf"))])

    async def scene(place: Served) -> None:
        items = {item["subject"]: item for item in (await place.ask("bans", reveal=True))["items"]}
        assert {item["origin"] for item in items.values()} == {"adopted"}
        assert items[V4]["until"] == pytest.approx(time.time() + 600, abs=60)
        assert items["2001:db8:a:b::/64"]["until"] is None
        accounts = await place.accounts()
        assert (accounts["ordered"], accounts["in_kernel"]) == (2, 2)

    play(place, scene, firewall)


def test_the_latest_ban_is_the_first(place: Served) -> None:
    async def scene(place: Served) -> None:
        for number in range(3):
            await place.ask("ban", subjects=[f"203.0.113.{number}"], seconds=60)
        items = (await place.ask("bans", reveal=True))["items"]
        assert [item["subject"] for item in items] == ["203.0.113.2", "203.0.113.1", "203.0.113.0"]

    play(place, scene)


def test_limits_reached_by_the_spared_are_counted(place: Served) -> None:
    place.configure(f'path = "{place.log}"', JAIL + f'ignoreip = ["{V4}"]\n')

    async def scene(place: Served) -> None:
        await take(place, *[line(V4)] * 3)
        (jail,) = (await place.ask("jails"))["items"]
        assert (jail["spared"], jail["verdicts"], jail["banned"]) == (1, 0, 0)

    play(place, scene)


def test_a_dry_run_bans_nobody(place: Served, capfd: pytest.CaptureFixture[str]) -> None:
    place.configure(f'path = "{place.log}"', JAIL + "dry_run = true\n")

    async def scene(place: Served) -> None:
        await take(place, *[line(V4)] * 3)
        (jail,) = (await place.ask("jails"))["items"]
        assert (jail["verdicts"], jail["banned"], jail["dry_run"]) == (1, 0, True)
        assert (await place.accounts())["ordered"] == 0

    play(place, scene)
    assert '"event": "report"' in capfd.readouterr().err


def test_every_answer_is_plain_json(place: Served) -> None:
    firewall = NullFirewall(time.time)
    firewall.apply([Order(Subject.parse(V4), float("inf"))])

    async def scene(place: Served) -> None:
        for verb in ("status", "jails", "bans"):
            answer = json.dumps(await place.ask(verb), allow_nan=False)
            assert answer

    play(place, scene, firewall)
