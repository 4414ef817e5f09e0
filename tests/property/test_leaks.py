"""Whatever address stands in whatever text: it is found, and what is shown of it does not hold it."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from hypothesis import given
from hypothesis import strategies as st

from privet.core.masking.leaks import AFTER, BEFORE, Finder
from privet.core.masking.mask import Mask

FINDER, MASK = Finder(), Mask("drop")
V4 = (
    st.integers(1 << 24, (224 << 24) - 1)
    .map(IPv4Address)
    .filter(lambda ip: not ip.is_loopback and ip.packed[1:] != b"\0\0\0")
)
V6 = st.integers(0x2000 << 112, (0x4000 << 112) - 1).map(IPv6Address).filter(lambda ip: any(ip.packed[2:]))
NOISE = st.binary(max_size=2 * BEFORE).map(lambda data: data.replace(b"/", b"."))
FORMS = st.sampled_from(["{}", "[{}]", "client={},", "<{}>", "x {}\n", "({})", '"{}"', "[client {}:4711]"])


@given(st.one_of(V4, V6), FORMS, NOISE, NOISE)
def test_an_address_between_any_bytes_is_found(
    ip: IPv4Address | IPv6Address, form: str, before: bytes, after: bytes
) -> None:
    text = before + b" " + form.format(ip).encode() + b" " + after
    hits = list(FINDER.find(text))
    assert any(str(ip).encode() in text[hit.start : hit.end] for hit in hits)
    for hit in hits:
        assert str(ip) not in FINDER.shown(text, hit)


@given(
    st.lists(
        st.sampled_from([b"203.0.113.7", b"2001:db8::7", b".", b":", b"-", b"%2e", b"1", b"a", b" ", b"::", b"/v"]),
        max_size=12,
    )
)
def test_what_the_mask_lets_stand_is_no_finding_and_what_it_takes_is_one(parts: list[bytes]) -> None:
    text = b"".join(parts)
    hits = list(FINDER.find(text))
    if MASK.scrub(text) == text:
        assert hits == []
    masked = MASK.scrub(text)
    assert list(FINDER.find(masked)) == []


@given(st.binary(max_size=300))
def test_any_bytes_do_no_harm(data: bytes) -> None:
    for hit in FINDER.find(data):
        assert 0 <= hit.start < hit.end <= len(data)
        assert len(FINDER.shown(data, hit)) <= 4 * (BEFORE + AFTER + 128)
