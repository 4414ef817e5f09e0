"""The seal opens what it sealed, in the same place only."""

from __future__ import annotations

import secrets

import pytest

from privet.adapters.store.seal import KEY_BYTES, NONCE_BYTES, TAG_BYTES, TOKEN_BYTES, KeySeal
from privet.ports import SealError


def test_what_was_sealed_can_be_opened(seal: KeySeal) -> None:
    sealed = seal.seal(b"who", b"where")

    assert seal.open(sealed, b"where") == b"who"
    assert len(sealed) == NONCE_BYTES + len(b"who") + TAG_BYTES
    assert b"who" not in sealed


def test_the_same_looks_different_each_time(seal: KeySeal) -> None:
    assert seal.seal(b"who", b"where") != seal.seal(b"who", b"where")


def test_another_seal_with_the_same_key_opens_it() -> None:
    key = secrets.token_bytes(KEY_BYTES)

    assert KeySeal(key).open(KeySeal(key).seal(b"who", b""), b"") == b"who"
    assert KeySeal(key).token(b"who", b"a") == KeySeal(key).token(b"who", b"a")


def test_another_key_does_not_open_it(seal: KeySeal) -> None:
    with pytest.raises(SealError):
        KeySeal(bytes(KEY_BYTES)).open(seal.seal(b"who", b"where"), b"where")


def test_another_place_does_not_open_it(seal: KeySeal) -> None:
    with pytest.raises(SealError):
        seal.open(seal.seal(b"who", b"where"), b"elsewhere")


def test_every_byte_counts(seal: KeySeal) -> None:
    sealed = bytearray(seal.seal(b"who", b"where"))
    for at in range(len(sealed)):
        sealed[at] ^= 1
        with pytest.raises(SealError):
            seal.open(bytes(sealed), b"where")
        sealed[at] ^= 1

    assert seal.open(bytes(sealed), b"where") == b"who"


@pytest.mark.parametrize("left", [0, 1, NONCE_BYTES, NONCE_BYTES + TAG_BYTES - 1, NONCE_BYTES + TAG_BYTES])
def test_what_is_cut_off_does_not_open(seal: KeySeal, left: int) -> None:
    with pytest.raises(SealError):
        seal.open(seal.seal(b"who", b"where")[:left], b"where")


def test_tokens_are_the_same_for_the_same_only(seal: KeySeal) -> None:
    token = seal.token(b"who", b"bans")

    assert len(token) == TOKEN_BYTES
    assert seal.token(b"who", b"bans") == token
    assert seal.token(b"who else", b"bans") != token
    assert seal.token(b"who", b"something else") != token
    assert KeySeal(bytes(KEY_BYTES)).token(b"who", b"bans") != token
