"""Which requests are failures: every kind of condition, on every field."""

from __future__ import annotations

from math import inf
from time import process_time
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest

from privet.adapters.stopwatch import Stopwatch
from privet.config.loader import parse
from privet.core import cache
from privet.core.jails import Between, Is, Matches, Predicate
from privet.core.parsing.formats import named, parse_format
from privet.core.parsing.parse import Rows, plan_of
from privet.core.rows import sieve as module
from privet.core.rows.facts import Registry
from privet.core.rows.select import columns_for
from privet.core.rows.sieve import LONGEST, REMEMBERED, Sieve

if TYPE_CHECKING:
    from collections.abc import Sequence

LINE = b'%b:80 192.0.2.1 - - [17/May/2015:10:05:03 +0000] "%b" %b %b "%b" "%b"\n'


def rows(**fields: bytes) -> Rows:
    usual = {"host": b"example.org", "request": b"GET / HTTP/1.1", "status": b"200", "size": b"5", "referer": b"-"}
    plan = plan_of(named("vhost_combined"), ("host", "request", "status", "size", "referer", "agent"))
    parsed = plan.parse(LINE % tuple((usual | {"agent": b"x"} | fields).values()))
    assert len(parsed) == 1, parsed.bad
    return parsed


def counts(condition: str, parsed: Rows) -> bool:
    """Tell whether a row is a failure of a jail with a condition written as in `privet.toml`."""
    config = parse(f'[source.w]\npath = "/x"\n[jail.j]\nsource = "w"\n{condition}\n', "p.toml")
    return list(Sieve([config.jails["j"].predicates], Registry(9))(parsed)[0]) == [0]


CASES: dict[str, list[tuple[str, bytes, bool]]] = {
    "request": [
        (r"path = '\.env\b'", b"GET /.env HTTP/1.1", True),
        (r"path = '\.env\b'", b"GET /.environment HTTP/1.1", False),
        (r"path = '\.env\b'", b"GET /?f=.env HTTP/1.1", False),
        (r"path = '\.env\b'", b"GET /a b/.env HTTP/1.1", True),
        (r"path = '\.env\b'", b"GET /.env", True),
        (r"path = '\.env\b'", b".env", True),
        (r"path = '\.env$'", b"GET /.env?x HTTP/1.1", True),
        ("path = { is = '/a' }", b"GET /a HTTP/1.1", True),
        ("path = { is = '/a' }", b"GET /a/ HTTP/1.1", False),
        ("path = { is = '' }", b"", True),
        ("path = { regex = '^/wp-', not = ['[.]css$', '[.]js$'] }", b"GET /wp-login.php HTTP/1.1", True),
        ("path = { regex = '^/wp-', not = ['[.]css$', '[.]js$'] }", b"GET /wp-x.js HTTP/1.1", False),
        ("path = { regex = '^/wp-', not = ['[.]css$', '[.]js$'] }", b"GET /x HTTP/1.1", False),
        ("path = ['/a', '/b']", b"GET /b HTTP/1.1", True),
        ("path = ['/a', '/b']", b"GET /c HTTP/1.1", False),
        ("path = 'ä'", "GET /ä HTTP/1.1".encode(), True),
        ("query = '^id=[0-9]+$'", b"GET /a?id=3 HTTP/1.1", True),
        ("query = '^id=[0-9]+$'", b"GET /a?id=x HTTP/1.1", False),
        ("query = 'b[?]c'", b"GET /a?b?c HTTP/1.1", True),
        ("query = { is = '' }", b"GET /a HTTP/1.1", True),
        ("query = { is = '' }", b"GET /a? HTTP/1.1", True),
        ("query = { not = { is = '' } }", b"GET /a HTTP/1.1", False),
        ('method = "POST"', b"POST / HTTP/1.1", True),
        ('method = "POST"', b"POSTX / HTTP/1.1", False),
        ('method = "POST"', b"post / HTTP/1.1", False),
        ('method = { not = ["GET", "HEAD"] }', b"PROPFIND / HTTP/1.1", True),
        ('method = { not = ["GET", "HEAD"] }', b"HEAD / HTTP/1.1", False),
        ('method = { not = ["GET", "HEAD"] }', b"\\x16\\x03\\x01", True),
        ("method = { is = '' }", b"garbage", True),
        ("method = { regex = '^P' }", b"PUT / HTTP/1.1", True),
    ],
    "status": [
        ("status = 404", b"404", True),
        ("status = 404", b"403", False),
        ("status = [400, 403, 404]", b"403", True),
        ("status = [400, 403, 404]", b"200", False),
        ("status = '4xx'", b"400", True),
        ("status = '4xx'", b"499", True),
        ("status = '4xx'", b"500", False),
        ("status = '4xx'", b"399", False),
        ("status = ['403', '5xx']", b"503", True),
        ("status = '400-403'", b"403", True),
        ("status = '400-403'", b"404", False),
        ("status = '>=500'", b"500", True),
        ("status = '>500'", b"500", False),
        ("status = '<200'", b"199", True),
        ("status = '<=200'", b"201", False),
        ("status = { not = '2xx' }", b"304", True),
        ("status = { not = '2xx' }", b"204", False),
        ("status = 404", b"-", False),
        ("status = { not = '2xx' }", b"-", True),
    ],
    "size": [
        ("size = 0", b"0", True),
        ("size = 0", b"-", False),
        ("size = '100-200'", b"100", True),
        ("size = '100-200'", b"200", True),
        ("size = '100-200'", b"201", False),
        ("size = '>=1000000'", b"1" + b"0" * 30, True),
        ("size = '>=1000000'", b"999999", False),
        ("size = '<10'", b"9" * 5000, False),
    ],
    "agent": [
        ("agent = 'curl'", b"curl/8", True),
        ("agent = { not = 'Googlebot' }", b"Googlebot/2.1", False),
        ("agent = { not = 'Googlebot' }", b"curl/8", True),
        ("agent = { is = '-' }", b"-", True),
        ("agent = { is = '' }", b"", True),
        ("agent = { not = { is = '' } }", b"", False),
        ("agent = '^$'", b"", True),
        ("agent = 'a.*b'", b'a\\"b', True),
        ("agent = ['one', { is = 'two' }]", b"two", True),
        ("agent = ['one', { is = 'two' }]", b"two!", False),
    ],
    "host": [
        ('host = "Example.ORG"', b"example.org", True),
        ('host = "example.org"', b"EXAMPLE.org", True),
        ('host = "example.org"', b"www.example.org", False),
        ("host = { regex = '[.]example[.]org$' }", b"WWW.example.org", True),
        ('host = { not = "example.org" }', b"Example.org", False),
    ],
    "referer": [
        ('referer = [{ is = "-" }, { is = "" }]', b"-", True),
        ('referer = [{ is = "-" }, { is = "" }]', b"", True),
        ('referer = [{ is = "-" }, { is = "" }]', b"https://example.org/", False),
    ],
}
"""By field: a condition, a value, and whether it holds."""


