"""Masks never leak: whatever stands around an address, however it is written, it is gone; what is masked stays."""

from __future__ import annotations

import re
from datetime import UTC
from functools import partial
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote_to_bytes

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from privet.core.addresses.address import client_key
from privet.core.masking import quick
from privet.core.masking.mask import Mask, Masks, combined, masked_log, sample
from privet.core.masking.rewrite import FEW, Rewriter
from privet.core.parsing.days import all_begin
from privet.core.parsing.formats import named
from privet.core.parsing.parse import plan_of
from privet.core.parsing.recognise import AutoPlan

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = bytes(range(32))
MODES = ("drop", "truncate", "pseudonym")
WANT = ("host", "user", "request", "status", "size", "referer", "agent")
MASKS = {mode: Mask(mode, KEY) for mode in MODES}

# Documentation addresses that no mask leaves as they are: truncating changes the last octet, or what follows the /48.
V4 = st.tuples(
    st.sampled_from(["192.0.2", "198.51.100", "203.0.113", "10.1.2", "10.0.0"]),
    st.sampled_from([1, 7, 25, 77, 199, 255]),
).map(lambda pair: IPv4Address("{}.{}".format(*pair)))
V6 = st.tuples(
    st.sampled_from([0x20010DB8 << 96, (0x20010DB8 << 96) | (0x100 << 80), (0x20010DB8AABB << 80)]),
    st.sampled_from([1, 0x77, 0xFFFF << 48, (1 << 64) | 5, 0x1234_5678_9ABC_DEF0, (0xDEAD << 64) | 0xBEEF]),
).map(lambda pair: IPv6Address(pair[0] | pair[1]))


def v6_spellings(address: IPv6Address) -> list[str]:
    return [
        str(address),
        str(address).upper(),
        address.exploded,
        ":".join(f"{int(g, 16):x}" for g in address.exploded.split(":")),
    ]


def v4_spellings(address: IPv4Address) -> list[str]:
    octets = str(address).split(".")
    hexed = f"{int(address) >> 16:x}:{int(address) & 0xFFFF:x}"
    return [str(address)] * 3 + [f"::ffff:{address}", f"::FFFF:{hexed}", ".".join(o.zfill(3) for o in octets)]


PLAIN = st.one_of(
    V4.flatmap(lambda a: st.sampled_from(v4_spellings(a))), V6.flatmap(lambda a: st.sampled_from(v6_spellings(a)))
)


def every(text: str) -> str:
    return "".join(f"%{ord(c):02X}" for c in text)


ENCODINGS: list[Callable[[str], str]] = [
    *[str] * 4,
    lambda text: quote(text, safe=""),
    lambda text: quote(text, safe="").lower(),
    lambda text: text.replace(".", "%2e"),
    every,
    lambda text: quote(quote(text, safe=""), safe=""),
    lambda text: quote(every(text), safe=""),
]
WRITTEN = st.tuples(
    PLAIN,
    st.sampled_from(ENCODINGS),
    st.sampled_from(
        [
            *["{}"] * 4,
            "[{}]:443",
            "[client {}:41234]",
            "[client {}]",
            "[remote {}:80]",
            "http://[{}]/x",
            "{}%eth0",
            "{}:8080",
            "{}/64",
            "for={};proto=http",
            '"{}"',
            "{}, {}",
        ]
    ),
).map(lambda parts: (parts[0], parts[2].replace("{}", parts[1](parts[0])).encode()))


def names(address: IPv4Address | IPv6Address) -> list[str]:
    """Return how the names of providers hold an address."""
    if isinstance(address, IPv4Address):
        octets = str(address).split(".")
        forms = ["-".join(octets), "-".join(reversed(octets)), "-".join(octet.zfill(3) for octet in octets)]
        return [f"ec2-{forms[0]}.compute", f"{forms[1]}.dyn.example.net", f"host{forms[2]}x", address.reverse_pointer]
    dashed = str(address).replace(":", "-")
    return [f"p{address.packed.hex()}.dip0.example.net", f"v6-{dashed}.example", dashed, address.reverse_pointer]


