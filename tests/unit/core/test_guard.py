"""Who is never banned."""

from __future__ import annotations

from time import process_time

import pytest

from privet.core.addresses.address import Subject
from privet.core.addresses.prefixes import PrefixSet
from privet.core.guard import PSEUDONYM, Listed, refusal

PROTECTED = {
    "own": PrefixSet({Subject.parse("192.0.2.1"), Subject.parse("2001:db8:1::1")}),
    "gateway": PrefixSet({Subject.parse("198.51.100.0/28")}),
    "nothing": PrefixSet(),
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


def test_ten_thousand_ranges_cost_no_more_than_ten() -> None:
    ranges = PrefixSet(Subject(bytes([10, number >> 8, number & 255, 128]), 25) for number in range(10_000))
    asked = [Subject(bytes([10, 0, number & 255, number % 199]), 32) for number in range(10_000)]
    began = process_time()
    found = [refusal(subject, {"a range of a proxy": ranges}) for subject in asked]
    assert process_time() - began < 0.2
    assert [one is not None for one in found] == [subject.packed[3] >= 128 for subject in asked]


@pytest.mark.parametrize(
    ("listed", "title"),
    [
        (Listed("name", ("office.example.org",)), "the name office.example.org"),
        (Listed("file", ("/etc/privet/office",)), "the file /etc/privet/office"),
        (Listed("command", ("/usr/bin/office", "--secret")), "the command /usr/bin/office"),
    ],
)
def test_a_list_has_a_title(listed: Listed, title: str) -> None:
    assert listed.title == title
