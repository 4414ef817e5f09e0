"""The messages of nf_tables over nfnetlink, without the socket that carries them.

Each message holds one element, so that an error of the kernel names its order by sequence number;
many messages between a begin and an end are one transaction, which happens as a whole or not at
all. The layout is that of linux/netlink.h, nfnetlink.h and nf_tables.h: headers in the order of
the host, values in that of the network, everything aligned to four bytes.
"""

from __future__ import annotations

import re
import struct
from functools import cache
from sys import byteorder
from typing import TYPE_CHECKING, NamedTuple

from privet.adapters.firewall.layout import TABLE, Hook, milliseconds, name_of, service_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from privet.core.bans.model import Order

_SUBSYS_NFTABLES = 10
ERROR, DONE = 2, 3
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
NEW_TABLE, GET_TABLE, NEW_CHAIN, GET_CHAIN, NEW_RULE, GET_RULE, NEW_SET, GET_SET = (
    _SUBSYS_NFTABLES << 8 | number for number in (0, 1, 3, 4, 6, 7, 9, 10)
)
NEW_ELEMENT, GET_ELEMENT, DEL_ELEMENT, NEW_GENERATION, GET_GENERATION = (
    _SUBSYS_NFTABLES << 8 | number for number in (12, 13, 14, 15, 16)
)
_REQUEST, ACK, INTERRUPTED, DUMP, _EXCLUSIVE, _CREATE = 0x1, 0x4, 0x10, 0x300, 0x200, 0x400
_NESTED, _KIND_BITS = 0x8000, 0x3FFF

_HEADER = struct.Struct("=IHHII")  # length, kind, flags, sequence number, port
_ATTRIBUTE = struct.Struct("=HH")  # length, kind
_CODE = struct.Struct("=i")
_SEQUENCE = 8  # bytes before the sequence number
_TIME = 12  # bytes of an attribute that holds a time
_DORMANT = 1  # the table is switched off
_INTERVAL_END = 1  # the element is where a range ends
INET = struct.pack("!BBH", 1, 0, 0)  # NFPROTO_INET, version 0, no resource
_BATCH = struct.pack("!BBH", 0, 0, _SUBSYS_NFTABLES)

# Adding first makes the deletion sure of its element: deleting an absent one fails the transaction.
_OPEN_AGAIN = ((NEW_ELEMENT, _CREATE), (DEL_ELEMENT, 0))
_CLOSE_LONGER = (*_OPEN_AGAIN, (NEW_ELEMENT, _CREATE))  # kernels before 6.12 keep the end on a plain add
_CLOSE = ((NEW_ELEMENT, _CREATE | _EXCLUSIVE),)


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


def element(kind: int, flags: int, sequence: int, order: Order, timeout: int | None) -> bytes:
    """Return the message about the element that an order closes or opens."""
    subject = order.subject
    start, before, behind = _frame(kind, flags, len(subject.packed), subject.length, order.service, timeout is not None)
    end = b"" if timeout is None else timeout.to_bytes(8)
    return b"".join((start, sequence.to_bytes(4, byteorder), before, subject.packed, behind, end))


@cache
def _frame(kind: int, flags: int, width: int, length: int, service: str, timed: bool) -> tuple[bytes, bytes, bytes]:  # noqa: FBT001, PLR0913, PLR0917  the cache key
    """Return what stands before the sequence number, behind it, and behind the address: all else is always the same."""
    behind = service_key(service)
    key = attribute(1 | _NESTED, attribute(1, bytes(width) + behind))
    timeout = attribute(4, bytes(8)) if timed else b""
    elements = attribute(3 | _NESTED, attribute(1 | _NESTED, key + timeout))
    whole = message(kind, flags, 0, INET + named(TABLE, name_of(width, length, bool(service))) + elements)
    before = len(whole) - width - len(behind) - len(timeout)
    return whole[:_SEQUENCE], whole[_SEQUENCE + 4 : before], behind + timeout[: _ATTRIBUTE.size]


def named(*names: str) -> bytes:
    """Return names as attributes 1, 2, …: table, then set or chain; an empty one is left out."""
    return b"".join(attribute(kind, name.encode() + b"\0") for kind, name in enumerate(names, 1) if name)


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
            parts.append(element(kind, flags, first + len(owners), order, None if kind == DEL_ELEMENT else timeout))
    parts[-1] = _acknowledged(parts[-1])
    parts.append(message(_BATCH_END, 0, first + len(owners) + 1, _BATCH))
    return b"".join(parts), owners


