"""Who the client of a request is that came through proxies."""

from __future__ import annotations

from time import process_time

import pytest

from privet.core.addresses.address import Subject, client_key
from privet.core.masking.mask import Masks, masked_log
from privet.core.parsing.formats import named, parse_format
from privet.core.parsing.forwarded import BEHIND, DIRECT, MOST_HOPS, Proxies
from privet.core.parsing.parse import FEW, NO_ADDRESS, NOT_TOLD, Rows, plan_of

TRUSTED = [Subject.parse(text) for text in ("10.0.0.0/8", "2001:db8:ffff::/48")]
COMBINED = '%h %l %u %t "%r" %>s %b "%{Referer}i" "%{X-Forwarded-For}i"'
LINE = b'%s - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5 "-" "%s"\n'
CLIENT = b"203.0.113.7"
CADDY = (
    b'{"ts":1,"status":200,"request":{"remote_ip":"10.0.0.1",'
    b'"headers":{"X-Forwarded-For":["198.51.100.1","203.0.113.7"]}}}\n'
)


def parsed(peer: bytes, header: bytes, text: str = COMBINED) -> Rows:
    """Parse one line both ways, which must give the same."""
    plan = plan_of(parse_format(text), proxies=Proxies(TRUSTED))
    line = LINE % (peer, header)
    rows, many = plan.parse(line), plan.parse(line * FEW)
    assert many.keys == [*rows.keys] * FEW
    assert many.bad == rows.bad * FEW
    assert list(many.column("behind")) == list(rows.column("behind")) * FEW
    return rows


@pytest.mark.parametrize(
    ("header", "client"),
    [
        (b"203.0.113.7", CLIENT),
        (b"198.51.100.1, 203.0.113.7", CLIENT),  # what stands before is the client's own claim
        (b"10.0.0.9,203.0.113.7", CLIENT),  # even if it names somebody who is trusted
        (b"203.0.113.7, 10.0.0.2", CLIENT),
        (b"198.51.100.1,203.0.113.7,10.0.0.2, 2001:db8:ffff::9", CLIENT),
        (b"garbage ((( , 203.0.113.7", CLIENT),
        (b"203.0.113.7:4711", CLIENT),
        (b"::ffff:203.0.113.7", CLIENT),
        (b"[::ffff:203.0.113.7]:80", CLIENT),
        (b"2001:db8:1:2::5", b"2001:db8:1:2::"),
        (b"[2001:db8:1:2::5]", b"2001:db8:1:2::"),
        (b"[2001:db8:1:2::5]:4711", b"2001:db8:1:2::"),
        (b"10.0.0.3, 10.0.0.2", b"10.0.0.3"),  # a request of the proxy's own, or of its network
        (b"for=203.0.113.7", CLIENT),
        (b"For=203.0.113.7;proto=https;by=10.0.0.9", CLIENT),
        (b"proto=https; for=203.0.113.7:80", CLIENT),
        (b"for=198.51.100.1, for=203.0.113.7;host=example.org", CLIENT),
        (b"for=203.0.113.7, for=10.0.0.2", CLIENT),
        (b"for=203.0.113.7, 10.0.0.2", CLIENT),
        (b'for=\\"[2001:db8:1:2::5]:4711\\"', b"2001:db8:1:2::"),
        (b"for=\\x22[2001:db8:1:2::5]\\x22;by=\\x22[2001:db8:ffff::1]\\x22", b"2001:db8:1:2::"),
        (b'for=\\"203.0.113.7:_port\\"', CLIENT),
        (b'for=\\"unfinished, for=203.0.113.7', CLIENT),  # a quote that a client opened hides nothing
    ],
)
def test_the_client_is_found_across_trusted_hops(header: bytes, client: bytes) -> None:
    for peer in (b"10.0.0.1", b"2001:db8:ffff::1", b"::ffff:10.0.0.1"):
        rows = parsed(peer, header)
        assert rows.keys == [client_key(client)]
        assert list(rows.column("behind")) == [BEHIND]


@pytest.mark.parametrize("header", [b"198.51.100.1", b"10.0.0.1", b"for=198.51.100.1", b"unknown", b"-"])
def test_a_header_from_somebody_who_is_not_trusted_is_not_looked_at(header: bytes) -> None:
    for peer in (CLIENT, b"2001:db8::1"):
        rows = parsed(peer, header)
        assert rows.keys == [client_key(peer)]
        assert list(rows.column("behind")) == [DIRECT]
        assert rows.bad == []


def test_without_a_header_the_proxy_itself_asked() -> None:
    rows = parsed(b"10.0.0.1", b"-")
    assert rows.keys == [client_key(b"10.0.0.1")]
    assert list(rows.column("behind")) == [DIRECT]


@pytest.mark.parametrize(
    "header",
    [
        b"unknown",
        b"203.0.113.7, unknown",
        b"203.0.113.7, unknown, 10.0.0.2",
        b"203.0.113.7,",
        b",",
        b"host.example.org",
        b"203.0.113.256",
        b"0.0.0.0",
        b"[2001:db8:1:2::5",
        b"for=_hidden",
        b"for=unknown",
        b"for=203.0.113.7;for=203.0.113.8",
        b"by=203.0.113.7",
        b"for=",
        b"=",
        b", ".join([b"203.0.113.7", *[b"10.0.0.2"] * MOST_HOPS]),
        b"x" * 9000,
    ],
)
def test_a_trusted_proxy_that_names_no_client_is_counted(header: bytes) -> None:
    rows = parsed(b"10.0.0.1", header)
    assert rows.keys == []
    assert [reason for reason, _ in rows.bad] == [NOT_TOLD]


