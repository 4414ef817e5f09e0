"""Tests of adapters.actions, with real shells."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from privet.adapters import actions as module
from privet.adapters.actions import Actions, ActionState
from privet.core.actions.programs import Occasion, Program
from privet.core.actions.shell import compile_command
from privet.core.addresses.address import Subject
from tests.unit.processes import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Make = Callable[..., Actions]

SUBJECT = Subject.parse("192.0.2.7")
OCCASION = Occasion(
    subject=SUBJECT, since=1000.0, until=1600.0, failures=5, lines=("it's $(id)",), facts={"user": "x y"}
)
PATIENCE = 20.0


def occasion(number: int, *, restored: bool = False, until: float = 1600.0) -> Occasion:
    """Return a ban of another client."""
    subject = Subject.parse(f"198.51.{number // 256}.{number % 256}")
    return msgspec.structs.replace(OCCASION, subject=subject, restored=restored, until=until)


def program(name: str = "one", *, timeout: float = 10.0, **commands: str) -> Program:
    """Make an action of the jail ssh from commands without their prefix `action`."""
    compiled = {f"action{command}": {"": compile_command(text)} for command, text in commands.items()}
    return Program(jail="ssh", name=name, commands=compiled, timeout=timeout)


def telling(out: Path, *kinds: str) -> Program:
    """Make an action whose commands write down what they are."""
    commands = {f"action{kind}": {"": compile_command(f"echo {kind} >> {out}")} for kind in kinds}
    return Program(jail="ssh", name="one", commands=commands)


@pytest.fixture
def make() -> Iterator[Make]:
    """Make runners that end with the test."""
    made: list[Actions] = []

    def one(*programs: Program) -> Actions:
        made.append(Actions(clock=lambda: 2000.0))
        made[-1].change(programs)
        return made[-1]

    yield one
    for actions in made:
        actions.stop(0.1)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Return where commands write to."""
    return tmp_path / "out"


def state(actions: Actions) -> ActionState:
    """Return the state of the only action."""
    (one,) = actions.state()
    return one


def test_a_ban_runs_the_command_once_with_its_values(make: Make, out: Path) -> None:
    actions = make(program(ban=f"echo \"<ip> <failures> '<F-USER>' <matches>\" >> {out}"))

    actions.ban("ssh", OCCASION)
    actions.ban("ssh", OCCASION)
    actions.ban("other", occasion(1))

    assert actions.settle(PATIENCE)
    assert out.read_text() == "192.0.2.7 5 'x y' it's $(id)\n"
    assert (state(actions).runs, state(actions).failures, state(actions).banned) == (1, 0, 1)


def test_the_end_of_a_ban_runs_the_other_command_once(make: Make, out: Path) -> None:
    actions = make(program(ban=f"echo ban <ip> >> {out}", unban=f"echo unban <ip> <F-USER> >> {out}"))

    actions.ban("ssh", OCCASION)
    assert actions.told() == [("ssh", SUBJECT)]
    assert actions.settle(PATIENCE)
    actions.unban("ssh", SUBJECT)
    actions.unban("ssh", SUBJECT)

    assert actions.settle(PATIENCE)
    assert out.read_text() == "ban 192.0.2.7\nunban 192.0.2.7 x y\n"
    assert actions.told() == []


def test_what_was_told_can_be_asked_by_when_it_ends(make: Make) -> None:
    actions = make(program(ban="true"))

    actions.ban("ssh", occasion(1, until=1600.0))
    actions.ban("ssh", occasion(2, until=1700.0))

    assert actions.told(1650.0) == [("ssh", occasion(1).subject)]


def test_a_change_ends_what_is_gone_and_starts_what_is_new(make: Make, out: Path) -> None:
    stays = program("stays", start=f"echo stays >> {out}", ban="true")
    goes = program("goes", ban="true", unban=f"echo unban >> {out}", stop=f"echo stop >> {out}")
    actions = make(stays, goes)
    actions.ban("ssh", OCCASION)
    assert actions.settle(PATIENCE)

    actions.change([stays, program("comes", start=f"sleep 0.2; echo start >> {out}", ban="true")])

    assert actions.settle(PATIENCE)
    assert out.read_text().split() == ["stays", "unban", "stop", "start"]
    assert [(one.action, one.banned) for one in actions.state()] == [("stays", 1), ("comes", 0)]


def test_a_command_can_be_asked(make: Make) -> None:
    actions = make()
    script = compile_command('test "<ip>" = 192.0.2.7')

    assert actions.ask(script, OCCASION, PATIENCE) is None
    assert actions.ask(script, occasion(1), PATIENCE) == "exited with 1"
    assert actions.ask(compile_command("sleep 300"), OCCASION, 0.1) == "did not end within 0.1 s"