def _acknowledged(data: bytes) -> bytes:
    """Return a message with the wish to be acknowledged."""
    length, kind, flags, sequence, port = _HEADER.unpack_from(data)
    return _HEADER.pack(length, kind, flags | ACK, sequence, port) + data[_HEADER.size :]


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
        code = -_CODE.unpack_from(payload)[0] if kind in (ERROR, DONE) and len(payload) >= _CODE.size else 0
        yield Reply(kind, flags, sequence, code, payload)
        position += length + -length % 4


def listed(payload: bytes) -> Iterator[tuple[bytes, float | None]]:
    """Yield the elements in one message of a listing: key, and the seconds left."""
    elements = dict(attributes(payload[4:])).get(3, b"")
    alike = all_timed(elements)
    if alike:
        yield from alike
        return
    for _, item in attributes(elements):
        parts = dict(attributes(item))
        key = dict(attributes(parts.get(1, b""))).get(1)
        if key is not None and not int.from_bytes(parts.get(3, b"")) & _INTERVAL_END:
            yield key, int.from_bytes(parts[5]) / 1000 if 5 in parts else None  # NFTA_SET_ELEM_EXPIRATION


def all_timed(elements: bytes) -> list[tuple[bytes, float | None]]:
    """Read elements that all have a timeout, as nearly all bans do, ten times as fast; nothing for any others."""
    size = _ATTRIBUTE.unpack_from(elements)[0] if elements else 0
    width = size - 3 * _ATTRIBUTE.size - 2 * _TIME
    if width <= 0 or width % 4 or len(elements) % size:
        return []
    form, row = _timed(width)
    if not form.fullmatch(elements):
        return []
    return [(key, left / 1000) for key, left in row.iter_unpack(elements)]


@cache
def _timed(width: int) -> tuple[re.Pattern[bytes], struct.Struct]:
    """Return how elements with a key of so many bytes look (key, timeout, time left), and where first and last are."""
    size = width + 3 * _ATTRIBUTE.size + 2 * _TIME

    def head(length: int, kind: int) -> bytes:  # some kernels flag nested attributes as such
        return b"(?:%b|%b)" % tuple(re.escape(_ATTRIBUTE.pack(length, kind | flag)) for flag in (0, _NESTED))

    key = head(size, 1) + head(width + 8, 1) + head(width + 4, 1) + b".{%d}" % width
    times = b"".join(head(_TIME, kind) + b".{8}" for kind in (4, 5))
    row = struct.Struct(f">{3 * _ATTRIBUTE.size}x{width}s{_ATTRIBUTE.size + 8}x{_ATTRIBUTE.size}xQ")
    return re.compile(b"(?:%b%b)+" % (key, times), re.DOTALL), row


def generation(payload: bytes) -> int:
    """Return the number of the generation of rules that a message tells."""
    return int.from_bytes(dict(attributes(payload[4:]))[1])


def table_handle(payload: bytes) -> int:
    """Return the handle of the table that a message describes."""
    return int.from_bytes(dict(attributes(payload[4:])).get(4, b""))


def sleeps(payload: bytes) -> bool:
    """Tell whether the table that a message describes is switched off."""
    return bool(int.from_bytes(dict(attributes(payload[4:])).get(2, b"")) & _DORMANT)


def hooked(payload: bytes) -> Hook | None:
    """Return where the chain that a message describes is hooked in, None if it is not."""
    parts = dict(attributes(payload[4:]))
    hook = dict(attributes(parts.get(4, b"")))
    if not hook:
        return None
    number, priority = (int.from_bytes(hook.get(kind, b""), signed=True) for kind in (1, 2))
    return Hook(_text(parts.get(7, b"")), number, priority, int.from_bytes(parts.get(5, b"")))


def commented(payload: bytes) -> str:
    """Return the comment of the rule that a message describes, as nft keeps it; empty if there is none."""
    data = dict(attributes(payload[4:])).get(7, b"")
    return _text(data[2 : 2 + data[1]]) if len(data) > 2 and data[0] == 0 else ""


def named_set(payload: bytes) -> tuple[str, int]:
    """Return name and handle of the set that a message describes, or is about (then without a handle)."""
    parts = dict(attributes(payload[4:]))
    return _text(parts.get(2, b"")), int.from_bytes(parts.get(16, b""))


def counted(payload: bytes) -> tuple[str, tuple[int, int]]:
    """Return the set that a rule looks up (none: empty), with the packets and bytes that it has counted."""
    name, packets, octets = "", 0, 0
    for _, item in attributes(dict(attributes(payload[4:])).get(4, b"")):
        expression = dict(attributes(item))
        data = dict(attributes(expression.get(2, b"")))
        match _text(expression.get(1, b"")):
            case "lookup":
                name = _text(data.get(1, b""))
            case "counter":
                octets, packets = int.from_bytes(data.get(1, b"")), int.from_bytes(data.get(2, b""))
    return name, (packets, octets)


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode("ascii", "replace")
