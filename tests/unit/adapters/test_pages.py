"""A page takes the place of another page only, whole or not at all."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from privet.adapters.pages import write_page
from privet.ports import SinkError

if TYPE_CHECKING:
    from pathlib import Path

OURS = "<!-- ours -->"


def test_a_page_is_for_its_owner_only_and_may_be_written_again(tmp_path: Path) -> None:
    path = tmp_path / "report.html"

    write_page(path, f"{OURS} one", OURS)
    write_page(path, f"{OURS} two", OURS)

    assert path.read_text() == f"{OURS} two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_no_page_stays(tmp_path: Path) -> None:
    other, link = tmp_path / "access.log", tmp_path / "link"
    other.write_text("something else")
    link.symlink_to(other)

    for path in (other, link, tmp_path):
        with pytest.raises(SinkError, match="is no"):
            write_page(path, OURS, OURS)

    assert other.read_text() == "something else"
    assert link.is_symlink()


def test_nothing_is_left_of_what_could_not_be_written(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        write_page(tmp_path / "report.html", b"no text", OURS)  # type: ignore[arg-type]

    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_missing_is_told_by_the_name_that_was_given(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "report.html"

    with pytest.raises(FileNotFoundError) as told:
        write_page(path, OURS, OURS)

    assert told.value.filename == str(path)
