"""The daemon as a whole: it follows, bans, reloads, restarts and ends, and nothing that it hears kills it."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from privet.adapters.firewall.null import NullFirewall
from privet.core.wire import Hello, Lines
from privet.daemon.alone import AlreadyRunningError
from privet.daemon.service import Daemon
from tests.privacy.search import leaks
from tests.unit.daemon.serving import Served, serving
from tests.unit.daemon.serving import until as soon
from tests.unit.processes import (
    JAIL,
    ask,
    config,
    connected,
    daemon,
    hand_over,
    line,
    privet,
    running,
    speak,
    until,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

REPOSITORY = Path(__file__).parents[3]
V4, V6, OTHER = "203.0.113.77", "2001:db8:a:b::7", "198.51.100.7"
ONE_FAILURE = '[jail.touchy]\nsource = "web"\npath = "secret"\nmaxretry = 1\nbantime = "1h"\n'


def play(place: Served, *scenes: Callable[[Served], Awaitable[None]], firewall: NullFirewall | None = None) -> None:
    """Run scenes, each with a daemon of its own that starts after the one before has ended."""

    async def run(scene: Callable[[Served], Awaitable[None]]) -> None:
        async with serving(place, firewall):
            await scene(place)

    for scene in scenes:
        asyncio.run(run(scene))


def banned(place: Served) -> list[tuple[str, str, int]]:
    return [(ban.subject.reveal(), ban.jail, ban.failures) for ban in place.daemon.kernel.ledger]


async def taken(place: Served, count: int) -> None:
    await soon(lambda: place.daemon.engine.sources["web"].lines == count)


# What it follows


def test_a_line_that_is_appended_brings_a_ban(place: Served) -> None:
    async def scene(place: Served) -> None:
        place.append(*[line(V4)] * 2, line(V6))
        await taken(place, 3)
        assert banned(place) == []
        place.append(line(V4), line("2001:db8:a:b::8"), line("2001:db8:a:b:9::"))
        await soon(lambda: len(banned(place)) == 2)
        assert banned(place) == [(V4, "leech", 3), ("2001:db8:a:b::/64", "leech", 3)]
        await soon(lambda: all(ban.confirmed for ban in place.daemon.kernel.ledger))
        assert [held.subject.reveal() for held in place.daemon.kernel.firewall.held()] == [V4, "2001:db8:a:b::/64"]

    play(place, scene)


def test_a_file_that_appears_later_is_read_from_its_start(place: Served) -> None:
    async def scene(place: Served) -> None:
        status = await place.ask("status")
        assert f"source web: {place.log}: No such file or directory" in status["warnings"]
        place.append(*[line(V4)] * 3)
        await soon(lambda: banned(place) == [(V4, "leech", 3)])
        status = await place.ask("status")
        assert not [warning for warning in status["warnings"] if "No such file" in warning]

    play(place, scene)


def test_rotation_loses_and_repeats_nothing(place: Served) -> None:
    old = place.log.with_suffix(".1")

    async def scene(place: Served) -> None:
        place.append(line(V4))
        await taken(place, 1)
        place.log.rename(old)
        with old.open("a") as file:  # a server that has not heard of it yet
            file.write(line(OTHER) + "\n")
        place.append(line(V4))
        await taken(place, 3)
        with old.open("a") as file:
            file.write(line(OTHER) + "\n")
        await taken(place, 4)
        place.log.write_text("")  # copytruncate
        await asyncio.sleep(0)
        place.append(line(V4, "/after"))
        await soon(lambda: banned(place) == [(V4, "leech", 3)])
        await taken(place, 5)

    play(place, scene)


def test_a_restart_reads_again_what_still_counts_and_counts_nothing_twice(place: Served) -> None:
    now = time.time()
    place.append(*[line(OTHER, at=now - 600)] * 5, *[line(V4, at=now - 5)] * 2)

    async def first(place: Served) -> None:
        await taken(place, 2)
        assert banned(place) == []
        place.append(line(V4))
        await soon(lambda: banned(place) == [(V4, "leech", 3)])

    async def second(place: Served) -> None:
        await taken(place, 3)
        assert banned(place) == [(V4, "leech", 3)]
        assert (await place.accounts())["ordered"] == 1
        place.append(line(V4), line(OTHER))
        await taken(place, 5)
        assert (await place.accounts())["ordered"] == 1
        (jail,) = (await place.ask("jails"))["items"]
        assert jail["failures"] == 5

    play(place, first, second)


@pytest.mark.parametrize(("stored", "counts"), [(True, (1, 0)), (False, (2, 1))])
def test_what_the_firewall_still_held_is_known_by_its_jail_again(
    place: Served, *, stored: bool, counts: tuple[int, int], capfd: pytest.CaptureFixture[str]
) -> None:
    firewall = NullFirewall(time.time)
    place.append(*[line(V4)] * 3)

    async def first(place: Served) -> None:
        await soon(lambda: all(ban.confirmed for ban in place.daemon.kernel.ledger) and banned(place))

    async def second(place: Served) -> None:
        await soon(lambda: banned(place) == [(V4, "leech", 3)])
        accounts = await place.accounts()
        assert (accounts["ordered"], accounts["superseded"]) == counts
        assert "adopted" in capfd.readouterr().err or stored

    play(place, first, firewall=firewall)
    if not stored:
        shutil.rmtree(place.state)
    play(place, second, firewall=firewall)


def test_lines_of_a_pipe_bring_a_ban_and_reach_the_disk_masked(place: Served) -> None:
    place.configure(f'pipe = true\nlog = "{place.log}"')

    async def scene(place: Served) -> None:
        with running(place.config.with_name("pipe.log"), "pipe", "--config", place.config) as pipe:
            pipe.write("".join(f"{line(client)}\n" for client in (V4, V6, V4, V4)))
            await soon(lambda: banned(place) == [(V4, "leech", 3)])
            await soon(lambda: place.log.read_text().count("\n") == 4)
            (item,) = (await place.source())["pipes"]
            assert item.pop("killed") == {"dropped": 0, "unwritten": 0}
            assert item == {"pid": pipe.process.pid, "mask": "pseudonym", "taken": 4, "dropped": 0, "unwritten": 0}
            assert pipe.close() == 0
        assert pipe.said == ""

    play(place, scene)
    assert leaks([place.config.parent, place.runtime], [V4, V6]) == []


# Reload


async def reload(place: Served) -> None:
    """Send SIGHUP, and wait until it is done."""
    before = place.daemon.engine, place.daemon.config_problem
    signal.raise_signal(signal.SIGHUP)
    await soon(lambda: (place.daemon.engine, place.daemon.config_problem) != before)


def test_a_reload_keeps_the_windows_of_jails_that_did_not_change(place: Served) -> None:
    async def scene(place: Served) -> None:
        place.append(*[line(V4)] * 2)
        await taken(place, 2)
        place.configure(f'path = "{place.log}"', JAIL + ONE_FAILURE)
        await reload(place)
        place.append(line(V4, "/secret"))
        await soon(lambda: len(banned(place)) == 2)
        assert sorted(banned(place)) == [(V4, "leech", 3), (V4, "touchy", 1)]
        source = await place.source()
        assert source["lines"] == 3

    play(place, scene)


def test_a_jail_that_changed_counts_from_nothing_and_one_that_is_gone_is_gone(place: Served) -> None:
    place.configure(f'path = "{place.log}"', JAIL + ONE_FAILURE)

    async def scene(place: Served) -> None:
        place.append(*[line(V4)] * 2)
        await taken(place, 2)
        place.configure(f'path = "{place.log}"', JAIL.replace('source = "web"', 'source = "web"\nmethod = "GET"'))
        await reload(place)
        assert [item["jail"] for item in (await place.ask("jails"))["items"]] == ["leech"]
        place.append(*[line(V4, "/secret")] * 2)
        await taken(place, 4)
        assert banned(place) == []
        place.append(line(V4))
        await soon(lambda: banned(place) == [(V4, "leech", 3)])

    play(place, scene)


def test_what_needs_a_restart_is_said(place: Served, capfd: pytest.CaptureFixture[str]) -> None:
    async def scene(place: Served) -> None:
        place.config.write_text(place.config.read_text().replace('"null"', '"nftables"'))
        await reload(place)
        assert (await place.ask("status"))["firewall"]["name"] == "null"

    play(place, scene)
    assert "waits for a restart" in capfd.readouterr().err


def test_bans_survive_a_reload(place: Served) -> None:
    async def scene(place: Served) -> None:
        place.append(*[line(V4)] * 3)
        await soon(lambda: banned(place))
        place.configure(f'path = "{place.log}"', ONE_FAILURE)
        await reload(place)
        assert banned(place) == [(V4, "leech", 3)]

    play(place, scene)


def test_a_configuration_with_mistakes_is_not_taken_and_it_is_said(
    place: Served, capfd: pytest.CaptureFixture[str]
) -> None:
    async def scene(place: Served) -> None:
        place.append(*[line(V4)] * 2)
        await taken(place, 2)
        good = place.config.read_text()
        place.config.write_text(good + "maxrety = 1\n")
        await reload(place)
        (warning,) = (text for text in (await place.ask("status"))["warnings"] if "configuration" in text)
        number = good.count("\n") + 1
        assert "the old one is in force" in warning
        assert f"{place.config}:{number}: jail.leech.maxrety: unknown setting, did you mean 'maxretry'?" in warning
        place.append(line(V4))
        await soon(lambda: banned(place) == [(V4, "leech", 3)])

        place.config.unlink()
        await reload(place)
        place.config.write_text(good)
        await reload(place)
        assert not [text for text in (await place.ask("status"))["warnings"] if "configuration" in text]

    play(place, scene)
    assert "configuration not reloaded, the old one stays" in capfd.readouterr().err


def test_a_source_may_come_go_and_change_with_a_reload(place: Served) -> None:
    other = place.log.with_name("other.log")
    other.touch()

    async def scene(place: Served) -> None:
        place.configure(f'path = "{other}"')
        await reload(place)
        place.append(*[line(V4)] * 3)
        with other.open("a") as file:
            file.write(f"{line(OTHER)}\n" * 3)
        await soon(lambda: banned(place) == [(OTHER, "leech", 3)])
        place.configure("pipe = true")
        await reload(place)
        with connected(place.runtime) as pipe:
            hand_over(pipe, Hello("web", 1, "drop"), Lines(f"{line(V4)}\n".encode() * 3, 3, 0, 0))
            await soon(lambda: len(banned(place)) == 2)
        assert (await place.source())["kind"] == "pipe"

    play(place, scene)


# What goes wrong


class Failing(NullFirewall):
    """A firewall with a mistake in it."""

    def repair(self) -> bool:
        raise RuntimeError(V4)


def test_one_thing_that_fails_does_not_end_the_others(place: Served, capfd: pytest.CaptureFixture[str]) -> None:
    said = ""

    def heard(word: str) -> bool:
        nonlocal said
        said += capfd.readouterr().err
        return word in said

    async def scene(place: Served) -> None:
        await soon(lambda: heard("a look around failed"))
        feed, place.daemon.engine.feed = place.daemon.engine.feed, None  # type: ignore[method-assign,assignment]
        place.append(line(V4))
        await soon(lambda: heard("something failed"))
        place.daemon.engine.feed = feed  # type: ignore[method-assign]
        place.append(*[line(V4)] * 3)
        await soon(lambda: banned(place) == [(V4, "leech", 3)])

    play(place, scene, firewall=Failing(time.time))
    assert '"error": "RuntimeError"' in said
    assert V4 not in said


def test_nonsense_from_pipes_is_survived(place: Served) -> None:
    place.configure("pipe = true")

    async def scene(place: Served) -> None:
        for size in (0, 1, 30, 3000, 200_000):
            with connected(place.runtime) as pipe:
                pipe.send(os.urandom(size))
        text = f"{line(V4)}\n".encode()
        with connected(place.runtime) as pipe:
            hand_over(pipe, Hello("web", 1, "drop"))
            for data in (
                b"",
                b"\n",
                b"no newline",
                text[:-1],
                text[:20],
                b"\0\n",
                b'"\n"' * 50,
                os.urandom(5000),
                b"\n" * 999,
            ):
                hand_over(pipe, Lines(data, 2**64 - 1, 2**64 - 1, 2**64 - 1))
            hand_over(pipe, Lines(text * 3, 3, 0, 0))
            await soon(lambda: banned(place) == [(V4, "leech", 3)])
        source = await place.source()
        assert source["lines"] == source["parsed"] + source["ignored"] + sum(source["unparsed"].values())

    play(place, scene)


def test_systemd_is_told_how_it_is(place: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(10)

        async def scene(place: Served) -> None:
            signal.raise_signal(signal.SIGHUP)
            await asyncio.sleep(0)
            assert (await place.ask("status"))["version"]

        play(place, scene)
        told: list[bytes] = []
        while not told or told[-1] != b"STOPPING=1":
            told.append(systemd.recv(200).partition(b"\n")[0])

    assert [state for state in told if state != b"WATCHDOG=1"] == [
        b"READY=1",
        b"RELOADING=1",
        b"READY=1",
        b"STOPPING=1",
    ]


def test_two_daemons_do_not_share_a_directory(place: Served) -> None:
    async def scene(place: Served) -> None:
        with pytest.raises(AlreadyRunningError):
            await Daemon(
                place.daemon.config, place.runtime, place.state, place.daemon.kernel.firewall, place.daemon.log
            ).run()
        assert (await place.ask("status"))["pid"] == os.getpid()

    play(place, scene)


# As a process


@pytest.fixture
def configured(tmp_path: Path, runtime: Path) -> Path:
    """Return a configuration that follows a file."""
    path = tmp_path / "privet.toml"
    path.write_text(config(runtime, f'path = "{tmp_path}/access.log"'))
    return path


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_end_it_ends_well_and_leaves_no_socket(configured: Path, runtime: Path, number: signal.Signals) -> None:
    with daemon(configured, runtime) as verb:
        assert {"control.sock", "intake.sock"} <= {path.name for path in runtime.iterdir()}
        assert verb.end(number) == 0

    assert sorted(path.name for path in runtime.iterdir()) == ["clock", "intakes", "keys", "lock"]
    assert '"stopping"' in verb.said


def test_a_second_one_refuses_and_the_first_goes_on(configured: Path, runtime: Path) -> None:
    with daemon(configured, runtime) as verb:
        second = privet("run", "--config", configured, "--runtime", runtime)
        assert (second.returncode, second.stdout) == (2, "")
        assert "another privet runs here" in second.stderr
        assert ask(runtime, "status")["pid"] == verb.process.pid


def test_one_that_was_killed_is_followed_by_another_and_its_pipes_come_back(configured: Path, runtime: Path) -> None:
    log = configured.with_name("masked.log")
    configured.write_text(config(runtime, f'pipe = true\nlog = "{log}"'))
    with running(configured.with_name("pipe.log"), "pipe", "--config", configured) as pipe:
        with daemon(configured, runtime) as verb:
            pipe.write(f"{line(V4)}\n")
            until(lambda: ask(runtime, "status")["items"][0]["lines"] == 1)
            verb.end(signal.SIGKILL)
        pipe.write(f"{line(V4)}\n" * 2)
        until(lambda: log.read_text().count("\n") == 3)
        assert (runtime / "control.sock").exists()
        (runtime / "control.sock").unlink()
        with daemon(configured, runtime):
            pipe.write(f"{line(V4)}\n")
            until(lambda: [item["failures"] for item in ask(runtime, "bans")["items"]] == [3])
            assert pipe.close() == 0
    assert leaks([configured.parent, runtime], [V4]) == []


STRANGER = """
import os, socket, sys
from pathlib import Path
from tests.unit.processes import speak
runtime = Path(sys.argv[1])
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
def tried(act):
    try:
        return act()
    except OSError as error:
        return type(error).__name__
