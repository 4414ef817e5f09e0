"""The bytes on the line, against the layout in the kernel's headers; the kernel itself is asked in tests/e2e."""

from __future__ import annotations

import errno
import math
import os
import socket
import struct
import sys
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privet.adapters.firewall import netlink
from privet.adapters.firewall.netlink import (
    NetlinkWriter,
    attribute,
    attributes,
    connect,
    element,
    listed,
    looked_up,
    message,
    named_set,
    replies,
    transaction,
)
from privet.core.address import Subject
from privet.core.bans import Order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
    assert element(V4, 60_000) == b"".join(
        [
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
    assert element(V6, None) == b"".join(
        [
            b"\1\0\0\0",
            host(11, 1) + b"privet\0\0",
            host(10, 2) + b"v6_64\0\0\0",
            host(32, 0x8003),
            host(28, 0x8001),
            host(24, 0x8001) + host(20, 1) + bytes.fromhex("20010db8000000000000000000000000"),
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
    assert element(V4, None) in data


@given(st.lists(st.tuples(st.integers(0, 0x3FFF), st.binary(max_size=20))))
def test_attributes_are_read_as_written(items: list[tuple[int, bytes]]) -> None:
    assert list(attributes(b"".join(attribute(kind, value) for kind, value in items))) == items


@given(st.binary(max_size=200))
def test_garbage_ends_and_never_raises(data: bytes) -> None:
    assert len(list(attributes(data))) <= 50
    for reply in replies(data):
        list(listed(reply.payload))
        list(looked_up(reply.payload))
        named_set(reply.payload)


def test_a_listing_is_read() -> None:
    def item(key: bytes, *more: bytes) -> bytes:
        return attribute(0x8001, attribute(0x8001, attribute(1, key)) + b"".join(more))

    left = attribute(5, (1500).to_bytes(8))
    elements = item(b"\xc0\0\2\1", attribute(4, (9000).to_bytes(8)), left) + item(b"\xc0\0\2\2")
    payload = b"\1\0\0\0" + attribute(1, b"privet\0") + attribute(2, b"v4_32\0") + attribute(0x8003, elements)
    assert list(listed(payload)) == [(b"\xc0\0\2\1", 1.5), (b"\xc0\0\2\2", None)]
    assert named_set(payload) == "v4_32"


def test_a_rule_tells_its_sets() -> None:
    def expression(name: bytes, *values: bytes) -> bytes:
        return attribute(0x8001, attribute(1, name) + attribute(0x8002, b"".join(values)))

    body = expression(b"payload\0", attribute(1, b"v4_24\0")) + expression(b"lookup\0", attribute(1, b"v4_32\0"))
    assert list(looked_up(b"\1\0\0\0" + attribute(0x8004, body))) == ["v4_32"]


Kernel = socket.socket


@pytest.fixture
def line() -> Iterator[tuple[NetlinkWriter, Kernel]]:
    """Give a writer, and the other end of its line in place of the kernel."""
    ours, kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(0.2)
    writer = NetlinkWriter(ours)
    yield writer, kernel
    writer.close()
    kernel.close()


def answer(sequence: int, code: int) -> bytes:
    return struct.pack("=IHHIIi", 20, 2, 0, sequence, 0, -code)


def serve(kernel: Kernel, *talk: Callable[[list[int]], list[bytes]]) -> threading.Thread:
    """Answer one request after the other, each by its sequence numbers."""

    def run() -> None:
        for turn in talk:
            numbers = [sequence for _, _, sequence in headers(kernel.recv(1 << 20))]
            for data in turn(numbers):
                kernel.send(data)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def test_a_silent_kernel_is_not_waited_for_long(line: tuple[NetlinkWriter, Kernel]) -> None:
    with pytest.raises(TimeoutError):
        line[0].commit([Order(V4, 60.0)])


def test_late_answers_are_passed_over(line: tuple[NetlinkWriter, Kernel]) -> None:
    writer, kernel = line
    with pytest.raises(TimeoutError):
        writer.commit([Order(V4, 60.0)])
    kernel.recv(1 << 16)
    kernel.send(answer(2, errno.EEXIST))
    serve(kernel, lambda numbers: [answer(numbers[-2], 0)])
    assert writer.commit([Order(V4, 60.0)]) == {}


def test_errors_name_their_orders(line: tuple[NetlinkWriter, Kernel]) -> None:
    writer, kernel = line
    serve(
        kernel,
        lambda numbers: [
            answer(numbers[2], errno.ENFILE),
            answer(numbers[3], errno.ENOENT),  # follows from the one before
            answer(numbers[-2], 0),
        ],
    )
    orders = [Order(V4, 60.0), Order(V6, 60.0, known=True), Order(V4, 9.0)]
    assert writer.commit(orders) == {1: errno.ENFILE}


def test_a_refused_transaction_is_an_error(line: tuple[NetlinkWriter, Kernel]) -> None:
    writer, kernel = line
    serve(kernel, lambda numbers: [answer(numbers[0], errno.EPERM)])
    with pytest.raises(PermissionError):
        writer.commit([Order(V4, 60.0)])


def test_orders_are_halved_until_the_line_carries_them(line: tuple[NetlinkWriter, Kernel]) -> None:
    writer, kernel = line
    sizes: list[int] = []

    def narrow(numbers: list[int]) -> list[bytes]:
        begin, *middle, last, _ = numbers
        sizes.append(len(middle) + 1)
        return [answer(begin, errno.ENOBUFS)] if sizes[-1] > 5 else [answer(last, errno.ENFILE)]

    serve(kernel, *[narrow] * 7)
    orders = [Order(Subject(bytes([192, 0, 2, number]), 32), 60.0) for number in range(20)]
    assert writer.commit(orders) == dict.fromkeys([4, 9, 14, 19], errno.ENFILE)
    assert sizes == [20, 10, 5, 5, 10, 5, 5]


def test_one_order_that_does_not_fit_is_an_error(line: tuple[NetlinkWriter, Kernel]) -> None:
    writer, kernel = line
    serve(kernel, lambda numbers: [answer(numbers[0], errno.EMSGSIZE)])
    with pytest.raises(OSError, match=os.strerror(errno.EMSGSIZE)):
        writer.commit([Order(V4, 60.0)])


def test_an_interrupted_listing_is_started_anew(line: tuple[NetlinkWriter, Kernel]) -> None:
    writer, kernel = line
    key = attribute(0x8001, attribute(0x8001, attribute(1, b"\xc0\0\2\1")))
    payload = b"\1\0\0\0" + attribute(0x8003, key)

    def listing(flags: int, sequence: int) -> list[bytes]:
        part = struct.pack("=IHHII", 16 + len(payload), NEW, flags, sequence, 0) + payload
        return [part, struct.pack("=IHHIIi", 20, 3, 2, sequence, 0, 0)]

    serve(kernel, lambda numbers: listing(2 | 0x10, numbers[0]), lambda numbers: listing(2, numbers[0]))
    assert list(writer.elements("v4_32")) == [(b"\xc0\0\2\1", None)]


def test_a_listing_of_nothing_is_empty_and_another_error_is_raised(line: tuple[NetlinkWriter, Kernel]) -> None:
    writer, kernel = line
    serve(
        kernel,
        lambda numbers: [answer(numbers[0], errno.ENOENT)],
        lambda numbers: [answer(numbers[0], errno.EPERM)],
    )
    assert list(writer.elements("v4_32")) == []
    with pytest.raises(PermissionError):
        writer.elements("v4_32")


def test_sequence_numbers_start_again_before_they_overflow() -> None:
    ours, kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    writer = NetlinkWriter(ours, sequence=(1 << 31) - 2)
    seen: list[int] = []

    def confirm(numbers: list[int]) -> list[bytes]:
        seen.extend(numbers)
        return [answer(numbers[-2], 0)]

    serve(kernel, confirm, confirm)
    for _ in range(2):
        assert writer.commit([Order(V4, 60.0)]) == {}
    assert seen == [(1 << 31) - 2, (1 << 31) - 1, 1 << 31, 1, 2, 3]
    writer.close()
    kernel.close()


def test_a_socket_can_be_opened_without_privilege() -> None:
    with connect() as opened:
        assert opened.gettimeout() == netlink.ANSWER_WITHIN