NAMED = st.one_of(V4, V6).flatmap(lambda a: st.sampled_from(names(a))).map(str.encode)
TELLING = [
    *(
        re.compile(rb"(?<!\d)" + rb"[-.]0*".join(form) + rb"(?!\d)")
        for net in (b"192.0.2", b"198.51.100", b"203.0.113", b"10.1.2")
        for form in (net.split(b"."), net.split(b".")[::-1])
    ),
    re.compile(rb"db8|8\.b\.d\.0\.1", re.IGNORECASE),
]
INNOCENT = st.sampled_from(
    [
        *(b"GET / HTTP/1.1", b"17/May/2015:10:05:03 +0000", b"12:34:56", b"Chrome/126.0.0.0", b"Foo::Bar", b" ", b"-"),
        *(
            b"/wiki/%C3%A4",
            b"aa:bb:cc:dd:ee:ff",
            b"?q=%22x%22",
            b"\xff\0",
            b"100%",
            b"%",
            b"%20",
            b"\\x16",
            b'"',
            b"\n",
        ),
    ]
)
GLUE = st.sampled_from([*b"0159afgAFxz.:%[]()-_,;= \t/\\\"'&?#"]).map(lambda code: bytes([code]))
SOUP = st.lists(st.one_of(GLUE, INNOCENT), max_size=4).map(b"".join)
SEPARATED = st.sampled_from([b" ", b" unknown [", b" http://", b"=a@", b'"', b"(", b"&x=", b" IPv6:", b"%20", b"%3A"])


def leaks(out: bytes, planted: str) -> bool:
    """Tell whether an address can still be read, plain or percent-encoded."""
    word = planted.lower().encode()
    plain = out.lower()
    for _ in range(4):
        if word in plain:
            return True
        plain = unquote_to_bytes(plain)
    return False


@pytest.mark.parametrize("mode", MODES)
@settings(max_examples=120)
@given(st.lists(st.tuples(SOUP, WRITTEN), min_size=1, max_size=3), SOUP)
@example([(b"/?a=", ("192.0.2.1", b"192%2E0%2E2%2E1")), (b"&b=", ("2001:db8::1", b"2001%253Adb8%253A%253A1"))], b"")
@example([(b"", ("2001:db8:100::5", b"2001:db8:100::5"))], b"..")
@example([(b"%20", ("2001:db8::1", b"2001:db8::1"))], b"")
@example([(b"%", ("10.0.0.1", b"10.0.0.1")), (b" ", ("192.0.2.1", b"%31%39%32.0.2.1"))], b"")
@example([(b"1.", ("192.0.2.1", b"192.0.2.1"))], b"9")
@example([(b"%", ("10.1.2.77", b"10.1.2.77")), (b"", ("192.0.2.1", b"0.0.0.0"))], b"")
def test_no_address_survives_whatever_stands_around_it(
    mode: str, pieces: list[tuple[bytes, tuple[str, bytes]]], end: bytes
) -> None:
    text = b"".join(before + written for before, (_, written) in pieces) + end
    out = MASKS[mode].scrub(text)
    assert not [planted for _, (planted, _) in pieces if leaks(out, planted)]


@pytest.mark.parametrize("mode", MODES)
@settings(max_examples=120)
@given(st.lists(st.one_of(SOUP, WRITTEN.map(lambda pair: pair[1])), max_size=6).map(b"".join))
@example(b"?q=%7B%22ip%22%3A%22192.0.2.1%22%7D")
@example(b"[client 0.0.0.0:41234] [client [::]:41234]")
@example(b"1.2.3.4192.0.2.7")
@example(b"a192.0.2.1f")
@example(b"e:192.0.2.1")
@example(b"192.0.2.1.5")
@example(b"100%::ffff:192.0.2.1000")
@example(b"%::ffff:192.0.2.1")
def test_what_is_masked_stays_as_it_is(mode: str, text: bytes) -> None:
    out = MASKS[mode].scrub(text)
    assert MASKS[mode].scrub(out) == out


@pytest.mark.parametrize("mode", MODES)
@settings(max_examples=200)
@given(st.lists(st.tuples(SEPARATED, NAMED), min_size=1, max_size=3), st.sampled_from([b"", b" ", b"]", b"/x"]))
def test_no_name_tells_an_address(mode: str, pieces: list[tuple[bytes, bytes]], end: bytes) -> None:
    out = MASKS[mode].scrub(b"".join(before + name for before, name in pieces) + end)
    assert not [form for form in TELLING if form.search(out)]
    assert MASKS[mode].scrub(out) == out


