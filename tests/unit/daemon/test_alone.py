"""One daemon at a time."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from privet.daemon.alone import Alone, AlreadyRunningError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("place", ["in_runtime", "in_state"])
def test_a_directory_has_one_daemon_until_it_is_gone(tmp_path: Path, place: str) -> None:
    one, other = Alone(), Alone()
    getattr(one, place)(tmp_path)
    with pytest.raises(AlreadyRunningError, match=str(tmp_path)):
        getattr(other, place)(tmp_path)
    one.close()
    getattr(other, place)(tmp_path)
    other.close()


def test_a_state_directory_is_made_for_its_owner_only(tmp_path: Path) -> None:
    alone, folder = Alone(), tmp_path / "state"
    alone.in_state(folder)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (folder, folder / "lock")] == [0o700, 0o600]
    alone.close()


def test_where_nothing_can_be_stored_nothing_is_locked(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    alone = Alone()
    alone.in_state(tmp_path / "file" / "state")
    alone.close()
