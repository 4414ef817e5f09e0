"""Packets between the pipe and the daemon: what goes in comes out, anything else is a ValueError."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from privet.core.wire import BACK, LARGEST, Hello, Lines, Loan, pack_hello, pack_lines, pack_loan, unpack

COUNT = st.integers(0, 2**64 - 1)


@given(st.text(max_size=20), st.integers(0, 2**31), st.text(max_size=9), st.lists(st.text(max_size=20), max_size=3))
def test_greetings(source: str, pid: int, mask: str, complaints: list[str]) -> None:
    hello = Hello(source, pid, mask, tuple(complaints))
    assert unpack(pack_hello(hello)) == hello


@given(st.binary(max_size=200), COUNT, COUNT, COUNT)
def test_lines(data: bytes, taken: int, dropped: int, unwritten: int) -> None:
    lines = Lines(data, taken, dropped, unwritten)
    assert unpack(pack_lines(lines)) == lines


@given(st.binary(max_size=200))
def test_loans(tail: bytes) -> None:
    assert unpack(pack_loan(Loan(tail))) == Loan(tail)


def test_no_lines_and_many() -> None:
    assert unpack(pack_lines(Lines(b"", 0, 0, 0))) == Lines(b"", 0, 0, 0)
    data = b"x" * (LARGEST - 100)
    assert unpack(pack_lines(Lines(data, 1, 2, 3))) == Lines(data, 1, 2, 3)


@settings(max_examples=100)
@given(st.one_of(st.binary(max_size=60), st.binary(max_size=60).map(lambda body: b"H" + body)))
@example(b"")
@example(b"L" + bytes(23))
@example(b"H")
@example(b"H{}")
@example(b'H{"source":"\xff"')
@example(b'H{"source":"\xff","pid":1,"mask":"drop"}')
@example(b'H{"source":"web","pid":"1","mask":"drop"}')
@example(b'H{"source":"web","pid":1e999,"mask":"drop"}')
@example(b'H{"x":' + b"[" * (LARGEST - 6))
@example(b'H{"x":' + b'{"x":' * 50_000)
@example(b'H{"source":"web","pid":' + b"9" * 5000 + b',"mask":"drop"}')
def test_any_bytes_are_a_message_or_a_value_error(packet: bytes) -> None:
    try:
        message = unpack(packet)
    except ValueError:
        return
    assert isinstance(message, Hello | Lines | Loan) or packet == BACK


@pytest.mark.parametrize("packet", [b"", b"X", b"L" + bytes(23), b"H[]"])
def test_what_is_none_of_ours_says_so(packet: bytes) -> None:
    with pytest.raises(ValueError, match="of privet pipe"):
        unpack(packet)
