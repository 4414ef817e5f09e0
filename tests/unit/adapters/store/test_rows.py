"""A row tells without the key when a ban of which jail ends, and nothing else."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privet.adapters.store.rows import BANS, NOTES, ROOM, canonical, close_row, identify, open_row, subject_of
from privet.adapters.store.seal import NONCE_BYTES, TAG_BYTES, KeySeal
from privet.core.addresses.address import Subject, mask_bits
from privet.core.bans.model import Ban
from privet.core.bans.notes import Note
from privet.core.verdicts import Action
from privet.ports import SealError
from tests.unit.adapters.store.examples import ban

if TYPE_CHECKING:
    from privet.adapters.store.rows import Row

SEAL = KeySeal(b"k" * 32)

moments = st.floats(0, 1e10)
packed = st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16).filter(lambda ip: any(ip[:10]))
subjects = packed.flatmap(
    lambda ip: st.integers(0, len(ip) * 8).map(lambda length: Subject(mask_bits(ip, length), length))
)
any_ban = st.builds(
    Ban,
    subjects,
    jail=st.text(st.characters(codec="utf-8")),
    since=moments,
    until=moments | st.just(math.inf),
    failures=st.integers(0, 2**63),
    origin=st.text(st.characters(codec="utf-8")),
    why=st.text(st.characters(codec="utf-8"), max_size=2000),
    scope=st.sampled_from(["", "tcp:22", "tcp:53;udp:53"]),
    group=st.sampled_from(["", "AS64500"]),
    evidence=st.lists(st.text(st.characters(codec="utf-8"), max_size=200), max_size=3).map(tuple),
    action=st.sampled_from(Action),
)
any_note = st.builds(Note, st.text(st.characters(codec="utf-8")), st.binary(), moments, st.binary(max_size=300))


def closed(ban_: Ban, bucket: int = 1) -> Row:
    return close_row(ban_, bucket, SEAL, BANS)


def sealed(ban_: Ban) -> bytes:
    return closed(ban_)[3]


def changed(row: Row, at: int, value: object) -> Row:
    """Return a row with something else in one column, which may be of any kind."""
    return (*row[:at], value, *row[at + 1 :])  # type: ignore[return-value]  # that is the point


@given(any_ban)
def test_what_is_closed_can_be_opened(one: Ban) -> None:
    assert open_row(closed(one), SEAL, BANS) == one


@given(any_note)
def test_a_note_that_is_closed_can_be_opened(one: Note) -> None:
    assert open_row(close_row(one, 7, SEAL, NOTES), SEAL, NOTES) == one


def test_a_note_shows_no_key() -> None:
    one = Note("ssh", b"key of a client", 1.0, b"data of it")
    identity, jail, until, inside, _ = close_row(one, 7, SEAL, NOTES)
    assert (jail, until) == (b"ssh", 1.0)
    assert not any(word in identity + inside for word in (b"key of a client", b"data of it"))
    assert repr(one) == "Note(jail='ssh', until=1.0)"


def test_a_ban_in_the_web_server_is_another_one() -> None:
    one = ban(1)
    one.action = Action.DENY
    assert identify(one, SEAL, BANS) != identify(ban(1), SEAL, BANS)


@given(subjects)
def test_subjects_take_17_bytes(subject: Subject) -> None:
    assert len(canonical(subject)) == 17
    assert subject_of(canonical(subject)) == subject


@given(subjects, subjects)
def test_different_subjects_look_different(one: Subject, other: Subject) -> None:
    assert (canonical(one) == canonical(other)) == (one == other)


def test_it_does_not_come_back_confirmed() -> None:
    one = ban(1)
    one.confirmed = True

    assert not open_row(closed(one), SEAL, BANS).confirmed


def test_ids_are_of_subject_and_jail() -> None:
    assert identify(ban(1, hours=1), SEAL, BANS) == identify(ban(1, hours=9, why="other"), SEAL, BANS)
    assert len({identify(ban(number, jail), SEAL, BANS) for number in range(50) for jail in ("a", "b", "")}) == 150


@pytest.mark.parametrize("why", ["", "a", "scanned for backups", "ä" * 30])
def test_rows_of_short_reasons_are_equally_long(why: str) -> None:
    rows = [sealed(ban(number, why=why)) for number in range(30)]

    assert {len(row) for row in rows} == {NONCE_BYTES + ROOM + TAG_BYTES}


def test_longer_reasons_take_four_times_as_much() -> None:
    lengths = {len(sealed(ban(1, why="w" * length))) for length in range(2000)}

    assert lengths == {NONCE_BYTES + room + TAG_BYTES for room in (ROOM, 4 * ROOM, 16 * ROOM)}


def test_a_reason_that_is_no_unicode_does_not_keep_a_ban_from_being_stored() -> None:
    assert open_row(closed(ban(1, why="caf\udce9")), SEAL, BANS).why == "caf?"


def test_only_jail_and_end_are_clear() -> None:
    one = ban(1, jail="ssh", why="a reason")
    identity, jail, until, inside, _ = closed(one)

    assert (jail, until) == (b"ssh", one.until)
    assert not any(word in identity + inside for word in (one.subject.packed, b"a reason", b"jail"))


@pytest.mark.parametrize("column", range(5))
def test_columns_of_another_row_do_not_open(column: int) -> None:
    row, other = closed(ban(1, "ssh", 1)), closed(ban(2, "web", 2), bucket=2)

    with pytest.raises(SealError):
        open_row(changed(row, column, other[column]), SEAL, BANS)


@pytest.mark.parametrize("column", range(5))
@pytest.mark.parametrize("value", [None, b"", "", "text", b"\xff" * 200, 7, -1.5, math.inf, 2**62])
def test_anything_else_in_a_column_does_not_open(column: int, value: object) -> None:
    with pytest.raises(SealError):
        open_row(changed(closed(ban(1)), column, value), SEAL, BANS)


@given(st.binary(max_size=200))
def test_what_is_sealed_but_no_ban_does_not_open(plain: bytes) -> None:
    identity, jail, until, inside, bucket = closed(ban(1))
    context = b"ban|v1|" + struct.pack(">q", bucket) + identity + jail + struct.pack(">d", until)
    again = SEAL.seal(SEAL.open(inside, context), context)
    assert open_row((identity, jail, until, again, bucket), SEAL, BANS) == ban(1)

    with pytest.raises(SealError):
        open_row((identity, jail, until, SEAL.seal(plain, context), bucket), SEAL, BANS)
