"""Jails of fail2ban in a running daemon: shown with where they come from, and read again on reload."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from tests.unit.daemon.serving import serving, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.daemon.serving import Served

CONF = """\
[DEFAULT]
usedns = no
bantime = 1h
maxretry = 2
action = iptables[port=7000, protocol=tcp]
[door]
enabled = true
logpath = {log}
failregex = door: <HOST> knocked$
action = %(action)s
         note
         smtp.py
[gone]
enabled = true
logpath = {log}.gone
skip_if_nologs = true
failregex = gone: <HOST>$
"""
FILES = {
    "action.d/iptables.conf": "[Definition]\nactionban = close <ip>\n[Init]\nblocktype = DROP\n",
    "action.d/note.conf": "[Definition]\nactionban = echo <name> <ip> >> {out}\nactionunban = echo bye >> {out}\n",
}


@pytest.fixture
def folder(place: Served, tmp_path: Path) -> Path:
    """Write a configuration of fail2ban, and let the daemon adopt it."""
    folder = tmp_path / "fail2ban"
    for name, text in {"jail.conf": CONF.replace("%(action)s", "iptables[port=7000]"), **FILES}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.format(log=tmp_path / "door.log", out=tmp_path / "out"))
    (tmp_path / "door.log").touch()
    place.configure(f'path = "{place.log}"\n[fail2ban]\nconfig = "{folder}"', "")
    place.log.touch()
    return folder


def test_adopted_jails_are_shown_with_what_became_of_them(place: Served, folder: Path) -> None:
    async def scene() -> None:
        async with serving(place):
            door, gone = (await place.ask("jails"))["items"]
            assert (door["jail"], door["scope"], door["actions"]) == ("door", "tcp:7000", ["door-note"])
            assert door["adopted_from"] == f"{folder}/jail.conf:6"
            (finding,) = door["findings"]
            assert (finding["line"], finding["fate"]) == (12, "not understood")
            assert finding["text"] == "action smtp.py is a Python module, which is not supported"
            assert gone["findings"] == []
            status = await place.ask("status")
            assert status["fail2ban"]["config"] == str(folder)
            assert status["fail2ban"]["jails"] == 2
            assert status["fail2ban"]["findings"]["not understood"] == 1
            assert not any(".gone" in warning for warning in status["warnings"])

    asyncio.run(scene())


@pytest.mark.usefixtures("folder")
def test_a_ban_reaches_ledger_and_program(place: Served, tmp_path: Path) -> None:
    async def scene() -> None:
        async with serving(place):
            stamp = time.strftime("%Y-%m-%d %H:%M:%S")
            (tmp_path / "door.log").write_text(f"{stamp} door: 192.0.2.1 knocked\n" * 2)
            await until(lambda: any(True for _ in place.daemon.bans()))
            (ban,) = (await place.ask("bans", reveal=True))["items"]
            assert (ban["subject"], ban["jail"], ban["scope"]) == ("192.0.2.1", "door", "tcp:7000")
            await until((tmp_path / "out").exists)
            await until(lambda: (tmp_path / "out").read_text() == "door 192.0.2.1\n")
        assert (tmp_path / "out").read_text() == "door 192.0.2.1\nbye\n"

    asyncio.run(scene())


def test_a_reload_reads_it_again_and_a_mistake_costs_its_jail_only(place: Served, folder: Path) -> None:
    async def scene() -> None:
        async with serving(place):
            (folder / "jail.local").write_text("[gone]\nenabled = false\n[door]\nmaxretry = 7\n")
            assert (await place.ask("reload"))["problem"] is None
            (door,) = (await place.ask("jails"))["items"]
            assert (door["jail"], door["maxretry"]) == ("door", 7)
            (folder / "jail.local").write_text("[door]\nfailregex = <HOST>(\n")
            assert (await place.ask("reload"))["problem"] is None
            assert [jail["jail"] for jail in (await place.ask("jails"))["items"]] == ["gone"]

    asyncio.run(scene())
