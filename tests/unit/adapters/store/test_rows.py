"""A row tells without the key when a ban of which jail ends, and nothing else."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privet.adapters.store.rows import ROOM, canonical, close_row, identify, open_row, subject_of
from privet.adapters.store.seal import NONCE_BYTES, TAG_BYTES, KeySeal
from privet.core.address import Subject, mask_bits
from privet.core.bans import Ban
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
)


def closed(ban_: Ban) -> Row:
    return close_row(identify(ban_, SEAL), ban_, SEAL)


def sealed(ban_: Ban) -> bytes:
    return closed(ban_)[3]


def changed(row: Row, at: int, value: object) -> Row:
    """Return a row with something else in one column, which may be of any kind."""
    return (*row[:at], value, *row[at + 1 :])  # type: ignore[return-value]  # that is the point


@given(any_ban)
def test_what_is_closed_can_be_opened(one: Ban) -> None:
    assert open_row(closed(one), SEAL) == one


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

    assert not open_row(closed(one), SEAL).confirmed


def test_ids_are_of_subject_and_jail() -> None:
    assert identify(ban(1, hours=1), SEAL) == identify(ban(1, hours=9, why="other"), SEAL)
    assert len({identify(ban(number, jail), SEAL) for number in range(50) for jail in ("a", "b", "")}) == 150


@pytest.mark.parametrize("why", ["", "a", "scanned for backups", "ä" * 30])
def test_rows_of_short_reasons_are_equally_long(why: str) -> None:
    rows = [sealed(ban(number, why=why)) for number in range(30)]

    assert {len(row) for row in rows} == {NONCE_BYTES + ROOM + TAG_BYTES}


def test_longer_reasons_take_four_times_as_much() -> None:
    lengths = {len(sealed(ban(1, why="w" * length))) for length in range(2000)}

    assert lengths == {NONCE_BYTES + room + TAG_BYTES for room in (ROOM, 4 * ROOM, 16 * ROOM)}


def test_a_reason_that_is_no_unicode_does_not_keep_a_ban_from_being_stored() -> None:
    assert open_row(closed(ban(1, why="caf\udce9")), SEAL).why == "caf?"


def test_only_jail_and_end_are_clear() -> None:
    one = ban(1, jail="ssh", why="a reason")
    identity, jail, until, inside = closed(one)

    assert (jail, until) == (b"ssh", one.until)
    assert not any(word in identity + inside for word in (one.subject.packed, b"a reason", b"jail"))


@pytest.mark.parametrize("column", range(4))
def test_columns_of_another_row_do_not_open(column: int) -> None:
    row, other = closed(ban(1, "ssh", 1)), closed(ban(2, "web", 2))

    with pytest.raises(SealError):
        open_row(changed(row, column, other[column]), SEAL)


@pytest.mark.parametrize("column", range(4))
@pytest.mark.parametrize("value", [None, b"", "", "text", b"\xff" * 200, 7, -1.5, math.inf, 2**62])
def test_anything_else_in_a_column_does_not_open(column: int, value: object) -> None:
    with pytest.raises(SealError):
        open_row(changed(closed(ban(1)), column, value), SEAL)


@given(st.binary(max_size=200))
def test_what_is_sealed_but_no_ban_does_not_open(plain: bytes) -> None:
    identity, jail, until, inside = closed(ban(1))
    context = b"ban|v1|" + identity + jail + struct.pack(">d", until)
    assert open_row((identity, jail, until, SEAL.seal(SEAL.open(inside, context), context)), SEAL) == ban(1)

    with pytest.raises(SealError):
        open_row((identity, jail, until, SEAL.seal(plain, context)), SEAL)
