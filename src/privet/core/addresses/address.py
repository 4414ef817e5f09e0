"""Client addresses as packed bytes, and subjects that can be banned.

Hot loops use *client keys*: 4 bytes for an IPv4 address, 8 bytes for the /64 of an IPv6 client,
16 bytes for a pseudonym (100::/64), which is an opaque client of its own; a network that a filter names
is its address and a byte for its length, 5 or 17 bytes. Everything that leaves the hot loops is a `Subject`.
Neither ever shows an address unless `reveal` is called.
"""

from __future__ import annotations

import struct
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton

import msgspec

PSEUDONYM_NET = bytes.fromhex("0100000000000000")
"""The first 8 bytes of 100::/64 (RFC 6666, discard-only), where pseudonyms live."""

PSEUDONYM_KEY = 16
"""Bytes of the key of a pseudonym, and of no other."""

IPV6_CLIENT = 64
"""Bits of an IPv6 client, unless the configuration says fewer: what a provider gives to one customer."""

MAPPED = bytes(10) + b"\xff\xff"
"""What stands before the 4 bytes of an IPv4 address where 16 are asked for."""

KEPT = (24, 48)
"""Bits of IPv4 and of IPv6 addresses that the mask `truncate` leaves, if nothing else is said."""

_V4_LEN, _V6_NET_LEN, _V6_LEN = 4, 8, 16
_UNSPECIFIED = (bytes(_V4_LEN), bytes(_V6_LEN))
_PLAIN_LENGTHS = (_V4_LEN, _V6_LEN)
_NETWORK_LENGTHS = (_V4_LEN + 1, _V6_LEN + 1)
LONGEST = 64  # "[" + 45 characters of the longest IPv6 text + "]" + port or zone


def pack(text: bytes) -> bytes | None:
    """Return the 4 or 16 bytes of an address in text form, or None.

    Accepts brackets, a zone id (dropped) and v4-mapped IPv6 (returned as IPv4). No text with a double quote is an
    address: `core.parsing.parse` relies on that.
    """
    if len(text) > LONGEST:
        return None
    try:
        word = text.decode("ascii")
    except UnicodeDecodeError:
        return None
    if ":" not in word:
        try:
            return inet_pton(AF_INET, word)
        except (OSError, ValueError):
            return None
    if word[0] == "[" and word[-1] == "]":
        word = word[1:-1]
    try:
        packed = inet_pton(AF_INET6, word if '"' in word else word.partition("%")[0])
    except (OSError, ValueError):
        return None
    return packed[12:] if packed.startswith(MAPPED) else packed


def unpack(packed: bytes) -> bytes:
    """Return the text of a packed address: only for what may be shown."""
    return inet_ntop(AF_INET if len(packed) == _V4_LEN else AF_INET6, packed).encode()


def key_of(packed: bytes) -> bytes:
    """Return the client key of a packed address: IPv6 clients are one per /64."""
    if len(packed) == _V4_LEN or packed.startswith(PSEUDONYM_NET):
        return packed
    return packed[:_V6_NET_LEN]


def client_key(text: bytes) -> bytes | None:
    """Return the client key of an address in text form, None if it is no client's address.

    Unspecified addresses (0.0.0.0, ::) are what the mask `drop` writes: nobody's address.
    """
    packed = pack(text)
    return None if packed is None or packed in _UNSPECIFIED else key_of(packed)


def text_of(key: bytes) -> bytes:
    """Return a text for a client key: an address, or the first four numbers of an IPv6 network, each with its colon."""
    if len(key) == _V6_NET_LEN:
        return b"%x:%x:%x:%x:" % struct.unpack("!4H", key)
    return inet_ntop(AF_INET if len(key) == _V4_LEN else AF_INET6, key).encode() if len(key) in _PLAIN_LENGTHS else key


def network_key(text: bytes, length: str) -> bytes | None:
    """Return the client key of a network, None if that is just one client, too many for a log to name, or nothing."""
    packed = pack(text)
    if packed is None or not (length.isascii() and length.isdigit() and len(length) <= 3):
        return None
    widest, client = (8, 32) if len(packed) == _V4_LEN else (16, 64)
    bits = int(length)
    return mask_bits(packed, bits) + bytes([bits]) if widest <= bits < client else None


