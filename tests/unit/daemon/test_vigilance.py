"""The daemon names what is dead, in its log and in status, and remembers rhythms over a restart."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import TYPE_CHECKING

import msgspec

from privet.core.watch.rhythm import WEEK, Rhythm
from privet.core.watch.vigil import LATER, Remembered
from privet.daemon import vigilance
from privet.daemon.vigilance import FILE
from tests.unit.core.traffic import entry
from tests.unit.daemon.serving import Served, serving, until
from tests.unit.processes import JAIL

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import pytest

MISSING = "No such file or directory"


def lines(begin: float, number: int = 200, every: float = 1.0) -> list[str]:
    return [entry(begin + n * every, f"192.0.2.{n % 200 + 1}", "/")[1].decode().rstrip() for n in range(number)]


def play(place: Served, scene: object) -> None:
    async def run() -> None:
        async with serving(place):
            await scene(place)  # type: ignore[operator]

    asyncio.run(run())


def remember(place: Served) -> Rhythm:
    """Leave the rhythm of a busy source in the state, beside a log without lines; return it."""
    place.append()
    place.state.mkdir(mode=0o700)
    rhythm = Rhythm(last=[100] * WEEK, before=[100] * WEEK, known=[2] * WEEK)
    (place.state / FILE).write_bytes(msgspec.json.encode(Remembered(sources={"web": rhythm})))
    return rhythm


async def look_until_silent(place: Served, at_last: Callable[[], Awaitable[None]] | None = None) -> str:
    """Let the daemon look for half an hour of its clock; return the problem that it then has."""
    daemon, now = place.daemon, time.time()
    for minutes in range(0, 31, 5):
        daemon.clock.now = lambda minutes=minutes: now + 60 * minutes  # type: ignore[method-assign,misc]
        if at_last and minutes == 30:
            await at_last()
        await daemon.vigilance.look()
    (problem,) = daemon.vigilance.problems
    return problem


def test_a_format_that_changes_is_told_without_an_address(place: Served, capfd: pytest.CaptureFixture[str]) -> None:
    place.append()

    async def scene(place: Served) -> None:
        await place.daemon.vigilance.look()
        place.append(*lines(time.time() - 200))
        await until(lambda: place.daemon.engine.sources["web"].lines == 200)
        await place.daemon.vigilance.look()
        place.append(*(f"web01: {line.replace('[', '(')}" for line in lines(time.time() - 200)))
        await until(lambda: place.daemon.engine.sources["web"].lines == 400)
        await place.daemon.vigilance.look()
        status = await place.ask("status")
        (alarm,) = status["alarms"]
        assert (alarm["kind"], alarm["source"], alarm["jail"]) == ("format", "web", "")
        assert f"source web: {alarm['text'].removeprefix('source web: ')}" in status["warnings"]
        assert "now: web01: 0.0.0.0 - - (" in alarm["text"]

    play(place, scene)
    said = capfd.readouterr().err
    assert "200 of the last 200 lines cannot be read" in said
    assert "192.0.2" not in said


def test_a_log_that_was_moved_is_named_with_the_place_it_went_to(place: Served) -> None:
    place.append()
    other = place.log.with_name("elsewhere.log")

    async def scene(place: Served) -> None:
        daemon, now = place.daemon, time.time()
        await daemon.vigilance.look()
        place.append(*lines(now - 200))
        await until(lambda: daemon.engine.sources["web"].lines == 200)
        await daemon.vigilance.look()
        assert not [text for text in daemon.vigilance.problems if "moved" in text]
        other.write_text("".join(f"{line}\n" for line in lines(now + 10)))
        daemon.clock.now = lambda: now + LATER  # type: ignore[method-assign]
        await daemon.vigilance.look()
        assert daemon.vigilance.problems == [f"source web: its lines go to {other} now: was the log moved?"]

    play(place, scene)


def test_a_log_that_was_rotated_away_under_its_server_is_named(place: Served) -> None:
    place.append()
    old = place.log.with_name(f"{place.log.name}.1")

    async def scene(place: Served) -> None:
        daemon, now = place.daemon, time.time()
        await daemon.vigilance.look()
        place.append(*lines(now - 200))
        await until(lambda: daemon.engine.sources["web"].lines == 200)
        await daemon.vigilance.look()
        source = daemon.files.sources["web"]
        place.log.rename(old)
        place.log.touch()
        source.close()  # as after a while in which nobody wrote
        daemon.files.open(daemon.config.sources["web"], now)
        with old.open("a") as file:
            file.write("".join(f"{line}\n" for line in lines(now + 10, 100)))
        daemon.clock.now = lambda: now + LATER  # type: ignore[method-assign]
        await daemon.vigilance.look()
        (problem,) = daemon.vigilance.problems
        assert problem == f"source web: its lines go to {old} now: was it rotated, and its server not told?"

    play(place, scene)


def test_a_filter_that_cannot_match_its_log_is_named(place: Served) -> None:
    place.configure(
        f'path = "{place.log}"\nformat = "plain"',
        "[jail.sshd]\nsource = 'web'\n[jail.sshd.filter]\nfailregex = '^<HOST> - - '\n",
    )
    place.append(*(f"Nov 22 10:00:{n:02} mail sshd[{n}]: Failed password for root from 192.0.2.1" for n in range(40)))

    async def scene(place: Served) -> None:
        await place.daemon.vigilance.look()
        (problem,) = place.daemon.vigilance.problems
        assert problem.startswith("jail sshd: none of its failregexes can match")

    play(place, scene)


def test_silence_is_told_with_its_cause_and_the_rhythm_is_remembered(place: Served) -> None:
    place.configure(f'path = "{place.log}"', JAIL)
    rhythm = remember(place)

    async def scene(place: Served) -> None:
        async def lose() -> None:
            place.log.unlink()
            await until(lambda: bool(place.daemon.files.sources["web"].problems))

        problem = await look_until_silent(place, lose)
        assert problem.startswith("source web: silent, though some ")
        assert problem.endswith(f" lines or more were to be expected since the last one; {place.log}: {MISSING}")

    play(place, scene)
    kept = place.state / FILE
    assert kept.stat().st_mode & 0o777 == 0o600
    assert msgspec.json.decode(kept.read_bytes(), type=Remembered).sources["web"].last == rhythm.last


def test_a_silent_source_whose_server_listens_is_told_so(place: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    place.configure(f'path = "{place.log}"\nformat = "combined"', JAIL)
    remember(place)

    async def scene(place: Served) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            monkeypatch.setattr(vigilance, "WEB", {port})
            problem = await look_until_silent(place)
        assert problem.endswith(f"since the last one; a server listens on port {port}: where does it log?")

    play(place, scene)


def test_a_file_that_is_damaged_is_begun_anew(place: Served) -> None:
    place.append()
    place.state.mkdir(mode=0o700)
    (place.state / FILE).write_bytes(b'{"sources": {"web": {"last": [1]}}}')

    async def scene(place: Served) -> None:
        await place.daemon.vigilance.look()
        assert place.daemon.vigilance.vigil.remembered.sources["web"].sound

    play(place, scene)
