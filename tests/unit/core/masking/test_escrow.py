"""What a batch of the escrow says, and what its order and its length do not."""

from __future__ import annotations

import pytest

from privet.core.masking.escrow import SHORTEST, Collected, read_text, text_of
from privet.core.masking.mask import Masks
from privet.core.parsing.parse import Rows

V4, OTHER, V6 = bytes([203, 0, 113, 7]), bytes([198, 51, 100, 7]), bytes.fromhex("20010db8000a000b")
TODAY, YESTERDAY = Masks("pseudonym", b"t" * 32), Masks("pseudonym", b"y" * 32)


def rows(*clients: bytes, hosts: tuple[bytes, ...] = ()) -> Rows:
    made = Rows(len(clients))
    made.clients = list(clients)
    if hosts:
        made.columns["host"] = hosts
    return made


def name(masks: Masks, site: bytes, key: bytes) -> bytes:
    return masks.site(site).clients[key]


def test_clients_are_known_by_the_name_that_the_log_gives_them() -> None:
    batch = Collected()
    batch.see(b"web", rows(V4, V6, V4), [TODAY])

    assert batch.take() == {name(TODAY, b"web", V4): V4, name(TODAY, b"web", V6): V6}
    assert len(batch) == 0


def test_with_virtual_hosts_they_are_known_by_the_name_of_each_and_by_that_of_the_error_log() -> None:
    batch = Collected()
    batch.see(b"web", rows(V4, V4, OTHER, hosts=(b"a.example", b"b.example", b"-")), [TODAY])

    assert batch.take() == {
        name(TODAY, b"web", V4): V4,
        name(TODAY, b"web", OTHER): OTHER,
        name(TODAY, b"a.example", V4): V4,
        name(TODAY, b"b.example", V4): V4,
    }


def test_around_midnight_they_are_known_by_the_names_of_both_days() -> None:
    batch = Collected()
    batch.see(b"web", rows(V4), [TODAY, YESTERDAY])

    assert batch.take() == {name(TODAY, b"web", V4): V4, name(YESTERDAY, b"web", V4): V4}


def test_the_next_day_they_are_named_anew() -> None:
    batch = Collected()
    batch.see(b"web", rows(V4), [YESTERDAY])
    batch.new_day()
    batch.see(b"web", rows(V4), [TODAY])

    assert batch.take().keys() == {name(TODAY, b"web", V4), name(YESTERDAY, b"web", V4)}


def test_a_pseudonym_has_no_address_to_be_kept() -> None:
    batch = Collected()
    batch.see(b"web", rows(bytes.fromhex("0100") + bytes(13) + b"\1"), [TODAY])

    assert batch.take() == {}


def test_there_is_room_for_so_many_and_the_others_are_counted() -> None:
    batch = Collected(most=2)
    batch.see(b"web", rows(V4, OTHER), [TODAY])
    batch.see(b"web", rows(V6, V4), [TODAY])

    assert (len(batch), batch.left_out) == (2, 1)


def test_what_could_not_be_sealed_comes_first_in_the_next_batch() -> None:
    batch = Collected(most=2)
    batch.see(b"web", rows(V4), [TODAY])
    waiting = batch.take()
    batch.see(b"web", rows(V4, OTHER), [TODAY])
    batch.put_back(waiting | {b"100::1": V6})

    assert batch.take() == {name(TODAY, b"web", V4): V4, b"100::1": V6}
    assert batch.left_out == 1


def test_what_is_written_can_be_read() -> None:
    text = text_of({b"100::2": V6, b"100::1": V4}, 1574697600.0, 1574701200.0)

    assert read_text(text) == (
        "2019-11-25T16:00:00Z",
        "2019-11-25T17:00:00Z",
        {"100::1": "203.0.113.7", "100::2": "2001:db8:a:b::/64"},
    )


def test_the_order_of_the_pairs_does_not_tell_who_came_first() -> None:
    pairs = {name(TODAY, b"web", bytes([203, 0, 113, last])): bytes([203, 0, 113, last]) for last in range(100)}

    assert text_of(pairs, 0.0, 1.0) == text_of(dict(reversed(pairs.items())), 0.0, 1.0)


@pytest.mark.parametrize(("count", "length"), [(0, SHORTEST), (1, SHORTEST), (1000, SHORTEST), (3000, 2 * SHORTEST)])
def test_the_length_tells_little_about_how_many_came(count: int, length: int) -> None:
    pairs = {name(TODAY, b"web", number.to_bytes(4)): number.to_bytes(4) for number in range(count)}

    assert len(text_of(pairs, 0.0, 1.0)) == length


@pytest.mark.parametrize("text", [b"", b"\xff", b"privet-escrow 2 a b\n", b"privet-escrow 1 a b\n100::1\n"])
def test_anything_else_is_no_batch(text: bytes) -> None:
    with pytest.raises(ValueError, match="it is no batch of Privet"):
        read_text(text)