LINES = st.lists(st.one_of(SOUP, WRITTEN.map(lambda pair: pair[1]), NAMED, NAMED), max_size=30).map(b"".join)


@settings(max_examples=200)
@given(LINES)
@example(b"IPv6:2001:db8::1%")
@example(b"1.2.3.%")
def test_names_of_all_kinds_side_by_side_stay_masked(text: bytes) -> None:
    for mask in MASKS.values():
        out = mask.scrub(text)
        assert mask.scrub(out) == out


@settings(max_examples=200)
@given(st.lists(LINES.map(lambda text: text.replace(b"\n", b"")), max_size=5))
def test_a_block_is_scrubbed_as_its_lines_are_with_numpy_or_without(lines: list[bytes]) -> None:
    block = b"\n".join(lines)
    expected = b"\n".join(map(Mask("pseudonym", KEY).scrub, lines))
    assert Mask("pseudonym", KEY).scrub(block) == expected
    for few in (0, quick.FEW):
        assert Mask("pseudonym", KEY, replace=partial(quick.replaced, few=few)).scrub(block) == expected


@pytest.mark.parametrize("mode", MODES)
@settings(max_examples=100)
@given(st.lists(INNOCENT, max_size=8).map(b" ".join))
def test_the_innocent_stay_as_they_are(mode: str, text: bytes) -> None:
    assert MASKS[mode].scrub(text) == text


@settings(max_examples=100)
@given(st.binary(max_size=300), st.text("0123456789abcdef:.%[]", max_size=60).map(str.encode))
def test_no_bytes_raise(noise: bytes, digits: bytes) -> None:
    for mask in MASKS.values():
        for text in (noise, digits, noise + digits + noise):
            mask.scrub(text)
            mask.values[text]
    assert sample(noise).isprintable()


@settings(max_examples=100)
@given(st.lists(st.tuples(SOUP, WRITTEN), min_size=1, max_size=30), SOUP)
@example([(b"", ("2001:db8:aabb:ccdd:eeff:1122:3344:5566", b"2001:db8:aabb:ccdd:eeff:1122:3344:5566 "))] * 21, b"")
@example([(b"x" * 790, ("192.0.2.177", b"192.0.2.177"))], b"")
@example([(b"", ("2001:db8:100:1::5", b"2001%3Adb8%3A100%3A1%3A%3A5")), (b"", ("10.1.2.25", b"010.001.002.025"))], b"")
def test_no_sample_tells_an_address_or_half_of_one(pieces: list[tuple[bytes, tuple[str, bytes]]], end: bytes) -> None:
    text = b"".join(before + written for before, (_, written) in pieces) + end
    shown = sample(text)
    assert shown.isprintable()
    assert len(shown) <= 200
    for _, (planted, _) in pieces:
        assert not leaks(shown.encode(), planted)
        assert not leaks(shown.encode(), planted[: len(planted) - 3]) or len(planted) < 12


TEXTS = st.one_of(SOUP, WRITTEN.map(lambda pair: pair[1]))
PARTS = st.tuples(PLAIN, TEXTS, TEXTS, TEXTS, TEXTS)  # client, user, request, referer, agent
STAMP = b"17/May/2015:10:05:03 +0000"
SHAPES = (
    b'%b - %b [%b] "%b" 404 31 "%b" "%b"\n',
    b'e.org:80 %b - %b [%b] "%b" 404 31 "%b" "%b"\n',
    b'e.org:80 %b - %b [%b] "%b" 404 31 "%b" "%b" 12 "-" "-"\n',
    b'{"remote_ip":"%b","user":"%b","time":"%b","request":"%b","referer":"%b","agent":"%b","status":404}\n',
)


Parts = tuple[str, bytes, bytes, bytes, bytes]


def written(shape: bytes, parts: Parts) -> bytes:
    client, user, *others = parts
    return shape % (client.encode(), user, STAMP, *others)


