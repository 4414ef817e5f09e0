"""Jails that count bans: by subject, by network, each exactly."""

from __future__ import annotations

import msgspec
import pytest

from privet.core.addresses.address import Subject
from privet.core.addresses.tokens import Tokens
from privet.core.bans.notes import Note
from privet.core.jails import Jail
from privet.core.verdicts import Action, Verdict
from privet.core.windows.recidive import Recidive, state_of

ONE, OTHER = "198.51.100.1", "198.51.100.2"
LEECH, SCANNER = Jail("leech", ("web",)), Jail("scanner", ("web",), ignoreip=(Subject.parse("192.0.2.0/28"),))
BASE = Jail("recidive", (), bans_of=("*",), findtime=100.0, maxretry=3, bantime=1000.0)
NETWORKS = msgspec.structs.replace(BASE, key="prefix")


def recidive(jail: Jail = BASE, cap: int = 1000) -> Recidive:
    return Recidive(jail, [LEECH, SCANNER, jail], 10.0, cap)


def keyed(jail: Jail, *secrets: bytes) -> Recidive:
    return Recidive(jail, [LEECH, SCANNER, jail], 10.0, 1000, tokens=Tokens(secrets))


def hit(watch: Recidive, subject: str, *times: float, jail: str = "leech") -> list[str | None]:
    """Tell bans of a subject; return who is banned after each."""
    bans = [Verdict(Action.BAN, Subject.parse(subject), jail, time, time + 1, 1) for time in times]
    groups = [watch.hit(ban) for ban in bans]
    return [group.reveal() if isinstance(group, Subject) else None for group in groups]


def test_the_last_of_enough_bans_within_findtime() -> None:
    assert hit(recidive(), ONE, 0, 50, 100) == [None, None, ONE]
    assert hit(recidive(), ONE, 0, 50, 101) == [None, None, None]
    assert hit(recidive(), ONE, 0, 50, 101, 150) == [None, None, None, ONE]


def test_bans_within_its_own_ban_do_not_count_and_the_count_begins_anew() -> None:
    watch = recidive()

    assert hit(watch, ONE, 0, 1, 2) == [None, None, ONE]
    assert watch.until == {Subject.parse(ONE): 1002}
    assert hit(watch, ONE, 1000, 1001, 1002, 1003, 1004) == [None, None, None, None, ONE]


def test_whoever_bans_may_make_it_longer() -> None:
    watch = recidive()
    hit(watch, ONE, 0, 1, 2)
    watch.until[Subject.parse(ONE)] = 5000

    assert hit(watch, ONE, 4000, 4001, 4002, 5000, 5001, 5002) == [None] * 5 + [ONE]


def test_late_bans_count_at_their_time() -> None:
    assert hit(recidive(), ONE, 0, 105, 95) == [None, None, None]
    assert hit(recidive(), ONE, 5, 105, 95) == [None, None, ONE]
    assert hit(recidive(), ONE, 0, 200, 10, 20) == [None, None, None, None], "later than findtime and tolerance"


def test_of_one_subject_every_ban_counts_whatever_its_length() -> None:
    assert hit(recidive(), "192.0.2.0/20", 0, 1, 2)[-1] == "192.0.0.0/20"
    assert hit(recidive(), "2001:db8::1", 0, 1, 2)[-1] == "2001:db8::/64"
    assert hit(recidive(), "100::1", 0, 1, 2)[-1] == "100::1", "in a masked log, in a replay"


def test_only_bans_of_the_jails_that_it_watches_count() -> None:
    watch = recidive(msgspec.structs.replace(BASE, bans_of=("scanner",)))

    assert hit(watch, ONE, 0, 1, 2, 3) == [None] * 4
    assert watch.matched == 0
    assert hit(watch, ONE, 4, 5, 6, jail="scanner")[-1] == ONE
    assert (watch.matched, watch.last_match) == (3, 6)


def test_all_jails_are_those_on_requests() -> None:
    watch = Recidive(BASE, [LEECH, BASE, NETWORKS], 10.0, 10)

    assert watch.watched == {"leech"}


@pytest.mark.parametrize(
    ("one", "two", "three", "network"),
    [
        ("198.51.100.1", "198.51.100.99", "198.51.100.255", "198.51.100.0/24"),
        ("2001:db8:1:1::1", "2001:db8:1:2::1", "2001:db8:1:ffff::1", "2001:db8:1::/48"),
        ("198.51.100.1", "198.51.100.16/28", "198.51.100.32/28", "198.51.100.0/24"),
    ],
)
def test_different_clients_bring_down_their_network(one: str, two: str, three: str, network: str) -> None:
    watch = recidive(NETWORKS)

    assert [*hit(watch, one, 0), *hit(watch, two, 1), *hit(watch, three, 2)] == [None, None, network]
    assert hit(watch, one, 3, 4, 5) == [None] * 3, "once"


