"""Who a running daemon never bans, and how it learns of it."""

from __future__ import annotations

import asyncio
import socket
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from privet.adapters import ignore, machine
from privet.adapters.firewall.null import NullFirewall
from privet.core.addresses.address import Subject
from privet.daemon import protect
from tests.unit.daemon.serving import Served, serving, until
from tests.unit.processes import JAIL, line

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

OFFICE, ADMIN, OTHER = "192.0.2.9", "198.51.100.1", "203.0.113.7"


def protecting(place: Served, table: str) -> None:
    """Configure a daemon with one more table."""
    text = place.config.read_text()
    place.config.write_text(
        f"{text}\n{table}" if table.startswith("[") else text.replace("[daemon]", f"[daemon]\n{table}")
    )


def play(place: Served, scene: Any, firewall: NullFirewall | None = None) -> None:  # noqa: ANN401  a coroutine function
    """Run a scene with a daemon."""

    async def whole() -> None:
        async with serving(place, firewall) as served:
            await scene(served)

    asyncio.run(whole())


async def results(place: Served, *subjects: str) -> list[tuple[str, str | None]]:
    """Ban somebody for a minute; return what became of it."""
    answer = await place.ask("ban", subjects=list(subjects), seconds=60.0)
    return [(item["result"], item["reason"]) for item in answer["items"]]


def test_names_files_and_facts_refuse_bans_and_reach_the_firewall(
    place: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *_args, **_options: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (OFFICE, 0))]
    )
    monkeypatch.setattr(machine, "logins", lambda: frozenset({Subject.parse(ADMIN)}))
    (tmp_path / "cdn").write_text("10.0.0.0/8\n")
    protecting(place, 'ignoreip = ["office.example.org", "203.0.113.128/25"]')
    protecting(place, f'[proxies]\ntrusted = ["file:{tmp_path}/cdn", "2001:db8:1::/48"]')
    firewall = NullFirewall(time.monotonic)

    async def scene(place: Served) -> None:
        assert await results(place, OFFICE, "203.0.113.0/24", ADMIN, "10.1.2.3", "2001:db8:1:5::1", OTHER) == [
            ("refused", protect.IGNORED),
            ("refused", f"part of it must never be banned: {protect.IGNORED}"),
            ("refused", "somebody who is logged in"),
            ("refused", protect.PROXY),
            ("refused", protect.PROXY),
            ("banned", None),
        ]
        told = {Subject.parse(text) for text in (OFFICE, ADMIN, "10.0.0.0/8", "203.0.113.128/25", "2001:db8:1::/48")}
        await until(lambda: told <= set(firewall._allowed))  # noqa: SLF001  what the firewall was told
        assert set(firewall._allowed) >= machine.LOOPBACK  # noqa: SLF001

        (tmp_path / "cdn").write_text("203.0.113.0/26\n")
        await until(lambda: Subject.parse("203.0.113.0/26") in firewall._allowed)  # noqa: SLF001
        assert await results(place, "10.1.2.3", OTHER) == [("banned", None), ("refused", protect.PROXY)]
        assert not any("cdn" in warning for warning in (await place.ask("status"))["warnings"])

    play(place, scene, firewall)


def test_lists_that_fail_are_said_and_never_keep_the_daemon_from_starting(
    place: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*_args: object, **_options: object) -> list[object]:
        time.sleep(0.6)
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    monkeypatch.setattr(protect, "FIRST", 0.1)
    protecting(place, f'ignoreip = ["office.example.org", "file:{tmp_path}/none"]')

    async def scene(place: Served) -> None:
        assert await results(place, OTHER) == [("banned", None)]
        await until(lambda: len(place.daemon.protection.lists.problems) == 2)
        warnings = (await place.ask("status"))["warnings"]
        assert f"the file {tmp_path}/none: No such file or directory" in warnings
        assert "the name office.example.org: cannot be resolved (Name or service not known)" in warnings

    play(place, scene)


def test_a_jail_spares_who_is_on_its_list_also_after_a_reload(place: Served, tmp_path: Path) -> None:
    monkey = tmp_path / "office"
    monkey.write_text(f"{OTHER}\n")
    place.configure(f'path = "{place.log}"', JAIL + f'ignoreip = "file:{monkey}"\n')

    async def scene(place: Served) -> None:
        place.append(*[line(OTHER)] * 3)
        await until(lambda: place.daemon.engine.spared["leech"] == 1)
        place.daemon.reload()
        place.append(*[line("203.0.113.8")] * 3)
        await until(lambda: place.daemon.engine.bans["leech"] == 1)
        monkey.write_text("203.0.113.9\n")
        await until(lambda: Subject.parse("203.0.113.9") in next(iter(place.daemon.protection.lists.answers.values())))
        await asyncio.sleep(0.05)
        place.append(*[line("203.0.113.9")] * 3)
        await until(lambda: place.daemon.engine.spared["leech"] == 2)

    play(place, scene)


