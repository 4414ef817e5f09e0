"""Programs that are told of bans, and commands that are asked before, in a running daemon."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from privet.daemon import told as module
from tests.unit.daemon.serving import serving, until
from tests.unit.processes import line

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.unit.daemon.serving import Served

HERE, THERE = "203.0.113.77", "203.0.113.78"
JAIL = """
[jail.leech]
source = "web"
findtime = "60s"
maxretry = 3
bantime = "10m"
"""


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Return where commands write to."""
    return tmp_path / "out"


def configure(place: Served, action: str = "", more: str = "") -> None:
    """Give the daemon a jail with an action."""
    actions = f'actions = "one"\n[action.one]\n{action}\n' if action else ""
    place.configure(f'path = "{place.log}"', f"{JAIL}{more}\n{actions}")
    place.log.touch()


def play(place: Served, scene: Callable[[Served], Awaitable[None]]) -> None:
    """Run a scene with a daemon."""

    async def run() -> None:
        async with serving(place):
            await scene(place)

    asyncio.run(run())


def said(out: Path) -> list[str]:
    """Return the lines that commands have written."""
    return out.read_text().splitlines() if out.exists() else []


def test_a_program_is_told_when_a_ban_begins_and_when_it_ends(place: Served, out: Path) -> None:
    configure(place, f"ban = '''echo ban <ip> <failures> <bantime> >> {out}'''\nunban = 'echo unban <ip> >> {out}'")

    async def scene(place: Served) -> None:
        place.append(*(line(HERE) for _ in range(4)))
        await until(lambda: said(out) == [f"ban {HERE} 3 600"])
        await place.ask("unban", subjects=[HERE])
        await until(lambda: said(out)[1:] == [f"unban {HERE}"])

    play(place, scene)


def test_lines_of_the_log_reach_it_as_they_are(place: Served, out: Path) -> None:
    configure(place, f"ban = '''printf '%s' \"<matches>\" > {out}'''")
    hostile = [line(HERE, path=f"/{number}$(touch${{IFS}}{out}.pwned)`id`';*") for number in range(3)]

    async def scene(place: Served) -> None:
        place.append(*hostile)
        await until(lambda: said(out))
        assert said(out) == hostile

    play(place, scene)
    assert not out.with_name("out.pwned").exists()


def test_a_ban_by_hand_and_one_that_is_over_by_itself_are_told_too(place: Served, out: Path) -> None:
    configure(place, f"ban = 'echo ban <ip> >> {out}'\nunban = 'echo unban <ip> >> {out}'")

    async def scene(place: Served) -> None:
        await place.ask("ban", jail="leech", subjects=[HERE], seconds=1)
        await until(lambda: said(out) == [f"ban {HERE}", f"unban {HERE}"])

    play(place, scene)


def test_refused_bans_are_not_told(place: Served, out: Path) -> None:
    configure(place, f"ban = 'echo ban >> {out}'")

    async def scene(place: Served) -> None:
        item = (await place.ask("ban", jail="leech", subjects=["127.0.0.1"]))["items"][0]
        assert item["result"] == "refused"
        assert place.daemon.told.state()[0]["runs"] == 0

    play(place, scene)


def test_bans_end_with_the_daemon_and_begin_again_with_it(place: Served, out: Path) -> None:
    configure(
        place, f"ban = 'echo ban <restored> >> {out}'\nunban = 'echo unban >> {out}'\nstart = 'echo start >> {out}'"
    )

    async def first(place: Served) -> None:
        await place.ask("ban", jail="leech", subjects=[HERE])
        await until(lambda: said(out) == ["start", "ban 0"])

    async def second(_place: Served) -> None:
        await until(lambda: said(out)[2:] == ["unban", "start", "ban 1"])

    play(place, first)
    play(place, second)


def test_a_reload_changes_programs(place: Served, out: Path) -> None:
    configure(place, f"ban = 'echo one >> {out}'\nstop = 'echo stop >> {out}'")

    async def scene(place: Served) -> None:
        configure(place, f"ban = 'echo two >> {out}'")
        place.daemon.reload()
        await place.ask("ban", jail="leech", subjects=[HERE])
        await until(lambda: sorted(said(out)) == ["stop", "two"])

    play(place, scene)


