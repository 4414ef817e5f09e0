"""What the tests of tasks, daemon and command line share."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from privet.adapters.daykeys import filesystem_of

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def runtime() -> Iterator[Path]:
    """Return a run-time directory on tmpfs, that does not exist yet."""
    place = Path(tempfile.mkdtemp(prefix="privet-test-", dir="/dev/shm"))
    yield place / "run"
    shutil.rmtree(place)


@pytest.fixture
def on_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a folder that is not on tmpfs."""
    disks = (place for place in (tmp_path.parent, Path("/var/tmp"), Path.home()) if filesystem_of(place) != "tmpfs")  # noqa: S108  only looked at
    disk = next(disks, None)
    if disk is None:
        pytest.skip("needs a folder that is not on tmpfs")
    place = Path(tempfile.mkdtemp(prefix="privet-test-", dir=disk))
    yield place
    shutil.rmtree(place)


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the local time be that of Berlin, by its rules, since a machine may lack the list of zones."""
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()
