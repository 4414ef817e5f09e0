"""Set elements over nfnetlink: pure messages first, the socket that carries them below.

Each message holds one element, so that an error of the kernel names its order by sequence number;
many messages between a begin and an end are one transaction, which happens as a whole or not at
all. The layout is that of linux/netlink.h, nfnetlink.h and nf_tables.h: headers in the order of
the host, values in that of the network, everything aligned to four bytes.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from privet.adapters.firewall.layout import CHAIN, TABLE, Structure, milliseconds, name_of, shape

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from privet.core.address import Subject
    from privet.core.bans import Order

_NETLINK_NETFILTER = 12
_SUBSYS_NFTABLES = 10
_ERROR, _DONE = 2, 3
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_NEW_RULE, _GET_RULE, _NEW_SET, _GET_SET, _NEW_ELEMENT, _GET_ELEMENT, _DEL_ELEMENT = (
    _SUBSYS_NFTABLES << 8 | number for number in (6, 7, 9, 10, 12, 13, 14)
)
_REQUEST, _ACK, _INTERRUPTED, _DUMP, _EXCLUSIVE, _CREATE = 0x1, 0x4, 0x10, 0x300, 0x200, 0x400
_NESTED, _KIND_BITS = 0x8000, 0x3FFF

_HEADER = struct.Struct("=IHHII")  # length, kind, flags, sequence number, port
_ATTRIBUTE = struct.Struct("=HH")  # length, kind
_CODE = struct.Struct("=i")
_INET = struct.pack("!BBH", 1, 0, 0)  # NFPROTO_INET, version 0, no resource
_BATCH = struct.pack("!BBH", 0, 0, _SUBSYS_NFTABLES)

# Adding first makes the deletion sure of its element: deleting an absent one fails the transaction.
_OPEN_AGAIN = ((_NEW_ELEMENT, _CREATE), (_DEL_ELEMENT, 0))
_CLOSE_LONGER = (*_OPEN_AGAIN, (_NEW_ELEMENT, _CREATE))  # kernels before 6.12 keep the end on a plain add
_CLOSE = ((_NEW_ELEMENT, _CREATE | _EXCLUSIVE),)

ANSWER_WITHIN = 2.0
"""Seconds that the kernel has for an answer."""


class Reply(NamedTuple):
    """One message from the kernel; `code` is an error number, 0 for an acknowledgement or data."""

    kind: int
    flags: int
    sequence: int
    code: int
    payload: bytes


def attribute(kind: int, value: bytes) -> bytes:
    """Return an attribute, padded."""
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + bytes(-len(value) % 4)


def attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Split attributes into kind and value."""
    position = 0
    while position + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, position)
        if length < _ATTRIBUTE.size:
            return
        yield kind & _KIND_BITS, data[position + _ATTRIBUTE.size : position + length]
        position += length + -length % 4


def message(kind: int, flags: int, sequence: int, body: bytes) -> bytes:
    """Return a message: header and body."""
    return _HEADER.pack(_HEADER.size + len(body), kind, flags | _REQUEST, sequence, 0) + body


def element(subject: Subject, timeout: int | None) -> bytes:
    """Return the body of a message about one element of the set in which the subject belongs."""
    key = subject.packed
    frame = _frame(len(key), subject.length, timeout is not None)
    return frame + key if timeout is None else frame + key + _TIMEOUT + timeout.to_bytes(8)


_TIMEOUT = attribute(4, bytes(8))[: _ATTRIBUTE.size]


@cache
def _frame(width: int, length: int, timed: bool) -> bytes:  # noqa: FBT001  part of the cache key
    """Return all that stands before the key: it is the same for every element of a set."""
    key = attribute(1 | _NESTED, attribute(1, bytes(width)))
    timeout = attribute(4, bytes(8)) if timed else b""
    elements = attribute(3 | _NESTED, attribute(1 | _NESTED, key + timeout))
    return (_INET + _named(TABLE, name_of(width, length)) + elements)[: -width - len(timeout)]