def widened(key: bytes, length: int) -> bytes:
    """Return a client key with all but the first `length` bits of an IPv6 network zero."""
    return mask_bits(key, length) if len(key) == _V6_NET_LEN else key


def is_pseudonym(key: bytes) -> bool:
    """Tell whether a client key is a pseudonym."""
    return len(key) == PSEUDONYM_KEY


class Subject(msgspec.Struct, frozen=True, order=True, gc=False, array_like=True):
    """What a verdict is about: a prefix, of which an address is the longest.

    `packed` has 4 or 16 bytes with host bits zero, `length` is the prefix length in bits.
    """

    packed: bytes
    length: int

    @classmethod
    def of_key(cls, key: bytes, ipv6_client: int = IPV6_CLIENT) -> Subject:
        """Make the subject of a client key, which for IPv6 has `ipv6_client` bits, or of a network's."""
        if len(key) in _NETWORK_LENGTHS:
            return cls(key[:-1], key[-1])
        if len(key) == _V6_NET_LEN:
            return cls(key.ljust(_V6_LEN, b"\0"), ipv6_client)
        return cls(key, len(key) * 8)

    @classmethod
    def parse(cls, text: str, ipv6_client: int = IPV6_CLIENT) -> Subject:
        """Make the subject of `ADDRESS` or `ADDRESS/LENGTH`.

        An IPv6 address without a length is its client's prefix. Raises ValueError (without the text).
        """
        word, slash, length = text.strip().partition("/")
        packed = pack(word.encode("ascii", "replace"))
        if packed is None:
            raise ValueError("not an address or a prefix")
        if not slash:
            return cls.of_key(widened(key_of(packed), ipv6_client), ipv6_client)
        bits = len(packed) * 8
        if ":" in word and len(packed) == _V4_LEN and length.isascii() and length.isdigit():
            length = str(int(length) - 96)  # a v4-mapped prefix counts the 96 bits before the IPv4 part
        if not (length.isascii() and length.isdigit() and int(length) <= bits):
            raise ValueError(f"a prefix length is a whole number from 0 to {bits}")
        return cls(mask_bits(packed, int(length)), int(length))

    @property
    def key(self) -> bytes | None:
        """The client key; None for a prefix that is not just one client."""
        return self.key_in(IPV6_CLIENT)

    def key_in(self, ipv6_client: int) -> bytes | None:
        """Return the client key where IPv6 clients have so many bits; None for what is not just one client."""
        if self.version == 6 and self.length == ipv6_client:
            return self.packed[:_V6_NET_LEN]
        key = self.packed[: self.length // 8]
        return key if len(key) != _V6_NET_LEN and Subject.of_key(key) == self else None

    @property
    def version(self) -> int:
        """4 or 6."""
        return 4 if len(self.packed) == _V4_LEN else 6

    @property
    def is_pseudonym(self) -> bool:
        """Whether this is a pseudonym, which can never be banned."""
        return self.packed[:_V6_NET_LEN] == PSEUDONYM_NET and self.version == 6

    def covers(self, other: Subject) -> bool:
        """Tell whether every address of `other` is also one of this subject's."""
        return (
            self.version == other.version
            and self.length <= other.length
            and mask_bits(other.packed, self.length) == self.packed
        )

    def overlaps(self, other: Subject) -> bool:
        """Tell whether the two have an address in common."""
        return self.covers(other) or other.covers(self)

    def reveal(self) -> str:
        """Return the clear text: only for those who may see it."""
        word = unpack(self.packed).decode()
        return word if self.length == len(self.packed) * 8 else f"{word}/{self.length}"

    def __repr__(self) -> str:
        """Never show an address."""
        return f"<v{self.version}>"

    __str__ = __repr__


def mask_bits(packed: bytes, length: int) -> bytes:
    """Return `packed` with all but the first `length` bits zero."""
    bits = len(packed) * 8
    return ((int.from_bytes(packed) >> (bits - length)) << (bits - length)).to_bytes(len(packed))
