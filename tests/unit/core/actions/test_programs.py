"""Tests of core.actions.programs: what the tags of a program stand for."""

from __future__ import annotations

from math import inf

import msgspec
import pytest

from privet.core.actions.programs import LONGEST_VALUE, Occasion, Program, reverse
from privet.core.actions.shell import compile_command
from privet.core.addresses.address import Subject

OCCASION = Occasion(
    subject=Subject.parse("192.0.2.7"),
    since=1_700_000_000.9,
    until=1_700_000_600.9,
    failures=5,
    count=2,
    lines=("first line", "second line"),
    facts={"user": "root", "alt_x": "y", "fid": "", "ip4": "192.0.2.7"},
    totals={"jail.banned": 3},
)
V6 = msgspec.structs.replace(OCCASION, subject=Subject.parse("2001:db8:0:1::/64"), facts={})


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        ("ip", "192.0.2.7"),
        ("ip-host", "192.0.2.7"),
        ("ip-rev", "7.2.0.192."),
        ("fid", "192.0.2.7"),
        ("family", "inet4"),
        ("failures", "5"),
        ("ipfailures", "5"),
        ("ipjailfailures", "5"),
        ("time", "1700000000"),
        ("bantime", "600"),
        ("bancount", "2"),
        ("restored", "0"),
        ("matches", "first line\nsecond line"),
        ("ipmatches", "first line\nsecond line"),
        ("ipjailmatches", "first line\nsecond line"),
        ("F-USER", "root"),
        ("F-ALT-X", "y"),
        ("F-NOTHING", ""),
        ("jail.banned", "3"),
        ("jail.found", ""),
        ("br", "\n"),
        ("sp", " "),
    ],
)
def test_tags_stand_for(tag: str, value: str) -> None:
    assert OCCASION.value(tag) == value


def test_a_ban_without_end_lasts_minus_one_second() -> None:
    assert msgspec.structs.replace(OCCASION, until=inf).value("bantime") == "-1"


def test_the_id_of_a_filter_goes_before_the_address() -> None:
    assert msgspec.structs.replace(OCCASION, facts={"fid": "session 7"}).value("fid") == "session 7"


@pytest.mark.parametrize(
    ("facts", "address"),
    [
        ({}, "2001:db8:0:1::/64"),
        ({"ip6": "2001:db8:0:1::9"}, "2001:db8:0:1::9"),
        ({"ip6": "2001:DB8:0:1:0::9"}, "2001:db8:0:1::9"),
        ({"ip6": "2001:db8:0:2::9"}, "2001:db8:0:1::/64"),
        ({"ip6": "$(id)"}, "2001:db8:0:1::/64"),
        ({"ip4": "192.0.2.7"}, "2001:db8:0:1::/64"),
    ],
)
def test_the_address_is_the_one_that_the_log_named_if_it_is_one_of_the_subject(
    facts: dict[str, str], address: str
) -> None:
    assert msgspec.structs.replace(V6, facts=facts).value("ip") == address


def test_the_family_and_the_labels_of_ipv6() -> None:
    assert V6.family == "inet6"
    assert reverse(Subject.parse("2001:db8::1/128")) == "1." + "0." * 23 + "8.b.d.0.1.0.0.2."


def test_each_value_is_printable_and_on_one_line_but_for_the_lines() -> None:
    hostile = "a\x00b\x1bc\rd\ne\x7f\x85"
    facts = msgspec.structs.replace(OCCASION, facts={"user": hostile}, lines=(hostile, "f"))

    assert facts.value("F-USER") == "a�b�c�d e��"
    assert facts.value("matches") == "a�b�c�d e��\nf"


def test_values_are_bounded_and_of_many_lines_the_last_count() -> None:
    many = msgspec.structs.replace(OCCASION, facts={"user": "€" * 70_000}, lines=("€" * 40, "x" * 40_000, "the last"))

    assert len(many.value("F-USER").encode()) <= LONGEST_VALUE
    assert len(many.value("matches").encode()) <= LONGEST_VALUE
    assert many.value("matches").endswith("x\nthe last")


def test_what_is_not_text_becomes_text() -> None:
    msgspec.structs.replace(OCCASION, facts={"user": "\udcff"}).value("F-USER").encode()


def test_an_occasion_shows_neither_address_nor_lines() -> None:
    assert "192" not in repr(OCCASION)
    assert "line" not in repr(OCCASION)


def test_a_program_has_a_script_for_each_family_or_one_for_both() -> None:
    four, six, both = (compile_command(word) for word in ("four", "six", "both"))
    one = Program(jail="j", name="n", commands={"actionban": {"": both}})
    two = Program(jail="j", name="n", commands={"actionban": {"inet4": four, "inet6": six}})

    assert (one.families, one.script("actionban", "inet6")) == (("",), both)
    assert (two.families, two.script("actionban", "inet6")) == (("inet4", "inet6"), six)
    assert one.script("actionunban", "") is None


def test_a_program_knows_its_tags() -> None:
    commands = {"actionban": {"": compile_command("x <ip> <F-USER>")}, "actionunban": {"": compile_command("<time>")}}

    assert Program(jail="j", name="n", commands=commands).tags == {"ip", "F-USER", "time"}
