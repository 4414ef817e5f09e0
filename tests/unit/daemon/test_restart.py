"""What outlasts the daemon, and whatever can go wrong with that: each is survived, told and counted."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import socket
import sqlite3
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from privet.adapters.firewall.null import NullFirewall
from privet.daemon import service
from privet.daemon.alone import AlreadyRunningError
from privet.daemon.clock import Clock, Clocks
from privet.daemon.service import Daemon
from tests.privacy.search import leaks
from tests.unit.daemon.serving import Served, serving
from tests.unit.daemon.serving import until as soon
from tests.unit.processes import ask, config, daemon, line, running, until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from privet.ports import Firewall

V4, V6, OTHER = "203.0.113.79", "2001:db8:a:b::/64", "198.51.100.7"
DAY = 86_400.0
SLOW = 60.0  # seconds that a machine with much else to do may take for a test, which is little beside a jump
GROWING = """
[jail.hasty]
source = "web"
findtime = "60s"
maxretry = 1
bantime = "1m"
increment = true
[jail.again]
bans_of = "hasty"
findtime = "1d"
maxretry = 3
bantime = "1w"
"""


def play(place: Served, *scenes: Callable[[Served], Awaitable[None]], firewall: Firewall | None = None) -> None:
    """Run scenes, each with a daemon of its own; without a firewall in common the machine reboots in between."""

    async def run(scene: Callable[[Served], Awaitable[None]]) -> None:
        async with serving(place, firewall):
            await scene(place)

    for scene in scenes:
        asyncio.run(run(scene))


async def ban(place: Served, *subjects: str, seconds: float = 3600, **more: object) -> dict[str, Any]:
    return await place.ask("ban", subjects=list(subjects), seconds=seconds, **more)


async def banned(place: Served) -> dict[str, str]:
    """Return who is banned by which jail, all of them in the firewall."""
    items = (await place.ask("bans", reveal=True))["items"]
    assert all(item["in_force"] for item in items)
    return {item["subject"]: item["jail"] for item in items}


# Restarts


def test_after_a_reboot_all_bans_are_back_before_the_first_line_is_read(
    place: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def first(place: Served) -> None:
        await ban(place, V4, V6, why="tried")
        await ban(place, OTHER, seconds=0.5)
        await asyncio.sleep(0.6)

    async def second(place: Served) -> None:
        assert await banned(place) == {V4: "by hand", V6: "by hand"}
        (one, _) = (await place.ask("bans", reveal=True))["items"]
        assert (one["why"], one["origin"]) == ("tried", "administrator")
        assert await place.accounts()

    play(place, first)
    opened: list[int] = []
    before = Daemon._open_files  # noqa: SLF001  the moment at which reading begins

    def watched(self: Daemon) -> None:
        opened.append(sum(ban.confirmed for ban in self.kernel.ledger))
        before(self)

    monkeypatch.setattr(Daemon, "_open_files", watched)
    play(place, second)
    assert opened == [2]
    assert leaks([place.state, place.runtime], [V4, OTHER]) == []


def test_what_was_lifted_stays_lifted_though_the_log_is_read_again(place: Served) -> None:
    async def first(place: Served) -> None:
        await ban(place, V4, OTHER)
        await place.ask("unban", subjects=[V4])
        place.append(*[line(V4)] * 3)
        await soon(lambda: len(list(place.daemon.bans())) == 2)
        await place.ask("unban", subjects=[V4])

    async def second(place: Served) -> None:
        await soon(lambda: place.daemon.engine.sources["web"].lines == 3)
        assert await banned(place) == {OTHER: "by hand"}
        place.append(*[line(V4, at=time.time() + 2)] * 3)
        await soon(lambda: len(list(place.daemon.bans())) == 2)

    play(place, first, second)


def test_how_often_somebody_was_banned_is_known_over_a_restart(place: Served) -> None:
    place.configure(f'path = "{place.log}"', GROWING)
    now = time.time()

    async def first(place: Served) -> None:
        place.append(line(V4, at=now - 4000), line(V4, at=now - 3000))
        await soon(lambda: place.daemon.engine.bans["hasty"] == 2)

    async def second(place: Served) -> None:
        assert await banned(place) == {}
        place.append(line(V4, at=now))
        await soon(lambda: place.daemon.engine.bans["again"])
        ends = {one.jail: round(one.until - one.since) for one in place.daemon.bans()}
        assert ends == {"hasty": 240, "again": 7 * DAY}

    play(place, first, second)
    assert leaks([place.state], [V4]) == []


# Kills


def test_killed_at_any_moment_nothing_that_was_answered_is_lost(tmp_path: Path, runtime: Path) -> None:
    path = tmp_path / "privet.toml"
    path.write_text(config(runtime, f'path = "{tmp_path}/access.log"'))
    chance, promised = random.Random(3), set[str]()
    for number in range(4):
        with running(tmp_path / "log", "run", "--config", path) as verb:  # killed during the start
            time.sleep(chance.uniform(0, 0.6))
            verb.end(signal.SIGKILL)
        with daemon(path, runtime) as verb:  # killed while a ban is under way
            for one in range(20):
                subject = f"198.51.{number}.{one}"
                answer = ask(runtime, "ban", subjects=[subject], seconds=3600)
                promised |= {subject for item in answer["items"] if item["result"] == "banned"}
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(runtime / "control.sock"))
                connection.sendall(b'{"verb": "ban", "subjects": ["198.51.9.%d"], "seconds": 3600}\n' % number)
                time.sleep(chance.uniform(0, 0.005))
                verb.end(signal.SIGKILL)
        for left in ("control.sock", "intake.sock"):
            (runtime / left).unlink()
        path.with_name("daemon.log").unlink()
    assert len(promised) == 80
    with daemon(path, runtime):
        status = ask(runtime, "status")
        assert {item["subject"] for item in ask(runtime, "bans", reveal=True)["items"]} >= promised
        assert (status["store"]["problem"], status["store"]["losses"]) == (None, 0)


# The store


def test_a_damaged_database_is_set_aside_and_the_firewall_keeps_its_bans(place: Served) -> None:
    firewall = NullFirewall(time.monotonic)

    async def first(place: Served) -> None:
        await ban(place, V4)

    async def second(place: Served) -> None:
        assert await banned(place) == {V4: "adopted"}
        status = await place.ask("status")
        assert status["store"]["losses"] == 1
        assert any("was damaged, and is set aside" in warning for warning in status["warnings"])
        assert list(place.state.glob("bans.db.corrupt-*"))

    async def third(place: Served) -> None:
        assert await banned(place) == {V4: "adopted"}
        assert (await place.ask("status"))["store"]["problem"] is None

    play(place, first, firewall=firewall)
    (place.state / "bans.db").write_bytes(b"no database at all" * 999)
    play(place, second, firewall=firewall)
    play(place, third)


def test_rows_that_somebody_changed_are_refused_and_counted(place: Served) -> None:
    async def first(place: Served) -> None:
        await ban(place, V4, OTHER)

    async def second(place: Served) -> None:
        assert len(await banned(place)) == 1
        status = await place.ask("status")
        assert status["store"]["refused"] == 1
        assert any("1 entry not opened" in warning for warning in status["warnings"])

    play(place, first)
    with contextlib.closing(sqlite3.connect(place.state / "bans.db")) as db, db:
        db.execute("UPDATE kept SET until = until + 3600 WHERE rowid = 1")
        db.execute("DELETE FROM whole")
    play(place, second)


def test_another_key_opens_nothing_and_it_is_said(place: Served) -> None:
    async def first(place: Served) -> None:
        await ban(place, V4)

    async def second(place: Served) -> None:
        assert await banned(place) == {}
        await ban(place, OTHER)
        assert (await place.ask("status"))["store"]["refused"] == 1

    async def third(place: Served) -> None:
        assert await banned(place) == {OTHER: "by hand"}

    play(place, first)
    (place.state.with_name(f"{place.state.name}-keys") / "ring").unlink()
    play(place, second, third)


def test_without_a_place_for_it_bans_go_on_and_are_stored_once_there_is_one(place: Served) -> None:
    place.state.write_text("a file where a folder should be")
    place.state.with_name(f"{place.state.name}-keys").write_text("here too")

    async def first(place: Served) -> None:
        await ban(place, V4)
        assert await banned(place) == {V4: "by hand"}
        warnings = (await place.ask("status"))["warnings"]
        assert any("nothing outlasts a restart" in warning for warning in warnings)
        secrets = place.daemon.epochs.secrets
        place.state.unlink()
        place.state.with_name(f"{place.state.name}-keys").unlink()
        await soon(lambda: place.daemon.keeper.problem is None)
        await ban(place, OTHER)
        assert not any("store" in warning for warning in (await place.ask("status"))["warnings"])
        assert place.daemon.epochs.secrets == secrets, "whoever was banned before is known again"

    async def second(place: Served) -> None:
        assert await banned(place) == {V4: "by hand", OTHER: "by hand"}

    play(place, first, second)


@pytest.mark.needs("root")
def test_a_disk_that_is_read_only_at_the_very_first_start_is_caught_up_with(place: Served, disk: Path) -> None:
    keys = place.state.with_name(f"{place.state.name}-keys")
    keys.mkdir()
    for folder in (disk, keys):
        subprocess.run(["mount", "--bind", folder, folder], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)

    async def first(place: Served) -> None:
        await ban(place, V4)
        assert any("nothing outlasts" in warning for warning in (await place.ask("status"))["warnings"])
        for folder in (disk, keys):
            subprocess.run(["umount", folder], check=True)  # noqa: ASYNC221  takes no time
        await soon(lambda: place.daemon.keeper.problem is None)

    async def second(place: Served) -> None:
        assert await banned(place) == {V4: "by hand"}

    play(place, first, second)


@pytest.mark.parametrize("garbage", [b"no database at all" * 5000, b"", b"\0" * 70000])
@pytest.mark.parametrize("wait", [False, True])
def test_garbage_over_the_database_is_noticed_at_the_next_write_and_made_good(
    place: Served,
    garbage: bytes,
    wait: bool,  # noqa: FBT001  a parameter
) -> None:
    many = [f"192.0.2.{number}" for number in range(1, 200)]

    async def first(place: Served) -> None:
        await ban(place, V4, *many)
        with (place.state / "bans.db").open("r+b") as file:
            file.truncate(0) if not garbage else file.write(garbage)
        if wait:
            await soon(lambda: place.daemon.keeper.stores.bans.losses == 1)
        await ban(place, OTHER)
        status = await place.ask("status")
        assert status["store"]["losses"] >= 1
        assert any("while it was in use" in one or "is set aside" in one for one in status["warnings"])
        assert len(await banned(place)) == 201
        assert status["bans"]["in_kernel"] == 201

    async def second(place: Served) -> None:
        assert await banned(place) == dict.fromkeys([V4, OTHER, *many], "by hand")
        assert (await place.ask("status"))["store"]["problem"] is None

    play(place, first, second)


@pytest.fixture
def disk(place: Served) -> Iterator[Path]:
    """Put what outlasts the daemon on a small disk of its own."""
    place.state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k,mode=700", "none", place.state], check=True)
    yield place.state
    subprocess.run(["umount", place.state], check=True)


@pytest.mark.needs("root")
def test_a_full_disk_is_said_and_caught_up_with(place: Served, disk: Path) -> None:
    filler, many = disk / "filler", [f"198.51.100.{number}" for number in range(100, 200)]

    async def first(place: Served) -> None:
        await ban(place, OTHER)
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        await ban(place, *many)
        assert len(await banned(place)) == 101
        warnings = (await place.ask("status"))["warnings"]
        assert any("changes waiting in memory: 100" in warning for warning in warnings)

        filler.unlink()
        await soon(lambda: place.daemon.keeper.problem is None)

    async def second(place: Served) -> None:
        assert len(await banned(place)) == 101

    play(place, first, second)


@pytest.mark.needs("root")
def test_a_read_only_disk_is_said_and_caught_up_with(place: Served, disk: Path) -> None:
    async def first(place: Served) -> None:
        await ban(place, OTHER)

    async def second(place: Served) -> None:
        assert await banned(place) == {OTHER: "by hand"}
        await ban(place, V4)
        assert await banned(place) == {OTHER: "by hand", V4: "by hand"}
        assert any("store: " in warning for warning in (await place.ask("status"))["warnings"])
        subprocess.run(["mount", "-o", "remount,rw", disk], check=True)  # noqa: ASYNC221  takes no time
        await soon(lambda: place.daemon.keeper.problem is None)

    async def third(place: Served) -> None:
        assert await banned(place) == {OTHER: "by hand", V4: "by hand"}

    play(place, first)
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    play(place, second, third)


# Two daemons


def test_two_daemons_do_not_share_a_store(place: Served, runtime: Path) -> None:
    async def scene(place: Served) -> None:
        other = runtime.with_name("other")
        with pytest.raises(AlreadyRunningError):
            await Daemon(place.daemon.config, other, place.state, NullFirewall(time.monotonic), place.daemon.log).run()
        await ban(place, V4)
        assert (await place.ask("status"))["store"]["problem"] is None

    play(place, scene)


def test_of_two_daemons_that_start_at_once_one_runs(tmp_path: Path, runtime: Path) -> None:
    path = tmp_path / "privet.toml"
    path.write_text(config(runtime, f'path = "{tmp_path}/access.log"'))
    with running(tmp_path / "a", "run", "--config", path) as one, running(tmp_path / "b", "run", "--config", path) as b:
        until(lambda: one.process.poll() is not None or b.process.poll() is not None)
        loser, winner = (one, b) if one.process.poll() is not None else (b, one)
        assert loser.process.returncode == 2
        assert "another privet runs here" in loser.said
        until((runtime / "control.sock").exists)
        assert ask(runtime, "status")["pid"] == winner.process.pid


# Clocks


class Machine:
    """The clocks of a machine on which somebody sets the date, and which sleeps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.off = self.asleep = 0.0
        clocks = Clocks(
            lambda: time.time() + self.off + self.asleep,
            lambda: time.monotonic() + self.asleep,
            time.monotonic,
        )
        monkeypatch.setattr(service, "Clock", lambda path: Clock(path, clocks))


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


