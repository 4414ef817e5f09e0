"""What clients are called."""

from __future__ import annotations

import pytest

from privet.cli.names import Names
from privet.core.addresses.address import Subject
from privet.core.verdicts import Action, Verdict

V4, V6 = Subject.parse("203.0.113.77"), Subject.parse("2001:db8:a:b::7")


@pytest.mark.parametrize("subject", [V4, V6])
def test_a_pseudonym_means_nothing_elsewhere(subject: Subject) -> None:
    names = Names(reveal=False)

    assert names.of(subject).startswith("100::")
    assert names.of(subject) == names.of(subject)
    assert names.of(subject) != Names(reveal=False).of(subject)


def test_whoever_may_see_addresses_sees_them() -> None:
    assert [Names(reveal=True).of(subject) for subject in (V4, V6)] == ["203.0.113.77", "2001:db8:a:b::/64"]


def test_a_pseudonym_of_the_log_stays() -> None:
    assert Names(reveal=False).of(Subject.parse("100::1:2:3:4")) == "100::1:2:3:4"


def test_verdicts_are_listed_as_documented() -> None:
    verdict = Verdict(Action.BAN, V4, "leech", 1_795_345_200.0, 1_795_345_800.5, 30)

    assert Names(reveal=True).verdicts([verdict]) == [
        {
            "time": "2026-11-22T11:00:00Z",
            "jail": "leech",
            "subject": "203.0.113.77",
            "length": 32,
            "prefixes": 1,
            "failures": 30,
            "action": "ban",
            "until": "2026-11-22T11:10:00.500000Z",
            "count": 0,
        }
    ]
