"""Tokens tell nothing without their secret, and are those of this epoch."""

from __future__ import annotations

from privet.core.addresses.address import Subject
from privet.core.addresses.tokens import TOKEN_BYTES, Tokens

ONE, OTHER = Subject.parse("192.0.2.1"), Subject.parse("2001:db8::/64")


def test_a_token_is_the_same_for_the_same_subject_and_secret_only() -> None:
    made = [Tokens([secret]).of(who) for secret in (b"one", b"two") for who in (ONE, OTHER, 64500)]
    assert len(set(made)) == 6
    assert {len(token) for token in made} == {TOKEN_BYTES}
    assert Tokens([b"one", b"two"]).of(ONE) == made[0]
    assert not any(ONE.packed in token for token in made)


def test_what_it_was_before_is_known() -> None:
    assert Tokens([b"two", b"one"]).before(ONE) == [Tokens([b"one"]).of(ONE)]
    assert Tokens([b"one"]).before(ONE) == []


def test_without_secrets_all_are_as_they_are() -> None:
    assert Tokens().of(ONE) == bytes([192, 0, 2, 1, 32])
    assert Tokens().of(64500) == b"AS64500"
    assert Tokens().before(ONE) == []
