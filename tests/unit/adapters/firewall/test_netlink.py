"""The talk with the kernel, with the other end of a line in its place."""

from __future__ import annotations

import errno
import os
import signal
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING

import pytest

from privet.adapters.firewall import netlink
from privet.adapters.firewall.layout import HOOK, Structure
from privet.adapters.firewall.messages import attribute, replies
from privet.adapters.firewall.netlink import NetlinkWriter, connect
from privet.core.addresses.address import Subject
from privet.core.bans.model import Order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

V4, V6 = Subject.parse("192.0.2.1"), Subject.parse("2001:db8::1")
NEW = 0xA0C

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
            numbers = [
                sequence
                for _, _, sequence in (
                    (reply.kind, reply.flags, reply.sequence) for reply in replies(kernel.recv(1 << 20))
                )
            ]
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


def test_the_structure_is_table_sets_and_rules(line: tuple[NetlinkWriter, Kernel]) -> None:
    writer, kernel = line

    def item(kind: int, sequence: int, *values: bytes) -> bytes:
        payload = b"\1\0\0\0" + b"".join(values)
        return struct.pack("=IHHII", 16 + len(payload), kind, 0, sequence, 0) + payload

    def table(numbers: list[int]) -> list[bytes]:
        return [item(0xA00, numbers[0], attribute(4, (3).to_bytes(8))), answer(numbers[0], 0)]

    def sets(numbers: list[int]) -> list[bytes]:
        one = item(0xA09, numbers[0], attribute(2, b"v4_32\0"), attribute(16, (5).to_bytes(8)))
        return [one + answer(numbers[0], 0)]

    def rules(numbers: list[int]) -> list[bytes]:
        names = (b"v4_32\0", b"of_another\0")
        looked_up = [attribute(1, attribute(1, b"lookup\0") + attribute(2, attribute(1, name))) for name in names]
        comments = attribute(7, b"\0\6v4_32\0"), attribute(7, b"\1\2x\0")
        both = zip(looked_up, comments, strict=True)
        items = b"".join(item(0xA06, numbers[0], attribute(4, one), text) for one, text in both)
        return [items + answer(numbers[0], 0)]

    def chain(numbers: list[int]) -> list[bytes]:
        hook = attribute(1, bytes(4)) + attribute(2, (-300).to_bytes(4, signed=True))
        parts = attribute(4, hook), attribute(5, (1).to_bytes(4)), attribute(7, b"filter\0")
        return [item(0xA03, numbers[0], *parts), answer(numbers[0], 0)]

    serve(kernel, table, sets, chain, rules)
    assert writer.structure() == Structure(3, {"v4_32": 5}, {"v4_32": (0, 0)}, ("v4_32", ""), HOOK)


def test_nothing_stands_where_nothing_is_found(line: tuple[NetlinkWriter, Kernel]) -> None:
    writer, kernel = line
    serve(kernel, *[lambda numbers: [answer(numbers[0], errno.ENOENT)]] * 4)
    assert writer.structure() == Structure(0, {}, {})


def test_a_signal_interrupts_nothing(line: tuple[NetlinkWriter, Kernel]) -> None:
    """Wait for a slow kernel while signals come all the time."""
    writer, kernel = line

    def slowly(numbers: list[int]) -> list[bytes]:
        time.sleep(0.1)
        return [answer(numbers[-2], 0)]

    serve(kernel, slowly)
    count: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda *_: count.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
    try:
        assert writer.commit([Order(V4, 60.0)]) == {}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert len(count) > 5
