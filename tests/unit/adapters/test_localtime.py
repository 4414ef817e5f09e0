"""The machine's time zone."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from privet.adapters.localtime import local_zone

if TYPE_CHECKING:
    from pathlib import Path

CHANGE = 1_700_000_000  # 14 November 2023
ZONE = (
    b"TZif" + bytes(16) + struct.pack(">6l", 0, 0, 0, 1, 2, 8)
    + struct.pack(">lB", CHANGE, 1)
    + struct.pack(">lBB", 3600, 0, 0) + struct.pack(">lBB", 7200, 0, 4) + b"ONE\0TWO\0"
)  # fmt: skip
"""A zone that was one hour ahead, and is two hours ahead since."""


def test_a_zone_has_its_whole_history(tmp_path: Path) -> None:
    (tmp_path / "localtime").write_bytes(ZONE)

    zone = local_zone(str(tmp_path / "localtime"))

    assert datetime(2023, 1, 1, tzinfo=zone).utcoffset() == timedelta(hours=1)
    assert datetime(2024, 1, 1, tzinfo=zone).utcoffset() == timedelta(hours=2)


def test_a_machine_without_a_zone_has_utc(tmp_path: Path) -> None:
    assert local_zone(str(tmp_path / "localtime")) is UTC


@pytest.mark.parametrize("content", [b"", b"no zone at all", *(ZONE[:end] for end in range(1, len(ZONE)))], ids=len)
def test_a_damaged_zone_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "localtime").write_bytes(content)

    assert local_zone(str(tmp_path / "localtime")).utcoffset(datetime(2024, 1, 1)) in (  # noqa: DTZ001  a wall clock
        timedelta(0),
        timedelta(hours=2),  # what is cut off are the names only
    )


def test_a_directory_is_no_zone(tmp_path: Path) -> None:
    assert local_zone(str(tmp_path)) is UTC
