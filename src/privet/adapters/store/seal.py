"""The seal: AES-256-GCM-SIV and keyed BLAKE2b under one key, which lives in a file for its owner alone.

Whoever has that file and the store can read the bans, so it protects copies of the store that come without
it (backups, a database handed on), not a stolen disk. Without the key nothing is left to read, which makes
removing it the surest way to erase.
"""

from __future__ import annotations

import os
import secrets
import stat
import struct
from contextlib import suppress
from hashlib import blake2b
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

from privet.ports import SealError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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


def read_key(path: Path) -> bytes:
    """Return the key in a file, made now if there is none.

    Raises SealError (permanent, with the remedy) for a file that is not the owner's alone or holds no key,
    and transient when it cannot be read or made.
    """
    try:
        with suppress(FileNotFoundError):
            return _checked(path)
        _create(path)
        return _checked(path)
    except OSError as error:
        raise SealError(f"{path}: {error.strerror}: the key of the store is needed", transient=True) from error


def _checked(path: Path) -> bytes:
    """Read a key file, and refuse what might be known to others or is no key. Raises OSError, SealError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise SealError(f"{path}: the key of the store must be a plain file: move it away, a new one is made then")
        if facts.st_mode & 0o077 or facts.st_uid not in (0, os.geteuid()):
            raise SealError(
                f"{path}: others can read the key of the store, which must be its owner's alone (mode 0600): "
                f"if nobody did, chmod 600 {path}; else remove it: a new one is made, and the stored bans are lost"
            )
        key = file.read(KEY_BYTES + 1)
    if len(key) != KEY_BYTES:
        raise SealError(
            f"{path}: holds no key of {KEY_BYTES} bytes: restore it, or remove it: "
            "a new one is made then, and the stored bans are lost"
        )
    return key


def _create(path: Path) -> None:
    """Make a key file that appears whole or not at all; another process may be doing the same. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(descriptor)
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)  # bans must not outlast the key that they need
    finally:
        os.close(folder)
