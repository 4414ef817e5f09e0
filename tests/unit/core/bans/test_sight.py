"""Whoever a mark fits is met once; nobody else is, and what was lifted or is over is not waited for."""

from __future__ import annotations

from privet.core.addresses.address import Subject
from privet.core.bans.model import Ban
from privet.core.bans.sight import NOBODY, Sight, Unseen
from privet.core.verdicts import Action

ONE, OTHER = Subject.parse("192.0.2.1"), Subject.parse("198.51.100.7")
NET, V6 = Subject.parse("203.0.113.0/24"), Subject.parse("2001:db8:1:2::/64")


def mark(subject: Subject) -> bytes:
    return b"mark of " + subject.packed + bytes([subject.length])


def unseen(subject: Subject, jail: str = "ssh", until: float = 100.0, bucket: int = 1) -> Unseen:
    return Unseen(
        NOBODY,
        jail,
        1.0,
        until,
        5,
        "jail",
        "why",
        scope="tcp:22",
        action=Action.DENY,
        mark=mark(subject),
        version=subject.version,
        length=subject.length,
        identity=mark(subject) + jail.encode(),
        bucket=bucket,
    )


def waiting(*bans: Unseen, cap: int = 100) -> Sight:
    sight = Sight(cap)
    sight.expect(bans, {1: mark, 2: lambda subject: mark(subject) if subject == OTHER else b""})
    return sight


def test_who_comes_is_banned_as_he_was_and_waited_for_no_longer() -> None:
    sight = waiting(unseen(ONE), unseen(ONE, "web"), unseen(V6), unseen(OTHER, bucket=2))
    assert len(sight) == 4
    assert sorted(ban.jail for ban in sight.see([ONE.packed, b"\xc0\0\x02\x02"], 64)) == ["ssh", "web"]
    assert sight.see([ONE.packed], 64) == []
    assert sight.see([V6.packed[:8]], 64) == [
        Ban(V6, "ssh", 1.0, 100.0, 5, "jail", "why", scope="tcp:22", action=Action.DENY)
    ]
    assert [ban.subject for ban in sight.see([OTHER.packed], 64)] == [OTHER]
    assert len(sight) == 0


def test_anybody_out_of_a_network_brings_its_ban() -> None:
    sight = waiting(unseen(NET))
    assert sight.see([ONE.packed], 64) == []
    assert [ban.subject for ban in sight.see([bytes([203, 0, 113, 9])], 64)] == [NET]


def test_a_smaller_subject_is_not_met_by_the_network_around_it() -> None:
    assert waiting(unseen(Subject.parse("203.0.113.5"))).meet([NET]) == []


def test_what_is_over_or_lifted_is_gone_and_a_store_is_told() -> None:
    sight = waiting(unseen(ONE, until=10.0), unseen(OTHER), unseen(NET, "web"))
    sight.expire(50.0)
    assert len(sight) == 2
    assert sight.changes() == ([], [])
    (lifted,) = sight.lift("web", 0.0)
    assert sight.changes() == ([], [lifted])
    assert sight.lift(None, 2.0) == []
    assert len(sight.lift(None, 1.0)) == 1
    assert (len(sight), sight.see([OTHER.packed], 64)) == (0, [])


def test_a_clock_that_is_set_moves_their_ends() -> None:
    sight = waiting(unseen(ONE))
    sight.shift(1000.0)
    puts, drops = sight.changes()
    assert ([ban.until for ban in puts], drops) == ([1100.0], [])
    sight.expire(500.0)
    assert [ban.until for ban in sight.meet([ONE])] == [1100.0]


def test_what_is_remembered_of_others_is_bounded() -> None:
    sight = waiting(unseen(ONE), cap=10)
    for number in range(100):
        assert sight.see([number.to_bytes(4)], 64) == []
    assert len(sight.see([ONE.packed], 64)) == 1