def test_one_client_alone_never_brings_down_its_network() -> None:
    watch = recidive(NETWORKS)

    assert hit(watch, ONE, *range(20)) == [None] * 20
    assert hit(watch, OTHER, *range(20, 40)) == [None] * 20
    assert hit(watch, "198.51.100.3", 40) == ["198.51.100.0/24"]


def test_a_client_counts_with_its_latest_ban() -> None:
    watch = recidive(NETWORKS)
    hit(watch, ONE, 0, 90)
    hit(watch, OTHER, 120)

    assert hit(watch, "198.51.100.3", 180) == ["198.51.100.0/24"]


def test_a_late_ban_does_not_make_the_latest_older() -> None:
    watch = recidive(NETWORKS)
    hit(watch, ONE, 100, 91)
    hit(watch, OTHER, 195)

    assert hit(watch, "198.51.100.3", 196) == ["198.51.100.0/24"]


def test_neighbours_are_those_within_the_prefix() -> None:
    watch = recidive(msgspec.structs.replace(NETWORKS, prefixes=(28, 56)))

    assert [hit(watch, f"198.51.100.{last}", 0) for last in (1, 16, 32, 2, 17)] == [[None]] * 5
    assert hit(watch, "198.51.100.15", 1) == ["198.51.100.0/28"]


def test_a_network_banned_by_another_jail_has_no_neighbours() -> None:
    watch = recidive(NETWORKS)

    assert hit(watch, "198.51.0.0/16", *range(10)) == [None] * 10


def test_pseudonyms_have_no_neighbours() -> None:
    watch = recidive(NETWORKS)

    assert [hit(watch, f"100::{last}", 0) for last in range(1, 10)] == [[None]] * 9
    assert (len(watch), watch.matched) == (0, 0)


def test_an_unban_lets_the_count_begin_anew() -> None:
    watch = recidive()
    hit(watch, ONE, 0, 1)
    watch.forget(Subject.parse(ONE))
    assert hit(watch, ONE, 2, 3, 4) == [None, None, ONE]

    watch.forget(Subject.parse(ONE))
    assert hit(watch, ONE, 5, 6, 7) == [None, None, ONE]


def test_an_unban_of_one_client_of_a_network_takes_back_its_part() -> None:
    watch = recidive(NETWORKS)
    hit(watch, ONE, 0)
    hit(watch, OTHER, 1)
    watch.forget(Subject.parse(ONE))

    assert hit(watch, "198.51.100.3", 2) == [None]
    assert hit(watch, ONE, 3) == ["198.51.100.0/24"]


def test_a_store_can_hold_it() -> None:
    watch, fresh = recidive(NETWORKS), recidive(NETWORKS)
    hit(watch, ONE, 0)
    hit(watch, OTHER, 1)
    kept = list(watch.export())
    group = bytes([198, 51, 100, 0, 24])
    assert kept == [
        (group, (0, bytes([198, 51, 100, 1, 32]), "leech")),
        (group, (1, bytes([198, 51, 100, 2, 32]), "leech")),
    ]

    fresh.restore(kept)
    assert hit(fresh, "198.51.100.3", 2) == ["198.51.100.0/24"]
    assert list(fresh.export()) == []


def test_a_reload_keeps_what_was_counted_and_of_an_equal_jail_the_bans() -> None:
    watch = recidive()
    hit(watch, ONE, 0, 1, 2)
    hit(watch, OTHER, 0, 1)
    same, other = recidive(), recidive(msgspec.structs.replace(BASE, maxretry=2))
    same.carry(watch)
    other.carry(watch)

    assert hit(same, OTHER, 2) == [OTHER]
    assert hit(same, ONE, 3, 4, 5) == [None, None, None]
    assert (same.matched, same.last_match) == (9, 5)
    assert hit(other, ONE, 3, 4) == [None, ONE]


def test_memory_is_bounded() -> None:
    watch = recidive(msgspec.structs.replace(BASE, maxretry=10), cap=2000)
    for number in range(10_000):
        subject = Subject(number.to_bytes(4), 32)
        for again in range(2 if number < 100 else 1):
            watch.hit(Verdict(Action.BAN, subject, "leech", again / 2 + number / 1000, 1, 1))
        assert len(watch) <= 2000

    assert watch.evicted == 10_000 - len(watch)
    assert {name for name, _ in watch.export()} >= {number.to_bytes(4) + b" " for number in range(100)}, (
        "those with more bans stay"
    )


