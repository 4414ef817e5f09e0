"""Tokens: by what somebody who was banned is known again, without it being kept who that is.

A token is a keyed hash under the secret of an *epoch*. Two epochs are known: who comes again goes on under his token of
this one. What was noted in an epoch whose secret is destroyed can be linked to nobody any more.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

from privet.core.addresses.address import Subject
from privet.core.addresses.networks import as_text

if TYPE_CHECKING:
    from collections.abc import Sequence

TOKEN_BYTES = 16


class Tokens:
    """Names clients and networks by the secrets of epochs, the latest first; without any, as they are, for replay."""

    def __init__(self, secrets: Sequence[bytes] = ()) -> None:
        self._secrets = tuple(secrets)

    def of(self, who: Subject | int) -> bytes:
        """Return the token of a subject or an AS number in this epoch."""
        return _token(_plain(who), self._secrets[0]) if self._secrets else _plain(who)

    def before(self, who: Subject | int) -> list[bytes]:
        """Return what it was in the epochs before."""
        return [_token(_plain(who), secret) for secret in self._secrets[1:]]


def _plain(who: Subject | int) -> bytes:
    return who.packed + bytes([who.length]) if isinstance(who, Subject) else as_text(who).encode()


def _token(data: bytes, secret: bytes) -> bytes:
    return blake2b(data, key=secret, digest_size=TOKEN_BYTES, person=b"privet-offence").digest()
