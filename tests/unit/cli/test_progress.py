"""The bar on a terminal."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

import pytest

from privet.cli import progress
from privet.cli.progress import reading

if TYPE_CHECKING:
    from pathlib import Path


class Terminal(io.StringIO):
    """Standard error as a person has it."""

    def isatty(self) -> bool:
        return True


def test_programs_see_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with reading(["-"]) as advance:
        assert advance is None


@pytest.mark.parametrize(("patience", "shown"), [(0.0, "reading"), (3600.0, "")])
def test_a_person_sees_a_bar_when_it_takes_long(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, patience: float, shown: str
) -> None:
    (tmp_path / "log").write_text("x" * 1000)
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(progress, "PATIENCE", patience)

    with reading([str(tmp_path / "log"), "-", str(tmp_path / "missing")]) as advance:
        assert advance
        advance(500)
        advance(500)

    assert screen.getvalue().count("reading") >= 1 if shown else screen.getvalue() == ""


def test_the_bar_goes_when_something_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(progress, "PATIENCE", 0.0)

    def fail() -> None:
        with reading(["-"]) as advance:
            assert advance
            advance(1)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert screen.getvalue().rindex("\x1b[?25h") > screen.getvalue().rindex("reading")  # the cursor is back
