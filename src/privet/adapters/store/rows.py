"""What a stored ban looks like: a row of which only the jail and the end can be read without the key.

Its id is a token of subject and jail. The row's seal holds for that id, jail and end, so that rows cannot be
swapped, lengthened or given to another jail. Every subject takes the same room, and reasons are padded: the
length of a row tells neither IPv4 from IPv6 nor what a short reason says.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from privet.core.address import Subject
from privet.core.bans import Ban
from privet.ports import SealError

if TYPE_CHECKING:
    from privet.ports import Seal

ROOM = 128
"""Bytes that all but long reasons fit into; those take four times as much, or four times that, and so on."""

_MAPPED = bytes(10) + b"\xff\xff"
_MAPPED_BITS = 96
_SUBJECT_BYTES = 17
_PURPOSE = b"ban of a jail"
_LABEL = b"ban|v1|"
_END = struct.Struct(">d")


Row = tuple[bytes, bytes, float, bytes]
"""One row as it stands in the database: id, jail, end, and the rest, sealed."""


class _Inside(msgspec.Struct, array_like=True, gc=False):
    """What is sealed. New fields go to the end, with a default: rows that are there stay readable."""

    subject: bytes
    since: float
    failures: int
    origin: bytes
    why: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Inside).decode


def canonical(subject: Subject) -> bytes:
    """Return a subject in 17 bytes, whatever its version: 16 of the address, IPv4 mapped, and the prefix length."""
    if subject.version == 4:
        return _MAPPED + subject.packed + bytes((subject.length + _MAPPED_BITS,))
    return subject.packed + bytes((subject.length,))


def subject_of(data: bytes) -> Subject:
    """Return the subject of 17 canonical bytes."""
    packed, length = data[:-1], data[-1]
    if packed.startswith(_MAPPED) and length >= _MAPPED_BITS:
        return Subject(packed[len(_MAPPED) :], length - _MAPPED_BITS)
    return Subject(packed, length)


def identify(ban: Ban, seal: Seal) -> bytes:
    """Return the id of a ban's row."""
    return seal.token(canonical(ban.subject) + ban.jail.encode(), _PURPOSE)


def close_row(identity: bytes, ban: Ban, seal: Seal) -> Row:
    """Make the row of a ban whose id is known."""
    inside = _Inside(canonical(ban.subject), ban.since, ban.failures, _bytes(ban.origin), _bytes(ban.why))
    jail = ban.jail.encode()
    return identity, jail, ban.until, seal.seal(_padded(_encode(inside)), _context(identity, jail, ban.until))


def open_row(row: Row, seal: Seal) -> Ban:
    """Return the ban of a row, in which anything may stand. Raises SealError."""
    identity, jail, until, sealed = row
    try:
        plain = seal.open(sealed, _context(identity, jail, until))
        inside = _decode(plain.rstrip(b"\0")[:-1])
    except (TypeError, struct.error, msgspec.DecodeError):  # not even of the right kind
        raise SealError("a stored ban is damaged") from None
    return Ban(
        subject_of(inside.subject),
        _text(jail),
        inside.since,
        until,
        inside.failures,
        _text(inside.origin),
        _text(inside.why),
    )


@lru_cache(maxsize=1024)
def _text(data: bytes) -> str:
    """Return a text, the same one for the same bytes: many bans share a jail."""
    return data.decode()


def _context(identity: bytes, jail: bytes, until: float) -> bytes:
    """Return what a seal holds for; both neighbours of the jail's name have a fixed length."""
    return _LABEL + identity + jail + _END.pack(until)


def _bytes(text: str) -> bytes:
    """Return a text that somebody may have typed: what is no Unicode must not keep a ban from being stored."""
    return text.encode("utf-8", "replace")


def _padded(plain: bytes) -> bytes:
    room = ROOM
    while room <= len(plain):
        room *= 4
    return (plain + b"\x80").ljust(room, b"\0")
