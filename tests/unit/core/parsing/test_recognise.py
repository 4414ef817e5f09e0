"""The format `auto`: each line by the format that fits it."""

from __future__ import annotations

from datetime import UTC

import pytest

from privet.core.addresses.address import client_key
from privet.core.parsing.parse import NO_ADDRESS, NO_TIME, NOT_IN_FORMAT
from privet.core.parsing.recognise import AutoPlan

COMMON = b'192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET /1 HTTP/1.1" 200 5\n'
COMBINED = b'192.0.2.2 - - [17/May/2015:10:05:04 +0000] "GET /2 HTTP/1.1" 200 5 "-" "x"\n'
VHOST = b'example.org:80 192.0.2.3 - - [17/May/2015:10:05:05 +0000] "GET /3 HTTP/1.1" 200 5 "-" "x"\n'
PRIVET = b'example.org:80 192.0.2.4 - - [17/May/2015:10:05:06 +0000] "GET /4 HTTP/1.1" 200 5 "-" "x" 1 "-" "-"\n'
JSON = b'{"ts":1431857107,"status":200,"remote_ip":"192.0.2.5","method":"GET","uri":"/5","host":"example.org"}\n'
ALL = {"common": COMMON, "combined": COMBINED, "vhost_combined": VHOST, "privet": PRIVET, "json": JSON}


def auto() -> AutoPlan:
    return AutoPlan(("host", "user", "request", "status", "size", "referer", "agent"), UTC)


@pytest.mark.parametrize("name", ALL)
def test_each_format_is_recognised(name: str) -> None:
    plan = auto()
    assert plan.name == "auto (not yet recognised)"
    assert plan.fields is None
    rows = plan.parse(ALL[name] * 3)
    assert len(rows) == 3
    assert plan.name == f"auto ({name})"
    assert plan.fields
    assert "status" in plan.fields


def test_blank_lines_and_noise_tell_nothing() -> None:
    plan = auto()
    rows = plan.parse(b"\n\x16\x03\x01\n\n")
    assert (rows.lines, rows.ignored, rows.bad) == (3, 2, [(NOT_IN_FORMAT, b"\x16\x03\x01")])
    assert plan.name == "auto (not yet recognised)"
    assert len(plan.parse(b"\n" + VHOST + b"\n" + VHOST)) == 2
    assert plan.name == "auto (vhost_combined)"


def test_formats_may_change_from_line_to_line() -> None:
    plan = auto()
    rows = plan.parse(COMMON + VHOST + JSON + b"noise\n" + COMBINED + b"\n" + PRIVET + COMMON)
    assert rows.keys == [client_key(b"192.0.2.%d" % n) for n in (1, 3, 5, 2, 4, 1)]
    assert list(rows.column("host")) == [b"-", b"example.org", b"example.org", b"-", b"example.org", b"-"]
    assert [request.split()[1] for request in rows.column("request")] == [b"/1", b"/3", b"/5", b"/2", b"/4", b"/1"]
    assert rows.bad == [(NOT_IN_FORMAT, b"noise")]
    assert (rows.lines, rows.ignored) == (8, 1)


@pytest.mark.parametrize("first", ALL)
@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (COMBINED.replace(b"192.0.2.2", b"-"), NO_ADDRESS),
        (VHOST.replace(b"192.0.2.3", b"dsl.example.net"), NO_ADDRESS),
        (JSON.replace(b"192.0.2.5", b"-"), NO_ADDRESS),
        (COMBINED.replace(b"May", b"Mai"), NO_TIME),
        (COMBINED.replace(b"May", b"Mai").replace(b"192.0.2.2", b"-"), NO_ADDRESS),
        (b"[notice] resuming normal operations\n", NOT_IN_FORMAT),
        (b"{broken\n", NOT_IN_FORMAT),
    ],
)
def test_the_most_telling_reason_is_given(first: str, line: bytes, reason: str) -> None:
    for block in (line, ALL[first] + line, line + ALL[first]):
        plan = auto()
        assert plan.parse(block).bad == [(reason, line[:-1])]
        plan = auto()
        plan.parse(ALL[first])
        assert plan.parse(block).bad == [(reason, line[:-1])]


def test_a_user_name_does_not_make_a_line_one_of_another_format() -> None:
    plan = auto()
    plan.parse(VHOST)
    framing = COMBINED.replace(b" - - ", b" - a:b 198.51.100.66 - - ")
    assert plan.parse(framing).keys == [client_key(b"192.0.2.2")]
    assert auto().parse(framing).keys == [client_key(b"192.0.2.2")]


def test_the_time_of_any_line() -> None:
    plan = auto()
    assert [plan.time_of(line[:-1]) for line in ALL.values()] == [1431857103.0 + n for n in range(5)]
    assert plan.time_of(b"noise") is None


@pytest.mark.parametrize("first", ALL)
def test_a_client_that_is_a_name_is_found_in_any_format(first: str) -> None:
    plan = auto()
    plan.parse(ALL[first])
    for line in ALL.values():
        named = line[:-1].replace(b"192.0.2.", b"dsl.example.net.")
        span = plan.client_span(named)
        assert span
        assert b"dsl.example.net." not in named[: span[0]] + named[span[1] :]
    assert plan.client_span(b"noise") is None


def test_a_client_told_at_sight_has_the_same_key_after_lines_of_another_format() -> None:
    plan = AutoPlan((), UTC)
    line = b'192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5 "-" "-"\n'
    (key,) = plan.parse(line).keys
    (who,) = plan.clients(line)
    assert who is not None
    plan.parse(b'{"ts":1431857103.5,"status":200,"remote_ip":"192.0.2.2","request":"GET / HTTP/1.1"}\n')
    assert plan.key_of(who) == key
