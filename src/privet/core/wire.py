"""The messages from `privet pipe` to the daemon: one per packet of a SOCK_SEQPACKET socket.

The first says who speaks (`Hello`, JSON), the others carry whole lines behind the speaker's counters, so
that the daemon knows of losses without asking.

Or the pipe lends its input (`Loan`, with the descriptor of the kernel's pipe): then the daemon reads it, and answers
with the descriptor of another pipe, where it leaves the same bytes. It sends `HURRY` when that one fills up. The
pipe asks for its input with `BACK`; that it has it back it knows from the end of the other pipe.
"""

from __future__ import annotations

import struct

import msgspec

LARGEST = 1 << 18  # bytes of one packet: a block and the longest line that may end it

BACK, HURRY = b"B", b"!"

_HELLO, _LINES, _LOAN = b"H", b"L", b"P"
_COUNTERS = struct.Struct("!QQQ")


class Hello(msgspec.Struct, frozen=True):
    """Who speaks: the source by name, and what the pipe has to complain of.

    Of the lines that others had read before they were killed, some were `unheard` by the daemon, some `unwritten`.
    """

    source: str
    pid: int
    mask: str
    complaints: tuple[str, ...] = ()
    unheard: int = 0
    unwritten: int = 0


class Lines(msgspec.Struct, frozen=True):
    """Whole lines, with totals since the pipe's start: lines taken in, not handed on, not written."""

    data: bytes
    taken: int
    dropped: int
    unwritten: int

    def __repr__(self) -> str:
        """Never show lines, which have addresses."""
        return f"Lines({len(self.data)} bytes, taken={self.taken}, dropped={self.dropped}, unwritten={self.unwritten})"


class Loan(msgspec.Struct, frozen=True):
    """The pipe's input, of which it has read the beginning of a line."""

    tail: bytes

    def __repr__(self) -> str:
        """Never show the line, which may have an address."""
        return f"Loan({len(self.tail)} bytes)"


def pack_hello(hello: Hello) -> bytes:
    """Return the packet of a greeting."""
    return _HELLO + msgspec.json.encode(hello)


def pack_lines(lines: Lines) -> bytes:
    """Return the packet of some lines."""
    return _LINES + _COUNTERS.pack(lines.taken, lines.dropped, lines.unwritten) + lines.data


def pack_loan(loan: Loan) -> bytes:
    """Return the packet of a loan; also what answers it."""
    return _LOAN + loan.tail


def unpack(packet: bytes) -> Hello | Lines | Loan | None:
    """Return the message in a packet, None for `BACK`; raises ValueError for anything else."""
    kind, body = packet[:1], packet[1:]
    if kind == _LINES and len(body) >= _COUNTERS.size:
        return Lines(body[_COUNTERS.size :], *_COUNTERS.unpack_from(body))
    if kind == _LOAN:
        return Loan(body)
    if packet == BACK:
        return None
    if kind == _HELLO:
        try:
            return msgspec.json.decode(body, type=Hello)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ValueError(f"not a greeting of privet pipe: {error}") from None
    raise ValueError("not a message of privet pipe")