def test_a_slow_program_holds_up_neither_bans_nor_the_end(place: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ENDING", 0.2)
    configure(place, "ban = 'sleep 300'")

    async def scene(place: Served) -> None:
        began = time.monotonic()
        place.append(*(line(f"203.0.113.{client}") for client in range(20) for _ in range(3)))
        await until(lambda: len(list(place.daemon.bans())) == 20)
        assert time.monotonic() - began < 10

    play(place, scene)


def test_failures_show_in_status(place: Served) -> None:
    configure(place, "ban = 'exit 3'")

    async def scene(place: Served) -> None:
        await place.ask("ban", jail="leech", subjects=[HERE])
        await until(lambda: place.daemon.told.problems)
        status = await place.ask("status")
        assert [one["failures"] for one in status["actions"]] == [1]
        text = "action one of jail leech: 1 of 1 command failed, the last one: actionban exited with 3"
        assert text in status["warnings"]
        assert HERE not in str(status)

    play(place, scene)


def test_a_command_is_asked_whether_a_ban_is_to_be(place: Served, out: Path) -> None:
    configure(place, more=f"ignorecommand = 'echo <ip> >> {out}; test <ip> = {HERE}'")

    async def scene(place: Served) -> None:
        place.append(*(line(client) for client in (HERE, THERE) for _ in range(3)))
        await until(lambda: [ban.subject.reveal() for ban in place.daemon.bans()] == [THERE])
        await until(lambda: place.daemon.engine.spared["leech"] == 1)
        assert place.daemon.engine.bans["leech"] == 1
        place.append(*(line(HERE) for _ in range(3)))
        await until(lambda: place.daemon.engine.spared["leech"] == 2)
        assert sorted(said(out)) == [HERE, THERE]  # its answer counts for a while

    play(place, scene)


def test_a_command_that_fails_to_answer_spares_nobody(place: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.1)
    configure(place, more="ignorecommand = 'sleep 300'")

    async def scene(place: Served) -> None:
        place.append(*(line(HERE) for _ in range(3)))
        await until(lambda: list(place.daemon.bans()))
        assert place.daemon.told.problems == [
            "jail leech: ignorecommand gave no answer 1 time; whom it should have spared was banned"
        ]

    play(place, scene)


def test_not_too_many_wait_for_an_answer(place: Served, monkeypatch: pytest.MonkeyPatch, out: Path) -> None:
    monkeypatch.setattr(module, "MOST_ASKED", 1)
    configure(place, more=f"ignorecommand = 'while ! test -e {out}; do sleep 0.01; done'")

    async def scene(place: Served) -> None:
        place.append(*(line(client) for client in (HERE, THERE) for _ in range(3)))
        await until(lambda: [ban.subject.reveal() for ban in place.daemon.bans()] == [THERE])
        assert place.daemon.told.unasked == 1
        out.touch()  # noqa: ASYNC240  an instant
        await until(lambda: place.daemon.engine.spared["leech"] == 1)

    play(place, scene)


FILTER = """
[filter.app]
failregex = '^app: login of <F-USER>.*</F-USER> failed from <HOST>$'
datepattern = '{NONE}'
[jail.app]
source = "web"
filter = "app"
maxretry = 2
actions = "one"
"""


def test_what_a_filter_found_reaches_a_program(place: Served, out: Path) -> None:
    action = f"ban = '''printf '%s|' <ip> <F-USER> <matches> <bancount> >> {out}'''\nunban = 'printf over >> {out}'"
    place.configure(f'path = "{place.log}"\nformat = "plain"', f"{FILTER}\n[action.one]\n{action}")
    place.log.touch()
    attacks = [f"app: login of {name} failed from 2001:db8::9" for name in ("root", "x $(id) 'y'")]

    async def scene(place: Served) -> None:
        place.append(*attacks)
        await until(lambda: said(out))
        assert "\n".join(said(out)) == "2001:db8::9|x $(id) 'y'|" + "\n".join(attacks) + "|1|"

    play(place, scene)
    assert out.read_text().endswith("|over")


def test_a_jail_that_closes_nothing_tells_its_programs(place: Served, out: Path) -> None:
    configure(place, f"ban = 'echo ban >> {out}'\nunban = 'echo over >> {out}'", more="close = false")

    async def scene(place: Served) -> None:
        place.append(*(line(HERE) for _ in range(3)))
        await until(lambda: said(out) == ["ban"])
        assert list(place.daemon.kernel.ledger) == []
        await place.ask("unban", subjects=[HERE])
        await until(lambda: said(out) == ["ban", "over"])

    play(place, scene)


def test_of_what_a_filter_found_a_program_gets_the_beginning(place: Served, out: Path) -> None:
    place.configure(f'path = "{place.log}"\nformat = "plain"', f"{FILTER}\n[action.one]\nban = 'echo <F-USER> > {out}'")
    place.log.touch()

    async def scene(place: Served) -> None:
        place.append(*[f"app: login of {'x' * 30_000} failed from 192.0.2.9"] * 2)
        await until(lambda: said(out) == ["x" * module.LONGEST_FACT])

    play(place, scene)


def test_a_slow_program_is_told_of(place: Served, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLOW", 0.1)
    configure(place, f"ban = 'sleep 0.5; echo ban >> {out}'")

    async def scene(place: Served) -> None:
        place.append(*(line(f"198.51.100.{number}") for number in range(4) for _ in range(3)))
        await until(lambda: any("is slow: busy for" in problem for problem in place.daemon.told.problems))
        assert any("is slow" in warning for warning in (await place.ask("status"))["warnings"])
        await until(lambda: len(said(out)) == 4)
        await until(lambda: not place.daemon.told.problems)

    play(place, scene)
