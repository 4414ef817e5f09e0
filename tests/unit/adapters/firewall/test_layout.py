"""Names and text, letter by letter."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from privet.adapters.firewall.layout import BASE, Structure, milliseconds, script, set_name, shape
from privet.core.address import Subject, mask_bits

NOTHING = Structure(frozenset(), frozenset())

subjects = st.builds(
    lambda packed, length: Subject(mask_bits(packed, min(length, len(packed) * 8)), min(length, len(packed) * 8)),
    st.binary(min_size=4, max_size=4) | st.binary(min_size=16, max_size=16),
    st.integers(0, 128),
)


@given(subjects)
def test_a_name_tells_the_shape_of_its_set(subject: Subject) -> None:
    assert shape(set_name(subject)) == (len(subject.packed), subject.length)


@pytest.mark.parametrize("name", ["allowed", "v4_", "v5_32", "v4_33", "v6_129", "v4_32x", "xv4_32"])
def test_other_sets_are_not_ours(name: str) -> None:
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
        "add set inet privet v4_32 { type ipv4_addr; flags timeout; }\n"
        "add set inet privet v6_64 { type ipv6_addr; flags timeout; }\n"
        "add chain inet privet bans { type filter hook prerouting priority raw; policy accept; }\n"
        "flush chain inet privet bans\n"
        'add rule inet privet bans iif "lo" accept\n'
        "add rule inet privet bans ip saddr @v4_32 counter drop\n"
        "add rule inet privet bans ip6 saddr & ffff:ffff:ffff:ffff:: @v6_64 counter drop\n"
    )


def test_script_adds_one_length_and_leaves_the_rest() -> None:
    assert script(Structure(BASE, BASE), BASE | {"v4_20"}) == (
        "add table inet privet\n"
        "add set inet privet v4_20 { type ipv4_addr; flags timeout; }\n"
        "add chain inet privet bans { type filter hook prerouting priority raw; policy accept; }\n"
        "add rule inet privet bans ip saddr & 255.255.240.0 @v4_20 counter drop\n"
    )


def test_script_makes_lost_rules_anew_and_keeps_the_sets() -> None:
    text = script(Structure(BASE, frozenset()), BASE)
    assert "add set" not in text
    assert text.index("flush chain") < text.index("accept\n") < text.index("@v4_32") < text.index("@v6_64")
