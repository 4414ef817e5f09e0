"""Who is never banned."""

from __future__ import annotations

import pytest

from privet.core.address import Subject
from privet.core.guard import PSEUDONYM, refusal

PROTECTED = {
    "own": frozenset({Subject.parse("192.0.2.1"), Subject.parse("2001:db8:1::1")}),
    "gateway": frozenset({Subject.parse("198.51.100.0/28")}),
    "nothing": frozenset[Subject](),
}


@pytest.mark.parametrize(
    ("subject", "reason"),
    [
        ("192.0.2.1", "own"),
        ("192.0.2.0/24", "own"),
        ("0.0.0.0/0", "own"),
        ("::ffff:192.0.2.1", "own"),
        ("192.0.2.2", None),
        ("198.51.100.15", "gateway"),
        ("198.51.100.16", None),
        ("2001:db8:1::ffff", "own"),
        ("2001:db8:1::1/128", "own"),
        ("2001:db8:1:1::1", None),
        ("2001:db8::/32", "own"),
        ("100::1", PSEUDONYM),
        ("100::/64", PSEUDONYM),
        ("100:0:0:1::1", None),
    ],
)
def test_refusals(subject: str, reason: str | None) -> None:
    assert refusal(Subject.parse(subject), PROTECTED) == reason


def test_a_reason_shows_no_address() -> None:
    assert "100::" not in PSEUDONYM
    assert refusal(Subject.parse("203.0.113.1"), {}) is None
