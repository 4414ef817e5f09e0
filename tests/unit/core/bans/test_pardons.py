"""Pardons: the latest are kept, for as long as old lines may be read again, and a store brings them back."""

from __future__ import annotations

from privet.core.bans.pardons import Pardons, state_of


def test_the_latest_are_kept() -> None:
    pardons = Pardons(3, 60.0)
    for time, who in enumerate((b"a", b"b", b"a", b"c", b"d")):
        pardons.grant(who, "", float(time))
    assert list(pardons.export()) == [(b"a", "", 2.0), (b"c", "", 3.0), (b"d", "", 4.0)]
    pardons.expire(63.0)
    assert list(pardons.export()) == [(b"d", "", 4.0)]


def test_a_store_brings_them_back() -> None:
    pardons, fresh = Pardons(9, 60.0), Pardons(9, 10.0)
    pardons.changed.begin()
    pardons.grant(b"a", "j", 1.0)
    pardons.grant(b"b", "j", 2.0)
    notes = [pardons.note_of(who) for who in pardons.changed.take(9)]
    assert [(note.jail, note.until, stays) for note, stays in notes] == [("j", 61.0, True), ("j", 62.0, True)]
    fresh.grant(b"b", "j", 5.0)
    fresh.restore(state_of(note) for note, _ in notes)
    assert set(fresh.export()) == {(b"a", "j", 1.0), (b"b", "j", 5.0)}


def test_what_is_gone_is_dropped() -> None:
    pardons = Pardons(1, 60.0)
    pardons.changed.begin()
    pardons.grant(b"a", "j", 1.0)
    pardons.expire(99.0)
    ((note, stays),) = [pardons.note_of(who) for who in pardons.changed.take(9)]
    assert (note.key, stays) == (b"pardon a", False)


def test_they_go_with_the_clock_and_with_a_reload() -> None:
    pardons, fresh = Pardons(9, 60.0), Pardons(9, 60.0)
    pardons.changed.begin()
    pardons.grant(b"a", "j", 100.0)
    pardons.changed.take(9)
    pardons.shift(-50.0)
    fresh.carry(pardons)
    assert list(fresh.export()) == [(b"a", "j", 50.0)]
    assert fresh.changed.take(9) == [(b"a", "j")]
