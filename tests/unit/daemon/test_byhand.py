"""Orders by hand: what they change, what they tell first, and what they leave alone."""

from __future__ import annotations

import asyncio
from math import inf
from typing import TYPE_CHECKING, Any

import pytest

from privet.adapters.firewall.null import NullFirewall
from privet.core.addresses.address import Subject
from privet.daemon import byhand, tables
from privet.ports import FirewallError
from tests.unit.daemon.serving import Served, serving, until
from tests.unit.processes import JAIL, line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

V4, OTHER, V6 = "203.0.113.77", "203.0.113.78", "2001:db8:a:b::7"
HOUR = 3600
TABLE = "198.51.100.0/24\t64500\n203.0.113.0/25\t64500\n192.0.2.0/24\t64501\n"


def play(place: Served, scene: Callable[[], Awaitable[None]], firewall: NullFirewall | None = None) -> None:
    """Run a scene with a daemon."""

    async def run() -> None:
        async with serving(place, firewall):
            await scene()

    asyncio.run(run())


def configure(place: Served, more: str, jails: str = JAIL) -> None:
    place.configure(f'path = "{place.log}"', jails + more)


@pytest.fixture
def table(place: Served, tmp_path: Path) -> Path:
    """Give the daemon a table of networks."""
    path = tmp_path / "networks"
    path.write_text(TABLE)
    configure(place, f'[networks]\ntable = "{path}"\n')
    return path


async def come(place: Served, *clients: str) -> None:
    """Let clients come once each."""
    lines = place.daemon.engine.sources["web"].lines
    place.append(*map(line, clients))
    await until(lambda: place.daemon.engine.sources["web"].lines == lines + len(clients))


async def banned(place: Served, **request: object) -> set[str]:
    return {item["subject"] for item in (await place.ask("bans", reveal=True, **request))["items"]}


def cost(**told: int) -> dict[str, Any]:
    return {"addresses": 0, "networks": 0, "clients": 0, "innocent": 0, "at_least": False} | told


def test_a_range_says_first_whom_it_hits_and_nothing_is_done_before_that_is_agreed(place: Served) -> None:
    async def scene() -> None:
        await come(place, V4, V4, V4, OTHER, "203.0.113.79", V6)
        await until(lambda: list(place.daemon.bans()))
        request: dict[str, Any] = {"subjects": ["203.0.113.0/24"], "reveal": True}

        asked = await place.ask("ban", **request)
        assert not asked["agreed"]
        (item,) = asked["items"]
        assert (item["result"], item["cost"]) == ("asked", cost(addresses=256, clients=3, innocent=2))
        (item,) = (await place.ask("ban", **request, dry_run=True))["items"]
        assert item["result"] == "would be banned"
        assert await banned(place) == {V4}

        (item,) = (await place.ask("ban", **request, agreed=True))["items"]
        assert (item["subject"], item["result"], item["was"]) == ("203.0.113.0/24", "banned", None)
        assert await banned(place) == {V4, "203.0.113.0/24"}

    play(place, scene)


def test_a_range_with_too_many_who_did_nothing_is_refused_whoever_orders_it(place: Served) -> None:
    neighbours = '[jail.net]\nbans_of = "leech"\nkey = "prefix"\nmaxretry = 1\n'
    configure(place, f"{neighbours}[networks]\nmost_innocent = 1\n")

    async def scene() -> None:
        await come(place, OTHER, "203.0.113.79")
        (item,) = (await place.ask("ban", subjects=["203.0.113.0/24"], agreed=True))["items"]
        assert (item["result"], item["cost"]["innocent"]) == ("refused", 2)
        assert "most_innocent" in item["reason"]
        await come(place, V4, V4, V4, "192.0.2.1", "192.0.2.1", "192.0.2.1")
        await until(lambda: sum(ban.confirmed for ban in place.daemon.bans()) == 3)
        assert await banned(place) == {V4, "192.0.2.1", "192.0.2.0/24"}
        accounts = await place.accounts()
        assert (accounts["refused"], accounts["in_kernel"]) == (2, 3)  # by hand, and by the jail

    play(place, scene)