@pytest.mark.parametrize(
    ("field", "condition", "value", "answer"),
    [(field, *case) for field, cases in CASES.items() for case in cases],
)
def test_a_condition_on_a_field(field: str, condition: str, value: bytes, answer: bool) -> None:  # noqa: FBT001
    assert counts(condition, rows(**{field: value})) is answer


def test_all_conditions_must_hold() -> None:
    condition = "status = 404\npath = 'php'\nagent = { not = 'Googlebot' }"
    hit = {"status": b"404", "request": b"GET /x.php HTTP/1.1", "agent": b"curl"}
    assert counts(condition, rows(**hit))
    for spoilt in ({"status": b"200"}, {"request": b"GET /x HTTP/1.1"}, {"agent": b"Googlebot"}):
        assert not counts(condition, rows(**(hit | spoilt)))


def chosen(predicates: Sequence[Predicate], text: str, block: bytes) -> list[int]:
    plan = plan_of(parse_format(text), columns_for(predicates))
    return list(Sieve([predicates], Registry(9))(plan.parse(block))[0])


def test_rows_come_in_order_and_only_those_that_count() -> None:
    block = b"".join(
        b'192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET /%d HTTP/1.1" %d 5 "-" "%s"\n' % (n, status, agent)
        for n, (status, agent) in enumerate([(404, b"a"), (200, b"a"), (404, b"b"), (404, b"a"), (404, b"a")])
    )
    predicates = [
        Predicate("agent", any=(Is("a"),)),
        Predicate("path", none=(Matches("3"),)),
        Predicate("status", any=(Between(400, 499),)),
    ]
    assert chosen(predicates, "combined", block) == [0, 4]
    assert chosen([Predicate("status", any=(Between(500, inf),))], "combined", block) == []
    assert chosen([], "combined", block) == [0, 1, 2, 3, 4]


def test_a_field_that_the_format_lacks_is_a_dash() -> None:
    block = b'192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5\n'
    assert chosen([Predicate("agent", any=(Is("-"),))], "common", block) == [0]
    assert chosen([Predicate("host", any=(Is("example.org"),))], "common", block) == []


@pytest.mark.parametrize("text", [
    '%h %t %m "%U" "%q"', '%h %t %m "%U%q" "%H"', '%h %t "%m" "%U" "?%q"',
])  # fmt: skip
def test_the_parts_may_be_columns_of_their_own(text: str) -> None:
    line = text.replace("%h", "192.0.2.1").replace("%t", "[17/May/2015:10:05:03 +0000]").replace("%m", "GET")
    line = line.replace("%U", "/a").replace("?%q", "?b=c").replace("%q", "?b=c").replace("%H", "HTTP/1.1")
    for field, value in (("method", "GET"), ("path", "/a"), ("query", "b=c"), ("target", "/a?b=c")):
        predicate = Predicate(field, any=(Is(value),))
        assert chosen([predicate], text, line.encode() + b"\n") == [0], field


