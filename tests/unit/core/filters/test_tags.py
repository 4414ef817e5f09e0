"""fail2ban's tags as regular expressions."""

from __future__ import annotations

import re

import pytest

from privet.core.filters.tags import expand, scoped_flags


def groups(pattern: str, text: str, *, names: bool = True) -> dict[str, str] | None:
    found = re.search(expand(pattern, names=names).pattern, text)
    return {name: value for name, value in found.groupdict().items() if value is not None} if found else None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.1", {"ip4": "192.0.2.1"}),
        ("[192.0.2.1]", {"ip4": "192.0.2.1"}),
        ("::ffff:192.0.2.1", {"ip4": "192.0.2.1"}),
        ("999.1.1.1", {"ip4": "999.1.1.1"}),
        ("2001:db8::1", {"ip6": "2001:db8::1"}),
        ("[2001:db8::1]", {"ip6": "2001:db8::1"}),
        ("host.example", {"dns": "host.example"}),
        ("[host.example]", None),
        ("::", None),
        ("192.0.2.1/24", None),
    ],
)
def test_host(text: str, expected: dict[str, str] | None) -> None:
    assert groups("^<HOST>$", text) == expected


def test_host_without_names() -> None:
    assert groups("^<HOST>$", "192.0.2.1", names=False) == {"ip4": "192.0.2.1"}
    assert groups("^<HOST>$", "host.example", names=False) is None


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("^<ADDR>$", "host.example", None),
        ("^<IP4>$", "2001:db8::1", None),
        ("^<IP6>$", "2001:db8::1", {"ip6": "2001:db8::1"}),
        ("^<DNS>$", "192.0.2.1", {"dns": "192.0.2.1"}),
        ("^<SUBNET>$", "192.0.2.0/24", {"ip4": "192.0.2.0", "cidr": "24"}),
        ("^<SUBNET>$", "[2001:db8::/32]", {"ip6": "2001:db8::", "cidr": "32"}),
        ("^<IP4>/<CIDR>$", "192.0.2.0/24", {"ip4": "192.0.2.0", "cidr": "24"}),
        ("^<F-IP4/> <F-ID/> <F-PORT/>$", "192.0.2.1 x 22", {"ip4": "192.0.2.1", "fid": "x", "fport": "22"}),
        ("^<F-USER>a|b</F-USER>c$", "bc", {"user": "b"}),
        ("^<F-ID>\\w+</F-ID> <F-PORT>\\d+</F-PORT>$", "x 22", {"fid": "x", "fport": "22"}),
        ("^<F-HOST/>$", "<F-HOST/>", {}),
        ("^<unknown>$", "<unknown>", {}),
    ],
)
def test_other_tags(pattern: str, text: str, expected: dict[str, str] | None) -> None:
    assert groups(pattern, text) == expected


def test_alternates_and_tuples_are_told() -> None:
    expanded = expand("<F-ALT_USER>a</F-ALT_USER><F-ALT_USER_1>b</F-ALT_USER_1><F-TUPLE_ID_2>c</F-TUPLE_ID_2>")
    assert expanded.alternates == (("alt_user", "user"), ("alt_user_1", "user"))
    assert expanded.tuples == (("tuple_id_2", "id"),)


def test_lines_between_are_numbered() -> None:
    expanded = expand("a$<SKIPLINES>^b$<SKIPLINES>^c")
    assert expanded.skips == 2
    found = re.search(expanded.pattern, "a\nx\ny\nb\nc", re.MULTILINE)
    assert found
    assert found["skiplines0"] == "\nx\ny\n"
    assert found["skiplines1"] == "\n"


@pytest.mark.parametrize(
    ("pattern", "matches", "others"),
    [
        ("(?i)abc", ["ABC"], []),
        ("a(?i)b|c", ["aB", "C"], ["AB"]),
        ("(a(?i)b|c)D", ["aBD", "CD"], ["aBd"]),
        (r"\(?(?i)x[(?i)]", ["(X?", "x("], ["y("]),
        ("(?P<n>a(?i))(?P=n)b", ["aab"], ["aAb", "aaB"]),
        ("(?=a)(?i)AB", ["ab"], ["Ab"]),
        ("a(?-i:b)", ["ab"], ["aB"]),
    ],
)
def test_flags_hold_to_the_end_of_their_group(pattern: str, matches: list[str], others: list[str]) -> None:
    regex = re.compile(scoped_flags(pattern))
    assert all(regex.fullmatch(text) for text in matches)
    assert not any(regex.fullmatch(text) for text in others)