def test_a_hostile_header_costs_no_more_than_its_length() -> None:
    proxies = Proxies(TRUSTED)
    for header in (b"10.0.0.1," * 7000, b"for=" * 15000, b'"' * 60000, b";" * 60000, b"=," * 30000, b"1" * 60000):
        began = process_time()
        assert proxies.clients[header] is None
        assert process_time() - began < 0.02


def test_without_proxies_nothing_is_looked_at() -> None:
    rows = plan_of(parse_format(COMBINED)).parse(LINE % (b"10.0.0.1", CLIENT))
    assert rows.keys == [client_key(b"10.0.0.1")]
    assert "behind" not in rows.columns


def test_trust_can_change() -> None:
    proxies = Proxies()
    plan = plan_of(parse_format(COMBINED), proxies=proxies)
    line = LINE % (b"10.0.0.1", CLIENT)
    assert plan.parse(line).keys == [client_key(b"10.0.0.1")]
    proxies.trust(TRUSTED)
    assert plan.parse(line).keys == [client_key(CLIENT)]
    proxies.trust([])
    assert plan.parse(line).keys == [client_key(b"10.0.0.1")]


def test_where_a_proxy_writes_every_client_all_are_behind_it() -> None:
    rows = parsed(b"-", b"198.51.100.1, 203.0.113.7, 10.0.0.2", COMBINED.removeprefix("%h ").replace("%l", "- %l", 1))
    assert rows.keys == [client_key(CLIENT)]
    assert list(rows.column("behind")) == [BEHIND]


@pytest.mark.parametrize(
    ("text", "line", "behind"),
    [
        ("%a %{c}a %t", b"203.0.113.7 10.0.0.1 [17/May/2015:10:05:03 +0000]\n", BEHIND),
        ("%a %{c}a %t", b"203.0.113.7 203.0.113.7 [17/May/2015:10:05:03 +0000]\n", DIRECT),
        (
            "$realip_remote_addr $remote_addr [$time_local]",
            b"10.0.0.1 203.0.113.7 [17/May/2015:10:05:03 +0000]\n",
            BEHIND,
        ),
        ("$proxy_protocol_addr [$time_local]", b"203.0.113.7 [17/May/2015:10:05:03 +0000]\n", BEHIND),
        ("json", b'{"ts":1,"status":200,"request":{"remote_ip":"10.0.0.1","client_ip":"203.0.113.7"}}\n', BEHIND),
        ("json", b'{"ts":1,"status":200,"request":{"remote_ip":"203.0.113.7"}}\n', DIRECT),
        ("json", b'{"ts":1,"status":200,"remote_addr":"10.0.0.1","http_x_forwarded_for":"203.0.113.7"}\n', BEHIND),
        ("json", CADDY, BEHIND),
    ],
)
def test_what_the_server_says_of_its_peer_counts(text: str, line: bytes, behind: bytes) -> None:
    rows = plan_of(parse_format(text), proxies=Proxies(TRUSTED)).parse(line)
    assert rows.keys == [client_key(CLIENT)]
    assert list(rows.column("behind")) == [behind]


def test_rows_that_fall_out_take_their_mark_along() -> None:
    plan = plan_of(parse_format(COMBINED), proxies=Proxies(TRUSTED))
    pairs = [(b"10.0.0.1", b"unknown"), (CLIENT, b"-"), (b"-", CLIENT), (b"10.0.0.1", CLIENT)]
    rows = plan.parse(b"".join(LINE % pair for pair in pairs))
    assert rows.keys == [client_key(CLIENT)] * 2
    assert list(rows.column("behind")) == [DIRECT, BEHIND]
    assert [reason for reason, _ in rows.bad] == [NOT_TOLD, NO_ADDRESS]


@pytest.mark.parametrize("header", [b"host-7.example.org", b"203.0.113.7, host-7.example.org", b"for=_203-0-113-7"])
def test_the_masked_log_holds_nothing_of_a_client_that_cannot_be_read(header: bytes) -> None:
    plan = plan_of(parse_format(COMBINED), proxies=Proxies(TRUSTED))
    rows = plan.parse(LINE % (b"10.0.0.1", header))
    written = masked_log(rows, plan, Masks("drop", None), b"web")
    assert b"GET / HTTP/1.1" in written
    assert not any(word in written for word in (b"10.0.0.1", b"example.org", b"203.0.113.7", b"203-0-113-7"))


def test_the_masked_log_shows_the_client_and_not_the_proxy() -> None:
    plan = plan_of(parse_format(COMBINED), proxies=Proxies(TRUSTED))
    rows = plan.parse(LINE % (b"10.0.0.1", CLIENT))
    assert masked_log(rows, plan, Masks("truncate", None), b"web").startswith(b"203.0.113.0 - - ")


def test_json_with_a_client_that_cannot_be_read_is_masked() -> None:
    plan = plan_of(named("json"), proxies=Proxies(TRUSTED))
    line = b'{"ts":1,"status":200,"remote_addr":"10.0.0.1","http_x_forwarded_for":"host-7.example.org"}'
    rows = plan.parse(line + b"\n")
    assert rows.bad == [(NOT_TOLD, line)]
    written = masked_log(rows, plan, Masks("drop", None), b"web")
    assert b"example.org" not in written
    assert b"10.0.0.1" not in written
