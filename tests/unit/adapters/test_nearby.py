"""Logs that were moved: the file in the same folder that began when the other one stopped."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from privet.adapters.nearby import gone_to
from privet.core.parsing.formats import named
from privet.core.parsing.parse import plan_of
from tests.unit.core.traffic import START, entry

if TYPE_CHECKING:
    from pathlib import Path

TIME_OF = plan_of(named("combined")).time_of


def written(path: Path, begin: float, lines: int = 30) -> Path:
    path.write_bytes(b"".join(entry(begin + n, "192.0.2.1", "/")[1] for n in range(lines)))
    os.utime(path, (begin + lines, begin + lines))
    return path


def found(log: Path, last: float = START + 29) -> tuple[str, bool] | None:
    return gone_to([str(log)], [str(log)], last, TIME_OF)


def test_the_file_that_goes_on_is_found(tmp_path: Path) -> None:
    log = written(tmp_path / "access.log", START)
    new = written(tmp_path / "other.log", START + 60)

    assert found(log) == (str(new), False)


def test_a_log_that_was_rotated_away_is_found_where_its_server_still_writes(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.touch()
    old = written(tmp_path / "access.log.1", START, lines=45)
    assert found(log) is None  # some lines are not enough

    for number in range(45, 60):
        with old.open("ab") as file:
            file.write(entry(START + number, "192.0.2.1", "/")[1])
    os.utime(old, (START + 60, START + 60))
    written(tmp_path / "shop-access.log.1", START, lines=60)

    assert found(log) == (str(old), True)


def test_files_that_are_something_else_are_not(tmp_path: Path) -> None:
    log = written(tmp_path / "access.log", START)
    written(tmp_path / "access.log.1", START - 3600)
    written(tmp_path / "always.log", START - 10, lines=500)
    written(tmp_path / "few.log", START + 60, lines=5)
    (tmp_path / "error.log").write_text("[notice] something else\n" * 100)
    (tmp_path / "folder.log").mkdir()
    os.mkfifo(tmp_path / "pipe.log")
    (tmp_path / "link.log").symlink_to(log)

    assert found(log) is None


def test_a_folder_that_is_gone_is_no_trouble(tmp_path: Path) -> None:
    assert found(tmp_path / "gone" / "access.log") is None
