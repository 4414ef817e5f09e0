"""Encrypt addresses for exports as draft-denis-ipcrypt says: its variants ipcrypt-ndx and ipcrypt-pfx.

ndx writes 64 hexadecimal digits (16 random bytes and 16 of AES-XTS), other ones each time. pfx writes an address of
the same family; addresses that have their first bits in common have as many encrypted ones in common. Both can be
turned back with the key by any program that knows the draft. What pfx writes looks like somebody's address: never let
a server, or a tool that acts on logs, read it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import ECB

from privet.core.addresses.address import MAPPED, unpack
from privet.core.cache import Cache
from privet.core.masking.scrub import Scrubber, replaced

if TYPE_CHECKING:
    from collections.abc import Callable

    from privet.core.masking.scrub import Replace

Variant = Literal["ndx", "pfx"]
KEY_BYTES = 32
_BLOCK = 16
_BITS = 128
_ADDRESSES = 65_536  # encrypted ones that are remembered


class _Keys:
    """The two keys of AES-128 that a key of either variant consists of."""

    def __init__(self, key: bytes) -> None:
        first, second = key[:_BLOCK], key[_BLOCK:]
        if len(key) != KEY_BYTES or first == second:
            raise ValueError("a key has 32 bytes, of which the first half differs from the second")
        # Whole blocks under ECB are nothing but AES: what is made of them here is what the draft says.
        self.first, self.second = (Cipher(AES(half), ECB()).encryptor() for half in (first, second))  # noqa: S305


class Ndx:
    """ipcrypt-ndx; `random` gives that many random bytes."""

    def __init__(self, key: bytes, random: Callable[[int], bytes]) -> None:
        self._keys, self._random = _Keys(key), random

    def encrypt(self, packed: bytes) -> bytes:
        """Return the 32 bytes for a packed address."""
        tweak = self._random(_BLOCK)
        mask = self._keys.second.update(tweak)
        return tweak + _xor(self._keys.first.update(_xor(_whole(packed), mask)), mask)

    def text(self, packed: bytes) -> bytes:
        """Return what stands in a log for a packed address."""
        return self.encrypt(packed).hex().encode()


class Pfx:
    """ipcrypt-pfx."""

    def __init__(self, key: bytes) -> None:
        self._keys = _Keys(key)
        self._texts: Cache[bytes] = Cache(lambda packed: unpack(self.encrypt(packed)), _ADDRESSES)

    def encrypt(self, packed: bytes) -> bytes:
        """Return the encrypted address for a packed one, of the same length."""
        number = int.from_bytes(_whole(packed))
        lengths = range(_BITS - 8 * len(packed), _BITS)
        prefixes = b"".join((1 << size | number >> _BITS - size).to_bytes(_BLOCK) for size in lengths)
        ones, others = self._keys.first.update(prefixes), self._keys.second.update(prefixes)
        bits = 0
        for one, other in zip(ones[_BLOCK - 1 :: _BLOCK], others[_BLOCK - 1 :: _BLOCK], strict=True):
            bits = bits << 1 | (one ^ other) & 1
        return _xor(packed, bits.to_bytes(len(packed)))

    def text(self, packed: bytes) -> bytes:
        """Return what stands in a log for a packed address."""
        return self._texts[packed]


class Encryption(Scrubber):
    """Encrypts every address of a text. Inside of names they are dropped.

    While a text is looked at, addresses stand in it as marks that no text can hold, since the marks are random;
    what is encrypted already would otherwise be taken for the next address.
    """

    def __init__(
        self,
        variant: Variant,
        key: bytes,
        random: Callable[[int], bytes],
        replace: Replace = replaced,
    ) -> None:
        super().__init__(replace)
        self._cipher = Ndx(key, random) if variant == "ndx" else Pfx(key)
        self._mark = b"zx" + random(_BLOCK).hex().encode()
        self._marked = re.compile(rb"(\[?)" + self._mark + rb"((?:[0-9a-f]{8}){1,4})zx(:\d)?")

    def scrub(self, data: bytes) -> bytes:
        """Return a text with every address in it encrypted."""
        return self._marked.sub(self._encrypted, super().scrub(data))

    def _shown(self, packed: bytes) -> bytes:
        return b"%bzx" % (self._mark + packed.hex().encode())

    def _inside(self, packed: bytes) -> bytes | None:  # noqa: ARG002  whatever it is
        return None

    def _encrypted(self, found: re.Match[bytes]) -> bytes:
        bracket, digits, port = found.groups(b"")
        text = self._cipher.text(bytes.fromhex(digits.decode()))
        return b"[" + text + b"]" + port if port and not bracket and b":" in text else bracket + text + port


def _whole(packed: bytes) -> bytes:
    """Return the 16 bytes that stand for an address of either family."""
    return packed if len(packed) == _BLOCK else MAPPED + packed


def _xor(one: bytes, other: bytes) -> bytes:
    return (int.from_bytes(one) ^ int.from_bytes(other)).to_bytes(len(one))