@pytest.mark.parametrize("mode", MODES)
@settings(max_examples=80)
@given(st.lists(st.tuples(st.sampled_from(SHAPES), PARTS), max_size=3), st.lists(WRITTEN, max_size=2))
def test_the_masked_log_tells_no_address_wherever_it_stood(
    mode: str, lines: list[tuple[bytes, Parts]], noise: list[tuple[str, bytes]]
) -> None:
    block = b"".join(written(shape, parts) for shape, parts in lines) + b"".join(text + b"\n" for _, text in noise)
    planted = [parts[0] for _, parts in lines] + [word for word, _ in noise]
    plan = AutoPlan(WANT, UTC)
    rows = plan.parse(block)
    out = masked_log(rows, plan, Masks(mode, KEY), b"web")
    assert out.count(b"\n") == rows.lines - rows.ignored
    assert not [word for word in planted if leaks(out, word)]


@settings(max_examples=100)
@given(st.lists(st.tuples(st.sampled_from(SHAPES), PARTS), min_size=1, max_size=4))
def test_the_masked_log_reads_back_as_the_same_requests(lines: list[tuple[bytes, Parts]]) -> None:
    block = b"".join(written(shape, parts) for shape, parts in lines)
    rows = AutoPlan(WANT, UTC).parse(block)
    if not rows.keys:
        return
    masks = Masks("pseudonym", KEY)
    again = plan_of(named("combined"), WANT).parse(combined(rows, masks, b"web"))
    assert not again.bad
    assert again.times == rows.times
    hosts = rows.columns.get("host", [b"web"] * len(rows))
    sites = [masks.site(b"web" if host == b"-" else host) for host in hosts]
    assert again.keys == [client_key(site.clients[key]) for site, key in zip(sites, rows.keys, strict=True)]
    for name in ("user", "request", "referer", "agent"):
        masked = [site.scrub(text) for site, text in zip(sites, rows.column(name), strict=True)]
        assert list(again.column(name)) == masked
    for name in ("status", "size"):
        assert list(again.column(name)) == list(rows.column(name))


@given(
    st.lists(st.sampled_from([b"Jan 01 ", b"Jan 01", b"Jan 0", b"", b"\n", b"x", b"Jan 01 00:00:00 host"]), max_size=12)
)
def test_numpy_counts_lines_and_compares_how_they_begin_as_python_does(parts: list[bytes]) -> None:
    block = b"".join(parts) + b"\n"
    assert quick.lines(block) == block.count(b"\n")
    for begin in (b"Jan 01 ", b"x", b"Jan 01 00:00:00 hostname"):
        assert quick.all_begin(block, begin) == all_begin(block, begin)


USUAL = [
    b'%b - - [%b] "GET /%b HTTP/1.1" 200 31 "%b" "%b"\n',
    b'e.org:80 %b - - [%b] "GET /%b HTTP/1.1" 200 31 "%b" "%b"\n',
    b'%b - - [%b] "GET /%b HTTP/1.1" 404 - "%b" "%b" 12 "-" "-"\n',
]


@settings(max_examples=150)
@given(
    st.sampled_from(USUAL),
    st.lists(st.tuples(PLAIN, TEXTS, TEXTS, TEXTS), min_size=1, max_size=6),
    st.lists(
        st.tuples(st.integers(0, 12_000), st.sampled_from([b"", b'"', b"\n", b" ", b"\\", b"x", b"]"])), max_size=2
    ),
)
def test_lines_that_are_rewritten_come_out_as_if_they_were_parsed(
    shape: bytes, parts: list[tuple[str, bytes, bytes, bytes]], changes: list[tuple[int, bytes]]
) -> None:
    lines = [shape % (client.encode(), STAMP, *texts) for client, *texts in parts]
    block = b"".join(lines * (FEW // len(lines) + 1))
    for place, text in changes:  # wherever they fall: most of them into values, some between
        block = block[:place] + text + block[place + 1 :]
    block = block.removesuffix(b"\n") + b"\n"
    usual = shape % (b"192.0.2.1", STAMP, b"x", b"x", b"x")
    for plans in (
        (AutoPlan(WANT, UTC), AutoPlan(WANT, UTC)),
        2 * (plan_of(named("combined"), WANT),),
        2 * (plan_of(named("vhost_combined"), WANT),),
    ):
        for plan in plans:
            plan.parse(usual)  # so that what is recognised knows the format
        masks = Masks("pseudonym", KEY)
        expected = masked_log(plans[0].parse(block), plans[0], masks, b"web")
        assert Rewriter(plans[1], b"web").masked(block, masks) == expected
