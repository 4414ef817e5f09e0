"""`privet pipe` with a file for its input: it waits for a daemon that is slow, not for one that is not there."""

from __future__ import annotations

import re
import subprocess
import time
from typing import TYPE_CHECKING

from privet.adapters.sinks.handover import BUFFER, FAREWELL, PATIENCE
from tests.unit.processes import PRIVET, line, until
from tests.unit.tasks.test_pipe import V4, Place, listening

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.tasks.test_pipe import Listener

TEXT = f"{line(V4)}\n".encode()
COUNT = 2 * BUFFER // len(TEXT)


def piped(place: Place) -> subprocess.Popen[bytes]:
    """Start a pipe that reads a file."""
    log = place.folder / "whole.log"
    log.write_bytes(TEXT * COUNT)
    with log.open("rb") as lines, place.errors.open("wb") as errors:
        return subprocess.Popen([*PRIVET, "pipe", "--config", str(place.config)], stdin=lines, stderr=errors)


def ended(place: Place, pipe: subprocess.Popen[bytes]) -> int:
    """Wait for its end; return how many lines it says did not reach the daemon. The log has all of them."""
    assert pipe.wait(60) == 0
    assert len(place.lines) == COUNT
    (place.folder / "whole.log").unlink()
    place.assert_no_address()
    lost = re.search(r"([\d,]+) lines did not reach the daemon", place.errors.read_text())
    return int(lost[1].replace(",", "")) if lost else 0


def taken(listener: Listener, pause: float) -> int:
    """Take packet by packet to the end, slowly; return how many lines they had."""
    peer, lines, there = until(listener.accept), 0, True
    assert peer
    while there:
        block, there = listener.intake.receive(peer)
        lines += block.count(b"\n")
        time.sleep(pause if block else 0.001)
    return lines


def test_a_slow_daemon_gets_all_lines_of_a_file(tmp_path: Path, runtime: Path) -> None:
    runtime.mkdir()
    place = Place(tmp_path, runtime)
    with listening(runtime) as listener:
        pipe = piped(place)
        assert taken(listener, 0.01) == COUNT
        assert ended(place, pipe) == 0


def test_one_that_stands_still_is_waited_for_once(tmp_path: Path, runtime: Path) -> None:
    runtime.mkdir()
    place = Place(tmp_path, runtime)
    with listening(runtime) as listener:
        began = time.monotonic()
        lost = ended(place, piped(place))
        assert PATIENCE < time.monotonic() - began < PATIENCE + FAREWELL + 30
        assert lost > 0
        assert taken(listener, 0.0) + lost == COUNT


def test_one_that_stands_still_for_a_moment_gets_all_lines(tmp_path: Path, runtime: Path) -> None:
    runtime.mkdir()
    place = Place(tmp_path, runtime)
    with listening(runtime) as listener:
        pipe = piped(place)
        until(lambda: place.lines)
        time.sleep(PATIENCE / 2)
        assert len(place.lines) < COUNT
        assert taken(listener, 0.0) == COUNT
        assert ended(place, pipe) == 0


def test_one_that_is_not_there_is_not_waited_for(tmp_path: Path, runtime: Path) -> None:
    place = Place(tmp_path, runtime)
    assert ended(place, piped(place)) == COUNT
