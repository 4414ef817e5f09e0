"""What is stored of a ban, or of a note of earlier ones: a row of which only jail and end can be read without the key.

The id of a ban is a token of its subject, jail and action, made with the key of its bucket like all the rest: who has
no such key any more cannot even try whom it was. The row's seal holds for that id, bucket, jail and end, so that rows
cannot be swapped, lengthened or given to another jail. Every subject takes the same room, and reasons are
padded: the length of a row tells neither IPv4 from IPv6 nor what a short reason says.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

import msgspec

from privet.core.addresses.address import Subject
from privet.core.bans.model import Ban
from privet.core.bans.notes import Note
from privet.core.bans.sight import NOBODY, Unseen
from privet.core.unshown import Unshown
from privet.core.verdicts import Action
from privet.ports import SealError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from privet.ports import Seal

T = TypeVar("T", Ban, Note)

NOTE_LASTS = 30 * 86400.0
"""Seconds that a note is taken to last, since it does not say when it began."""

ROOM = 128
"""Bytes that all but long reasons fit into; those take four times as much, or four times that, and so on."""

_MAPPED = bytes(10) + b"\xff\xff"
_MAPPED_BITS = 96
_END = struct.Struct(">d")
_BUCKET = struct.Struct(">q")


Row = tuple[bytes, bytes, float, bytes, int]
"""One row as it stands in the database: id, jail, end, the rest, sealed, and the number of its bucket."""


Check = tuple[int, float]
"""What tells one state of a store from another one: how many rows, and the sum of their ends."""


class _Inside(Unshown, msgspec.Struct, array_like=True, gc=False):
    """What is sealed. New fields go to the end, with a default: rows that are there stay readable."""

    subject: bytes
    since: float
    failures: int
    origin: bytes
    why: bytes
    scope: bytes = b""
    group: bytes = b""
    evidence: tuple[bytes, ...] = ()
    action: bytes = b""
    hidden: bool = False


class Form(NamedTuple, Generic[T]):
    """How one kind of thing becomes a row: by what it is found, what is sealed of it, and what it is made of again."""

    label: bytes
    purpose: bytes
    key: Callable[[T], bytes]
    inside: Callable[[T, Seal], bytes]
    outside: Callable[[Row, str, bytes], T]
    since: Callable[[T], float]  # when it began, which with its end tells the bucket
    fresh: Callable[[T], T]  # as it comes out of a store
    close: Callable[[Sequence[T]], bytes]  # many of them at once
    open: Callable[[bytes], list[T]]
    sighted: bool = True  # whether rows tell who it is, to whom has the key


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Inside).decode
_decode_groups = msgspec.msgpack.Decoder(list[tuple[str, str, list[Ban]]]).decode
_decode_note = msgspec.msgpack.Decoder(tuple[bytes, bytes]).decode


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


def _ban_key(ban: Ban) -> bytes:
    if isinstance(ban, Unseen):
        return ban.identity
    elsewhere = b"" if ban.action is Action.BAN else b"\0" + ban.action.encode()
    return canonical(ban.subject) + ban.jail.encode() + elsewhere


def _ban_inside(ban: Ban, seal: Seal) -> bytes:
    return _hidden_inside(ban, seal) if isinstance(ban, Unseen) else _encode(_inside_of(ban))


def _hidden_inside(ban: Ban, seal: Seal) -> bytes:
    """Return what is kept of a ban on sight: a mark for the subject, and no lines."""
    if isinstance(ban, Unseen):
        place = ban.mark + bytes((ban.length + (_MAPPED_BITS if ban.version == 4 else 0),))
    else:
        place = mark_of(seal)(ban.subject) + canonical(ban.subject)[-1:]
    inside = _inside_of(ban)
    inside.subject, inside.evidence, inside.hidden = place + bytes((_version(ban),)), (), True
    return _encode(inside)


def _version(ban: Ban) -> int:
    return ban.version if isinstance(ban, Unseen) else ban.subject.version


def _inside_of(ban: Ban) -> _Inside:
    return _Inside(
        canonical(ban.subject),
        ban.since,
        ban.failures,
        _bytes(ban.origin),
        _bytes(ban.why),
        _bytes(ban.scope),
        _bytes(ban.group),
        tuple(map(_bytes, ban.evidence)),
        b"" if ban.action is Action.BAN else ban.action.encode(),
    )


def mark_of(seal: Seal) -> Callable[[Subject], bytes]:
    """Return what makes the marks of subjects in the bucket of a seal."""
    return lambda subject: seal.token(canonical(subject), b"on sight")


def _ban_outside(row: Row, jail: str, plain: bytes) -> Ban:
    inside, until = _decode(plain), row[2]
    if inside.hidden:
        return _unseen(inside, row, jail)
    ban = Ban(
        subject_of(inside.subject),
        jail,
        inside.since,
        until,
        inside.failures,
        _text(inside.origin),
        _text(inside.why),
    )
    if inside.scope or inside.group or inside.evidence or inside.action:
        ban.scope, ban.group = _text(inside.scope), _text(inside.group)
        ban.evidence = tuple(line.decode() for line in inside.evidence)
        ban.action = Action(_text(inside.action) or Action.BAN)
    return ban


def _unseen(inside: _Inside, row: Row, jail: str) -> Unseen:
    mark, length, version = inside.subject[:-2], inside.subject[-2], inside.subject[-1]
    return Unseen(
        NOBODY,
        jail,
        inside.since,
        row[2],
        inside.failures,
        _text(inside.origin),
        _text(inside.why),
        scope=_text(inside.scope),
        group=_text(inside.group),
        action=Action(_text(inside.action) or Action.BAN),
        mark=mark,
        version=version,
        length=length - _MAPPED_BITS if version == 4 else length,
        identity=row[0],
        bucket=row[4],
    )


def _close_bans(bans: Sequence[Ban]) -> bytes:
    """Return many bans, those of one jail together: the name of each jail is read only once."""
    groups: dict[tuple[str, str], list[Ban]] = {}
    for ban in bans:
        groups.setdefault((ban.jail, ban.origin), []).append(
            msgspec.structs.replace(ban, jail="", origin="", confirmed=False)
        )
    return _encode([(*names, alike) for names, alike in groups.items()])


def _open_bans(plain: bytes) -> list[Ban]:
    groups = _decode_groups(plain)
    for jail, origin, bans in groups:
        for ban in bans:
            ban.jail, ban.origin = jail, origin
    return [ban for *_, bans in groups for ban in bans]


BANS: Form[Ban] = Form(
    b"ban|v1|",
    b"ban of a jail",
    _ban_key,
    _ban_inside,
    _ban_outside,
    lambda ban: ban.since,
    lambda ban: msgspec.structs.replace(ban, confirmed=False),
    _close_bans,
    _open_bans,
)

ON_SIGHT = BANS._replace(inside=_hidden_inside, sighted=False)
"""Bans of which no subject is stored. Both forms read both."""

NOTES = Form(
    b"note|v1|",
    b"note of a jail",
    lambda note: note.key + b"\0" + note.jail.encode(),
    lambda note, _seal: _encode((note.key, note.data)),
    lambda row, jail, plain: Note(jail, (decoded := _decode_note(plain))[0], row[2], decoded[1]),
    lambda note: note.until - NOTE_LASTS,
    lambda note: note,
    _encode,
    msgspec.msgpack.Decoder(list[Note]).decode,
)


def identify(item: T, seal: Seal, form: Form[T]) -> bytes:
    """Return the id of a row, in the bucket of the seal."""
    if isinstance(item, Unseen):
        return item.identity
    return seal.token(form.key(item), form.purpose)


def close_row(item: T, bucket: int, seal: Seal, form: Form[T]) -> Row:
    """Make the row of an item."""
    identity, jail = identify(item, seal, form), item.jail.encode()
    context = _context(form.label, bucket, identity, jail, item.until)
    return identity, jail, item.until, seal.seal(_padded(form.inside(item, seal)), context), bucket


def open_row(row: Row, seal: Seal, form: Form[T]) -> T:
    """Return what a row holds, in which anything may stand. Raises SealError."""
    identity, jail, until, sealed, bucket = row
    try:
        plain = seal.open(sealed, _context(form.label, bucket, identity, jail, until))
        return form.outside(row, _text(jail), plain.rstrip(b"\0")[:-1])
    except (TypeError, ValueError, IndexError, struct.error, msgspec.DecodeError):  # not even of the right kind
        raise SealError("what is stored is damaged") from None


@lru_cache(maxsize=1024)
def _text(data: bytes) -> str:
    """Return a text, the same one for the same bytes: many bans share a jail."""
    return data.decode()


def close_whole(items: Sequence[T], check: Check, bucket: int, seal: Seal, form: Form[T]) -> bytes:
    """Return all that is stored in one bucket in one piece, which opens only with the same check."""
    return seal.seal(form.close(items), _whole_context(form, bucket, check))


def open_whole(sealed: bytes, check: Check, bucket: int, seal: Seal, form: Form[T]) -> list[T]:
    """Return what was stored of one bucket in one piece. Raises SealError."""
    try:
        return form.open(seal.open(sealed, _whole_context(form, bucket, check)))
    except (TypeError, ValueError, msgspec.DecodeError):
        raise SealError("what is stored is damaged") from None


def _whole_context(form: Form[T], bucket: int, check: Check) -> bytes:
    return _context(form.label + b"whole|", bucket, b"", str(check[0]).encode(), check[1])


def _context(label: bytes, bucket: int, identity: bytes, jail: bytes, until: float) -> bytes:
    """Return what a seal holds for; all but the jail's name have a fixed length. Before buckets there was none."""
    return label + (_BUCKET.pack(bucket) if bucket else b"") + identity + jail + _END.pack(until)


def _bytes(text: str) -> bytes:
    """Return a text that somebody may have typed: what is no Unicode must not keep a ban from being stored."""
    return text.encode("utf-8", "replace")


def _padded(plain: bytes) -> bytes:
    room = ROOM
    while room <= len(plain):
        room *= 4
    return (plain + b"\x80").ljust(room, b"\0")