async def lasts(place: Served) -> float:
    """Return how long the only ban lasts, and check that the firewall thinks so too."""
    (one,) = place.daemon.bans()
    await soon(lambda: one.confirmed)
    before = one.until - place.daemon.clock.now()
    (held,) = place.daemon.kernel.firewall.held()
    left = one.until - place.daemon.clock.now()
    assert held.seconds is not None
    assert left - 1.5 < held.seconds < before + 1.5  # however long the machine took to answer
    return left


@pytest.mark.parametrize("jump", [DAY, -DAY])
def test_a_clock_that_jumps_changes_no_ban(place: Served, machine: Machine, jump: float) -> None:
    firewall = NullFirewall(time.monotonic)

    async def first(place: Served) -> None:
        await ban(place, V4)
        for times in (1, 2):  # there, and back again
            machine.off = jump * (times % 2)
            await soon(lambda count=times: place.daemon.clock.jumps == count)  # type: ignore[misc]
            assert await lasts(place) == pytest.approx(3600, abs=SLOW)
        assert (await place.ask("status"))["clock"] == {"set": 2, "suspensions": 0}
        machine.off = jump
        await soon(lambda: place.daemon.clock.jumps == 3)

    async def second(place: Served) -> None:
        assert await lasts(place) == pytest.approx(3600, abs=SLOW)
        assert await banned(place) == {V4: "by hand"}
        machine.off = 0.0  # while nobody is there to see it

    async def third(place: Served) -> None:
        assert await lasts(place) == pytest.approx(3600, abs=SLOW)
        assert await banned(place) == {V4: "by hand"}

    play(place, first, second, third, firewall=firewall)