def test_neither_addresses_nor_text_of_the_log_stand_among_the_arguments(make: Make, out: Path) -> None:
    actions = make(program(ban=f"echo <ip> <matches>; cat /proc/$$/cmdline > {out}"))

    actions.ban("ssh", OCCASION)

    assert actions.settle(PATIENCE)
    assert "192.0.2.7" not in out.read_text()
    assert "id" not in out.read_text()


def test_commands_get_little_else_of_the_environment(make: Make, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/x")
    monkeypatch.setenv("TZ", "UTC")
    actions = make(program(ban=f"env > {out}; echo <ip>"))

    actions.ban("ssh", OCCASION)

    assert actions.settle(PATIENCE)
    names = {line.partition("=")[0] for line in out.read_text().splitlines()}
    assert {"PATH", "TZ", "f2bV_ip"} <= names
    assert "NOTIFY_SOCKET" not in names


def test_it_starts_before_the_first_ban_and_stops_after_the_last_is_over(make: Make, out: Path) -> None:
    actions = make(telling(out, "start", "ban", "unban", "stop"))

    actions.ban("ssh", OCCASION)
    assert actions.settle(PATIENCE)

    assert actions.stop(PATIENCE)
    assert out.read_text().split() == ["start", "ban", "unban", "stop"]


def test_on_demand_it_starts_with_the_first_ban_of_a_family(make: Make, out: Path) -> None:
    commands = {
        f"action{kind}": {family: compile_command(f"echo {kind} {family} >> {out}") for family in ("inet4", "inet6")}
        for kind in ("start", "ban", "stop")
    }
    actions = make(Program(jail="ssh", name="one", commands=commands, on_demand=True))

    actions.ban("ssh", occasion(1))
    actions.ban("ssh", occasion(2))
    assert actions.settle(PATIENCE)

    assert actions.stop(PATIENCE)
    assert out.read_text().splitlines() == ["start inet4", "ban inet4", "ban inet4", "stop inet4"]


def test_stopping_ends_all_bans_with_one_command_if_there_is_one(make: Make, out: Path) -> None:
    actions = make(telling(out, "ban", "unban", "flush", "stop"))

    actions.ban("ssh", occasion(1))
    actions.ban("ssh", occasion(2))
    assert actions.settle(PATIENCE)

    assert actions.stop(PATIENCE)
    assert out.read_text().split() == ["ban", "ban", "flush", "stop"]


def test_restored_bans_do_not_concern_those_that_say_so(make: Make, out: Path) -> None:
    told = program("told", ban=f"echo told <restored> >> {out}", unban=f"echo over >> {out}")
    spared = msgspec.structs.replace(
        program("spared", ban=f"echo wrong >> {out}", unban=f"echo wrong >> {out}"), norestored=True
    )
    actions = make(told, spared)

    actions.ban("ssh", occasion(1, restored=True))
    assert actions.settle(PATIENCE)
    actions.unban("ssh", occasion(1).subject)

    assert actions.settle(PATIENCE)
    assert out.read_text().splitlines() == ["told 1", "over"]


def test_a_ban_that_gets_longer_is_told_to_those_that_care(make: Make, out: Path) -> None:
    actions = make(
        program("caring", ban="true", prolong=f"echo <bantime> >> {out}"), program("other", ban=f"echo ban >> {out}")
    )

    actions.ban("ssh", occasion(1))
    assert actions.settle(PATIENCE)
    actions.ban("ssh", occasion(1, until=9000.0))

    assert actions.settle(PATIENCE)
    assert sorted(out.read_text().split()) == ["8000", "ban"]


def test_a_failing_command_is_counted_and_the_next_ones_run(make: Make, out: Path) -> None:
    actions = make(program(ban=f"echo <ip> >> {out}; exit 3"))

    actions.ban("ssh", occasion(1))
    actions.ban("ssh", occasion(2))

    assert actions.settle(PATIENCE)
    assert len(out.read_text().split()) == 2
    assert (state(actions).runs, state(actions).failures) == (2, 2)
    assert (state(actions).last_failure, state(actions).last_failure_at) == ("actionban exited with 3", 2000.0)


def test_what_a_failing_command_needs_is_checked_and_made_again(make: Make, out: Path) -> None:
    needed = out.with_name("needed")
    actions = make(
        program(
            start=f"echo start >> {out}; touch {needed}",
            stop=f"echo stop >> {out}",
            check=f"echo check >> {out}; test -e {needed}",
            ban=f"echo ban >> {out}; test -e {needed}",
        )
    )
    assert actions.settle(PATIENCE)
    needed.unlink()

    actions.ban("ssh", occasion(1))

    assert actions.settle(PATIENCE)
    assert out.read_text().split() == ["start", "ban", "check", "stop", "start", "check", "ban"]
    assert state(actions).failures == 2  # the first ban, and the first check


def test_a_repair_goes_before_starting_anew(make: Make, out: Path) -> None:
    actions = make(program(ban=f"test -e {out}", check=f"test -e {out}", repair=f"echo repaired > {out}"))

    actions.ban("ssh", occasion(1))

    assert actions.settle(PATIENCE)
    assert out.read_text() == "repaired\n"
    assert state(actions).failures == 2


def test_what_cannot_be_repaired_is_not_tried_for_ever(make: Make) -> None:
    actions = make(program(ban="false", check="false", repair="true"))

    actions.ban("ssh", occasion(1))

    assert actions.settle(PATIENCE)
    assert (state(actions).runs, state(actions).failures) == (4, 3)


def test_what_takes_too_long_is_killed_with_all_that_it_started(make: Make, out: Path) -> None:
    actions = make(program(ban=f"trap '' TERM; sleep 300 & echo $! > {out}; wait; wait", timeout=0.3))

    actions.ban("ssh", occasion(1))

    assert actions.settle(PATIENCE)
    assert state(actions).last_failure == "actionban did not end within 0.3 s"
    child = int(out.read_text())
    until(lambda: not _runs(child))


def _runs(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_slow_action_holds_up_neither_the_caller_nor_another_action(make: Make, out: Path) -> None:
    actions = make(program("slow", ban="sleep 300"), program("quick", ban=f"echo <ip> >> {out}"))
    began = time.monotonic()

    for number in range(100):
        actions.ban("ssh", occasion(number))

    assert time.monotonic() - began < 1.0
    until(lambda: out.exists() and len(out.read_text().split()) == 100)
    until(lambda: actions.state()[1].runs == 100)  # counted when it has ended, a moment after what it writes
    slow, quick = actions.state()
    assert (slow.runs, slow.waiting, quick.runs) == (0, 100, 100)


def test_a_ban_that_is_over_before_its_turn_is_not_begun(make: Make, out: Path) -> None:
    gate = out.with_name("gate")
    wait = f"while ! test -e {gate}; do sleep 0.01; done"
    actions = make(program(ban=f"{wait}; echo ban <ip> >> {out}", unban=f"echo unban <ip> >> {out}"))

    actions.ban("ssh", occasion(1))
    until(lambda: state(actions).waiting == 1)
    actions.ban("ssh", occasion(2))
    actions.unban("ssh", occasion(2).subject)
    actions.unban("ssh", occasion(1).subject)
    gate.touch()

    assert actions.settle(PATIENCE)
    assert out.read_text().splitlines() == ["ban 198.51.0.1", "unban 198.51.0.1"]


def test_more_bans_than_may_wait_are_counted(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 5)
    actions = make(program(ban="sleep 300"))

    for number in range(20):
        actions.ban("ssh", occasion(number))

    assert 14 <= state(actions).untold <= 15  # one of them may have begun
    assert state(actions).waiting <= 6


def test_stopping_does_not_wait_for_ever(make: Make) -> None:
    actions = make(program(ban="sleep 300"))
    actions.ban("ssh", occasion(1))
    until(lambda: state(actions).waiting == 1)
    began = time.monotonic()

    assert not actions.stop(0.2)
    assert time.monotonic() - began < 5.0


def test_lines_of_the_log_are_forgotten_once_told(make: Make) -> None:
    actions = make(program(ban="true"))
    actions.ban("ssh", OCCASION)
    assert actions.settle(PATIENCE)

    (line,) = actions._lines.values()  # noqa: SLF001  what is kept cannot be seen from outside

    assert [one.lines for one in line.told.values()] == [()]


def test_without_a_shell_it_is_a_failure_like_others(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    actions = make(program(ban="true"))

    def refuse(*_arguments: object, **_options: object) -> None:
        raise FileNotFoundError(2, os.strerror(2))

    monkeypatch.setattr(subprocess, "Popen", refuse)
    actions.ban("ssh", OCCASION)

    assert actions.settle(PATIENCE)
    assert state(actions).last_failure == "actionban cannot be run: No such file or directory"


def test_names_of_this_machine_are_known(make: Make, out: Path) -> None:
    actions = make(program(start=f"echo <sh-hostname> <fq-hostname> <time> <ip>. > {out}"))

    assert actions.settle(PATIENCE)
    short, full, at, nobody = out.read_text().split()
    assert short
    assert full
    assert (at, nobody) == ("2000", ".")


def test_an_action_for_which_bans_wait_is_behind(make: Make) -> None:
    actions = make(program(ban="sleep 0.3"), program("quick", ban="true"))
    for number in range(3):
        actions.ban("ssh", occasion(number))
    time.sleep(0.05)
    (one,) = [one for one in actions.behind() if one.action == "one"]
    assert (one.jail, one.waiting) == ("ssh", 2)
    assert 0.0 < one.seconds < PATIENCE
    assert actions.settle(PATIENCE)
    assert actions.behind() == []
