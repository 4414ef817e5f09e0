"""Names and text, letter by letter."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privet.adapters.firewall.layout import (
    BASE,
    HOOK,
    Hook,
    Structure,
    allowing,
    closed_by,
    emptying,
    milliseconds,
    pausing,
    script,
    service_key,
    set_name,
    shape,
)
from privet.core.addresses.address import Subject, mask_bits
from privet.core.bans.model import Order
from privet.core.bans.scope import PROTOCOLS

NOTHING = Structure(0, {}, {})
AS_MADE = ("lo", "paused", "allow4", "allow6", "v4_32", "v6_64")
"""The comments of the rules, in their order."""


def standing(*names: str) -> Structure:
    """Return a structure of sets with their rules."""
    rules = [name for name in AS_MADE if name in ("lo", *names)]
    return Structure(7, dict.fromkeys(names, 1), dict.fromkeys(names, (0, 0)), rules, HOOK)


subjects = st.builds(
    lambda packed, length: Subject(mask_bits(packed, min(length, len(packed) * 8)), min(length, len(packed) * 8)),
    st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16),
    st.integers(0, 128),
)


services = st.just("") | st.builds(
    lambda name, port: f"{name}/{port}", st.sampled_from(sorted(PROTOCOLS)), st.integers(1, 65535)
)


@given(subjects, services)
def test_a_name_tells_the_shape_of_its_set(subject: Subject, service: str) -> None:
    found = shape(set_name(Order(subject, 60.0, service=service)))
    assert found == (len(subject.packed), subject.length, service != "")


@given(subjects, services)
def test_a_key_tells_what_it_closes(subject: Subject, service: str) -> None:
    found = shape(set_name(Order(subject, 60.0, service=service)))
    assert found
    assert closed_by(found, subject.packed + service_key(service)) == (subject, service)


@pytest.mark.parametrize("key", [b"\xc0\0\2", b"\xc0\0\2\1" + bytes(7), b"\xc0\0\2\1\1\0\0\0\0\x16\0\0"])
def test_keys_of_others_close_nothing(key: bytes) -> None:
    """Read elements of sets that somebody else made: too short, too long, of a protocol without ports."""
    assert all(closed_by(found, key) is None for name in ("v4_32", "v4_32_ports") if (found := shape(name)))


@pytest.mark.parametrize("name", ["allow4", "paused", "v4_", "v5_32", "v4_33", "v6_129", "v4_32x", "v4_32_", "xv4_32"])
def test_other_sets_hold_no_bans(name: str) -> None:
    assert shape(name) is None


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(60.0, 60_000), (0.5, 500), (0.0, 100), (-5.0, 100), (math.nan, 100), (1e30, 10**19)],
)
def test_a_timeout_is_never_zero_which_would_mean_for_ever(seconds: float, expected: int) -> None:
    assert milliseconds(seconds) == expected
    assert expected < 1 << 64


def test_no_end_is_no_timeout() -> None:
    assert milliseconds(math.inf) is None


def test_script_from_nothing() -> None:
    assert script(NOTHING, BASE) == (
        "add table inet privet\n"
        "add set inet privet allow4 { type ipv4_addr; flags interval; }\n"
        "add set inet privet allow6 { type ipv6_addr; flags interval; }\n"
        "add set inet privet paused { type nf_proto; flags timeout; }\n"
        "add set inet privet v4_32 { type ipv4_addr; flags timeout; }\n"
        "add set inet privet v6_64 { type ipv6_addr; flags timeout; }\n"
        "add chain inet privet bans { type filter hook prerouting priority raw; policy accept; }\n"
        'add rule inet privet bans iif "lo" accept comment "lo"\n'
        'add rule inet privet bans meta nfproto @paused counter accept comment "paused"\n'
        'add rule inet privet bans ip saddr @allow4 counter accept comment "allow4"\n'
        'add rule inet privet bans ip6 saddr @allow6 counter accept comment "allow6"\n'
        'add rule inet privet bans ip saddr @v4_32 counter drop comment "v4_32"\n'
        'add rule inet privet bans ip6 saddr & ffff:ffff:ffff:ffff:: @v6_64 counter drop comment "v6_64"\n'
    )


@pytest.mark.parametrize(
    ("name", "kind", "match"),
    [
        ("v4_20", "ipv4_addr", "ip saddr & 255.255.240.0"),
        ("v4_32_ports", "ipv4_addr . inet_proto . inet_service", "ip saddr . meta l4proto . th dport"),
        (
            "v6_48_ports",
            "ipv6_addr . inet_proto . inet_service",
            "ip6 saddr & ffff:ffff:ffff:: . meta l4proto . th dport",
        ),
    ],
)
def test_script_adds_one_set_and_leaves_the_rest(name: str, kind: str, match: str) -> None:
    assert script(standing(*BASE), BASE | {name}) == (
        "add table inet privet\n"
        f"add set inet privet {name} {{ type {kind}; flags timeout; }}\n"
        f'add rule inet privet bans {match} @{name} counter drop comment "{name}"\n'
    )


@pytest.mark.parametrize(
    "rules",
    [
        (),
        AS_MADE[1:],
        ("", *AS_MADE),
        (*AS_MADE, ""),
        (*AS_MADE, "v4_32"),
        (*AS_MADE, "hello"),
        ("lo", "allow4", "paused", "allow6", "v4_32", "v6_64"),
    ],
)
def test_rules_that_are_not_as_they_were_made_are_made_again_in_one_step(rules: tuple[str, ...]) -> None:
    changed = standing(*BASE)._replace(rules=rules, counters={"v4_32": (3, 99)})
    assert not changed.upright(())
    text = script(changed, BASE)
    assert "add set" not in text
    assert text.index("delete chain") < text.index("add chain inet privet bans {") < text.index("accept comment")
    assert text.index('"allow6"') < text.index('"v4_32"') < text.index('"v6_64"')
    assert "ip saddr @v4_32 counter packets 3 bytes 99 drop" in text


@pytest.mark.parametrize(
    "hook",
    [None, Hook("filter", 0, -300, 0), Hook("filter", 1, -300, 1), Hook("filter", 0, 0, 1), Hook("nat", 0, -300, 1)],
)
def test_a_chain_elsewhere_is_made_again(hook: Hook | None) -> None:
    changed = standing(*BASE)._replace(chain=hook)
    assert not changed.upright(BASE)
    assert "delete chain" in script(changed, BASE)


def test_rules_of_more_sets_and_in_another_order_are_as_good() -> None:
    assert standing(*BASE)._replace(rules=(*AS_MADE[:4], "v4_7", "v6_64", "v4_32")).upright(BASE)
    assert not standing(*BASE).upright(BASE | {"v4_7"})


def test_rules_that_win_are_put_before_those_that_stand_already() -> None:
    """Complete what a version without an allow set made: its rules are made anew, in their order."""
    text = script(standing("v4_32", "v6_64"), BASE)
    assert text.index("flush chain") < text.index("@paused") < text.index("@allow6") < text.index("@v4_32")


def test_who_is_allowed_replaces_who_was_and_covers_overlaps_once() -> None:
    words = ["10.1.0.0/16", "10.0.0.0/8", "2001:db8::/32", "192.0.2.1", "2001:db8:1::/48", "10.0.0.0/8", "10.2.3.4"]
    assert allowing(map(Subject.parse, words)) == (
        "flush set inet privet allow4\n"
        "add element inet privet allow4 { 10.0.0.0/8, 192.0.2.1 }\n"
        "flush set inet privet allow6\n"
        "add element inet privet allow6 { 2001:db8::/32 }\n"
    )


@given(st.lists(subjects), subjects)
def test_whatever_is_allowed_is_covered_and_nothing_overlaps(allowed: list[Subject], one: Subject) -> None:
    lines = [line.partition("{ ")[2].rstrip(" }") for line in allowing([*allowed, one]).splitlines()]
    kept = [word for line in lines for word in line.split(", ") if word]
    shown = {subject.reveal(): subject for subject in [*allowed, one]}
    assert set(kept) <= shown.keys()
    assert any(shown[word].covers(one) for word in kept)
    assert not any(shown[a].overlaps(shown[b]) for a in kept for b in kept if a != b)


def test_nobody_allowed_empties_the_sets() -> None:
    assert allowing([]) == "flush set inet privet allow4\nflush set inet privet allow6\n"


def test_a_pause_has_an_end_and_one_that_is_over_is_none() -> None:
    assert pausing(90.0) == (
        "flush set inet privet paused\nadd element inet privet paused { ipv4 timeout 90000ms, ipv6 timeout 90000ms }\n"
    )
    assert pausing(0.0) == pausing(-3.0) == "flush set inet privet paused\n"


def test_emptying_names_each_set() -> None:
    assert emptying({"v6_64", "v4_32"}) == "flush set inet privet v4_32\nflush set inet privet v6_64\n"