def test_memory_and_time_are_bounded() -> None:
    sieve = Sieve([[Predicate("agent", any=(Matches("[0-9]b*c$"),))]], Registry(9))
    begin = process_time()
    for number in range(3 * REMEMBERED // 1000):
        parsed = Rows(0)
        parsed.keys = [b"\xc0\0\2\1"] * 1000
        parsed.columns = {"agent": [b"%d" % (number * 1000 + n) for n in range(1000)]}
        sieve(parsed)
    parsed = Rows(0)
    parsed.keys = [b"\xc0\0\2\1"] * 100
    parsed.columns = {"agent": [b"%d" % n + b"b" * 60_000 + b"c" for n in range(100)]}
    assert not len(sieve(parsed)[0])
    assert process_time() - begin < 5
    answers = sieve._masks["agent"]  # noqa: SLF001
    assert len(answers) <= REMEMBERED
    assert max(map(len, answers)) <= cache.LONGEST


def test_what_lies_beyond_the_bound_of_a_value_is_not_seen() -> None:
    long = b"GET /" + b"a" * LONGEST + b".env HTTP/1.1"
    assert not counts("path = '[.]env'", rows(request=long))
    assert counts("path = '[.]env'", rows(request=long[LONGEST // 2 :].replace(b"a", b"GET /", 1)))


def test_a_test_that_does_not_suit_its_field_is_an_error() -> None:
    with pytest.raises(TypeError):
        Sieve([[Predicate("status", any=(Is("404"),))]], Registry(9))
    with pytest.raises(TypeError):
        Sieve([[Predicate("agent", any=(Between(1, 2),))]], Registry(9))


SEVERAL = {
    "all": [],
    "php": [Predicate("path", any=(Matches(r"(?i)\.PHP$"), Is("/x")))],
    "not-php": [Predicate("path", none=(Matches(r"\.php"),)), Predicate("method", any=(Is("GET"),))],
    "union": [Predicate("query", any=(Matches(r"(?i)union\W+select"),)), Predicate("status", any=(Between(200, 299),))],
    "short": [Predicate("query", any=(Matches("a="), Matches("union")))],
    "old": [Predicate("proto", any=(Matches("1.0$"),))],
    "target": [Predicate("target", any=(Matches(r"php\?uni(?i:on)"), Is("/bx?a=1")))],
    "class": [Predicate("path", any=(Matches("/[abc]x"),))],
    "agent": [Predicate("agent", any=(Matches("(?i)sqlmap|nikto"),))],
}
"""Jails that share fields; of some regular expressions a text is known that must be there, of others none is."""


def test_many_jails_at_once_answer_as_each_alone() -> None:
    block = b"".join(
        b'192.0.2.1 - - [17/May/2015:10:05:03 +0000] "%b %b HTTP/1.%d" %b 5 "-" "%b"\n'
        % (method, target, n, status, agent)
        for n, method in enumerate((b"GET", b"POST"))
        for target in (b"/", b"/x", b"/a.PhP?UNION%20select", b"/bx?a=1", b"/X?Union  SELECT", b"/x.php/?\xff", b"\xff")
        for status in (b"200", b"404")
        for agent in (b"-", b"SQLMap/1.0")
    )
    for text in ("combined", '%h %l %u %t "%m %U%q %H" %>s %b "%{Referer}i" "%{User-Agent}i"'):
        fmt = named(text) if text == "combined" else parse_format(text)
        parsed = plan_of(fmt, ("status", "request", "method", "path", "query", "agent")).parse(block)
        together = [list(one) for one in Sieve(list(SEVERAL.values()), Registry(9))(parsed)]
        assert together == [list(Sieve([predicates], Registry(9))(parsed)[0]) for predicates in SEVERAL.values()]
        assert together[0] == list(range(56))
        with patch.object(module, "FEW", 1):
            many = Sieve(list(SEVERAL.values()) * 9, Registry(9))(parsed)
            assert together == [list(one) for one in many[-len(SEVERAL) :]]
        assert all(0 < len(rows) < 56 for rows in together[1:])


BAD = Predicate("query", any=(Matches(r"^(\w+=?)+$"), Is("x=1")))


def test_an_expression_that_takes_too_long_is_ended_and_the_others_go_on() -> None:
    sieve = Sieve([[BAD], [Predicate("path", any=(Is("/"),))]], Registry(9))
    hostile, good = rows(request=b"GET /?%b! HTTP/1.1" % (b"a" * 60)), rows(request=b"GET /?x=1 HTTP/1.1")
    begin = process_time()
    with Stopwatch(0.005).over(sieve.watch):
        assert [list(one) for one in sieve(hostile)] == [[], [0]]
    assert process_time() - begin < 1
    assert sieve.slow == [r"query: the regular expression ^(\w+=?)+$ is too slow to use"]
    assert sieve(good) == [[0], [0]]


def test_one_that_is_too_slow_for_long_values_still_sees_short_ones() -> None:
    sieve = Sieve([[Predicate("query", any=(Matches(r"(a+)+$"),))]], Registry(9))
    with Stopwatch(0.005).over(sieve.watch):
        sieve(rows(request=b"GET /?%b! HTTP/1.1" % (b"a" * 3000)))
    assert sieve.slow == [
        r"query: the regular expression (a+)+$ took too long: it sees no text of more than 1500 characters"
    ]
    assert sieve(rows(request=b"GET /?aa HTTP/1.1")) == [[0]]
