"""The format `auto` over any mixture of lines: however they are cut, the same rows, and all accounted for."""

from __future__ import annotations

from datetime import UTC

from hypothesis import example, given, settings
from hypothesis import strategies as st

from privet.core.jails import FIELDS
from privet.core.parsing.parse import Rows, together
from privet.core.parsing.recognise import AutoPlan
from privet.core.rows.select import values_of

CLIENTS = st.sampled_from(
    [b"192.0.2.1", b"2001:db8::1", b"[2001:db8::1]", b"100::5", b"-", b"dsl.example.net", b"a b", b""]
)
USERS = st.sampled_from(
    [b"-", b"a b", b"x:1 192.0.2.66 -", b"x:1 192.0.2.66 - -", b'a\\"b', b"[17/May/2015:10:05:03 +0000]", b"192.0.2.66"]
)
STAMPS = st.sampled_from([b"17/May/2015:10:05:03 +0000", b"17/May/2015:10:05:04 +0000", b"soon"])
REQUESTS = st.sampled_from([b"GET / HTTP/1.1", b"-", b"", b'a\\"b', b"\\", b'a" 200 5 "b', b"\x16\x03", b"/x y"])
HOSTS = st.sampled_from([b"example.org:80", b"[2001:db8::2]:443", b"-:80", b":", b"x"])
HEAD = st.tuples(CLIENTS, USERS, STAMPS, REQUESTS).map(lambda parts: b'%b - %b [%b] "%b" 200 5' % parts)
LINES = st.one_of(
    HEAD.map(lambda line: line + b"\n"),
    HEAD.map(lambda line: line + b' "-" "x"\n'),
    st.tuples(HOSTS, HEAD).map(lambda pair: b'%b %b "-" "x"\n' % pair),
    st.tuples(HOSTS, HEAD).map(lambda pair: b'%b %b "-" "x" 12 "-" "-"\n' % pair),
    CLIENTS.map(lambda client: b'{"ts":1431857103,"status":200,"remote_ip":"%b","uri":"/j","method":"GET"}\n' % client),
    st.sampled_from([b"\n", b" \n", b"{}\n", b"null\n", b"noise\n", b'{"status":200}\n', b'"\n', b"\xff\n", b"\0\n"]),
)


def auto() -> AutoPlan:
    return AutoPlan(("host", "user", "request", "status", "size", "referer", "agent"), UTC)


def said(rows: Rows) -> tuple[object, ...]:
    columns = {field: list(values_of(rows, field, range(len(rows)))) for field in FIELDS}
    return rows.lines, rows.keys, rows.times, columns, sorted(rows.bad), rows.ignored


def fed(lines: list[bytes], cuts: list[int]) -> tuple[Rows, str]:
    plan = auto()
    ends = sorted({min(cut, len(lines)) for cut in cuts} | {len(lines)})
    blocks = [b"".join(lines[start:end]) for start, end in zip([0, *ends], ends, strict=False)]
    return together([plan.parse(block) for block in blocks]), plan.name


@settings(max_examples=150)
@given(st.lists(LINES, max_size=10), st.lists(st.integers(0, 10), max_size=10))
@example([b'192.0.2.1 - - [17/May/2015:10:05:03 +0000] "-" 200 5\n', b"{}\n", b"\n", b"{}\n"], [1, 2, 3])
def test_no_cut_matters(lines: list[bytes], cuts: list[int]) -> None:
    whole, name = fed(lines, [])
    assert whole.lines == len(lines) == len(whole) + len(whole.bad) + whole.ignored
    for others in (cuts, list(range(len(lines)))):
        rows, other_name = fed(lines, others)
        assert said(rows) == said(whole)
        assert other_name == name


@settings(max_examples=60)
@given(st.binary(max_size=400), st.lists(LINES, max_size=3))
def test_no_bytes_raise(noise: bytes, lines: list[bytes]) -> None:
    plan = auto()
    for block in (noise, b"".join(lines) + noise):
        rows = plan.parse(block)
        assert rows.lines == block.count(b"\n") == len(rows) + len(rows.bad) + rows.ignored
        for line in block.split(b"\n"):
            plan.time_of(line)
            span = plan.client_span(line)
            assert span is None or 0 <= span[0] <= span[1] <= len(line)
