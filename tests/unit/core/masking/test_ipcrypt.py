"""Encryption for exports: the vectors that the draft publishes, and that a text is encrypted once."""

from __future__ import annotations

import os
import re
from ipaddress import IPv4Address, IPv6Address
from typing import get_args

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import XTS
from hypothesis import given
from hypothesis import strategies as st

from privet.core.addresses.address import pack
from privet.core.masking.ipcrypt import KEY_BYTES, Encryption, Ndx, Pfx, Variant

# From draft-denis-ipcrypt (test_vectors.json of its repository as of 2026): all there are of these two variants.
ONE, OTHER = (
    "0123456789abcdeffedcba98765432101032547698badcfeefcdab8967452301",
    ("2b7e151628aed2a6abf7158809cf4f3ca9f5ba40db214c3798f2e1c23456789a"),
)
PFX = [
    (ONE, "::ffff:0:0", "151.82.155.134"),
    (ONE, "255.255.255.255", "94.185.169.89"),
    (ONE, "192.0.2.1", "100.115.72.131"),
    (ONE, "2001:db8::1", "c180:5dd4:2587:3524:30ab:fa65:6ab6:f88"),
    (OTHER, "10.0.0.47", "19.214.210.244"),
    (OTHER, "10.0.0.129", "19.214.210.80"),
    (OTHER, "10.0.0.234", "19.214.210.30"),
    (OTHER, "172.16.5.193", "210.78.229.136"),
    (OTHER, "172.16.97.42", "210.78.179.241"),
    (OTHER, "172.16.248.177", "210.78.121.215"),
    (OTHER, "2001:db8::a5c9:4e2f:bb91:5a7d", "7cec:702c:1243:f70:1956:125:b9bd:1aba"),
    (OTHER, "2001:db8::7234:d8f1:3c6e:9a52", "7cec:702c:1243:f70:a3ef:c8e:95c1:cd0d"),
    (OTHER, "2001:db8::f1e0:937b:26d4:8c1a", "7cec:702c:1243:f70:443c:c8e:6a62:b64d"),
    (OTHER, "2001:db8:3a5c:0:e7d1:4b9f:2c8a:f673", "7cec:702c:3503:bef:e616:96bd:be33:a9b9"),
    (OTHER, "2001:db8:9f27:0:b4e2:7a3d:5f91:c8e6", "7cec:702c:a504:b74e:194a:3d90:b047:2d1a"),
    (OTHER, "2001:db8:d8b4:0:193c:a5e7:8b2f:46d1", "7cec:702c:f840:aa67:1b8:e84f:ac9d:77fb"),
]
TWEAK = "21bd1834bc088cd2b4ecbe30b70898d7"
NDX = [
    (ONE, "::ffff:0:0", "82db0d4125fdace61db35b8339f20ee5"),
    (ONE[32:] + ONE[:32], "255.255.255.255", "76c7dbd1ae4802a2dd95ad4f88273535"),
    (OTHER[:32] + "3c4fcf098815f7aba6d2ae2816157e2b", "192.0.2.1", "259e85ebaa000667d2437ac7e2208d71"),
    (ONE, "2001:db8:85a3::8a2e:370:7334", "fe8d52464555ef3458e4a6eefe14eb28"),
    (ONE[32:] + ONE[:32], "192.0.2.1", "c9487dffa9292855845d234bd1d72395"),
]
ADDRESSES = st.one_of(st.integers(0, 2**32 - 1).map(IPv4Address), st.integers(2**48, 2**128 - 1).map(IPv6Address))


def packed(clear: str) -> bytes:
    found = pack(clear.encode())
    assert found is not None
    return found


@pytest.mark.parametrize(("key", "clear", "encrypted"), PFX)
def test_the_published_vectors_of_pfx(key: str, clear: str, encrypted: str) -> None:
    assert Pfx(bytes.fromhex(key)).text(packed(clear)).decode() == encrypted


@pytest.mark.parametrize(("key", "clear", "encrypted"), NDX)
def test_the_published_vectors_of_ndx(key: str, clear: str, encrypted: str) -> None:
    cipher = Ndx(bytes.fromhex(key), lambda size: bytes.fromhex(TWEAK)[:size])
    assert cipher.text(packed(clear)).decode() == TWEAK + encrypted


def test_a_wrong_key_or_tweak_misses_every_vector() -> None:
    for key, clear, encrypted in PFX:
        assert Pfx(bytes.fromhex(key)[:31] + b"\x07").text(packed(clear)).decode() != encrypted
    for key, clear, encrypted in NDX:
        assert Ndx(bytes.fromhex(key), bytes).text(packed(clear)).decode() != bytes(16).hex() + encrypted


