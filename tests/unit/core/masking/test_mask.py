"""Masks, one spelling each: what goes, what stays, and what the masked log looks like."""

from __future__ import annotations

import re
from datetime import UTC
from ipaddress import ip_address, ip_network
from time import process_time
from urllib.parse import unquote_to_bytes

import pytest

from privet.core.addresses.address import Subject, client_key
from privet.core.masking.mask import SITES, Mask, Masks, combined, masked_log, sample
from privet.core.parsing.formats import APACHE, named, parse_format
from privet.core.parsing.parse import NOT_IN_FORMAT, plan_of
from privet.core.parsing.recognise import AutoPlan

KEY, OTHER_KEY = bytes(range(32)), bytes(range(1, 33))
PSEUDONYM = Mask("pseudonym", KEY)
MODES = {"drop": Mask("drop"), "truncate": Mask("truncate"), "pseudonym": PSEUDONYM}
EACH_MODE = pytest.mark.parametrize("mask", MODES.values(), ids=MODES)
V4, V6 = b"192.0.2.77", b"2001:db8:1:2::77"
WANT = ("host", "user", "request", "status", "size", "referer", "agent")

SPELLINGS = [
    b"%b", b"[%b]", b"[%b]:443", b"%b:443", b"(%b)", b"%b,", b"%b.", b"%b;", b"'%b'", b"<%b>", b"x=%b&y", b"/%b/",
    b"http://[%b]:8080/", b"[client %b]", b"[client %b:41234]", b"[remote %b:443]", b"[pid 5] [client %b:1] AH0",
    b"client: %b, server", b"for=%b", b'for="[%b]:80"', b"%b - - [17/May/2015:10:05:03 +0000]", b"%b%%eth0",
    b"%b%%25eth0", b"a %b b %b", b"unix:%b", b"x%b", b"%bx", b"_%b_", b"%b/24", b"::ffff %b", b"%b..", b"...%b", b"%b:",
    b"\xff%b\xff", b"\0%b", b"%b\t",
]  # fmt: skip


ADDRESSES = [
    *(V4, V6, V6.upper(), b"2001:0db8:0001:0002:0000:0000:0000:0077", b"::ffff:192.0.2.77", b"::ffff:c000:24d"),
    *(b"2001:db8::192.0.2.77", b"2a00::77"),
]


@EACH_MODE
@pytest.mark.parametrize("around", SPELLINGS)
def test_an_address_is_gone_however_it_stands(mask: Mask, around: bytes) -> None:
    for address in ADDRESSES:
        text = around.replace(b"%b", address).replace(b"%%", b"%")
        out = mask.scrub(text).lower()
        assert address.lower() not in out
        assert b"192.0.2.77" not in out
        assert b"::77" not in out
        assert mask.scrub(out) == out


@EACH_MODE
@pytest.mark.parametrize(
    "text",
    [
        *(b"192%2E0%2E2%2E77", b"192%2e0.2%2e77", b"%31%39%32.0.2.77", b"192.0.2.7%37", b"192%252E0%252E2%252E77"),
        *(
            b"2001%3Adb8%3A1%3A2%3A%3A77",
            b"2001%3adb8%3A%3a1:77",
            b"%5B2001:db8:1:2::77%5D",
            b"2001%253Adb8%253A%253A77",
        ),
        *(b"/?ip=192%2E0%2E2%2E77&x=2001%253Adb8%253A%253A77", b"%22ip%22%3A%22192.0.2.77%22", b"%20192.0.2.77%20"),
        *(
            b"%2f2001:db8::77",
            b"%ff192.0.2.77%ff",
            b"%253192.0.2.77",
            b"192.0.2.77%00",
            b"%%192%2E0.2.77",
            b"%192.0.2.77",
        ),
    ],
)
def test_percent_encoding_hides_nothing(mask: Mask, text: bytes) -> None:
    out = mask.scrub(text)
    plain = out
    for _ in range(4):
        assert b"192.0.2.77" not in plain
        assert not re.search(rb"2001:db8:\S*77", plain)
        plain = unquote_to_bytes(plain)
    assert mask.scrub(out) == out