def _named(*names: str) -> bytes:
    """Return names as attributes 1, 2, …: table, then set or chain."""
    return b"".join(attribute(kind, name.encode() + b"\0") for kind, name in enumerate(names, 1))


def transaction(orders: Sequence[Order], first: int) -> tuple[bytes, list[int]]:
    """Return the bytes that carry out the orders, and for each message the position of its order.

    The begin has the sequence number `first`, the messages those that follow. Only the last asks for
    an acknowledgement: the kernel reports errors unasked, in order, and after the transaction.
    """
    parts = [message(_BATCH_BEGIN, 0, first, _BATCH)]
    owners: list[int] = []
    for position, order in enumerate(orders):
        timeout = milliseconds(order.seconds or 0)
        for kind, flags in _steps(order):
            owners.append(position)
            body = element(order.subject, None if kind == _DEL_ELEMENT else timeout)
            parts.append(message(kind, flags, first + len(owners), body))
    parts[-1] = _acknowledged(parts[-1])
    parts.append(message(_BATCH_END, 0, first + len(owners) + 1, _BATCH))
    return b"".join(parts), owners


def _acknowledged(data: bytes) -> bytes:
    """Return a message with the wish to be acknowledged."""
    length, kind, flags, sequence, port = _HEADER.unpack_from(data)
    return _HEADER.pack(length, kind, flags | _ACK, sequence, port) + data[_HEADER.size :]


def _steps(order: Order) -> tuple[tuple[int, int], ...]:
    if order.seconds is None:
        return _OPEN_AGAIN
    return _CLOSE_LONGER if order.known else _CLOSE


def replies(data: bytes) -> Iterator[Reply]:
    """Split what the kernel sent into messages."""
    position = 0
    while position + _HEADER.size <= len(data):
        length, kind, flags, sequence, _ = _HEADER.unpack_from(data, position)
        if length < _HEADER.size:
            return
        payload = data[position + _HEADER.size : position + length]
        code = -_CODE.unpack_from(payload)[0] if kind in (_ERROR, _DONE) and len(payload) >= _CODE.size else 0
        yield Reply(kind, flags, sequence, code, payload)
        position += length + -length % 4


def listed(payload: bytes) -> Iterator[tuple[bytes, float | None]]:
    """Yield the elements in one message of a listing: key, and the seconds left."""
    for _, item in attributes(dict(attributes(payload[4:])).get(3, b"")):
        parts = dict(attributes(item))
        key = dict(attributes(parts.get(1, b""))).get(1)
        if key is not None:
            yield key, int.from_bytes(parts[5]) / 1000 if 5 in parts else None  # NFTA_SET_ELEM_EXPIRATION


def named_set(payload: bytes) -> str:
    """Return the name of the set that a message describes."""
    return _text(dict(attributes(payload[4:])).get(2, b""))


def looked_up(payload: bytes) -> Iterator[str]:
    """Yield the names of the sets that a rule looks up."""
    for _, item in attributes(dict(attributes(payload[4:])).get(4, b"")):
        expression = dict(attributes(item))
        if _text(expression.get(1, b"")) == "lookup":
            yield _text(dict(attributes(expression.get(2, b""))).get(1, b""))


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode("ascii", "replace")


def connect(buffer: int = 8 << 20) -> socket.socket:
    """Open a socket; `buffer` bounds what one transaction, and the errors about it, may take."""
    line = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER)
    cap_ack, force_send, force_receive = 10, 32, 33  # absent from the module socket
    try:
        line.setsockopt(270, cap_ack, 1)  # SOL_NETLINK: errors without a copy of the message
        for option in (force_send, force_receive):
            with suppress(PermissionError):  # in some containers; then transactions are halved until they fit
                line.setsockopt(socket.SOL_SOCKET, option, buffer)
        line.settimeout(ANSWER_WITHIN)
        line.bind((0, 0))
    except OSError:
        line.close()
        raise
    return line


