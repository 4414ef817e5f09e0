"""Days of lines, in every way that servers write them; how the input is cut into blocks makes no difference."""

from __future__ import annotations

from datetime import date
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privet.core.parsing.days import Days

LAST = date(2015, 6, 1)
LINES = [
    b'192.0.2.1 - - [17/May/2015:23:59:59 +0200] "GET / HTTP/1.1" 200 5 "-" "x"',
    b'e.org:443 2001:db8::1 - - [17/May/2015:10:05:03 +0000] "GET /[16/May/2015:10:05] HTTP/1.1" 200 5',
    b"[Sun May 17 10:05:03.123456 2015] [core:error] [pid 1] [client 192.0.2.1:80] AH0",
    b"[Sun May 17 10:05:03 2015] [error] x",
    b"2015/05/17 10:05:03 [error] 7#7: *1 x, client: 192.0.2.1, server: _",
    b"May 17 10:05:03 host sshd[1]: Failed password for root from 192.0.2.1 port 1 ssh2",
    b"<38>May 17 10:05:03 host sshd[1]: x [16/May/2015:10:05:03 +0000]",
    b"2015-05-17T10:05:03.123456+02:00 host sshd[1]: x",
    b"<38>1 2015-05-17T10:05:03Z host sshd 1 - - x",
    b"2015-05-17 10:05:03,123 fail2ban.actions: NOTICE Ban 192.0.2.1",
    b"[17-May-2015 10:05:03 UTC] PHP Warning: x",
    b"[2015-05-17T10:05:03] x",
    b'{"level":"info","ts":1431857103.123,"request":{"remote_ip":"192.0.2.1"}}',
    b'{"remote_addr": "192.0.2.1", "time_local": "17/May/2015:10:05:03 +0000"}',
    b'{"time":"2015-05-17T10:05:03+00:00","agent":"\\"ts\\":1331857103"}',
    b"1431857103.123    5 192.0.2.1 TCP_MISS/200 5 GET http://example.org/",
]
NONE = [b"", b"no time at all", b'{"status":200}', b"- - - [-] -", b"12:00 x", b"{", b"[", b"1.2.3.4 1.2.3.4 1.2.3.4"]
ALIKE = [b"May 17 x [16/May/2015:10:05:03 +0000]", b"2015-05-17Tx", b"1431857103.x [16/May/2015:10:05:03 +0000]"]


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("count", [1, 3])
def test_the_day_of_a_line(line: bytes, count: int) -> None:
    block = (line + b"\n") * count
    assert Days(LAST).split(block) == [("2015-05-17", block)]


@pytest.mark.parametrize("line", NONE + ALIKE)
def test_a_line_without_a_time_belongs_to_the_day_before_it(line: bytes) -> None:
    days = Days(LAST)
    assert days.split(line + b"\n") == [("", line + b"\n")]
    days.split(LINES[0] + b"\n")
    assert days.split(line + b"\n") == [("2015-05-17", line + b"\n")]


@pytest.mark.parametrize(
    ("stamp", "last", "day"),
    [
        (b"Jan  3", date(2016, 1, 3), "2016-01-03"),
        (b"Dec 31", date(2016, 1, 3), "2015-12-31"),
        (b"Jan 04", date(2016, 1, 3), "2015-01-04"),
        (b"Feb 29", date(2016, 3, 1), "2016-02-29"),
    ],
)
def test_syslog_says_no_year(stamp: bytes, last: date, day: str) -> None:
    line = stamp + b" 10:05:03 host x\n"
    assert Days(last).split(line) == [(day, line)]


def test_a_block_is_cut_where_the_day_changes() -> None:
    lines = [line.replace(b"17/May", day) + b"\n" for line in LINES[:2] for day in (b"17/May", b"18/May", b"18/May")]
    pieces = Days(LAST).split(b"".join(lines))
    assert [day[-2:] for day, _ in pieces] == ["17", "18", "17", "18"]
    assert b"".join(piece for _, piece in pieces) == b"".join(lines)


@given(
    st.lists(st.sampled_from(LINES + NONE + ALIKE + [LINES[0].replace(b"17", b"18"), LINES[5].replace(b"17", b"18")])),
    st.data(),
)
def test_any_cut_into_blocks_gives_every_line_the_same_day(lines: list[bytes], data: st.DataObject) -> None:
    whole, days = Days(LAST), Days(LAST)
    expected = [day for line in lines for day, _ in whole.split(line + b"\n")]
    found, at = [], 0
    while at < len(lines):
        size = data.draw(st.integers(1, len(lines) - at))
        for day, piece in days.split(b"".join(line + b"\n" for line in lines[at : at + size])):
            found += [day] * piece.count(b"\n")
        at += size
    assert found == expected


@given(st.binary(max_size=200))
def test_no_bytes_raise_or_get_lost(noise: bytes) -> None:
    assert b"".join(piece for _, piece in Days(LAST).split(noise + b"\n")) == noise + b"\n"


def test_hostile_lines_cost_time_in_proportion() -> None:
    texts = [
        b"[" * 64_000,
        b'{"ts":' * 10_000,
        b'{"' * 30_000,
        b"1" * 64_000,
        b'{"time":"' + b"1" * 64_000,
        b"{ts" * 20_000,
    ]
    begin = process_time()
    for text in texts:
        Days(LAST).split(text + b"\n")
    assert process_time() - begin < 2
