"""The seal: AES-256-GCM-SIV and keyed BLAKE2b under one key. What it sealed is noise once the key is destroyed."""

from __future__ import annotations

import os
import struct
from hashlib import blake2b
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

from privet.ports import SealError

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY_BYTES = 32
NONCE_BYTES, TAG_BYTES = 12, 16
TOKEN_BYTES = 16
_NONCES = 256  # that are asked for at a time


class KeySeal:
    """A `ports.Seal` under one key. A key that is never stored makes one that ends with the process."""

    def __init__(self, key: bytes) -> None:
        """Take a secret of 32 random bytes."""
        # GCM-SIV, because random nonces are all there is after a restart: one that comes twice tells no more
        # than that two plaintexts are the same.
        self._cipher = AESGCMSIV(_subkey(key, b"privet seal"))
        self._token_key = _subkey(key, b"privet token")
        self._nonces: Iterator[tuple[bytes]] = iter(())

    def seal(self, plain: bytes, context: bytes) -> bytes:
        """Encrypt; what is sealed can be opened with the very same context only."""
        nonce = self._nonce()
        return nonce + self._cipher.encrypt(nonce, plain, context)

    def _nonce(self) -> bytes:
        """Return a random number that nobody has used: asking the kernel for each takes longer than the cipher."""
        for (nonce,) in self._nonces:  # of two threads none gets what the other got
            return nonce
        self._nonces = struct.iter_unpack(f"{NONCE_BYTES}s", os.urandom(NONCE_BYTES * _NONCES))
        return self._nonce()

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """Return what was sealed. Raises SealError."""
        if len(sealed) < NONCE_BYTES + TAG_BYTES:
            raise SealError("sealed data is cut off")
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], context)
        except InvalidTag:
            raise SealError("sealed data was changed, or belongs to another key or place") from None

    def token(self, data: bytes, purpose: bytes) -> bytes:
        """Return 16 bytes by which data is found again."""
        return blake2b(data, digest_size=TOKEN_BYTES, key=self._token_key, person=purpose).digest()


def _subkey(key: bytes, purpose: bytes) -> bytes:
    """Derive a key for one purpose, so that what is known of one says nothing about the other."""
    return blake2b(digest_size=KEY_BYTES, key=key, person=purpose).digest()
