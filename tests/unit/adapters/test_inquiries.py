"""The register of those who asked: it holds every question for a year, and is for its owner only."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING, Any

import pytest

from privet.adapters import inquiries
from privet.adapters.inquiries import KEPT, Inquiries

if TYPE_CHECKING:
    from pathlib import Path


def entries(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_questions_are_noted_one_below_the_other(tmp_path: Path) -> None:
    register = Inquiries(tmp_path / "state" / "who.log")
    register.note({"uid": 0}, 5.0)
    register.note({"uid": 1}, 6.0)

    assert entries(register.path) == [{"at": 5.0, "uid": 0}, {"at": 6.0, "uid": 1}]
    assert stat.S_IMODE(register.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(register.path.parent.stat().st_mode) == 0o700
    assert list(register.path.parent.iterdir()) == [register.path]


def test_they_go_after_a_year(tmp_path: Path) -> None:
    register = Inquiries(tmp_path / "who.log")
    for now in (0.0, 1.0, KEPT):
        register.note({}, now)

    assert [entry["at"] for entry in entries(register.path)] == [1.0, KEPT]


def test_there_are_so_many_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inquiries, "MOST", 2)
    register = Inquiries(tmp_path / "who.log")
    for now in range(3):
        register.note({}, now)

    assert [entry["at"] for entry in entries(register.path)] == [1, 2]


@pytest.mark.parametrize("damage", ["{", "[]", '{"at": "x"}', "7", '{"to": 1}', "\xff"])
def test_a_damaged_line_goes_and_the_others_stay(tmp_path: Path, damage: str) -> None:
    register = Inquiries(tmp_path / "who.log")
    register.note({}, 1.0)
    with register.path.open("a") as file:
        file.write(damage + "\n")
    register.note({}, 2.0)

    assert [entry["at"] for entry in entries(register.path)] == [1.0, 2.0]


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("")
    (tmp_path / ".who.log.new").symlink_to(elsewhere)
    Inquiries(tmp_path / "who.log").note({}, 1.0)

    assert elsewhere.read_text() == ""
