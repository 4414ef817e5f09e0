"""Who stands where now: close to limits, with bad manners, in networks; told by the daemon, without addresses."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from privet.cli.main import run
from privet.daemon import control, who
from tests.privacy.search import leaks
from tests.unit.cli.test_markup import Seen
from tests.unit.daemon.serving import Served, serving, until
from tests.unit.daemon.test_who import Peer
from tests.unit.processes import line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

CLOSE, FAR, SPARED, BANNED, READER = "192.0.2.1", "192.0.2.2", "198.51.100.7", "203.0.113.9", "2001:db8:a:b::7"
JAILS = """
[jail.leech]
source = "web"
findtime = "1h"
maxretry = 10
bantime = "1d"
ignoreip = ["198.51.100.0/24"]

[jail.readers]
source = "web"
kind = "manners"
signal = "feeds"
every = "5m"
findtime = "1h"
maxretry = 8
bantime = "1h"
patience = "1d"

[jail.ranges]
source = "web"
key = "prefix"
findtime = "1h"
maxretry = 20
clients = 2
bantime = "1h"

[jail.again]
bans_of = ["leech"]
findtime = "1w"
maxretry = 2
bantime = "1w"
"""


@pytest.fixture(autouse=True)
def _root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let whoever runs the tests be root, who had logged in as 1000."""
    monkeypatch.setattr(control, "_PEER", Peer(0))
    monkeypatch.setattr(who, "_login", lambda _pid: 1000)


def play(place: Served, scene: Callable[[], Awaitable[None]], jails: str = JAILS) -> None:
    """Play a scene with a daemon whose windows hold something."""
    place.configure(f'path = "{place.log}"', jails)
    place.append()

    async def whole() -> None:
        async with serving(place):
            await until(lambda: place.daemon.config.networks.table is None or len(place.daemon.networks) > 0)
            before = place.daemon.engine.sources["web"].lines
            lines = [line(CLOSE)] * 8 + [line(FAR)] * 2 + [line(SPARED)] * 9 + [line(BANNED)] * 10
            place.append(*lines, *[line(READER, "/feed.xml")] * 4)
            await until(lambda: place.daemon.engine.sources["web"].lines == before + 33)
            await scene()

    asyncio.run(whole())


async def report(place: Served, *arguments: str) -> int:
    return await asyncio.to_thread(run, ["report", arguments[0], "--runtime", str(place.runtime), *arguments[1:]])


def test_who_hovers_below_a_limit_now(place: Served) -> None:
    async def scene() -> None:
        answer = await place.ask("limits", share=0.5, reveal=True)
        told = [(one["jail"], one["client"], one["count"], one["limit"], one["share"]) for one in answer["items"]]
        assert told[0] == ("leech", CLOSE, 8, 10, 80)
        token = told[1][1]
        assert told[1] == ("again", token, 1, 2, 50)
        assert told[2] == ("ranges", "192.0.2.0/24", 10, 20, 50)
        assert told[3] == ("ranges", "203.0.113.0/24", 10, 20, 50)
        await place.daemon.past.look()
        assert [token] == [one["client"] for one in (await place.ask("offenders", since=3600))["items"]]
        assert answer["tenths"]["leech"] == [0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 1]
        assert answer["tenths"]["readers"] == [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]
        one = await place.ask("limits", share=0.1, jails=["leech"], limit=2)
        assert [item["count"] for item in one["items"]] == [8, 4]
        assert (one["total"], list(one["tenths"])) == (3, ["leech"])
        assert one["items"][0]["client"].startswith("100::")
        wrong = await place.ask("limits", share=0.5, jails=["lech"])
        assert wrong["error"] == "there is no such jail: did you mean 'leech'?"

    play(place, scene)