INNOCENT = [
    *(b"", b"-", b".", b":", b"::", b":::", b"..", b"...", b"a.b.c.d", b"1.2.3", b"1:2", b"12:34:56", b"10:05:03.123"),
    *(
        b"17/May/2015:10:05:03 +0000",
        b"[Sun May 17 10:05:03.123456 2015] [core:error] [pid 1:tid 2]",
        b"1431857103.123",
    ),
    *(b"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",),
    *(b"Foo::Bar", b"Foo::Bar::Baz", b"std::string", b"Ab::Cde::Fg", b"aa:bb:cc:dd:ee:ff", b"AA-BB-CC-DD-EE-FF"),
    *(b"/wiki/%C3%A4", b"/a%20b%2Fc%3Fd", b"%25", b"100%", b"%zz", b"/%2e%2e/%2e%2e/etc/passwd", b"?q=%22a%3Ab%22"),
    *(b"nginx/1.22.1", b"v1.2.3", b"HTTP/1.1", b"0.0.0.0", b"/a:b:c", b"0x7f000001", b"2015-05-17T10:05:03+00:00"),
    *(b"100::1234:5678:9abc:def0", b"[100::1234:5678:9abc:def0]:80", b"%22100::1:2:3:4%22", b"\xc3\xa4::\xc3\xb6"),
    *(b"https://example.org/a.b.c/d.e.f?x=1.5&y=2.5", b"\x16\x03\x01"),
]


@EACH_MODE
@pytest.mark.parametrize("text", INNOCENT)
def test_what_is_no_address_stays(mask: Mask, text: bytes) -> None:
    assert mask.scrub(text) == text


@pytest.mark.parametrize(
    ("mode", "text", "out"),
    [
        ("drop", b"192.0.2.77", b"0.0.0.0"),
        ("drop", b"2001:db8:1:2::77", b"::"),
        ("drop", b"::ffff:192.0.2.77", b"0.0.0.0"),
        ("drop", b"[2001:db8::77]:443 192.0.2.77:80", b"[::]:443 0.0.0.0:80"),
        ("drop", b"[client 2001:db8::77:41234]", b"[client [::]:41234]"),
        ("drop", b"[client 192.0.2.77:41234]", b"[client 0.0.0.0:41234]"),
        ("drop", b"fe80::1%eth0", b"::%eth0"),
        ("drop", b"/a%20b?ip=192%2E0.2.77&c=%C3%A4%0A%22%5C%25", b"/a%20b?ip=0.0.0.0&c=%C3%A4%0A%22%5C%25"),
        ("truncate", b"192.0.2.77", b"192.0.2.0"),
        ("truncate", b"2001:db8:1:2::77", b"2001:db8:1::"),
        ("truncate", b"::ffff:192.0.2.77", b"192.0.2.0"),
        ("truncate", b"[client 192.0.2.77:41234]", b"[client 192.0.2.0:41234]"),
        ("truncate", b"2002:c000:24d::1", b"2002:c000:200::"),  # 6to4: 192.0.2.77 stands in it
        ("truncate", b"32.2.2.77", b"32.2.2.0"),
    ],
)
def test_what_stands_there_instead(mode: str, text: bytes, out: bytes) -> None:
    assert Mask(mode).scrub(text) == out


def pseudonym(text: bytes, mask: Mask = PSEUDONYM) -> bytes:
    out = mask.scrub(text)
    assert ip_address(out.decode()) in ip_network("100::/64")
    return out


