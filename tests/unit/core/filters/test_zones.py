"""Names and offsets of time zones."""

from __future__ import annotations

from datetime import timedelta

import pytest

from privet.core.filters.zones import zone_of


@pytest.mark.parametrize(
    ("text", "hours"),
    [("Z", 0), ("UTC", 0), ("CEST", 2), ("EST", -5), ("NST", -3.5), ("+0200", 2), ("-03:30", -3.5), ("+05", 5)],
)
def test_zones(text: str, hours: float) -> None:
    zone = zone_of(text)
    assert zone
    assert zone.utcoffset(None) == timedelta(hours=hours)


@pytest.mark.parametrize("text", ["", "XYZ", "utc", "+2", "+9900", "UTC+", "Europe/Berlin"])
def test_no_zones(text: str) -> None:
    assert zone_of(text) is None


def test_offset_after_utc() -> None:
    assert zone_of("UTC+0200") == zone_of("+0200")