def test_addresses_are_for_root_and_that_is_noted(place: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        for verb in ("limits", "manners", "networks"):
            assert "error" not in await place.ask(verb, share=0.5, reveal=True)
        entries = [json.loads(text) for text in (place.state / "who.log").read_text().splitlines()]
        assert [(one["uid"], one["login"], one["report"]) for one in entries] == [
            (0, 1000, "limits"), (0, 1000, "manners"), (0, 1000, "networks"),
        ]  # fmt: skip
        monkeypatch.setattr(control, "_PEER", Peer(4711))
        monkeypatch.setattr(os, "geteuid", lambda: 4711)  # the daemon's own user, who may ask other things
        for verb in ("limits", "manners", "networks"):
            answer = await place.ask(verb, share=0.5, reveal=True)
            assert answer == {"error": "not allowed: only root may ask who somebody is"}
            assert (await place.ask(verb, share=0.5))["total"] >= 1

    play(place, scene)

    assert leaks([place.state, place.runtime], [CLOSE, FAR, SPARED, BANNED, READER]) == []


def test_pseudonyms_are_those_that_other_verbs_know(place: Served) -> None:
    async def scene() -> None:
        (one,) = (await place.ask("limits", share=0.8, jails=["leech"]))["items"]
        assert (await place.ask("who", subject=one["client"]))["items"][0]["address"] == CLOSE
        (ban,) = (await place.ask("ban", subjects=[one["client"]], reveal=True))["items"]
        assert ban["subject"] == CLOSE

    play(place, scene)


def test_systems_have_names_and_the_limit_is_that_of_now(place: Served, tmp_path: Path) -> None:
    (tmp_path / "table.tsv").write_text("192.0.2.0\t192.0.2.255\t64500\tXX\tEXAMPLE\n")
    jail = 'source = "web"\nfindtime = "1h"\nbantime = "1h"\n'
    jails = (
        f'[networks]\ntable = "{tmp_path}/table.tsv"\n[jail.systems]\n{jail}key = "asn"\nmaxretry = 40\n'
        f'[jail.prefixes]\n{jail}key = "prefix"\nmaxretry = 40\n'
        f"[jail.busy]\n{jail}maxretry = [{{ load = 0, limit = 20 }}, {{ load = 5, limit = 16 }}]\n"
    )

    async def scene() -> None:
        items = (await place.ask("networks"))["items"]
        told = [(one["jail"], one["network"][:5], one["name"]) for one in items if one["name"]]
        assert sorted(told) == [("prefixes", "100::", "EXAMPLE"), ("systems", "AS645", "EXAMPLE")]
        close = await place.ask("limits", share=0.25, jails=["systems"])
        assert [(one["client"], one["count"], one["limit"]) for one in close["items"]] == [("AS64500", 10, 40)]
        place.daemon.engine.loads.note(place.daemon.clock.now(), 9.0)
        (one, *_) = (await place.ask("limits", share=0.5, jails=["busy"]))["items"]
        assert (one["count"], one["limit"], one["share"]) == (10, 16, 62)

    play(place, scene, jails)


def test_manners_and_networks_now(place: Served) -> None:
    async def scene() -> None:
        (one,) = (await place.ask("manners", reveal=True))["items"]
        assert one["client"] == "2001:db8:a:b::/64"
        assert one["habits"] == {"feeds": 3}
        known = {"jail": "readers", "signal": "feeds", "count": 3, "limit": 8, "within": 3600.0}
        assert one["jails"] == [known]
        items = (await place.ask("networks", reveal=True))["items"]
        assert [(one["network"], one["hits"], one["clients"], one["limit"]) for one in items] == [
            ("192.0.2.0/24", 10, 2, 20), ("203.0.113.0/24", 10, 1, 20), ("198.51.100.0/24", 9, 1, 20),
            ("2001:db8:a::/48", 4, 1, 20),
        ]  # fmt: skip
        hidden = await place.ask("networks", limit=1)
        assert hidden["items"][0]["network"].startswith("100::")
        assert hidden["total"] == 4

    play(place, scene)


def test_every_form_says_the_same_and_no_address(
    place: Served, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()

    async def scene() -> None:
        await place.daemon.past.look()
        for name in ("limits", "manners", "networks", "hits"):
            page = tmp_path / "out" / f"{name}.html"
            for form in ((), ("--json",), ("--csv",), ("--html", str(page))):
                assert await report(place, name, *form) == 0
            assert [tag for tag, _ in Seen(page.read_text()).tags].count("table") >= 1

    play(place, scene)
    out = capsys.readouterr().out
    (tmp_path / "out" / "put").write_text(out)

    assert leaks([tmp_path / "out"], [CLOSE, FAR, SPARED, BANNED, READER]) == []
    assert "fetches a feed too often (3 times within 60 min, of 8 for jail readers)" in out
    assert "20 from 2 clients" in out
    assert "jail,client,count,limit,share,time\nleech,100::" in out
    kinds = [json.loads(text) for text in out.splitlines() if text.startswith("{")]
    assert [one["kind"] for one in kinds] == ["limits", "manners", "networks", "hits"]
    assert [one["next"] for one in kinds] == [None] * 4


def test_hits_are_those_of_the_history(place: Served, capsys: pytest.CaptureFixture[str]) -> None:
    found: dict[str, list[dict[str, Any]]] = {}

    async def scene() -> None:
        await place.daemon.past.look()
        for by in ("hour", "day", "site", "status-class", "jail"):
            assert await report(place, "hits", "--by", by, "--json", "--since", "2h") == 0
            found[by] = json.loads(capsys.readouterr().out)["items"]
        assert await report(place, "hits", "--by", "path") == 64
        assert await report(place, "hits", "--by", "status") == 64

    play(place, scene)

    assert sum(one["hits"] for one in found["hour"]) == sum(one["hits"] for one in found["day"]) == 33
    assert found["site"] == [{"site": "web", "hits": 33, "share": 100}]
    assert found["status-class"] == [{"status-class": "2xx", "hits": 33, "share": 100}]
    assert found["jail"] == [{"jail": "leech", "bans": 1, "reports": 0, "share": 100}]
    said = capsys.readouterr().err.splitlines()
    assert said[0].endswith("name a log, as in: privet report hits --by path /var/log/apache2/access.log")
    assert said[1].endswith("; --by status-class needs none")


def test_what_no_jail_counts_is_said_with_a_remedy(place: Served, capsys: pytest.CaptureFixture[str]) -> None:
    async def scene() -> None:
        assert await report(place, "manners") == 2
        assert await report(place, "networks") == 2

    play(place, scene, JAILS[: JAILS.index("[jail.readers]")])

    said = capsys.readouterr().err
    assert "put [builtin.manners] into the configuration" in said
    assert "or name a log: privet report networks" in said
