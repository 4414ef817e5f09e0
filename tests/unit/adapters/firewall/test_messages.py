"""The bytes on the line, against the layout in the kernel's headers; the kernel itself is asked in tests/e2e."""

from __future__ import annotations

import math
import struct
import sys

from hypothesis import given
from hypothesis import strategies as st

from privet.adapters.firewall.messages import (
    all_timed,
    attribute,
    attributes,
    counted,
    element,
    listed,
    message,
    named_set,
    replies,
    table_handle,
    transaction,
)
from privet.core.addresses.address import Subject
from privet.core.bans.model import Order

V4, V6 = Subject.parse("192.0.2.1"), Subject.parse("2001:db8::1")
NEW, DELETE = 0xA0C, 0xA0E
REQUEST, ACK, EXCLUSIVE, CREATE = 0x1, 0x4, 0x200, 0x400


def host(*numbers: int) -> bytes:
    """Return 16-bit numbers in the order of this host."""
    return b"".join(number.to_bytes(2, sys.byteorder) for number in numbers)


def headers(data: bytes) -> list[tuple[int, int, int]]:
    """Return kind, flags and sequence number of each message."""
    return [(reply.kind, reply.flags, reply.sequence) for reply in replies(data)]


def test_an_element_with_a_timeout_byte_by_byte() -> None:
    assert element(NEW, CREATE, 7, Order(V4, 60.0), 60_000) == b"".join(
        [
            struct.pack("=IHHII", 76, NEW, REQUEST | CREATE, 7, 0),
            b"\1\0\0\0",  # NFPROTO_INET, version, resource
            host(11, 1) + b"privet\0\0",
            host(10, 2) + b"v4_32\0\0\0",
            host(32, 0x8003),  # the list of elements
            host(28, 0x8001),  # its only element
            host(12, 0x8001) + host(8, 1) + bytes([192, 0, 2, 1]),
            host(12, 4) + b"\0\0\0\0\0\0\xea\x60",
        ]
    )


def test_an_element_without_a_timeout_byte_by_byte() -> None:
    assert element(DELETE, 0, 7, Order(V6, None), None) == b"".join(
        [
            struct.pack("=IHHII", 76, DELETE, REQUEST, 7, 0),
            b"\1\0\0\0",
            host(11, 1) + b"privet\0\0",
            host(10, 2) + b"v6_64\0\0\0",
            host(32, 0x8003),
            host(28, 0x8001),
            host(24, 0x8001) + host(20, 1) + bytes.fromhex("20010db8000000000000000000000000"),
        ]
    )


def test_an_element_about_a_service_byte_by_byte() -> None:
    order = Order(Subject.parse("192.0.2.0/24"), 60.0, service="tcp/22")
    assert element(NEW, CREATE, 7, order, 60_000) == b"".join(
        [
            struct.pack("=IHHII", 88, NEW, REQUEST | CREATE, 7, 0),
            b"\1\0\0\0",
            host(11, 1) + b"privet\0\0",
            host(16, 2) + b"v4_24_ports\0",
            host(40, 0x8003),
            host(36, 0x8001),
            host(20, 0x8001) + host(16, 1) + bytes([192, 0, 2, 0]) + b"\6\0\0\0" + b"\0\x16\0\0",
            host(12, 4) + b"\0\0\0\0\0\0\xea\x60",
        ]
    )


def test_a_message_byte_by_byte() -> None:
    assert message(0x10, 4, 7, b"body") == struct.pack("=IHHII", 20, 0x10, 5, 7, 0) + b"body"


def test_a_transaction_closes_extends_and_opens() -> None:
    data, owners = transaction([Order(V4, 60.0), Order(V6, 60.0, known=True), Order(V4, None)], 100)
    assert headers(data) == [
        (0x10, REQUEST, 100),
        (NEW, REQUEST | CREATE | EXCLUSIVE, 101),
        (NEW, REQUEST | CREATE, 102),
        (DELETE, REQUEST, 103),
        (NEW, REQUEST | CREATE, 104),
        (NEW, REQUEST | CREATE, 105),
        (DELETE, REQUEST | ACK, 106),
        (0x11, REQUEST, 107),
    ]
    assert owners == [0, 1, 1, 1, 2, 2]


def test_a_ban_for_good_has_no_timeout() -> None:
    data, _ = transaction([Order(V4, math.inf)], 1)
    assert element(NEW, CREATE | EXCLUSIVE | ACK, 2, Order(V4, None), None) in data


