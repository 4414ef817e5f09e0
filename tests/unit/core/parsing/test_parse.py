"""Lines as servers write them, one case each: who, when, what, or why not."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, timedelta, timezone
from time import process_time

import pytest

from privet.core.addresses.address import client_key
from privet.core.parsing.formats import APACHE, FormatError, named, parse_format
from privet.core.parsing.parse import (
    FEW,
    NO_ADDRESS,
    NO_TIME,
    NOT_IN_FORMAT,
    JsonPlan,
    Rows,
    TextPlan,
    in_parts,
    plan_of,
    together,
)
from privet.core.rows.select import values_of

STORY = 1431857103.0  # 17 May 2015, 10:05:03 UTC
WANT = ("host", "user", "request", "status", "size", "referer", "agent")
LINES = {
    "common": b'192.0.2.1 - alice [17/May/2015:10:05:03 +0000] "GET /a?b=c HTTP/1.1" 404 31\n',
    "combined": (
        b'192.0.2.1 - alice [17/May/2015:10:05:03 +0000] "GET /a?b=c HTTP/1.1" 404 31 "https://example.org/" "curl/8"\n'
    ),
    "vhost_combined": (
        b'example.org:443 192.0.2.1 - alice [17/May/2015:10:05:03 +0000] "GET /a?b=c HTTP/1.1" 404 31 '
        b'"https://example.org/" "curl/8"\n'
    ),
    "privet": (
        b'example.org:443 192.0.2.1 - alice [17/May/2015:10:05:03 +0000] "GET /a?b=c HTTP/1.1" 404 31 '
        b'"https://example.org/" "curl/8" 1234 "text/html; charset=utf-8" "-"\n'
    ),
}
CADDY = (
    b'{"level":"info","ts":1431857103.25,"logger":"http.log.access","msg":"handled request","request":{"remote_ip":'
    b'"192.0.2.1","remote_port":"41342","client_ip":"192.0.2.1","proto":"HTTP/2.0","method":"GET","host":"example.org",'
    b'"uri":"/a?b=c","headers":{"User-Agent":["curl/8"],"Accept":["*/*"],"Referer":["https://example.org/"]},"tls":'
    b'{"resumed":false,"version":772}},"bytes_read":0,"user_id":"","duration":0.000929675,"size":31,"status":404,'
    b'"resp_headers":{"Server":["Caddy"],"Content-Type":["text/html"]}}\n'
)
TRAEFIK = (
    b'{"ClientAddr":"192.0.2.1:41342","ClientHost":"192.0.2.1","ClientPort":"41342","ClientUsername":"-",'
    b'"DownstreamContentSize":31,"DownstreamStatus":404,"Duration":929675,"OriginStatus":404,"RequestAddr":"example.org",'
    b'"RequestHost":"example.org","RequestMethod":"GET","RequestPath":"/a?b=c","RequestPort":"-","RequestProtocol":'
    b'"HTTP/1.1","StartLocal":"2015-05-17T12:05:03.25+02:00","StartUTC":"2015-05-17T10:05:03.25Z","entryPointName":"web",'
    b'"level":"info","msg":"","request_Referer":"https://example.org/","request_User-Agent":"curl/8",'
    b'"time":"2015-05-17T12:05:04+02:00"}\n'
)
NGINX_FORMAT = (
    '{"time":"$time_iso8601","remote_addr":"$remote_addr","remote_user":"$remote_user","host":"$host",'
    '"request":"$request","status":$status,"body_bytes_sent":$body_bytes_sent,"http_referer":"$http_referer",'
    '"http_user_agent":"$http_user_agent","request_time":$request_time}'
)
NGINX = (
    b'{"time":"2015-05-17T10:05:03+00:00","remote_addr":"192.0.2.1","remote_user":"","host":"example.org",'
    b'"request":"GET /a?b=c HTTP/1.1","status":404,"body_bytes_sent":31,"http_referer":"https://example.org/",'
    b'"http_user_agent":"curl/8","request_time":0.001}\n'
)


def parsed(text: str, block: bytes, want: tuple[str, ...] = WANT) -> Rows:
    rows = plan_of(parse_format(text), want).parse(block)
    assert rows.lines == len(rows) + len(rows.bad) + rows.ignored
    return rows


def fields(rows: Rows, *names: str) -> list[bytes]:
    """Return fields of the only row."""
    assert len(rows) == 1, rows.bad
    return [values_of(rows, name, range(1))[0] for name in names]


@pytest.mark.parametrize("name", LINES)
def test_named_formats(name: str) -> None:
    rows = parsed(name, LINES[name], (*WANT, "content_type", "cookie"))
    assert rows.keys == [client_key(b"192.0.2.1")]
    assert rows.times == [STORY]
    seen = fields(rows, "user", "method", "path", "query", "status", "size")
    assert seen == [b"alice", b"GET", b"/a", b"b=c", b"404", b"31"]
    if name != "common":
        assert fields(rows, "referer", "agent") == [b"https://example.org/", b"curl/8"]
    if name in ("vhost_combined", "privet"):
        assert fields(rows, "host") == [b"example.org"]
    if name == "privet":
        assert fields(rows, "content_type", "cookie") == [b"text/html; charset=utf-8", b"-"]


@pytest.mark.parametrize("name", LINES)
def test_usual_lines_take_the_fast_way(name: str) -> None:
    plan = plan_of(named(name), WANT)
    assert isinstance(plan, TextPlan)
    block = LINES[name] * 3 + LINES[name].replace(b"192.0.2.1", b"2001:db8::1").replace(b"alice", b"-")
    assert plan._at_once(block, 4) is not None  # noqa: SLF001


@pytest.mark.parametrize("name", LINES)
@pytest.mark.parametrize("odd", [(b"192.0.2.1", b'fe80::1%"x'), (b"192.0.2.1", b'"192.0.2.1'), (b"2015:", b'2015":')])
def test_a_quote_in_a_client_or_a_time_is_in_no_format(name: str, odd: tuple[bytes, bytes]) -> None:
    rows = parsed(name, LINES[name] * FEW + LINES[name].replace(*odd))
    assert (len(rows), [reason for reason, _ in rows.bad]) == (FEW, [NOT_IN_FORMAT])


@pytest.mark.parametrize("name", LINES)
@pytest.mark.parametrize("other", LINES)
def test_a_line_fits_no_other_named_format(name: str, other: str) -> None:
    rows = parsed(other, LINES[name])
    assert len(rows) == (name == other)
    assert [reason for reason, _ in rows.bad] in ([], [NOT_IN_FORMAT], [NO_ADDRESS])


@pytest.mark.parametrize(("line", "text"), [(CADDY, "json"), (TRAEFIK, "json"), (NGINX, "json"), (NGINX, NGINX_FORMAT)])
def test_json(line: bytes, text: str) -> None:
    rows = parsed(text, line)
    assert rows.keys == [client_key(b"192.0.2.1")]
    assert list(rows.times) == [pytest.approx(STORY + 0.25 * (line is not NGINX))]
    seen = fields(rows, "host", "user", "method", "path", "query", "status", "size", "referer", "agent")
    assert seen == [b"example.org", b"-", b"GET", b"/a", b"b=c", b"404", b"31", b"https://example.org/", b"curl/8"]
    assert rows.columns["request"][0].startswith(b"GET /a?b=c HTTP/")


@pytest.mark.parametrize(("line", "field", "value"), [
    (b'{"ts":5,"status":0,"remote_ip":"192.0.2.1"}\n', "status", b"000"),
    (b'{"ts":5,"status":"up","remote_ip":"192.0.2.1"}\n', "status", b"-"),
    (b'{"ts":5,"status":"from 192.0.2.9","remote_ip":"192.0.2.1","size":"192.0.2.9"}\n', "status", b"-"),
    (b'{"ts":5,"status":200,"remote_ip":"192.0.2.1","size":"192.0.2.9"}\n', "size", b"-"),
    (b'{"ts":5,"status":200,"remote_ip":"192.0.2.1","size":-1}\n', "size", b"-"),
    (b'{"ts":5,"status":200,"remote_ip":"192.0.2.1","user":""}\n', "user", b"-"),
    (b'{"ts":5,"status":200,"remote_ip":"192.0.2.1","user_agent":"a\\"b\\n\\\\c\\u00e4"}\n', "agent",
     b'a\\"b\\x0a\\\\c\xc3\xa4'),
    (b'{"ts":5,"status":200,"remote_ip":"192.0.2.1","user_agent":"\xff \xc3\xa4"}\n', "agent",
     b"\xef\xbf\xbd \xc3\xa4"),
    (b'{"ts":5,"status":200,"remote_ip":"192.0.2.1","user_agent":["one","two"]}\n', "agent", b"one, two"),
    (b'{"ts":5,"status":200,"remote_ip":"192.0.2.1","user_agent":[]}\n', "agent", b"-"),
    (b'{"ts":5,"status":200,"remote_ip":"192.0.2.1","user_agent":null}\n', "agent", b"-"),
    (b'{"ts":5,"status":200,"remote_ip":"192.0.2.1","method":"GET"}\n', "request", b"GET - HTTP"),
    (b'{"ts":5,"status":200,"remote_ip":"192.0.2.1"}\n', "request", b"-"),
])  # fmt: skip
def test_json_values(line: bytes, field: str, value: bytes) -> None:
    assert fields(parsed("json", line), field) == [value]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"ts":5,"status":200,"remote_ip":"-"}\n', NO_ADDRESS),
        (b'{"ts":5,"status":200,"remote_ip":5}\n', NO_ADDRESS),
        (b'{"ts":5,"status":200}\n', NO_ADDRESS),
        (b'{"ts":"soon","status":200,"remote_ip":"192.0.2.1"}\n', NO_TIME),
        (b'{"ts":true,"status":200,"remote_ip":"192.0.2.1"}\n', NO_TIME),
        (b'{"status":200,"remote_ip":"192.0.2.1"}\n', NO_TIME),
        (b'{"ts":5,"status":200,"remote_ip":"192.0.2.1"\n', NOT_IN_FORMAT),
        (b'["ts"]\n', NOT_IN_FORMAT),
        (b"null\n", NOT_IN_FORMAT),
        (b"\xff\n", NOT_IN_FORMAT),
        (b"[" * 20_000 + b"\n", NOT_IN_FORMAT),
    ],
)
def test_json_that_does_not_parse(line: bytes, reason: str) -> None:
    assert parsed("json", line).bad == [(reason, line[:-1])]


@pytest.mark.parametrize("line", [b"\n", b"  \n", b"{}\n", b'{"level":"info","ts":5,"msg":"serving"}\n'])
def test_json_messages_that_are_no_requests(line: bytes) -> None:
    assert parsed("json", line).ignored == 1


def test_json_keys_may_hold_dots_and_a_format_no_status() -> None:
    text = '{"source.ip":"$remote_addr","":"$msec"}'
    assert parsed(text, b'{"source.ip":"192.0.2.1","":5}\n').keys == [client_key(b"192.0.2.1")]
    assert parsed(text, b'{"":5}\n').bad == [(NO_ADDRESS, b'{"":5}')]
    assert parsed(text, b"\n").ignored == 1


@pytest.mark.parametrize(("text", "line", "seen"), [
    ('%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i" %D',
     b'192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200 5 "-" "x" 1234',
     {"path": b"/a", "status": b"200", "agent": b"x"}),
    (r'%a %t \"%r\" %>s', b'192.0.2.1 [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 200', {"path": b"/a"}),
    ('%{X-Forwarded-For}i %l %u %t "%r"', b'198.51.100.9, 192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1"',
     {"path": b"/a"}),
    ('"%{X-Forwarded-For}i" %t "%r"', b'"x y, 198.51.100.9, 192.0.2.1" [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1"',
     {"path": b"/a"}),
    ('%h [%{%Y-%m-%d %H:%M:%S}t] "%r"', b'192.0.2.1 [2015-05-17 10:05:03] "GET /a HTTP/1.1"', {"path": b"/a"}),
    ('%{%Y-%m-%d %H:%M:%S}t %h "%r"', b'2015-05-17 10:05:03 192.0.2.1 "GET /a HTTP/1.1"', {"path": b"/a"}),
    ('%{%d/%b/%Y %T}t.%{msec_frac}t %{%z}t %h "%r"', b'17/May/2015 10:05:03.123 +0000 192.0.2.1 "GET /a HTTP/1.1"',
     {"path": b"/a"}),
    ('%{sec}t.%{usec_frac}t %h "%r"', b'1431857103.000123 192.0.2.1 "GET /a HTTP/1.1"', {"path": b"/a"}),
    ('%h %{msec}t "%m %U%q %H" %s', b'192.0.2.1 1431857103000 "GET /a b.env?q=1 HTTP/1.1" 403',
     {"method": b"GET", "path": b"/a b.env", "query": b"q=1", "status": b"403"}),
    ('%h %t "%m" "%U" "%q"', b'192.0.2.1 [17/May/2015:10:05:03 +0000] "GET" "/a b" "?q=1"',
     {"method": b"GET", "path": b"/a b", "query": b"q=1"}),
    ("%h %t %m %U%q", b"192.0.2.1 [17/May/2015:10:05:03 +0000] GET /a?q=1",
     {"method": b"GET", "path": b"/a", "query": b"q=1"}),
    ("%h\\t%t\\t%>s", b"192.0.2.1\t[17/May/2015:10:05:03 +0000]\t200", {"status": b"200"}),
    ('{"ip":"%h","t":"%t","ua":"%{User-Agent}i","s":"%>s"}',
     b'{"ip":"192.0.2.1","t":"[17/May/2015:10:05:03 +0000]","ua":"a\\"b","s":"200"}',
     {"agent": b'a\\"b', "status": b"200"}),
    ('$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"',
     b'192.0.2.1 - - [17/May/2015:10:05:03 +0000] "\\x16\\x03\\x01" 400 157 "-" "-"',
     {"path": b"\\x16\\x03\\x01", "method": b"", "status": b"400", "size": b"157"}),
    ('$remote_addr $time_iso8601 "$request" $host',
     b'192.0.2.1 2015-05-17T12:05:03+02:00 "GET /a HTTP/1.1" example.org',
     {"path": b"/a", "host": b"example.org"}),
    ('$msec $remote_addr "$request_method $uri $server_protocol"', b'1431857103.000 192.0.2.1 "GET /a b HTTP/1.1"',
     {"method": b"GET", "path": b"/a b"}),
])  # fmt: skip
def test_format_strings(text: str, line: bytes, seen: dict[str, bytes]) -> None:
    rows = parsed(text, line + b"\n", (*WANT, "method", "path", "query", "target"))
    assert rows.keys == [client_key(b"192.0.2.1")], rows.bad
    assert rows.times == [STORY]
    assert fields(rows, *seen) == list(seen.values())


def test_stamps_without_an_offset_are_in_the_zone_of_the_machine() -> None:
    plan = plan_of(parse_format("%h %{%F %T}t"), zone=timezone(timedelta(hours=2)))
    assert plan.parse(b"192.0.2.1 2015-05-17 12:05:03\n").times == [STORY]
    assert plan_of(parse_format("%h %{%F %T}t"), zone=UTC).time_of(b"192.0.2.1 2015-05-17 10:05:03") == STORY


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET / HTTP/1.1", b"200"),
        (b"", b"408"),
        (b"-", b"408"),
        (b"\\x16\\x03\\x01\\x02", b"400"),
        (b"\x16\x03\x01\x02\0\x01", b"400"),
        (b"GET /" + b"a" * 8192 + b" HTTP/1.1", b"414"),
        (b'GET /a\\"b HTTP/1.1', b"404"),
        (b"GET /a\\\\ HTTP/1.1", b"404"),
        (b"GET /[17/May/2015:11:05:03 +0000] HTTP/1.1", b"404"),
        (b"\xff\xfe\r", b"400"),
    ],
)
def test_hostile_requests_are_requests(request_line: bytes, status: bytes) -> None:
    line = b'192.0.2.1 - - [17/May/2015:10:05:03 +0000] "%b" %b 0 "-" "-"\n' % (request_line, status)
    rows = parsed("combined", LINES["combined"] + line + LINES["combined"])
    assert len(rows) == 3
    assert (rows.columns["request"][1], rows.columns["status"][1]) == (request_line, status)


@pytest.mark.parametrize(
    "user", [b"-", b"a b", b'a\\"b', b"[x]", b"a [17/May/2015:11:05:03 +0000] b", b"a\\\\", b"", b"x:y"]
)
@pytest.mark.parametrize("name", LINES)
def test_no_user_name_hides_a_line(name: str, user: bytes) -> None:
    rows = parsed(name, LINES[name].replace(b"alice", user))
    assert fields(rows, "user") == [user]
    assert rows.times == [STORY]


@pytest.mark.parametrize(
    ("client", "key"),
    [
        (b"192.0.2.1", client_key(b"192.0.2.1")),
        (b"::ffff:192.0.2.1", client_key(b"192.0.2.1")),
        (b"2001:db8::1", client_key(b"2001:db8::ffff")),
        (b"[2001:db8::1]", client_key(b"2001:db8::")),
        (b"fe80::1%eth0", client_key(b"fe80::")),
        (b"100::1", client_key(b"100::1")),
        (b"-", None),
        (b"0.0.0.0", None),
        (b"::", None),
        (b"dsl-1.example.net", None),
        (b"unix:", None),
    ],
)
def test_clients(client: bytes, key: bytes | None) -> None:
    line = LINES["combined"].replace(b"192.0.2.1", client)
    rows = parsed("combined", line)
    assert rows.keys == [key] if key else rows.bad == [(NO_ADDRESS, line[:-1])]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"17/May", b"17/Mai", NO_TIME),
        (b"17/May/2015:10:05:03 +0000", b"-", NO_TIME),
        (b"17/May/2015:10:05:03 +0000", b"x" * 65, NOT_IN_FORMAT),
        (b" 404 ", b" 4044 ", NOT_IN_FORMAT),
        (b' "curl/8"', b"", NOT_IN_FORMAT),
        (b'"curl/8"', b'"curl"8"', NOT_IN_FORMAT),
        (b'"curl/8"', b'"curl/8', NOT_IN_FORMAT),
        (b'"curl/8"', b'"curl/8\\"', NOT_IN_FORMAT),
        (b"\n", b" x\n", NOT_IN_FORMAT),
    ],
)
def test_one_bad_line_harms_no_other(old: bytes, new: bytes, reason: str) -> None:
    good = LINES["combined"]
    bad = good.replace(old, new)
    assert bad != good
    rows = parsed("combined", good + bad + b"\n" + good)
    assert rows.keys == [client_key(b"192.0.2.1")] * 2
    assert rows.bad == [(reason, bad[:-1])]
    assert rows.ignored == 1


def test_what_may_be_quadratic_is_not() -> None:
    plans = [
        plan_of(parse_format(text)) for text in (*APACHE.values(), '%u %h %t "%r"', "%{X-Forwarded-For}i %u %t %U")
    ]
    hostile = [b" [" * 30_000, b"\\" * 60_001, b'\\"' * 30_000, b" " * 60_000, b":" * 60_000, b"[:] " * 15_000]
    hostile += [b" [" + b"x " * 30_000, b"1, " * 20_000, b'"' * 60_000, b"[17/May/2015:10:05:03 +0000] " * 2000]
    begin = process_time()
    for plan in plans:
        for text in hostile:
            plan.parse(text + b"\n" + b"192.0.2.1 - " + text + b"\n")
    assert process_time() - begin < 6, "120 lines of 60 kB: some 25 ms each on the slowest machine"


def test_the_time_and_the_place_of_the_client_in_one_line() -> None:
    plan = plan_of(named("vhost_combined"))
    line = LINES["vhost_combined"][:-1]
    assert plan.time_of(line) == plan.time_of(line + b"\n") == STORY
    span = plan.client_span(line)
    assert span
    assert line[slice(*span)] == b"192.0.2.1"
    assert plan.time_of(b"garbage") is None
    assert plan.client_span(b"garbage") is None
    json = plan_of(named("json"))
    assert isinstance(json, JsonPlan)
    assert json.time_of(TRAEFIK) == STORY + 0.25
    assert [json.time_of(text) for text in (b"{}", b"x", b"")] == [None] * 3
    assert json.client_span(b"{}") is None
    span = json.client_span(CADDY)
    assert span
    assert CADDY[slice(*span)] == b"192.0.2.1"
    escaped = b'{"ts":5,"status":200,"remote_ip":"h\\u00f6st.example"}'
    assert json.client_span(escaped) == (0, len(escaped)), "not to be found, so the whole line is his"


def test_quotes_must_pair() -> None:
    with pytest.raises(FormatError, match="double quotes do not pair"):
        plan_of(parse_format('%h %t "%r'))


def test_long_values_do_not_fill_the_memory() -> None:
    plan = plan_of(parse_format('"%{X-Forwarded-For}i" %t'))
    tracemalloc.start()
    for number in range(200):
        plan.parse(
            b"".join(b'"%d%s" [17/May/2015:10:05:03 +0000]\n' % (number * 10 + n, b"x" * 8000) for n in range(10))
        )
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 2_000_000


def test_rows_join_and_fill_what_one_side_lacks() -> None:
    lines = [("common", LINES["common"] + b"x\n"), ("combined", b"\n"), ("vhost_combined", LINES["vhost_combined"])]
    total = together([parsed(name, block) for name, block in lines])
    assert (total.lines, len(total), len(total.bad), total.ignored) == (4, 2, 1, 1)
    assert list(total.column("host")) == [b"-", b"example.org"]
    assert list(total.column("agent")) == [b"-", b"curl/8"]
    assert list(total.column("nothing")) == [b"-", b"-"]


def test_a_large_block_in_parts_is_the_same_as_at_once() -> None:
    plan = plan_of(named("combined"), ("status", "request"))
    line = b'192.0.2.%d - - [17/May/2015:10:05:%02d +0000] "GET /%d HTTP/1.1" 200 5 "-" "x"\n'
    lines = [line % (n % 250 + 1, n % 60, n) for n in range(9000)]
    lines[4000:4000] = [b"noise\n", b"\n", b"y" * 300_000 + b"\n"]
    block = b"".join(lines)
    parts, whole = in_parts(plan.parse, block), plan.parse(block)
    assert (parts.keys, parts.times, parts.bad) == (whole.keys, whole.times, whole.bad)
    assert (parts.lines, parts.ignored, len(parts)) == (whole.lines, whole.ignored, 9000)
    assert {name: list(column) for name, column in parts.columns.items()} == {
        name: list(column) for name, column in whole.columns.items()
    }
