"""What the comparisons with fail2ban have in common."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.conformance import samples
from tests.conftest import FAIL2BAN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def local_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Live in the zone of fail2ban's samples."""
    monkeypatch.setenv("TZ", samples.ZONE)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Lay out fail2ban's filters and samples."""
    return samples.lay_out(FAIL2BAN, tmp_path)
