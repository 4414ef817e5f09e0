"""A folder like /etc/fail2ban, made of a few texts."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from pathlib import Path


class Write(Protocol):
    """Writes files below the folder, by their paths, and returns it."""

    def __call__(self, files: dict[str, str]) -> Path:
        """Write, text by text."""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    folder = tmp_path / "etc"

    def written(files: dict[str, str]) -> Path:
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(content))
        return folder

    return written
