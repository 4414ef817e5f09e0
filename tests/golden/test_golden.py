"""Golden cases: configuration, log lines, and the verdicts that follow, each case in one file.

A case has three parts between lines of `---`: what stands in `privet.toml` (for the source `web` besides its
path, if it names no source), the log, and one verdict a line as `time jail subject failures action`. With several
sources a line of the log begins with `NAME|`. What else stands below the verdicts is said by the counters.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

import pytest

from privet.config.compile import engine_for
from privet.config.loader import parse
from privet.core.engine import Batch, Engine

CASES = sorted(Path(__file__).parent.glob("*.case"))


def parts(case: Path) -> tuple[Engine, list[tuple[str, str]], list[str]]:
    """Return an engine of the configuration of a case, its lines with their sources, and what it expects."""
    config, log, expected = case.read_text(encoding="utf-8").split("---\n")
    if "[source." not in config:
        config = '[source.web]\npath = "access.log"\n' + config
    engine = engine_for(parse(config, case.name))
    lines = [line.partition("|")[::2] if len(engine.sources) > 1 else ("web", line) for line in log.splitlines()]
    return engine, [(source, rest) for source, rest in lines], expected.splitlines()


def verdicts(engine: Engine, source: str, lines: list[str]) -> list[str]:
    """Return what the engine says of some lines."""
    data = "".join(f"{line}\n" for line in lines).encode()
    return [
        f"{datetime.fromtimestamp(v.time, UTC):%H:%M:%S} {v.jail} {v.subject.reveal()} {v.failures} {v.action}"
        for v in engine.feed(Batch(source, data), math.inf)
    ]


def counters(engine: Engine) -> set[str]:
    """Return what the counters say, as a case may expect it."""
    said: set[str] = set()
    for state in engine.sources.values():
        said |= {f"late {state.late}", f"ignored {state.ignored}"}
        said |= {f"{reason} {count}" for reason, count in state.unparsed.items()}
        said |= {state.complaint or "no complaint"}
    return said


@pytest.mark.parametrize("at_once", [1, 7, 1000])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_case(case: Path, at_once: int) -> None:
    engine, lines, expected = parts(case)
    found: list[str] = []
    for start in range(0, len(lines), at_once):
        for source, run in groupby(lines[start : start + at_once], key=lambda pair: pair[0]):
            found += verdicts(engine, source, [line for _, line in run])
    wanted = [line for line in expected if re.match(r"\d\d:\d\d:\d\d ", line)]
    assert found == wanted
    assert set(expected) - set(wanted) <= counters(engine)


def test_there_are_cases() -> None:
    assert len(CASES) >= 8