@pytest.mark.parametrize("key", [b"", bytes(31), bytes(range(33)), bytes(range(16)) * 2])
def test_keys_that_the_draft_forbids_are_refused(key: bytes) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Pfx(key)


@given(ADDRESSES, ADDRESSES, st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES).filter(lambda key: key[:16] != key[16:]))
def test_pfx_keeps_common_prefixes_and_nothing_else(
    one: IPv4Address | IPv6Address, other: IPv4Address | IPv6Address, key: bytes
) -> None:
    cipher = Pfx(key)
    if one.version == other.version:
        made = [cipher.encrypt(address.packed) for address in (one, other)]
        assert _common(*made) == _common(one.packed, other.packed)


def _common(one: bytes, other: bytes) -> int:
    return len(one) * 8 - (int.from_bytes(one) ^ int.from_bytes(other)).bit_length()


@given(ADDRESSES, st.binary(min_size=16, max_size=16), st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES))
def test_ndx_is_xts_and_can_be_turned_back(address: IPv4Address | IPv6Address, tweak: bytes, key: bytes) -> None:
    if key[:16] == key[16:]:
        return
    made = Ndx(key, lambda _size: tweak).encrypt(address.packed)
    decryptor = Cipher(AES(key), XTS(made[:16])).decryptor()
    assert decryptor.update(made[16:])[-len(address.packed) :] == address.packed


KEY = bytes.fromhex(ONE)
CLEAR = b"192.0.2.1"
SECRET = b"100.115.72.131"  # as the draft says


def encrypted(text: bytes, variant: Variant = "pfx") -> bytes:
    return Encryption(variant, KEY, os.urandom).scrub(text)


@pytest.mark.parametrize(
    "around",
    [
        b"%b", b"[%b]:80", b"%b:80 %b", b"[client %b:4321] x", b"for=%b;a", b"(%b)", b"::ffff:%b", b"%b, %b", b"/%b/",
        b"Chrome/126.0.0.0 %b", b"%b\n%b\n", b"\xff%b\0",
    ],
)  # fmt: skip
def test_an_address_is_encrypted_once_wherever_it_stands(around: bytes) -> None:
    assert encrypted(around.replace(b"%b", CLEAR)) == around.replace(b"::ffff:", b"").replace(b"%b", SECRET)


@pytest.mark.parametrize("text", [b"%31%39%32.0.2.1", b"192%2E0%2E2%2E1", b"192%252E0%252E2%252E1"])
def test_a_percent_encoded_address_is_encrypted_once(text: bytes) -> None:
    assert encrypted(b"/?a=" + text + b"&b=%20") == b"/?a=" + SECRET + b"&b=%20"


def test_ipv6_addresses_keep_their_brackets_and_get_those_that_they_need() -> None:
    secret = b"c180:5dd4:2587:3524:30ab:fa65:6ab6:f88"
    assert encrypted(b"[2001:db8::1]:80 2001:DB8::1") == b"[" + secret + b"]:80 " + secret
    assert encrypted(b"[client 2001:db8::1:4321]") == b"[client [" + secret + b"]:4321]"


def test_names_tell_nothing() -> None:
    for variant in get_args(Variant):
        assert encrypted(b"ec2-192-0-2-1.x.example", variant) == b"ec2-dropped.x.example"
        assert encrypted(b"1.2.0.192.in-addr.arpa", variant) == b"0.0.0.0.in-addr.arpa"
        assert encrypted(b"1.2.0.192.rev.example", variant) == b"0.0.0.0.rev.example"


def test_ndx_writes_the_same_address_differently_each_time() -> None:
    out = encrypted(b"192.0.2.1 192.0.2.1\n192.0.2.1", "ndx").split()
    assert len(set(out)) == 3
    assert all(re.fullmatch(rb"[0-9a-f]{64}", text) for text in out)


def test_nobody_can_write_the_marks_that_stand_for_addresses_meanwhile() -> None:
    text = b"zx" + b"0" * 32 + b"c0000201zx"
    assert encrypted(text) == text


@given(st.lists(st.sampled_from([CLEAR, b"2001:db8::1", b"%", b":80", b".", b"a", b" ", b"[", b"]", b"-", b"%2E"])))
def test_nothing_clear_and_no_mark_is_left(pieces: list[bytes]) -> None:
    for variant in get_args(Variant):
        out = encrypted(b"".join(pieces), variant)
        assert CLEAR not in out
        assert b"2001:db8::1" not in out
        assert b"zx" not in out