def test_who_logs_in_is_protected_at_the_next_ban(place: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(place: Served) -> None:
        assert await results(place, ADMIN) == [("banned", None)]
        monkeypatch.setattr(machine, "ssh_sessions", lambda: frozenset({Subject.parse(ADMIN)}))
        place.daemon.protection.learn(0.0)  # as if five seconds had passed
        assert await results(place, ADMIN) == [("refused", "somebody who is logged in")]

    play(place, scene)


def test_while_bans_are_made_what_is_known_is_renewed_before_one_asks(
    place: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = time.monotonic() + 1000
    asked, passed = [], 0
    real = machine.facts

    def facts(environment: Mapping[str, str]) -> dict[str, frozenset[Subject]]:
        asked.append(passed)
        return real(environment)

    async def scene(place: Served) -> None:
        nonlocal passed
        protection = place.daemon.protection
        monkeypatch.setattr(machine, "facts", facts)
        monkeypatch.setattr(protect, "time", SimpleNamespace(monotonic=lambda: start + passed))
        for passed in range(20):
            if passed < 10:
                protection.current()
            if work := protection.look():
                await work

    play(place, scene)
    assert asked == [0, 4, 8, 12]


def test_clients_of_a_proxied_source_go_to_the_web_servers_list(place: Served) -> None:
    place.configure(f'path = "{place.log}"\nproxied = true')

    async def scene(place: Served) -> None:
        place.append(*[line(OTHER)] * 3)
        await until((place.runtime / "deny" / OTHER).exists)
        status = await place.ask("status")
        assert (status["bans"]["ordered"], status["web"]["bans"]["in_kernel"]) == (0, 1)
        assert (await place.ask("unban", all=True))["items"]
        assert not (place.runtime / "deny" / OTHER).exists()

    play(place, scene)


def test_constants_are_what_the_documentation_says() -> None:
    assert (ignore.EVERY, ignore.PATIENCE, protect.OLD) == (300.0, 10.0, 60.0)


@pytest.mark.parametrize(
    ("source", "more", "order", "places"),
    [
        ("", "", {}, ["firewall"]),
        ("proxied = true", "", {}, ["firewall", "web server"]),
        ("proxied = true", "", {"jail": "leech"}, ["web server"]),
        ("", '[proxies]\ntrusted = ["192.0.2.200"]\n', {"jail": "leech"}, ["firewall", "web server"]),
        ('format = "%h %{c}a %t \\"%r\\""', "", {"jail": "leech"}, ["firewall", "web server"]),
    ],
)
def test_an_order_by_hand_reaches_who_came_through_a_proxy_and_is_undone_everywhere(
    place: Served, source: str, more: str, order: dict[str, str], places: list[str]
) -> None:
    place.configure(f'path = "{place.log}"\n{source}', f"{more}{JAIL}")

    async def scene(place: Served) -> None:
        for _ in range(2):
            (item,) = (await place.ask("ban", subjects=[OTHER], **order))["items"]
            assert (item["result"], item["reason"], item["prefixes"]) == ("banned", None, 1)
            assert (place.runtime / "deny" / OTHER).exists() == ("web server" in places)
        (listed,) = (await place.ask("bans"))["items"]
        assert (listed["places"], listed["in_force"], listed["prefixes"]) == (places, True, 1)
        (why,) = (await place.ask("why", subject=OTHER))["items"]
        assert why["places"] == places
        (lifted,) = (await place.ask("unban", subjects=[OTHER]))["items"]
        assert (lifted["places"], lifted["still"]) == (places, [])
        assert not (place.runtime / "deny" / OTHER).exists()
        assert (await place.ask("bans"))["items"] == []
        status = await place.ask("status")
        for bans in (status["bans"], status["web"]["bans"]):
            assert bans["ordered"] == bans["unbanned"] + bans["superseded"]

    play(place, scene)


def test_an_order_that_only_one_of_two_places_takes_says_so(place: Served) -> None:
    place.configure(f'path = "{place.log}"\nproxied = true')

    async def scene(place: Served) -> None:
        (item,) = (await place.ask("ban", subjects=["198.0.0.0/11"], agreed=True))["items"]
        assert item["result"] == "banned"
        assert item["reason"] == "web server: the web server's deny list has no room for a prefix of this length"
        (listed,) = (await place.ask("bans"))["items"]
        assert listed["places"] == ["firewall"]

    play(place, scene)
