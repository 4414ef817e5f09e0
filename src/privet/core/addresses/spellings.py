"""Every spelling of one known IPv4 address: what to look for when that address must be nowhere."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import NamedTuple

from privet.core.addresses.address import unpack

LONGEST = 64  # bytes; no spelling is longer


class Spelling(NamedTuple):
    """One way to write the address. A *weak* one is so short that it may stand somewhere by chance."""

    name: str
    text: bytes
    exact: bool = False  # upper and lower case differ
    weak: bool = False


def spellings(packed: bytes) -> list[Spelling]:
    """Return the spellings of a packed IPv4 address."""
    octets = [str(octet) for octet in packed]
    digits, plain = packed.hex(), unpack(packed)
    texts = {
        "plain": plain.decode(),
        "padded": ".".join(octet.zfill(3) for octet in octets),
        "reversed": ".".join(reversed(octets)),
        "with dashes": "-".join(octets),
        "with dashes, reversed": "-".join(reversed(octets)),
        "percent-encoded": plain.decode().replace(".", "%2e"),
        "percent-encoded twice": plain.decode().replace(".", "%252e"),
        "percent-encoded three times": plain.decode().replace(".", "%25252e"),
        "percent-encoded throughout": "".join(f"%{letter:02x}" for letter in plain),
        "octets in hexadecimal": ".".join(f"0x{octet:x}" for octet in packed),
        "octets in octal": ".".join(f"0{octet:o}" for octet in packed),
        "escaped": "".join(f"\\x{octet:02x}" for octet in packed),
        "escaped in JSON": "".join(f"\\u{octet:04x}" for octet in packed),
        "within IPv6": f"{int(digits[:4], 16):x}:{int(digits[4:], 16):x}",
        "within IPv6, padded": f"{digits[:4]}:{digits[4:]}",
        "decimal": str(int.from_bytes(packed)),
        "decimal, reversed": str(int.from_bytes(packed, "little")),
    }
    found = [Spelling(name, text.encode()) for name, text in texts.items()]
    found += [Spelling("escaped as in Python", repr(packed)[2:-1].encode(), exact=True)]
    found += [Spelling("base64", _base64(plain, shift), exact=True) for shift in range(3)]
    found += [Spelling("base64 of its bytes", b64encode(packed)[:5], exact=True, weak=True)]
    found += [Spelling("hexadecimal", digits.encode(), weak=True)]
    found += [
        Spelling("its bytes", packed, exact=True, weak=True),
        Spelling("its bytes", packed[::-1], exact=True, weak=True),
    ]
    return found


def _base64(data: bytes, shift: int) -> bytes:
    """Return what is always there of `data` in base64 when `shift` bytes (modulo 3) stand before it."""
    coded = b64encode(bytes(shift) + data)
    return coded[(8 * shift + 5) // 6 : 8 * (shift + len(data)) // 6]


def stands_in(data: bytes, wanted: list[Spelling]) -> list[Spelling]:
    """Return the spellings that a text holds: 127.1.2.3 does not stand in 127.1.2.30."""
    lower = data.lower()
    return [one for one in wanted if _is_there(one, data if one.exact else lower)]


def _is_there(spelling: Spelling, data: bytes) -> bool:
    if spelling.text not in data:
        return False
    if spelling.exact or not spelling.text[-1:].isdigit() or b"%" in spelling.text or spelling.weak:
        return True
    return re.search(rb"(?<!\d)" + re.escape(spelling.text) + rb"(?!\d)", data) is not None
