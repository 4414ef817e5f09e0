"""Whatever bytes come: nothing raises, every line is accounted for, both ways of a plan agree, no split matters."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from privet.core.addresses.address import client_key
from privet.core.jails import FIELDS
from privet.core.parsing.formats import APACHE, Literal, parse_format
from privet.core.parsing.parse import Rows, TextPlan, plan_of, together
from privet.core.rows.select import values_of

if TYPE_CHECKING:
    from privet.core.parsing.parse import Plan

WANT = ("host", "user", "status", "size", "method", "path", "query", "target", "agent", "referer")
CUSTOM = (
    '%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i" %D',
    '%{X-Forwarded-For}i %l %u %t "%r" %>s %b',
    '%l %h %u [%{%Y-%m-%d %H:%M:%S}t] "%m %U%q %H" %>s',
    '%h %{msec}t %u "%U" "%q" %s "%u"',
    "%t %a %m %U %>s %b",
    '"%h" "%t" "%r" "%>s" "%b"',
    '[%h] %t "%r" %>s',
    '%h,%t "%r" %>s',
    '%u %h %t "%r" "%{Host}i"',
    '$remote_addr - $remote_user [$time_iso8601] "$request" $status "$http_x_forwarded_for"',
    '$msec|$remote_addr|$host|$request_method|"$request_uri"',
    '{"ip":"%h","t":"%t","ua":"%{User-Agent}i","s":"%>s"}',
)
JSON = (
    "json",
    '{"time":"$time_iso8601","ip":"$remote_addr","req":"$request","st":$status}',
    '{"t":$msec,"net":{"ip":"$remote_addr"},"m":"$request_method","u":"$request_uri"}',
)
PLANS = {text: plan_of(parse_format(text), WANT) for text in (*APACHE, *CUSTOM, *JSON)}
TEXT = [plan for plan in PLANS.values() if isinstance(plan, TextPlan)]
FEW = ("status", "size", "agent")
SPARING = {text: plan_of(parse_format(text), FEW) for text in (*APACHE, *CUSTOM)}

ADDRESSES = st.sampled_from(
    [
        *(b"192.0.2.1", b"198.51.100.7", b"2001:db8::1", b"[2001:db8::1]", b"::ffff:192.0.2.1", b"fe80::1%eth0"),
        *(b"100::1234", b"-", b"0.0.0.0", b"::", b"host.example.org"),
    ]
)
STAMPS = {
    "clf": (
        b"17/May/2015:10:05:03 +0000",
        b"17/May/2015:10:05:04 -0530",
        b"99/May/2015:10:05:03 +0000",
        b"01/Jan/1970:00:00:00 +0000",
    ),
    "iso": (b"2015-05-17T10:05:03+00:00", b"2015-05-17T10:05:03Z", b"-"),
    "epoch": (b"1431857103123", b"1431857103.5", b"nan"),
    "%Y-%m-%d %H:%M:%S": (b"2015-05-17 10:05:03", b"2015-05-17 25:05:03"),
}
ODD = {
    "client": st.sampled_from(
        [b"", b"192.0.2.1, 198.51.100.7", b"192.0.2.1:80", b"x y", b'x"y', b'fe80::1%"', b'"192.0.2.1']
    ),
    "forwarded": st.sampled_from([b"", b"192.0.2.1, 198.51.100.7", b"192.0.2.1,-", b"x y, 192.0.2.1"]),
    "time": st.sampled_from([b"", b"-", b"] [", b"17/May/2015:10:05:03", b"x" * 65, b'17/May/2015:10:05:03 +0"00']),
    "status": st.sampled_from([b"20", b"1000", b""]),
    "size": st.sampled_from([b"", b"5 5"]),
}
USUAL = {
    "client": ADDRESSES,
    "forwarded": ADDRESSES,
    "status": st.sampled_from([b"200", b"404", b"-"]),
    "size": st.sampled_from([b"5", b"-", b"0"]),
    "user": st.sampled_from([b"-", b"alice", b"a b", b"x [y] z", b""]),
    "host": st.sampled_from([b"example.org", b"[2001:db8::2]", b"-"]),
    "": st.sampled_from([b"-", b"443", b""]),
}
HOSTILE = st.lists(
    st.sampled_from(
        [
            *(
                b"GET / HTTP/1.1",
                b"-",
                b" ",
                b"  ",
                b'"',
                b'\\"',
                b"\\",
                b"\\\\",
                b"\n",
                b"\r",
                b"\0",
                b"[",
                b"]",
                b":",
            ),
            *(
                b"\x16\x03\x01\x02\0\x01\0\x01\xfc",
                b"\xff\xfe",
                b"a" * 8192,
                b"/" * 300,
                b"%22",
                b"?q=1",
                b"200",
                b"404",
            ),
            *(
                b'" 200 5 "',
                b'" 200 5 "-" "-"\n',
                b" - - [17/May/2015:10:05:03 +0000] ",
                b"192.0.2.99 ",
                b"example.org:80",
            ),
            *(
                b"Mozilla/5.0 (X11; Linux)",
                b"\xc3\xa4",
                b"{",
                b"}",
                b"'",
                b"|",
                b"\\x22",
                b"\t",
                b"\x0b",
                b"\x1c",
                b"\x85",
            ),
        ]
    ),
    max_size=4,
).map(b"".join)
HARMLESS = HOSTILE.filter(lambda text: not set(text) & set(b'"\n'))
PLAIN = st.sampled_from([b"GET /a HTTP/1.1", b"-", b"", b"POST /b?c=d HTTP/1.0", b"alice", b"curl/8", b"\\x16\\x03"])


def line(data: st.DataObject, plan: TextPlan, values: st.SearchStrategy[bytes], *, odd: bool = False) -> bytes:
    """Write one line of a format, with `values` where the visitor has a say; `odd`: and hardly ever as it should be."""
    text = b""
    for element in plan.format.elements:
        if isinstance(element, Literal):
            text += element.text
        elif odd and element.name in ODD and data.draw(st.integers(0, 3)) == 0:
            text += data.draw(ODD[element.name])
        elif element.name == "time":
            text += data.draw(st.sampled_from(STAMPS[element.time]))
        elif element.name in USUAL and not (odd and element.name in ("user", "host", "")):
            text += data.draw(USUAL[element.name])
        else:
            text += data.draw(values)
    return text + b"\n"


def said(rows: Rows) -> tuple[object, ...]:
    """Return all that rows say, comparable."""
    columns = {name: list(column) for name, column in rows.columns.items()}
    return rows.lines, rows.keys, rows.times, columns if rows.keys else {}, rows.bad, rows.ignored


def balances(rows: Rows, block: bytes) -> None:
    assert rows.lines == block.count(b"\n") == len(rows) + len(rows.bad) + rows.ignored
    assert len(rows.keys) == len(rows.times)
    assert all(len(column) == len(rows) for column in rows.columns.values())
    assert all(len(key) in (4, 8, 16) for key in rows.keys)
    assert all(0 <= time < 1e11 for time in rows.times)
    lines = block.split(b"\n")
    assert all(text and text in lines for _, text in rows.bad)


@pytest.mark.parametrize("text", PLANS)
@settings(max_examples=10)
@given(block=st.one_of(st.binary(max_size=300), st.lists(HOSTILE, max_size=8).map(b"\n".join)))
@example(block=b"")
@example(block=b"\n")
@example(block=b"\n\n \n\t\n")
@example(block=b'"\n' * 50)
@example(block=b"x" * 70_000 + b"\n")
@example(block=b'{"status":1e999,"ts":-1}\n{"status":' + b"9" * 5000 + b"}\n" + b"[" * 9000 + b"\n")
@example(block=b'{"status":"\\ud800"}\n{"status":"\xff","ts":"\xfe"}\n{"":{"":[[]]}}\nnull\n[]\n"x"\n')
def test_no_bytes_raise_and_the_account_balances(text: str, block: bytes) -> None:
    plan = PLANS[text]
    balances(plan.parse(block), block)
    for one in block.split(b"\n"):
        plan.time_of(one)
        span = plan.client_span(one)
        assert span is None or 0 <= span[0] <= span[1] <= len(one)


@settings(max_examples=250)
@given(st.data())
def test_both_ways_of_a_plan_agree(data: st.DataObject) -> None:
    plan = data.draw(st.sampled_from(TEXT))
    values = data.draw(st.sampled_from([PLAIN, HARMLESS, HOSTILE]))
    odd = data.draw(st.integers(0, 3)) == 0
    block = b"".join(line(data, plan, values, odd=odd) for _ in range(data.draw(st.integers(1, 4))))
    agrees(plan, block)


@settings(max_examples=150)
@given(st.sampled_from(TEXT), st.data())
def test_both_ways_agree_on_lines_with_something_missing_or_added(plan: TextPlan, data: st.DataObject) -> None:
    block = bytearray(b"".join(line(data, plan, PLAIN) for _ in range(data.draw(st.integers(1, 4)))))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(block) - 1))
        what = data.draw(st.sampled_from([b"", b'"', b'""', b'\\"', b"\\", b"\n", b" ", b"]", b"[", b"\0", b":"]))
        block[place : place + data.draw(st.integers(0, 2))] = what
        assume(b"\n" in block)
    agrees(plan, bytes(block[: block.rfind(b"\n") + 1]))


@settings(max_examples=250)
@given(st.sampled_from(sorted(SPARING)), st.data())
def test_a_plan_of_few_columns_differs_only_in_those_it_leaves_out(text: str, data: st.DataObject) -> None:
    plan, sparing = PLANS[text], SPARING[text]
    assert isinstance(plan, TextPlan)
    assert isinstance(sparing, TextPlan)
    values = data.draw(st.sampled_from([PLAIN, HARMLESS, HOSTILE]))
    block = b"".join(line(data, plan, values, odd=True) for _ in range(data.draw(st.integers(1, 4))))
    agrees(sparing, block)
    whole, rows = plan.parse(block), sparing.parse(block)
    assert (rows.keys, rows.times, rows.bad, rows.ignored) == (whole.keys, whole.times, whole.bad, whole.ignored)
    assert all(list(rows.column(name)) == list(whole.column(name)) for name in (*FEW, "behind", "stamp"))
    assert rows.columns.keys() <= {*FEW, "behind", "stamp", "forwarded"}


def agrees(plan: TextPlan, block: bytes) -> None:
    lines = block.count(b"\n")
    exact = plan._slow(block, lines)  # noqa: SLF001
    balances(exact, block)
    fast = plan._at_once(block, lines)  # noqa: SLF001
    if fast is not None:
        assert said(fast) == said(exact)
    assert said(plan.parse(block)) == said(exact)


@settings(max_examples=100)
@given(st.sampled_from(TEXT), st.data())
def test_no_split_matters(plan: TextPlan, data: st.DataObject) -> None:
    values = st.one_of(PLAIN, HOSTILE)
    block = b"".join(line(data, plan, values, odd=True) for _ in range(data.draw(st.integers(1, 6))))
    splits_alike(plan, block, data.draw(st.integers(0, 6)))


def splits_alike(plan: Plan, block: bytes, cut: int) -> None:
    lines = [one + b"\n" for one in block.split(b"\n")[:-1]]
    whole = plan.parse(block)
    halves = [plan.parse(b"".join(lines[:cut])), plan.parse(b"".join(lines[cut:]))]
    singly = [plan.parse(one) for one in lines]
    for parts in (halves, singly):
        other = together(parts)
        assert said(other)[:4] == said(whole)[:4]
        assert sorted(other.bad) == sorted(whole.bad)  # in a block, lines of another shape come first
        assert other.ignored == whole.ignored
        for field in FIELDS:
            seen = [value for part in parts for value in values_of(part, field, range(len(part)))]
            assert seen == list(values_of(whole, field, range(len(whole))))


JSON_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(
        ["", "-", "192.0.2.1", "2001:db8::1", "GET", "/a?b", "2015-05-17T10:05:03Z", "200", "x\ny", 'q"', "ä"]
    ),
    st.just(["192.0.2.1", "x"]),
    st.just([]),
    st.just({}),
)
JSON_NAMES = st.sampled_from(
    [
        *("ts", "status", "size", "remote_addr", "method", "uri", "request_uri", "proto", "user", "time", "ip", "req"),
        *("st", "t", "m", "u", "request", "RequestLine", "ClientHost", "DownstreamStatus", "StartUTC", "host"),
    ]
)


def as_json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode() + b"\n"


JSON_OBJECTS = st.dictionaries(
    JSON_NAMES,
    st.one_of(
        JSON_VALUES,
        st.dictionaries(
            st.sampled_from(["client_ip", "remote_ip", "method", "uri", "host", "ip", "headers"]), JSON_VALUES
        ),
    ),
    max_size=8,
)
GOOD = {"ts": 1431857103.5, "status": 404, "remote_addr": "192.0.2.1", "method": "GET", "uri": "/"}
JSON_LINES = st.one_of(
    JSON_OBJECTS.map(as_json),
    JSON_OBJECTS.map(lambda extra: as_json(GOOD | extra)),
    st.sampled_from([b"\n", b"null\n", b"{\n", b'{"status":200}\n', b'"\xff"\n']),
)


@settings(max_examples=150)
@given(st.sampled_from([PLANS[text] for text in JSON]), st.lists(JSON_LINES, max_size=6), st.integers(0, 6))
@example(PLANS["json"], [as_json(GOOD), as_json({name: GOOD[name] for name in GOOD if name != "uri"})], 1)
@example(PLANS["json"], [as_json(GOOD), as_json({name: GOOD[name] for name in GOOD if name != "method"})], 1)
def test_any_json(plan: Plan, lines: list[bytes], cut: int) -> None:
    block = b"".join(lines)
    splits_alike(plan, block, cut)
    rows = plan.parse(block)
    balances(rows, block)
    for column in rows.columns.values():
        assert not any(set(value) & set(b"\n\r\0") for value in column)
    for value in (*rows.column("status"), *rows.column("size")):
        assert value == b"-" or value.isdigit()


FREE = st.lists(
    st.sampled_from([b"192.0.2.66", b" ", b"x", b", ", b"-", b" - - [17/May/2015:11:05:03 +0000] ", b"y:1 "]),
    max_size=6,
).map(b"".join)


@pytest.mark.parametrize("text", ["common", "combined", "vhost_combined", "privet", *CUSTOM[:4], CUSTOM[7]])
@settings(max_examples=60)
@given(user=FREE, header=FREE)
@example(user=b"-", header=b"192.0.2.66 x")
@example(user=b"x, 192.0.2.66 - -", header=b"")
@example(user=b"-", header=b"192.0.2.66 -")
@example(user=b"192.0.2.66 - - [17/May/2015:11:05:03 +0000]", header=b"")
def test_no_visitor_can_pass_for_another(text: str, user: bytes, header: bytes) -> None:
    """A user name and a header are the visitor's own words; 192.0.2.66 is somebody else."""
    plan = PLANS[text]
    assert isinstance(plan, TextPlan)
    values = {
        "client": b"192.0.2.1",
        "host": b"example.org",
        "status": b"401",
        "size": b"5",
        "user": user or b"-",
        "forwarded": header + b", 192.0.2.1" if header else b"192.0.2.1",
    }
    stamps = {"clf": b"17/May/2015:10:05:03 +0000", "iso": b"2015-05-17T10:05:03Z", "epoch": b"1431857103"}
    made = b""
    for element in plan.format.elements:
        if isinstance(element, Literal):
            made += element.text
        elif element.name == "time":
            made += stamps.get(element.time, b"2015-05-17 10:05:03")
        else:
            made += values.get(element.name, b"-")
    rows = plan.parse(made + b"\n")
    assert rows.keys in ([], [client_key(b"192.0.2.1")])
    assert rows.times in ([], [1431857103.0])
    if text in APACHE:
        assert len(rows) == 1, "no user name hides a line"