def test_pseudonyms() -> None:
    assert pseudonym(b"192.0.2.77") == pseudonym(b"192.0.2.77") == pseudonym(b"::ffff:192.0.2.77")
    assert pseudonym(b"2001:db8:1:2::77") == pseudonym(b"2001:DB8:1:2:ffff::1"), "one per /64"
    assert pseudonym(b"2001:db8:1:3::77") != pseudonym(b"2001:db8:1:2::77")
    assert pseudonym(b"192.0.2.77") != pseudonym(b"192.0.2.78")
    assert pseudonym(b"192.0.2.77", Mask("pseudonym", OTHER_KEY)) != pseudonym(b"192.0.2.77")
    assert len({pseudonym(b"10.0.%d.%d" % (n // 250, n % 250 + 1)) for n in range(2000)}) == 2000
    key = client_key(b"192.0.2.77")
    assert key
    assert PSEUDONYM.clients[key] == pseudonym(b"192.0.2.77"), "as a client and anywhere else alike"


def test_the_pseudonym_of_a_port_is_in_brackets() -> None:
    name = pseudonym(b"192.0.2.77")
    assert PSEUDONYM.scrub(b"192.0.2.77:80") == b"[" + name + b"]:80"
    assert PSEUDONYM.scrub(b"[client 192.0.2.77:80]") == b"[client [" + name + b"]:80]"
    assert PSEUDONYM.scrub(b"[client 192.0.2.77]") == b"[client " + name + b"]"


def test_an_error_log_has_the_pseudonym_of_the_access_log() -> None:
    name = pseudonym(b"2001:db8:1:2::77")
    assert PSEUDONYM.scrub(b"[client 2001:db8:1:2::77:4321] AH01797") == b"[client [" + name + b"]:4321] AH01797"


def test_a_mask_of_pseudonyms_needs_a_key() -> None:
    with pytest.raises(ValueError, match="need a key"):
        Mask("pseudonym")
    with pytest.raises(KeyError):
        Mask("encrypt", KEY)


def test_sites_have_pseudonyms_of_their_own() -> None:
    masks = Masks("pseudonym", KEY)
    one, other = (masks.site(name).scrub(b"192.0.2.77") for name in (b"a.example", b"b.example"))
    assert one != other
    assert Masks("pseudonym", KEY).site(b"a.example").scrub(b"192.0.2.77") == one
    assert Masks("pseudonym", OTHER_KEY).site(b"a.example").scrub(b"192.0.2.77") != one
    assert Masks("drop", None).site(b"a.example").scrub(b"192.0.2.77") == b"0.0.0.0"


def test_sites_that_a_visitor_makes_up_do_not_fill_the_memory() -> None:
    masks = Masks("pseudonym", KEY)
    before = masks.site(b"a.example").scrub(b"192.0.2.77")
    for number in range(1000):
        masks.site(b"%d.example" % number)
    assert len(masks._sites) <= SITES  # noqa: SLF001
    assert masks.site(b"a.example").scrub(b"192.0.2.77") == before


def test_words_that_visitors_make_up_do_not_fill_the_memory_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("privet.core.masking.mask.REMEMBERED", 400)
    plan, masks = plan_of(named("vhost_combined"), WANT), Masks("pseudonym", KEY)
    most, clean = 0, b"2.2.2.2"
    for number in range(100):
        words = b",".join(b"%d.%d.2.3" % (number, other) for other in range(30))
        line = b's%d:80 192.0.2.1 - - [17/May/2015:10:05:03 +0000] "GET /%b" 200 5 "-" "x"\n' % (number % 7, words)
        out = masked_log(plan.parse(line), plan, masks, b"web")
        assert clean not in out
        most = max(most, sum(mask.remembered for mask in masks._sites.values()))  # noqa: SLF001  what takes the memory
    assert 200 < most < 500


def test_hostile_text_costs_time_in_proportion() -> None:
    texts = [
        b"1.2.3.4." * 8000,
        b"a:" * 30_000,
        b"::1 " * 16_000,
        b"%2525" * 13_000,
        b"1" * 64_000,
        b"." * 64_000,
        b":" * 64_000,
    ]
    texts += [b"[client " * 8000, b"%31" * 21_000, b"1.2.3.4 " * 8000, b"[client 1" + b":1" * 30_000 + b"]"]
    begin = process_time()
    for text in texts:
        PSEUDONYM.scrub(text)
    assert process_time() - begin < 4


def test_samples_are_cut_and_printable() -> None:
    assert sample(b"\x1b[31m\0\r\n\xff\xc3\xa4 x") == r"\x1b[31m\x00\x0d\x0a\xff\xc3\xa4 x"
    assert sample(b"from 192.0.2.77 to 2001:db8::77") == "from 0.0.0.0 to ::"
    assert len(sample(b"y" * 5000)) == 200
    assert "192.0.2" not in sample(b"y" * 793 + b"192.0.2.77 and more")


LINE = b'example.org:443 192.0.2.77 - - [17/May/2015:10:05:03 +0000] "GET /?ip=192.0.2.77 HTTP/1.1" 200 5 "-" "%b"\n'


@pytest.mark.parametrize("mode", ["drop", "truncate", "pseudonym"])
@pytest.mark.parametrize(("text", "line"), [
    ("common", b'192.0.2.77 - alice [17/May/2015:10:05:03 +0000] "GET /a HTTP/1.1" 404 31\n'),
    ("combined", b'192.0.2.77 - a b [17/May/2015:10:05:03 +0200] "GET / HTTP/1.1" 404 1 "https://e.org/" "\\"8\\""\n'),
    ("vhost_combined", b'e.org:443 2001:db8::77 - - [17/May/2015:10:05:03 +0000] "-" 408 - "-" "-"\n'),
    ("privet", b'e.org:443 192.0.2.77 - a\\"b [17/May/2015:10:05:03 +0000] "\x16\x03" 400 0 "-" "-" 5 "-" "x"\n'),
    ("json", b'{"ts":1431857103.5,"status":0,"remote_ip":"192.0.2.77","method":"GET","agent":"\\"\\u00e4"}\n'),
    ("json", b'{"ts":"2015-05-17T10:05:03.123456","status":200,"remote_ip":"192.0.2.77","user":"","size":"x"}\n'),
    ("%h %{%d/%m/%Y %T %z}t %>s", b"192.0.2.77 17/05/2015 10:05:03 +0000 404\n"),
    ("%h %{msec}t %m %U%q %>s %b", b"192.0.2.77 1431857103123 GET /a?b=c 404 5\n"),
    ('%h %t "%m" "%U" "%q" %>s', b'192.0.2.77 [17/May/2015:10:05:03 +0000] "GET" "/a b" "?b=c" 404\n'),
    ('$remote_addr $time_iso8601 "$request" $status', b'192.0.2.77 2015-05-17T12:05:03+02:00 "GET /a HTTP/1.1" 404\n'),
])  # fmt: skip
def test_the_masked_log_is_plain_combined_and_says_the_same(mode: str, text: str, line: bytes) -> None:
    rows = plan_of(parse_format(text), (*WANT, "method", "path", "query", "target")).parse(line)
    assert len(rows) == 1, rows.bad
    out = combined(rows, Masks(mode, KEY), b"web")
    assert b"192.0.2.77" not in out
    assert b"::77" not in out
    again = plan_of(named("combined"), WANT).parse(out)
    if mode == "drop":
        assert [reason for reason, _ in again.bad] == ["no client address"]
    else:
        assert len(again) == 1, out
        assert again.times == [int(rows.times[0])]
        for name in ("user", "status", "size", "referer", "agent"):
            assert list(again.column(name)) == list(rows.column(name))
    if "request" not in rows.columns and "%s" not in text and "%U" in text:
        assert b'"GET /a' in out
        assert b"?b=c HTTP" in out
    assert combined(again, Masks(mode, KEY), b"web") in (out, b"")


def test_stamps_that_combined_does_not_know_are_written_anew_each_by_itself() -> None:
    plan = AutoPlan(WANT, UTC)
    clf = b'192.0.2.77 - - [17/May/2015:12:05:03 +0200] "GET /a HTTP/1.1" 404 31 "-" "-"\n'
    json = b'{"ts":1431857104.5,"status":200,"remote_ip":"192.0.2.77","method":"GET","uri":"/a"}\n'
    for block in (clf + json, json + clf):
        out = combined(plan.parse(block), Masks("drop", None), b"web")
        assert sorted(re.findall(rb"\[(.*?)\]", out)) == [b"17/May/2015:10:05:04 +0000", b"17/May/2015:12:05:03 +0200"]


def test_every_field_is_masked() -> None:
    line = (
        b'e.org:443 192.0.2.77 - 192.0.2.77 [17/May/2015:10:05:03 +0000] "GET /192.0.2.77?x=192%2E0%2E2%2E77 HTTP/1.1" '
        b'404 31 "http://192.0.2.77/" "x (2001:db8::77)"\n'
    )
    out = combined(plan_of(named("vhost_combined"), WANT).parse(line), Masks("drop", None), b"web")
    assert out == (
        b'0.0.0.0 - 0.0.0.0 [17/May/2015:10:05:03 +0000] "GET /0.0.0.0?x=0.0.0.0 HTTP/1.1" '
        b'404 31 "http://0.0.0.0/" "x (::)"\n'
    )


def test_one_client_has_one_pseudonym_in_all_fields_of_a_site_and_another_on_the_next() -> None:
    lines = [LINE.replace(b"example.org", host) % b"x" for host in (b"a.example", b"b.example", b"a.example")]
    for start, end in ((0, 3), (0, 2), (1, 2), (2, 3)):
        rows = plan_of(named("vhost_combined"), WANT).parse(b"".join(lines[start:end]))
        for line, host in zip(
            combined(rows, Masks("pseudonym", KEY), b"web").splitlines(), b"aba"[start:end], strict=True
        ):
            names = set(re.findall(rb"100::[0-9a-f:]+", line))
            assert names == {Masks("pseudonym", KEY).site(b"%c.example" % host).scrub(b"192.0.2.77")}


def test_a_row_without_a_host_belongs_to_the_source() -> None:
    plan = AutoPlan(WANT, UTC)
    bare = b'192.0.2.77 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5 "-" "x"\n'
    masks = Masks("pseudonym", KEY)
    alone = combined(plan.parse(bare), masks, b"web")
    assert alone.startswith(masks.site(b"web").scrub(b"192.0.2.77"))
    assert combined(plan.parse(bare + LINE % b"x"), masks, b"web").startswith(alone)


@pytest.mark.parametrize("name", [*APACHE, "json", "auto"])
def test_a_client_that_is_a_name_is_not_written(name: str) -> None:
    host = b"dsl-192-0-2-77.example.net"
    lines = {
        "common": b'%b - - [17/May/2015:10:05:03 +0000] "GET /?from=%b HTTP/1.1" 200 5',
        "combined": b'%b - - [17/May/2015:10:05:03 +0000] "GET /?from=%b HTTP/1.1" 200 5 "-" "x"',
        "vhost_combined": b'e.org:80 %b - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5 "http://%b/" "x"',
        "privet": b'e.org:80 %b - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5 "-" "x" 1 "-" "%b"',
        "json": b'{"ts":5,"status":200,"request":{"remote_ip":"%b","client_ip":"%b"}}',
    }
    plan = AutoPlan(WANT, UTC) if name == "auto" else plan_of(named(name), WANT)
    for text in lines.values() if name == "auto" else [lines[name]]:
        line = text.replace(b"%b", host) + b"\n"
        for block in (line, line * 2, (LINE % b"x" if name == "auto" else b"") + line):
            out = masked_log(plan.parse(block), plan, Masks("pseudonym", KEY), b"web")
            assert host not in out
            assert b"example.net" not in out
            assert b"0.0.0.0" in out
            assert out.count(b"\n") == block.count(b"\n")


def test_a_name_written_with_escapes_takes_its_line_with_it() -> None:
    plan = plan_of(named("json"))
    line = b'{"ts":5,"status":200,"remote_ip":"dsl\\u002d77.example.net"}\n'
    assert masked_log(plan.parse(line), plan, Masks("drop", None), b"web") == b"0.0.0.0\n"


def test_lines_that_do_not_parse_are_masked_as_they_are() -> None:
    plan = plan_of(named("combined"), WANT)
    bad = [
        b"noise from 192.0.2.77",
        b'- - - [17/May/2015:10:05:03 +0000] "-" 408 0 "-" "-"',
        b"\xff [client 2001:db8::77:1]",
    ]
    good = b'192.0.2.77 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5 "-" "x"'
    rows = plan.parse(b"\n".join([bad[0], good, bad[1], b"", bad[2], b""]))
    assert [reason for reason, _ in rows.bad].count(NOT_IN_FORMAT) == 2
    out = masked_log(rows, plan, Masks("drop", None), b"web").split(b"\n")
    assert out.pop() == b""
    assert sorted(out) == sorted([b"noise from 0.0.0.0", good.replace(V4, b"0.0.0.0"), bad[1], b"\xff [client [::]:1]"])


def test_nothing_to_write_is_nothing() -> None:
    plan = plan_of(named("combined"), WANT)
    assert masked_log(plan.parse(b"\n\n"), plan, Masks("drop", None), b"web") == b""


def test_a_verdict_and_the_log_agree_on_who_it_was() -> None:
    key = client_key(b"2001:db8:1:2::77")
    assert key
    masks = Masks("pseudonym", KEY)
    rows = plan_of(named("combined"), WANT).parse(
        b'2001:db8:1:2::77 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5 "-" "x"\n'
    )
    assert combined(rows, masks, b"web").startswith(masks.site(b"web").clients[key] + b" ")
    assert Subject.of_key(rows.keys[0]).reveal() == "2001:db8:1:2::/64"
