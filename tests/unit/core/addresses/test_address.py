"""Addresses and subjects: what is one client, what covers what, and that nothing shows an address."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from privet.core.addresses.address import Subject, client_key, is_pseudonym, key_of, mask_bits, pack, text_of

V4 = st.binary(min_size=4, max_size=4).map(ip_address)
V6 = st.binary(min_size=16, max_size=16).filter(lambda packed: any(packed[:10])).map(ip_address)
NETWORKS = st.one_of(st.tuples(V4, st.integers(0, 32)), st.tuples(V6, st.integers(0, 128))).map(
    lambda pair: ip_network((pair[0].packed, pair[1]), strict=False)
)


@pytest.mark.parametrize(
    ("text", "clear"),
    [
        (b"192.0.2.1", "192.0.2.1"),
        (b"2001:db8::1", "2001:db8::1"),
        (b"2001:DB8:0:0::1", "2001:db8::1"),
        (b"[2001:db8::1]", "2001:db8::1"),
        (b"fe80::1%eth0", "fe80::1"),
        (b"[fe80::1%eth0]", "fe80::1"),
        (b"::ffff:192.0.2.1", "192.0.2.1"),
        (b"::FFFF:c000:201", "192.0.2.1"),
        (b"[::ffff:192.0.2.1]", "192.0.2.1"),
        (b"2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1"),
        (b"::", "::"),
    ],
)
def test_spellings_of_an_address(text: bytes, clear: str) -> None:
    assert pack(text) == ip_address(clear).packed


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b"-", b":", b"[", b"]", b"[]", b"%", b"[%eth0]", b"localhost", b"host.example.org"),
        *(b"192.0.2", b"192.0.2.256", b"192.0.2.1.5", b"192.0.2.1:80", b"[192.0.2.1]", b"192.0.2.1 ", b" 192.0.2.1"),
        *(b"2001:db8::1::2", b"[2001:db8::1]:80", b"2001:db8::12345", b"2001:db8::1\0", b"192.0.2.1\0", b"\0"),
        *(
            b"\xff\xfe",
            "1٩2.0.2.1".encode(),
            b"2001:db8::" + b"0" * 80,
            b"0" * 100_000,
            b"2001:db8::1/64",
            b'fe80::1%"x',
        ),
    ],
)
def test_what_is_no_address(text: bytes) -> None:
    assert pack(text) is None
    assert client_key(text) is None


@given(st.one_of(V4, V6))
def test_any_address_packs_to_itself(address: object) -> None:
    packed = ip_address(str(address)).packed
    mapped = packed[12:] if packed.startswith(bytes(10) + b"\xff\xff") else packed
    assert pack(str(address).encode()) == mapped
    assert pack(str(address).upper().encode()) == mapped


@given(st.binary(max_size=80))
def test_no_bytes_raise(text: bytes) -> None:
    key = client_key(text)
    assert key is None or len(key) in (4, 8, 16)


@pytest.mark.parametrize("text", [b"0.0.0.0", b"::", b"[::]", b"::ffff:0.0.0.0", b"0:0:0:0:0:0:0:0"])
def test_the_unspecified_address_is_no_client(text: bytes) -> None:
    assert pack(text) is not None
    assert client_key(text) is None


def test_an_ipv6_client_is_its_64() -> None:
    one, other = client_key(b"2001:db8:1:2::1"), client_key(b"2001:db8:1:2:ffff:ffff:ffff:ffff")
    assert one == other == bytes.fromhex("20010db800010002")
    assert client_key(b"2001:db8:1:3::1") != one
    assert client_key(b"::1") == bytes(8)


def test_a_mapped_address_is_the_ipv4_client() -> None:
    assert client_key(b"::ffff:192.0.2.1") == client_key(b"192.0.2.1") == bytes((192, 0, 2, 1))


def test_pseudonyms_are_clients_of_their_own() -> None:
    one, other = client_key(b"100::1"), client_key(b"100::2")
    assert one is not None
    assert other is not None
    assert one != other
    assert is_pseudonym(one)
    assert Subject.of_key(one).is_pseudonym
    neighbour = client_key(b"100:0:0:1::1")  # outside of 100::/64
    assert neighbour is not None
    assert not is_pseudonym(neighbour)
    assert not Subject.of_key(neighbour).is_pseudonym
    assert not is_pseudonym(bytes(4))


@pytest.mark.parametrize(
    ("text", "clear"),
    [
        ("192.0.2.1", "192.0.2.1"),
        (" 192.0.2.0/24\n", "192.0.2.0/24"),
        ("192.0.2.77/24", "192.0.2.0/24"),
        ("192.0.2.77/32", "192.0.2.77"),
        ("10.1.2.3/0", "0.0.0.0/0"),
        ("2001:db8::5", "2001:db8::/64"),
        ("2001:db8::5/128", "2001:db8::5"),
        ("2001:db8:1:2:3::5/48", "2001:db8:1::/48"),
        ("[2001:db8::5]", "2001:db8::/64"),
        ("::ffff:192.0.2.77", "192.0.2.77"),
        ("::ffff:192.0.2.77/120", "192.0.2.0/24"),
        ("::ffff:192.0.2.77/128", "192.0.2.77"),
        ("100::5", "100::5"),
        ("::1", "::/64"),
    ],
)
def test_subjects_from_text(text: str, clear: str) -> None:
    assert Subject.parse(text).reveal() == clear


@pytest.mark.parametrize(
    "text",
    [
        *("", "/", "/24", "host.example", "192.0.2.1/", "192.0.2.1/33", "192.0.2.1/-1", "192.0.2.1/+8", "192.0.2.1/ 8"),
        *("2001:db8::/129", "2001:db8::/x", "192.0.2.1/٢٤", "192.0.2.1/8/8", "::ffff:192.0.2.77/95", "192.0.2.é"),
        *("192.0.2.1/" + "9" * 10_000, "::ffff:192.0.2.1/" + "9" * 10_000),
    ],
)
def test_what_is_no_subject_says_so_without_the_text(text: str) -> None:
    with pytest.raises(ValueError, match=r"address|length|digits") as caught:
        Subject.parse(text)
    assert "192.0.2" not in str(caught.value)
    assert "2001:db8" not in str(caught.value)


@given(NETWORKS, NETWORKS)
def test_covering_is_that_of_networks(one: object, other: object) -> None:
    mine, theirs = ip_network(str(one)), ip_network(str(other))
    same = mine.version == theirs.version
    a, b = Subject.parse(str(mine)), Subject.parse(str(theirs))
    assert a.covers(b) == (same and theirs.subnet_of(mine))  # type: ignore[arg-type]
    assert a.overlaps(b) == b.overlaps(a) == (same and mine.overlaps(theirs))
    assert a.covers(a)


@given(NETWORKS)
def test_a_subject_reads_back_what_it_reveals(network: object) -> None:
    subject = Subject.parse(str(network))
    clear = subject.reveal()
    assert Subject.parse(clear if "/" in clear else f"{clear}/{len(subject.packed) * 8}") == subject
    assert subject.version == ip_network(str(network)).version


@given(st.one_of(V4, V6))
def test_the_subject_of_a_key_covers_its_addresses(address: object) -> None:
    packed = pack(str(address).encode())
    assert packed is not None
    whole = Subject(packed, len(packed) * 8)
    subject = Subject.of_key(key_of(packed))
    assert subject.covers(whole)
    assert Subject.parse(str(address)) == subject


@given(st.binary(min_size=1, max_size=16), st.data())
def test_masking_bits(packed: bytes, data: st.DataObject) -> None:
    length = data.draw(st.integers(0, len(packed) * 8))
    masked = mask_bits(packed, length)
    bits = f"{int.from_bytes(packed):0{len(packed) * 8}b}"
    assert masked == int(bits[:length].ljust(len(bits), "0"), 2).to_bytes(len(packed))


@given(NETWORKS)
def test_nothing_shows_an_address_unless_revealed(network: object) -> None:
    subject = Subject.parse(str(network))
    for shown in (repr(subject), str(subject), f"{subject}", f"{[subject]}", f"{subject!r:>8}".strip()):
        assert shown.strip("[]") in ("<v4>", "<v6>")


def test_subjects_are_values() -> None:
    subject = Subject.parse("192.0.2.1")
    assert subject == Subject.parse("192.0.2.1/32")
    assert len({subject, Subject.parse("192.0.2.1"), Subject.parse("192.0.2.2")}) == 2
    assert min(Subject.parse("192.0.2.2"), subject) == subject
    with pytest.raises(AttributeError):
        subject.length = 5  # type: ignore[misc]
    assert msgspec.structs.replace(subject, length=24).length == 24


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"192.0.2.1", b"192.0.2.1"),
        (b"::ffff:192.0.2.1", b"192.0.2.1"),
        (b"2001:db8:0:2::1", b"2001:db8:0:2:"),
        (b"2001:db8::1", b"2001:db8:0:0:"),
        (b"100::5", b"100::5"),
    ],
)
def test_a_key_has_one_text(text: bytes, expected: bytes) -> None:
    key = client_key(text)
    assert key
    assert text_of(key) == expected
    assert client_key(expected + b":" if expected.endswith(b":") else expected) == key
