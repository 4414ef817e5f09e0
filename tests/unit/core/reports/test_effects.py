"""What bans would have saved, and whom they would have hit."""

from __future__ import annotations

from datetime import UTC

from privet.core.addresses.address import Subject
from privet.core.reports.effects import REQUESTS, ROOM, SAVED, Effects, banned
from privet.core.verdicts import Action, Verdict

LEECH, OTHER, FAR = bytes([192, 0, 2, 1]), bytes([192, 0, 2, 9]), bytes([198, 51, 100, 1])


def verdict(jail: str, subject: Subject, time: float, until: float, group: str = "") -> Verdict:
    return Verdict(Action.BAN, subject, jail, time, until, 3, group=group)


def measured() -> Effects:
    return Effects(["a", "b"], tolerance=60)


def test_requests_after_the_second_of_the_verdict_and_before_its_end_are_saved() -> None:
    effects = measured()
    effects.decided([verdict("a", Subject.of_key(LEECH), 10, 20)])
    effects.asked([LEECH] * 5 + [OTHER], [9, 10, 11, 19, 20, 15], [1, 10, 100, 1000, 10_000, 7])

    one = effects.jails[0]
    assert (one.bans, one.clients, one.requests, one.bytes) == (1, 1, 2, 1100)
    assert (effects.requests, effects.bytes) == (6, 11_118)
    assert effects.own[LEECH] == [1, 2]
    assert effects.hit == {LEECH: 1}


def test_what_two_jails_save_counts_once_together() -> None:
    effects = measured()
    subject = Subject.of_key(LEECH)
    effects.decided([verdict("a", subject, 10, 20), verdict("b", subject, 12, 30)])
    effects.asked([LEECH] * 3, [11, 15, 25], [1, 1, 1])

    assert [one.requests for one in effects.jails] == [2, 2]
    assert (effects.whole.requests, effects.whole.clients, effects.whole.bans) == (3, 1, 2)
    assert effects.jails_of(LEECH) == ["a", "b"]
    assert effects.when.bins(UTC).counts == {
        REQUESTS: [3],
        SAVED: [3],
        banned("a"): [1],
        banned("b"): [1],
    }


def test_a_jail_may_ban_again_within_one_block() -> None:
    effects = measured()
    subject = Subject.of_key(LEECH)
    effects.decided([verdict("a", subject, 10, 20), verdict("a", subject, 30, 40)])
    effects.asked([LEECH] * 3, [15, 25, 35], [0] * 3)

    assert (effects.jails[0].bans, effects.jails[0].clients, effects.jails[0].requests) == (2, 1, 2)


def test_a_network_hits_whoever_comes_from_it_while_it_is_closed() -> None:
    effects = measured()
    net = Subject.parse("192.0.2.0/24")
    effects.asked([OTHER], [5], [0])  # before: nobody knows the network yet
    effects.decided([verdict("b", net, 10, 20)])
    effects.asked([LEECH, OTHER, FAR, OTHER], [11, 12, 13, 30], [0] * 4)

    assert set(effects.hits(1)) == {LEECH, OTHER}
    assert (effects.jails[1].clients, effects.jails[1].requests) == (2, 2)
    assert effects.own[OTHER] == [0, 1]


def test_ipv6_networks_are_closed_too() -> None:
    effects = measured()
    effects.decided([verdict("a", Subject.parse("2001:db8::/32"), 10, 20)])
    inside, outside = bytes.fromhex("20010db800010002"), bytes.fromhex("20010db900010002")
    effects.asked([inside, outside], [11, 11], [0, 0])

    assert effects.hits(0) == [inside]


def test_a_group_is_one_ban() -> None:
    effects = measured()
    nets = [Subject.parse(text) for text in ("192.0.2.0/24", "198.51.100.0/24")]
    effects.decided([verdict("a", net, 10, 20, "AS64500") for net in nets])
    effects.decided([verdict("a", net, 30, 40, "AS64500") for net in nets])
    effects.asked([LEECH, FAR], [11, 31], [0, 0])

    assert (effects.jails[0].bans, effects.jails[0].clients, effects.jails[0].requests) == (2, 2, 2)


def test_what_is_over_is_forgotten_but_its_sums_stay() -> None:
    effects = measured()
    keys = [number.to_bytes(4) for number in range(1, 2 * ROOM)]
    effects.decided([verdict("a", Subject.of_key(key), 10, 20) for key in keys])
    effects.decided([verdict("a", Subject.parse("192.0.2.0/24"), 10, 20)])
    for time in (1000, 15):  # what comes later than the tolerance finds nothing
        effects.asked([*keys, OTHER], [time] * (len(keys) + 1), [0] * (len(keys) + 1))

    assert (effects.jails[0].clients, effects.jails[0].requests) == (len(keys), 0)
