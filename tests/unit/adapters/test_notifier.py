"""The administrator's program gets the message, and nothing that it does holds anything up."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from privet.adapters.notifier import CommandNotifier, NullNotifier


def program(path: Path, text: str) -> str:
    path.write_text(f"#!{sys.executable}\nimport os, sys, time\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_the_message_comes_on_standard_input_and_nothing_in_the_arguments(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    told = program(tmp_path / "told", f"open({str(kept)!r}, 'w').write(repr(sys.argv[1:]) + sys.stdin.read())")

    assert CommandNotifier([told, "$(id)", "a b"]).tell("privet: süß\nline\n") is None
    assert kept.read_text() == "['$(id)', 'a b']privet: süß\nline\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sys.exit(3)", "exited with 3"),
        ("os.kill(os.getpid(), 9)", "was killed by signal 9"),
        ("os.close(0); sys.exit(4)", "exited with 4"),
    ],
)
def test_failures_are_named(tmp_path: Path, text: str, said: str) -> None:
    assert CommandNotifier([program(tmp_path / "told", text)]).tell("x" * 200_000) == said


def test_a_program_that_is_not_there_is_named() -> None:
    assert CommandNotifier(["/nowhere/at/all"]).tell("x") == "cannot be run: No such file or directory"


def test_a_program_that_hangs_ends_with_all_that_it_started(tmp_path: Path) -> None:
    kept = tmp_path / "pid"
    text = f"child = os.fork()\nif child: open({str(kept)!r}, 'w').write(str(child))\ntime.sleep(60)"

    assert CommandNotifier([program(tmp_path / "told", text)], 1.0).tell("x") == "did not end within 1 s"

    child, end = int(kept.read_text()), time.monotonic() + 10
    while time.monotonic() < end and Path(f"/proc/{child}").exists():
        with Path(f"/proc/{child}/stat").open() as file:
            if file.read().rpartition(")")[2].split()[0] == "Z":
                break
        time.sleep(0.05)
    else:
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)


def test_the_twin_remembers() -> None:
    nobody = NullNotifier()

    assert [nobody.tell(str(number)) for number in range(12)] == [None] * 12
    assert nobody.told[-1] == "11"
    assert len(nobody.told) == 10