def connect(name, kind):
    with socket.socket(socket.AF_UNIX, kind) as line:
        line.connect(str(runtime / name))
        return "connected"
print(tried(lambda: connect("control.sock", socket.SOCK_STREAM)))
print(tried(lambda: connect("intake.sock", socket.SOCK_SEQPACKET)))
print(tried(lambda: os.listdir(runtime / "keys")))
print("opened", flush=True)
sys.stdin.readline()
print(speak(runtime, b'{"verb": "status"}\\n').decode())
"""


@pytest.mark.needs("root")
def test_other_users_are_not_heard(configured: Path, runtime: Path) -> None:
    runtime.parent.chmod(0o755)
    with (
        daemon(configured, runtime),
        subprocess.Popen(
            [sys.executable, "-c", STRANGER, runtime],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
        ) as stranger,
    ):
        assert stranger.stdout
        assert [stranger.stdout.readline().strip() for _ in range(4)] == ["PermissionError"] * 3 + ["opened"]
        (runtime / "control.sock").chmod(0o666)  # even if somebody opens the door
        answer, _ = stranger.communicate("\n", timeout=30)

    assert answer == '{"error": "not allowed"}\n\n'


def test_garbage_does_not_kill_it(configured: Path, runtime: Path) -> None:
    with daemon(configured, runtime) as verb:
        for data in (os.urandom(100_000), b"{" * 100_000 + b"\n", b"\n" * 1000):
            speak(runtime, data, hang_up=True)
        assert ask(runtime, "status")["pid"] == verb.process.pid
        assert verb.end(signal.SIGTERM) == 0
    assert "Traceback" not in verb.said


@pytest.mark.parametrize("place", ["x" * 200, "file/run"])
def test_a_directory_that_cannot_be_had_is_an_error(configured: Path, tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    done = privet("run", "--config", configured, "--runtime", tmp_path / place)

    assert done.returncode == 2
    assert done.stderr.startswith(("privet: ", '{"'))
    assert "Traceback" not in done.stderr
    assert "None" not in done.stderr


def test_bad_configuration_is_an_exit_code_of_its_own(configured: Path, runtime: Path) -> None:
    configured.write_text("[source.web]\n")
    done = privet("run", "--config", configured, "--runtime", runtime)

    assert done.returncode == 78
    assert f"{configured}:1: source.web: needs 'path', 'journal' or 'pipe = true'" in done.stderr