class NetlinkWriter:
    """Changes and lists elements over a netlink socket. Every failure is an OSError."""

    def __init__(self, line: socket.socket, sequence: int = 1) -> None:
        """Take the socket, and the number of the first message."""
        self._socket = line
        self._sequence = sequence

    def commit(self, orders: Sequence[Order]) -> dict[int, int]:
        """Carry out orders as one transaction, or as two where the socket's buffers are too small."""
        try:
            return self._transact(orders)
        except OSError as error:
            self._drain()
            if error.errno not in (errno.EMSGSIZE, errno.ENOBUFS) or len(orders) == 1:
                raise
        middle = len(orders) // 2
        refused = self.commit(orders[:middle])
        return refused | {middle + position: code for position, code in self.commit(orders[middle:]).items()}

    def _transact(self, orders: Sequence[Order]) -> dict[int, int]:
        first = self._sequence
        data, owners = transaction(orders, first)
        self._advance(len(owners) + 2)
        self._socket.send(data)
        refused: dict[int, int] = {}
        for reply in self._receive(first, first + len(owners)):
            if reply.code and reply.sequence == first:  # about the transaction as a whole
                raise OSError(reply.code, os.strerror(reply.code))
            if reply.code:
                refused.setdefault(owners[reply.sequence - first - 1], reply.code)
            if reply.sequence == first + len(owners):
                break
        return refused

    def _receive(self, first: int, last: int) -> Iterator[Reply]:
        """Yield the answers to some messages; late ones to earlier messages are passed over."""
        while True:
            for reply in replies(self._socket.recv(1 << 16)):
                if first <= reply.sequence <= last:
                    yield reply

    def _drain(self) -> None:
        """Read away what is left of a failure: a socket that ran over takes nothing new until it is empty."""
        self._socket.settimeout(0)
        with suppress(BlockingIOError):
            while self._socket.recv(1 << 16):
                pass
        self._socket.settimeout(ANSWER_WITHIN)

    def _advance(self, messages: int) -> None:
        self._sequence += messages
        if self._sequence >> 31:
            self._sequence = 1

    def structure(self) -> Structure:
        """Read which of our sets exist, and which of them a rule looks up."""
        sets = {named_set(payload) for payload in self._dump(_GET_SET, _NEW_SET, TABLE)}
        rules = self._dump(_GET_RULE, _NEW_RULE, TABLE, CHAIN)
        ours = frozenset(name for name in sets if shape(name))
        return Structure(ours, ours.intersection(name for payload in rules for name in looked_up(payload)))

    def elements(self, name: str) -> Iterator[tuple[bytes, float | None]]:
        """List the elements of a set."""
        payloads = self._dump(_GET_ELEMENT, _NEW_ELEMENT, TABLE, name)
        return (item for payload in payloads for item in listed(payload))

    def _dump(self, kind: int, answer: int, *names: str) -> list[bytes]:
        """Return the payloads of a listing; what does not exist is empty."""
        payloads: list[bytes] = []
        for _ in range(3):  # a listing that a change interrupted may lack elements: start anew
            sequence = self._sequence
            self._advance(1)
            self._socket.send(message(kind, _DUMP, sequence, _INET + _named(*names)))
            payloads, whole = self._listing(sequence, answer)
            if whole:
                break
        return payloads

    def _listing(self, sequence: int, answer: int) -> tuple[list[bytes], bool]:
        payloads, whole = [], True
        for reply in self._receive(sequence, sequence):
            whole = whole and not reply.flags & _INTERRUPTED
            if reply.kind == answer:
                payloads.append(reply.payload)
            elif reply.code in (0, errno.ENOENT):
                break
            else:
                raise OSError(reply.code, os.strerror(reply.code))
        return payloads, whole

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