@pytest.mark.parametrize("jail", [BASE, NETWORKS])
def test_a_ban_that_is_told_again_counts_once(jail: Jail) -> None:
    watch = recidive(jail)
    assert hit(watch, ONE, 0, 0, 0, 0) == [None] * 4
    assert len(list(watch.export())) == 1


@pytest.mark.parametrize("jail", [BASE, NETWORKS])
def test_notes_of_what_changed_bring_it_back(jail: Jail) -> None:
    jail = msgspec.structs.replace(jail, maxretry=9)
    watch, kept = recidive(jail), dict[bytes, Note]()
    watch.changed.begin()

    def store() -> None:
        for note, stays in map(watch.note_of, watch.changed.take(1000)):
            kept.pop(note.key, None)
            if stays:
                kept[note.key] = note

    def same() -> bool:
        fresh = recidive(jail)
        fresh.restore(map(state_of, kept.values()))
        return sorted(fresh.export()) == sorted(watch.export())

    hit(watch, ONE, 0, 1)
    hit(watch, OTHER, 1)
    store()
    assert len(kept) > 1
    assert same()
    hit(watch, ONE, 2)
    store()
    assert same()
    watch.forget(Subject.parse(OTHER))
    store()
    assert same()
    watch.shift(86400)
    assert {time for _, (time, _, _) in watch.export()} <= {86400, 86401, 86402}
    store()
    assert same()


def test_what_is_over_is_forgotten() -> None:
    watch = recidive(cap=2000)
    for number in range(1500):
        hit(watch, f"10.0.{number >> 8}.{number & 255}", number * 1000.0)

    assert len(watch) < 1100
    assert watch.evicted == 0


@pytest.mark.parametrize("jail", [BASE, NETWORKS])
def test_a_returning_offender_is_known_by_tokens_only(jail: Jail) -> None:
    watch = keyed(jail, b"one")
    hit(watch, ONE, 0, 1)
    packed = Subject.parse(ONE).packed
    assert packed not in repr(list(watch.export())).encode("latin-1", "replace")
    assert all(packed not in watch.note_of(state)[0].key for state in watch.export())
    assert {len(name) for name, _ in watch.export()} == {16}


@pytest.mark.parametrize("jail", [BASE, NETWORKS])
def test_bans_of_the_last_epoch_count_in_this_one_and_older_ones_link_to_nobody(jail: Jail) -> None:
    last, older = keyed(jail, b"one"), keyed(jail, b"one")
    for watch in (last, older):
        hit(watch, ONE, 0)
        hit(watch, OTHER, 1)
        hit(watch, ONE if jail is BASE else "198.51.100.3", *([1] if jail is BASE else []))
    last.tokens, older.tokens = Tokens([b"two", b"one"]), Tokens([b"three", b"two"])

    assert hit(last, ONE, 2) == [ONE if jail is BASE else None]
    if jail is not BASE:
        assert hit(last, "198.51.100.3", 3) == ["198.51.100.0/24"]
    assert hit(older, ONE, 2) == [None]


@pytest.mark.parametrize("jail", [BASE, NETWORKS])
def test_who_is_renewed_in_each_epoch_is_known_in_all_of_them(jail: Jail) -> None:
    watch = keyed(msgspec.structs.replace(jail, maxretry=2), b"0")
    watch.changed.begin()
    hit(watch, ONE, 0)
    for epoch in range(1, 5):
        watch.tokens = Tokens([b"%d" % epoch, b"%d" % (epoch - 1)])
        watch.renew(Subject.parse(ONE))
        assert len(list(watch.export())) == 1
    notes = [watch.note_of(state) for state in watch.changed.take(99)]
    assert sum(stays for _, stays in notes) == 1, "and what it was before is dropped"
    assert hit(watch, OTHER if jail is NETWORKS else ONE, 1) != [None]


@pytest.mark.parametrize("jail", [BASE, NETWORKS])
def test_an_unban_forgets_what_was_noted_in_the_last_epoch_too(jail: Jail) -> None:
    watch = keyed(jail, b"one")
    hit(watch, ONE, 0, 1)
    watch.tokens = Tokens([b"two", b"one"])
    watch.forget(Subject.parse(ONE))
    assert list(watch.export()) == []
