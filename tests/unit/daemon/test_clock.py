"""The clock: what somebody sets and what a suspension takes is noticed, and nothing else is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from privet.daemon import clock
from privet.daemon.clock import Change, Clock, Clocks

if TYPE_CHECKING:
    from pathlib import Path

DAY = 86_400.0


class Machine:
    """Clocks that a test turns."""

    def __init__(self) -> None:
        self.day, self.boot, self.awake = 1.79e9, 5000.0, 4000.0

    def clock(self, path: Path) -> Clock:
        """Return a clock that goes by these."""
        return Clock(path, Clocks(lambda: self.day, lambda: self.boot, lambda: self.awake))

    def wait(self, seconds: float, *, asleep: float = 0.0, off: float = 0.0) -> None:
        """Let time go by, some of it in a suspension; `off` is how much further the date goes."""
        self.boot += seconds
        self.awake += seconds - asleep
        self.day += seconds + off


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "clock"


def test_time_goes_by(machine: Machine, path: Path) -> None:
    one = machine.clock(path)
    assert one.start() == Change()
    machine.wait(10)
    assert one.now() == machine.day
    assert one.look() == Change()
    assert (one.jumps, one.naps) == (0, 0)


@pytest.mark.parametrize("jump", [DAY, -DAY, 3.0])
def test_a_clock_that_is_set_is_told_once_and_followed_then(machine: Machine, path: Path, jump: float) -> None:
    one = machine.clock(path)
    before = one.now()
    machine.wait(1, off=jump)
    assert one.now() == before + 1, "nothing jumps before it is told"
    assert one.look() == Change(jumped=jump)
    assert one.now() == machine.day
    assert one.look() == Change()
    assert one.jumps == 1


def test_a_clock_that_is_corrected_little_by_little_is_followed_without_a_word(machine: Machine, path: Path) -> None:
    one = machine.clock(path)
    for _ in range(100):
        machine.wait(1, off=0.01)
        assert one.look() == Change()
    assert one.now() == pytest.approx(machine.day)


def test_a_suspension_is_told_once(machine: Machine, path: Path) -> None:
    one = machine.clock(path)
    machine.wait(3600, asleep=3000)
    assert one.look() == Change(slept=3000)
    assert one.look() == Change()
    assert (one.jumps, one.naps) == (0, 1)


def test_short_suspensions_add_up(machine: Machine, path: Path) -> None:
    one = machine.clock(path)
    machine.wait(1, asleep=0.4)
    assert one.look() == Change()
    machine.wait(1, asleep=0.4)
    assert one.look().slept == pytest.approx(0.8)


def test_the_next_daemon_learns_what_happened_meanwhile(machine: Machine, path: Path) -> None:
    machine.clock(path).start()
    machine.wait(7200, asleep=600, off=-DAY)
    assert machine.clock(path).start() == Change(jumped=-DAY, slept=600)
    assert machine.clock(path).start() == Change(), "told once"


def test_another_boot_has_other_timers(machine: Machine, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.clock(path).start()
    monkeypatch.setattr(clock, "_boot", lambda: "another one")
    machine.boot = machine.awake = 10.0
    assert machine.clock(path).start() == Change()


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"boot": 1}', "\0", '{"boot": "BOOT", "date": [], "asleep": 0}'])
def test_nonsense_left_behind_is_nothing(
    machine: Machine, path: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "_boot", lambda: "BOOT")
    path.write_text(text)
    assert machine.clock(path).start() == Change()


def test_without_a_place_to_write_it_goes_on(machine: Machine, path: Path) -> None:
    one = machine.clock(path / "no" / "such" / "folder")
    machine.wait(1, off=DAY)
    assert one.start() == Change(jumped=DAY)


def test_it_writes_only_when_something_happened(machine: Machine, path: Path) -> None:
    one = machine.clock(path)
    one.start()
    path.unlink()
    machine.wait(10)
    one.look()
    assert not path.exists()
    machine.wait(1, off=5)
    one.look()
    assert json.loads(path.read_text()).keys() == {"boot", "date", "asleep"}


def test_being_stopped_between_two_clocks_is_no_jump(path: Path) -> None:
    machine, stops = Machine(), [50.0]

    def day() -> float:
        if stops:
            machine.wait(stops.pop())
        return machine.day

    def boot() -> float:
        return machine.boot

    one = Clock(path, Clocks(day, boot, lambda: machine.awake))
    stops.append(50.0)
    assert one.look() == Change()


def test_the_clocks_of_this_machine(path: Path) -> None:
    one = Clock(path)
    assert one.start() == Change()
    assert one.look() == Change()


def test_its_file_is_its_owners_alone(machine: Machine, tmp_path: Path) -> None:
    machine.clock(tmp_path / "clock").look()
    assert (tmp_path / "clock").stat().st_mode & 0o777 == 0o600