def test_many_subjects_are_asked_about_too(place: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(byhand, "MANY", 2)

    async def scene() -> None:
        answer = await place.ask("ban", subjects=["192.0.2.1", "192.0.2.2", "192.0.2.3"])
        assert not answer["agreed"]
        assert await banned(place) == set()

    play(place, scene)


def test_a_ban_again_says_what_was_there_before_and_changes_the_end_only(place: Served) -> None:
    async def scene() -> None:
        first = (await place.ask("ban", subjects=[V4], seconds=HOUR))["items"][0]
        second = (await place.ask("ban", subjects=[V4], seconds="good"))["items"][0]
        assert second["was"] == {"until": first["until"]}
        assert second["until"] is None
        (ban,) = place.daemon.bans()
        assert (ban.until, ban.confirmed) == (inf, True)
        assert (await place.accounts())["superseded"] == 1

    play(place, scene)


def test_a_ban_for_a_jail_is_as_the_jail_bans(place: Served) -> None:
    configure(place, 'ports = [22]\nbantime = "2h"\n', JAIL.replace('bantime = "10m"\n', ""))

    async def scene() -> None:
        await place.ask("ban", subjects=[V4], jail="leech")
        (ban,) = place.daemon.bans()
        assert (ban.jail, ban.scope, ban.until - ban.since) == ("leech", "tcp:22", 2 * HOUR)

    play(place, scene)


def test_lists_bring_their_times_and_reasons_and_an_option_wins(place: Served) -> None:
    lists = ["add x 192.0.2.1 timeout 120\nadd x 192.0.2.2\n", "[{'sshd': ['192.0.2.3']}]"]

    async def scene() -> None:
        await place.ask("ban", lists=lists)
        found = {ban.subject.reveal(): (ban.until - ban.since, ban.why) for ban in place.daemon.bans()}
        assert found == {
            "192.0.2.1": (120, ""),
            "192.0.2.2": (HOUR, ""),
            "192.0.2.3": (HOUR, "banned by fail2ban (sshd)"),
        }
        await place.ask("ban", lists=lists, seconds=60, why="mine")
        assert {(ban.until - ban.since, ban.why) for ban in place.daemon.bans()} == {(60, "mine")}
        assert len((await place.ask("unban", lists=["192.0.2.1\n192.0.2.9\n"]))["items"]) == 1

    play(place, scene)


def test_one_entry_that_is_wrong_stops_all_of_a_request(place: Served) -> None:
    async def scene() -> None:
        assert "error" in await place.ask("ban", subjects=[V4, "AS64500"])
        assert "error" in await place.ask("ban", subjects=[V4], lists=["nobody"])
        assert "error" in await place.ask("unban", subjects=[V4, "nobody"])
        assert (await place.accounts())["ordered"] == 0

    play(place, scene)


def test_an_as_number_is_banned_shown_explained_and_lifted_as_one(place: Served, table: Path) -> None:
    assert table.exists()

    async def scene() -> None:
        await until(lambda: len(place.daemon.networks))
        await come(place, "198.51.100.1", "203.0.113.200")
        (item,) = (await place.ask("ban", subjects=["as64500"], agreed=True))["items"]
        assert (item["subject"], item["prefixes"], item["result"]) == ("AS64500", 2, "banned")
        assert item["cost"] == cost(addresses=384, clients=1, innocent=1)
        (shown,) = (await place.ask("bans"))["items"]
        assert (shown["subject"], shown["prefixes"], shown["in_force"]) == ("AS64500", 2, True)
        assert len((await place.ask("bans", each=True))["items"]) == 2

        why = await place.ask("why", subject="198.51.100.1")
        assert [(one["subject"], one["jail"]) for one in why["items"]] == [("AS64500", "by hand")]
        assert why["network"] == {"asn": 64500, "name": ""}
        assert (await place.ask("why", subject="AS64500"))["items"][0]["prefixes"] == 2

        still = (await place.ask("unban", subjects=["198.51.100.1"]))["items"]
        assert still == []
        (lifted,) = (await place.ask("unban", subjects=["AS64500"]))["items"]
        assert (lifted["subject"], lifted["prefixes"]) == ("AS64500", 2)
        assert list(place.daemon.bans()) == []

    play(place, scene)


def test_an_as_number_of_which_a_part_is_protected_is_banned_but_for_that(
    place: Served, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert table.exists()
    own = frozenset([Subject.parse("198.51.100.7")])
    monkeypatch.setattr("privet.adapters.machine.own_addresses", lambda: own)

    async def scene() -> None:
        await until(lambda: len(place.daemon.networks))
        (item,) = (await place.ask("ban", subjects=["AS64500"], agreed=True))["items"]
        assert (item["result"], item["reason"]) == (
            "banned",
            "1 of 2 prefixes stay open: this machine's own address",
        )
        assert [ban.subject.reveal() for ban in place.daemon.bans()] == ["203.0.113.0/25"]

    play(place, scene)


def test_when_the_table_changes_the_bans_of_as_numbers_follow(place: Served, table: Path) -> None:
    async def scene() -> None:
        await until(lambda: len(place.daemon.networks))
        await place.ask("ban", subjects=["AS64500", "AS64501"], agreed=True, why="a farm", seconds=HOUR)
        before = next(ban for ban in place.daemon.bans())
        table.with_name("new").write_text("198.51.100.0/24\t64500\n2001:db8::/32\t64500\n")
        table.with_name("new").replace(table)
        await tables.look(place.daemon)
        bans = {ban.subject.reveal(): ban for ban in place.daemon.bans()}
        assert bans.keys() == {"198.51.100.0/24", "2001:db8::/32", "192.0.2.0/24"}  # AS64501 is gone: its bans stay
        new = bans["2001:db8::/32"]
        assert (new.group, new.why, new.until, new.confirmed) == ("AS64500", "a farm", before.until, True)
        assert (await place.ask("unban", subjects=["AS64501"]))["items"][0]["prefixes"] == 1
        await place.accounts()

    play(place, scene)


def test_a_pseudonym_of_the_masked_log_means_who_came(place: Served) -> None:
    async def scene() -> None:
        await come(place, V4, V6)
        in_the_log = place.daemon.mask_of("web").name(Subject.parse(V4))
        in_answers = place.daemon.name(Subject.parse(V6))
        answer = await place.ask("ban", subjects=[in_the_log, in_answers], reveal=True)
        assert [item["subject"] for item in answer["items"]] == [V4, "2001:db8:a:b::/64"]
        assert len((await place.ask("why", subject=in_the_log))["items"]) == 1
        assert len((await place.ask("unban", subjects=[in_the_log]))["items"]) == 1

    play(place, scene)


def test_an_unban_can_be_undone_by_the_pseudonym(place: Served) -> None:
    async def scene() -> None:
        name = (await place.ask("ban", subjects=["203.0.113.0/24"], agreed=True))["items"][0]["subject"]
        await place.ask("unban", subjects=[name])
        assert (await place.ask("ban", subjects=[name], agreed=True))["items"][0]["result"] == "banned"
        assert await banned(place) == {"203.0.113.0/24"}

    play(place, scene)


def test_why_shows_the_lines_that_led_to_it_without_the_address(place: Served) -> None:
    configure(place, "increment = true\n")

    async def scene() -> None:
        place.append(*(line(V4, f"/wiki/{number}?from={V4}") for number in range(3)))
        await until(lambda: list(place.daemon.bans()))
        why = await place.ask("why", subject=V4)
        (ban,) = why["items"]
        assert (ban["jail"], ban["failures"], len(ban["evidence"])) == ("leech", 3, 3)
        assert [f"/wiki/{number}?from=0.0.0.0" in text for number, text in enumerate(ban["evidence"])] == [True] * 3
        assert V4 not in str(why)
        assert why["before"] == {"leech": 1}
        assert (await place.ask("why", subject="192.0.2.9"))["items"] == []
        assert (await place.ask("why", subject="127.0.0.1"))["protected"] == "this machine's own address"

    play(place, scene)


def test_why_finds_what_is_around_and_inside(place: Served) -> None:
    async def scene() -> None:
        await place.ask("ban", subjects=["203.0.113.0/24", V4, "203.0.112.0/22", "192.0.2.0/24"], agreed=True)
        why = await place.ask("why", subject=V4, reveal=True)
        assert [item["subject"] for item in why["items"]] == [V4, "203.0.113.0/24", "203.0.112.0/22"]
        why = await place.ask("why", subject="203.0.113.0/24", reveal=True)
        assert {item["subject"] for item in why["items"]} == {"203.0.113.0/24", "203.0.112.0/22", V4}
        assert why["cost"]["addresses"] == 256

    play(place, scene)


def test_an_unban_lifts_what_is_inside_and_says_what_still_holds(place: Served) -> None:
    async def scene() -> None:
        subjects = ["203.0.113.0/24", V4, OTHER, "203.0.112.0/22", "192.0.2.1"]
        await place.ask("ban", subjects=subjects, agreed=True)
        items = (await place.ask("unban", subjects=["203.0.113.0/24"], dry_run=True))["items"]
        assert len(items) == 3
        assert len(await banned(place)) == 5
        items = (await place.ask("unban", subjects=["203.0.113.0/24"]))["items"]
        assert [item["still"] for item in items] == [["by hand"]] * 3
        assert await banned(place) == {"203.0.112.0/22", "192.0.2.1"}

    play(place, scene)


def test_bans_of_the_last_time_can_be_listed_and_lifted(place: Served) -> None:
    async def scene() -> None:
        await place.ask("ban", subjects=[V4, OTHER])
        next(place.daemon.bans()).since -= HOUR
        assert await banned(place, since=60) == {OTHER}
        assert len((await place.ask("unban", since=60))["items"]) == 1
        assert await banned(place) == {V4}
        assert (await place.ask("unban", since=60))["items"] == []

    play(place, scene)


def test_a_pause_is_the_firewalls_and_ends(place: Served) -> None:
    firewall = NullFirewall(lambda: 0.0)

    async def scene() -> None:
        assert (await place.ask("pause", seconds=300, dry_run=True))["until"]
        assert firewall.paused() == 0
        first = await place.ask("pause", seconds=300)
        assert firewall.paused() == 300
        status = await place.ask("status")
        assert status["paused_until"] == pytest.approx(first["until"], abs=1)
        assert any("all bans are off" in warning for warning in status["warnings"])
        second = await place.ask("pause", seconds=60)
        assert second["was"] == pytest.approx(first["until"], abs=1)
        ended = await place.ask("pause", end=True)
        assert (ended["until"], firewall.paused()) == (None, 0)
        assert (await place.ask("pause", end=True))["was"] is None
        assert (await place.ask("status"))["paused_until"] is None

    play(place, scene, firewall)


def test_a_pause_that_an_earlier_daemon_began_is_known(place: Served) -> None:
    firewall = NullFirewall(lambda: 0.0)
    firewall.pause(300)

    async def scene() -> None:
        assert (await place.ask("status"))["paused_until"]

    play(place, scene, firewall)


def test_a_pause_that_the_firewall_refuses_is_none(place: Served) -> None:
    class Refusing(NullFirewall):
        def pause(self, seconds: float) -> None:
            raise FirewallError(f"not for {seconds:.0f} seconds")

    async def scene() -> None:
        answer = await place.ask("pause", seconds=5)
        assert answer == {"error": "the firewall did not take it: not for 5 seconds"}
        assert (await place.ask("status"))["paused_until"] is None

    play(place, scene, Refusing(lambda: 0.0))


def test_a_wider_ipv6_client_is_one_everywhere(place: Served) -> None:
    configure(place, "[engine]\nipv6_client = 48\n")

    async def scene() -> None:
        place.append(*(line(f"2001:db8:7:{number}::1") for number in range(3)))
        await until(lambda: list(place.daemon.bans()))
        assert await banned(place) == {"2001:db8:7::/48"}
        (item,) = (await place.ask("ban", subjects=["2001:db8:8:1::1"], reveal=True))["items"]
        assert (item["subject"], item["cost"]) == ("2001:db8:8::/48", None)
        assert len((await place.ask("unban", subjects=["2001:db8:7:9::9"]))["items"]) == 1

    play(place, scene)


def test_a_reason_is_short_and_moves_no_terminal(place: Served) -> None:
    async def scene() -> None:
        await place.ask("ban", subjects=[V4], why="\x1b[2Jred\nline" + "x" * 100_000)
        (ban,) = place.daemon.bans()
        assert ban.why == "?[2Jred?line" + "x" * 188

    play(place, scene)


def test_a_jail_on_networks_says_what_it_closes_out_and_stops_short_of_too_much(place: Served) -> None:
    wide = "[jail.wide]\nsource = 'web'\nstatus = 404\nkey = 'prefix'\nclients = 2\nmaxretry = 2\n"
    configure(place, f"{wide}[networks]\nmost_innocent = 1\n")

    async def scene() -> None:
        await come(place, "192.0.2.9")
        place.append(line("192.0.2.1", status=404), line("192.0.2.2", status=404))
        await until(lambda: len(list(place.daemon.bans())) == 1)
        (item,) = (await place.ask("bans"))["items"]
        assert item["why"] == "of the clients of the last day it closes out 3, 1 of them innocent"
        await come(place, OTHER, "203.0.113.79")
        place.append(line("203.0.113.1", status=404), line("203.0.113.2", status=404))
        await until(lambda: place.daemon.engine.bans["wide"] == 2)
        assert await banned(place) == {"192.0.2.0/24"}
        assert (await place.accounts())["refused"] == 1

    play(place, scene)