@given(st.lists(st.tuples(st.integers(0, 0x3FFF), st.binary(max_size=20))))
def test_attributes_are_read_as_written(items: list[tuple[int, bytes]]) -> None:
    assert list(attributes(b"".join(attribute(kind, value) for kind, value in items))) == items


@given(st.binary(max_size=200))
def test_garbage_ends_and_never_raises(data: bytes) -> None:
    assert len(list(attributes(data))) <= 50
    for reply in replies(data):
        list(listed(reply.payload))
        counted(reply.payload)
        named_set(reply.payload)
        table_handle(reply.payload)


def test_a_listing_is_read() -> None:
    def item(key: bytes, *more: bytes) -> bytes:
        return attribute(0x8001, attribute(0x8001, attribute(1, key)) + b"".join(more))

    left = attribute(5, (1500).to_bytes(8))
    elements = item(b"\xc0\0\2\1", attribute(4, (9000).to_bytes(8)), left) + item(b"\xc0\0\2\2")
    payload = b"\1\0\0\0" + attribute(1, b"privet\0") + attribute(2, b"v4_32\0") + attribute(0x8003, elements)
    assert list(listed(payload)) == [(b"\xc0\0\2\1", 1.5), (b"\xc0\0\2\2", None)]
    assert named_set(payload) == ("v4_32", 0)


@given(
    st.sampled_from([4, 12, 16, 24]),
    st.lists(st.tuples(st.binary(min_size=24, max_size=24), st.none() | st.integers(0, 10**12)), max_size=5),
    st.booleans(),
    st.sampled_from([0, 0x8000]),
)
def test_listings_are_read_the_same_whatever_is_in_them(
    width: int,
    elements: list[tuple[bytes, int | None]],
    swapped: bool,  # noqa: FBT001  a parameter of the test
    flag: int,
) -> None:
    """List elements with a timeout, without, with their attributes in another order, and flagged as nested or not."""
    items, expected = [], list[tuple[bytes, float | None]]()
    for key, left in elements:
        parts = [] if left is None else [attribute(4, bytes(8)), attribute(5, left.to_bytes(8))]
        whole = attribute(1 | flag, attribute(1, key[:width]))
        items.append(attribute(1 | flag, whole + b"".join(reversed(parts) if swapped else parts)))
        expected.append((key[:width], None if left is None else left / 1000))
    assert list(listed(b"\1\0\0\0" + attribute(3 | flag, b"".join(items)))) == expected


def test_what_the_kernel_lists_is_read_the_fast_way() -> None:
    element = "28000100 0c000100 08000100 c0000201 0c000400 000000000036f148 0c000500 0000000000000bb8"
    elements = 3 * bytes.fromhex(element)
    assert all_timed(elements) == 3 * [(b"\xc0\0\2\1", 3.0)] == list(listed(b"\1\0\0\0" + attribute(3, elements)))


def test_the_ends_of_ranges_are_no_elements() -> None:
    def item(last: int, *more: bytes) -> bytes:
        return attribute(0x8001, attribute(0x8001, attribute(1, bytes([192, 0, 2, last]))) + b"".join(more))

    elements = item(128, attribute(3, b"\0\0\0\1")) + item(0)
    assert list(listed(b"\1\0\0\0" + attribute(0x8003, elements))) == [(b"\xc0\0\2\0", None)]


def test_handles_tell_a_table_or_a_set_from_another_one() -> None:
    assert table_handle(b"\1\0\0\0" + attribute(1, b"privet\0") + attribute(4, (9).to_bytes(8))) == 9
    assert named_set(b"\1\0\0\0" + attribute(2, b"v4_32\0") + attribute(16, (5).to_bytes(8))) == ("v4_32", 5)


def test_a_rule_tells_its_set_and_what_it_has_counted() -> None:
    def expression(name: bytes, *values: bytes) -> bytes:
        return attribute(0x8001, attribute(1, name) + attribute(0x8002, b"".join(values)))

    body = (
        expression(b"payload\0", attribute(1, b"v4_24\0"))
        + expression(b"lookup\0", attribute(1, b"v4_32\0"))
        + expression(b"counter\0", attribute(1, (840).to_bytes(8)), attribute(2, (10).to_bytes(8)))
    )
    assert counted(b"\1\0\0\0" + attribute(0x8004, body)) == ("v4_32", (10, 840))
    assert counted(b"\1\0\0\0" + attribute(0x8004, expression(b"meta\0"))) == ("", (0, 0))