@pytest.mark.parametrize("jump", [DAY, -DAY])
def test_lines_stamped_by_a_clock_that_jumped_are_judged_as_before(
    place: Served, machine: Machine, jump: float
) -> None:
    async def scene(place: Served) -> None:
        place.append(line(V4))
        await soon(lambda: place.daemon.engine.sources["web"].lines == 1)
        machine.off = jump
        await soon(lambda: place.daemon.clock.jumps)
        place.append(*[line(V4, at=time.time() + jump)] * 2)
        await soon(lambda: list(place.daemon.bans()))
        assert await lasts(place) == pytest.approx(600, abs=SLOW)
        place.append(*[line(OTHER, at=time.time() + jump)] * 3)
        await soon(lambda: len(list(place.daemon.bans())) == 2)

    play(place, scene)


def test_after_a_suspension_the_firewall_opens_in_time(place: Served, machine: Machine) -> None:
    firewall = NullFirewall(time.monotonic)

    async def first(place: Served) -> None:
        await ban(place, V4)
        machine.asleep += 1800
        await soon(lambda: place.daemon.clock.naps)
        await soon(lambda: all(held.seconds and held.seconds < 1900 for held in firewall.held()))
        assert await lasts(place) == pytest.approx(1800, abs=SLOW)
        assert (await place.ask("status"))["clock"] == {"set": 0, "suspensions": 1}

    async def second(place: Served) -> None:
        assert await lasts(place) == pytest.approx(900, abs=SLOW)

    play(place, first, firewall=firewall)
    machine.asleep += 900
    play(place, second, firewall=firewall)


def test_the_state_is_for_its_owner_alone(place: Served) -> None:
    async def scene(place: Served) -> None:
        await ban(place, V4)
        for path in (place.state, *place.state.iterdir()):
            assert path.stat().st_mode & 0o077 == 0, path.name
            assert path.stat().st_uid == os.geteuid()

    play(place, scene)
