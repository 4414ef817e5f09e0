"""Jails are data: values that can be compared, and an action that follows from the dry run."""

from __future__ import annotations

import msgspec

from privet.core.addresses.address import Subject
from privet.core.bans.escalate import Escalation
from privet.core.filters.model import FilterSpec
from privet.core.guard import Listed
from privet.core.jails import FIELDS, NUMBER_FIELDS, TEXT_FIELDS, Between, Is, Jail, Matches, Predicate
from privet.core.verdicts import Action


def jail() -> Jail:
    predicates = (Predicate("status", any=(Between(400, 499),)), Predicate("agent", none=(Matches("x"), Is("y"))))
    return Jail("j", ("web",), predicates, ignoreip=(Subject.parse("192.0.2.1"),))


def test_equal_jails_are_equal_and_serve_as_keys() -> None:
    assert jail() == jail()
    assert len({jail(), jail(), msgspec.structs.replace(jail(), maxretry=6)}) == 2


def test_every_setting_makes_a_difference() -> None:
    changes: dict[str, object] = {
        "name": "k",
        "sources": ("other",),
        "predicates": (),
        "findtime": 1.0,
        "maxretry": 1,
        "bantime": 1.0,
        "ignoreip": (),
        "ignorelists": (Listed("name", ("office.example.org",)),),
        "dry_run": True,
        "escalation": Escalation(increment=True),
        "bans_of": ("other",),
        "key": "prefix",
        "prefixes": (20, 40),
        "clients": 3,
        "scope": "tcp:22",
        "filter": FilterSpec(name="f", failregex=("<HOST>",)),
        "close": False,
        "counting": "rate",
        "distinct": "path",
        "actions": ("mail",),
        "ignorecommand": "ask <ip>",
        "kind": "swarm",
        "answer": "ban",
        "signal": "robots",
        "wait": 7.0,
        "every": 7.0,
        "patience": 7.0,
        "by_load": ((0.0, 3), (2.0, 1)),
    }
    assert changes.keys() == set(Jail.__struct_fields__)
    assert all(msgspec.structs.replace(jail(), **{name: value}) != jail() for name, value in changes.items())


def test_a_jail_on_bans_watches_those_on_requests() -> None:
    asked, unasked, every = jail(), Jail("k", ("web",)), Jail("r", (), bans_of=("*",))
    some = Jail("s", (), bans_of=("j",))

    assert [every.watches(other) for other in (asked, unasked, every, some)] == [True, True, False, False]
    assert [some.watches(other) for other in (asked, unasked, every, some)] == [True, False, False, False]
    assert not asked.watches(unasked)


def test_what_is_documented_as_default() -> None:
    bare = Jail("j", ("web",))
    assert (bare.findtime, bare.maxretry, bare.bantime) == (600, 5, 600)
    assert bare.action is Action.BAN
    assert msgspec.structs.replace(bare, dry_run=True).action is Action.REPORT


def test_fields() -> None:
    assert set(FIELDS) == {
        *("method", "path", "query", "target", "proto", "status", "agent", "referer", "size", "host")
    }
    assert not set(TEXT_FIELDS) & set(NUMBER_FIELDS)
