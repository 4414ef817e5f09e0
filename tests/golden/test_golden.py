"""Golden cases: configuration, log lines, and the verdicts that follow, each case in one file.

A case has three parts between lines of `---`: what stands in `privet.toml` for the source `web` besides its
path, the log, and one verdict a line as `time jail subject failures action`.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path

import pytest

from privet.config.compile import engine_for
from privet.config.loader import parse
from privet.core.engine import Batch

CASES = sorted(Path(__file__).parent.glob("*.case"))


def verdicts(case: Path) -> tuple[list[str], list[str]]:
    """Return what the engine says of a case, and what the case expects."""
    config, log, expected = case.read_text(encoding="utf-8").split("---\n")
    engine = engine_for(parse('[source.web]\npath = "access.log"\n' + config, case.name))
    found = [
        f"{datetime.fromtimestamp(v.time, UTC):%H:%M:%S} {v.jail} {v.subject.reveal()} {v.failures} {v.action}"
        for v in engine.feed(Batch("web", log.encode()), math.inf)
    ]
    return found, expected.splitlines()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_case(case: Path) -> None:
    found, expected = verdicts(case)
    assert found == expected


def test_there_are_cases() -> None:
    assert len(CASES) >= 8
