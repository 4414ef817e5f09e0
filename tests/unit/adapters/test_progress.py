"""What an intake leaves to its successor: counts, and nothing where all was done."""

from __future__ import annotations

import os
import signal
import stat
from typing import TYPE_CHECKING

from privet.adapters.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path


def begun(folder: Path, source: str = "web") -> Progress:
    progress = Progress()
    progress.begin(folder, source)
    assert progress.complaint is None
    return progress


def killed(folder: Path, *counts: int, source: str = "web") -> None:
    """Let another process get so far, and kill it."""
    reading, writing = os.pipe()
    if not (child := os.fork()):
        begun(folder, source).note(*counts)
        os.write(writing, b"!")
        signal.pause()
    assert os.read(reading, 1) == b"!"
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(reading)
    os.close(writing)


def losses(progress: Progress) -> tuple[int, int]:
    return progress.unwritten, progress.unheard


def test_a_successor_knows_what_was_begun_and_not_done(tmp_path: Path) -> None:
    killed(tmp_path, 100, 90, 70)

    assert losses(begun(tmp_path)) == (10, 30)


def test_what_several_lost_adds_up_until_one_ends_by_itself(tmp_path: Path) -> None:
    killed(tmp_path, 100, 90, 70)
    killed(tmp_path, 5, 4, 5)
    last = begun(tmp_path)
    assert losses(last) == (11, 30)
    last.note(7, 7, 7)
    last.close()

    assert list(tmp_path.iterdir()) == []
    assert losses(begun(tmp_path)) == (0, 0)


def test_who_lives_has_lost_nothing(tmp_path: Path) -> None:
    first = begun(tmp_path)
    first.note(100, 90, 70)

    assert losses(begun(tmp_path)) == (0, 0)


def test_sources_are_kept_apart(tmp_path: Path) -> None:
    killed(tmp_path, 100, 90, 70, source="shop")

    assert losses(begun(tmp_path)) == (0, 0)
    assert losses(begun(tmp_path, "shop")) == (10, 30)


def test_a_name_is_no_path_and_the_file_is_nobody_elses(tmp_path: Path) -> None:
    progress = begun(tmp_path, "../../\udcff etc")

    (path,) = tmp_path.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.stat().st_size == 40
    progress.close()


def test_a_file_that_is_cut_short_says_nothing(tmp_path: Path) -> None:
    killed(tmp_path, 100, 90, 70)
    (path,) = tmp_path.iterdir()
    os.truncate(path, 39)

    assert losses(begun(tmp_path)) == (0, 0)


def test_where_nothing_can_be_kept_it_says_so_and_goes_on(tmp_path: Path) -> None:
    (tmp_path / "intakes").write_text("")
    progress = Progress()
    progress.begin(tmp_path / "intakes", "web")
    progress.note(100, 90, 70)

    assert progress.complaint
    assert "nobody would know" in progress.complaint
    assert losses(progress) == (0, 0)
    progress.close()
