"""Small files of what was learnt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from privet.adapters.learnt import LARGEST, read_learnt, write_learnt

if TYPE_CHECKING:
    from pathlib import Path


def test_what_was_learnt_comes_back_and_is_for_the_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "learnt.json"
    path.write_bytes(b"old")
    path.chmod(0o644)

    write_learnt(path, {"web": 3})

    assert read_learnt(path, dict[str, int]) == {"web": 3}
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["learnt.json"]


def test_what_cannot_be_used_is_nothing(tmp_path: Path) -> None:
    path = tmp_path / "learnt.json"

    assert read_learnt(path, dict[str, int]) is None
    path.write_bytes(b'{"web": "three"}')
    assert read_learnt(path, dict[str, int]) is None
    path.write_bytes(b" " * (LARGEST + 1))
    assert read_learnt(path, dict[str, int]) is None
    assert read_learnt(None, dict[str, int]) is None


def test_a_place_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    write_learnt(tmp_path / "missing" / "learnt.json", {})
    write_learnt(None, {})
