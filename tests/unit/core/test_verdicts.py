"""A verdict tells what is to happen, but shows no address."""

from __future__ import annotations

import msgspec
import pytest

from privet.core.addresses.address import Subject, client_key
from privet.core.bans.model import Ban, Held, Order
from privet.core.jails import Jail
from privet.core.verdicts import Action, Verdict, decisions
from privet.core.windows.detect import Limit, Reached

SPELLINGS = ("192.0.2.77", "c000024d", "2001:db8:0:77", "20010db8")


@pytest.mark.parametrize("text", ["192.0.2.77", "2001:db8:0:77::1", "2001:db8:0:77::1/128", "192.0.2.0/24", "100::77"])
def test_no_address_in_any_text_of_what_holds_one(text: str) -> None:
    subject = Subject.parse(text)
    jail = Jail("j", ("web",), ignoreip=(subject,))
    things = [
        subject,
        jail,
        Verdict(Action.BAN, subject, "j", 1.0, 2.0, 3),
        Ban(subject, "j", 1.0, 2.0, 3, "jail"),
        Order(subject, 5.0),
        Held(subject, None),
    ]
    for thing in things:
        for shown in (repr(thing), str(thing), f"{thing}", repr([thing])):
            assert not any(spelling in shown.lower() for spelling in SPELLINGS)
            assert subject.reveal() not in shown
            assert repr(subject.packed) not in shown
            assert f"<v{subject.version}>" in shown


@pytest.mark.parametrize("text", [b"192.0.2.77", b"2001:db8:0:77::1", b"100::77"])
def test_no_address_in_the_text_of_a_limit_reached(text: bytes) -> None:
    key = client_key(text)
    assert key
    reached = Reached(0, Limit(Jail("j", ("web",)), 0), key, 1.0, 5)
    for shown in (repr(reached), str(reached), repr([reached])):
        assert repr(key)[2:-1] not in shown
        assert str(list(key))[1:-1] not in shown


def test_actions() -> None:
    assert [action.value for action in Action] == ["ban", "deny", "slow", "tell", "report"]


def test_a_verdict_is_a_value() -> None:
    one = Verdict(Action.BAN, Subject.parse("192.0.2.77"), "j", 1.0, 2.0, 3)
    assert one == msgspec.structs.replace(one)
    assert (one.scope, one.origin) == ("", "jail")
    assert len({one, msgspec.structs.replace(one, jail="k")}) == 2
    with pytest.raises(AttributeError):
        one.jail = "k"  # type: ignore[misc]


def test_verdicts_of_a_group_are_one_decision() -> None:
    subjects = [Subject.parse(text) for text in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.1")]
    one, two, alone = (Verdict(Action.BAN, subject, "farm", 1.0, 2.0, 3) for subject in subjects)
    one, two = (msgspec.structs.replace(verdict, group="AS64500") for verdict in (one, two))
    later = msgspec.structs.replace(one, time=5.0)

    assert decisions([one, alone, two, alone, later]) == [(one, 2), (alone, 1), (alone, 1), (later, 1)]


def test_a_verdict_on_a_group_is_about_its_number() -> None:
    one = Subject.parse("192.0.2.0/24")
    assert Verdict(Action.BAN, one, "j", 1.0, 2.0, 3).who == one
    assert Verdict(Action.BAN, one, "j", 1.0, 2.0, 3, group="AS64500").who == 64500
