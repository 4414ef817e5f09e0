"""Search files for addresses in every spelling, so that a test can say that none was written.

What counts as a client's address is also the /64 of an IPv6 one. Not found: encrypted or hashed addresses.
"""

from __future__ import annotations

import gzip
import lzma
import os
import re
import stat
import sys
from base64 import b64encode
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import TYPE_CHECKING

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from io import BufferedReader

CHUNK = 1 << 22
LONGEST = 1024  # bytes; no spelling is longer, so that much of a chunk is looked at again with the next

_DAMAGE = (EOFError, gzip.BadGzipFile, lzma.LZMAError, zstd.ZstdError)
_CASE_MATTERS = ("packed", "base64")
_NO_BOUNDS = (*_CASE_MATTERS, "hexadecimal", "percent", "python", "json")


def spellings(address: str) -> dict[str, bytes]:
    """Return the spellings of an address by name; those in letters are meant in any case."""
    ip = ip_address(address)
    texts = _v4(ip) if isinstance(ip, IPv4Address) else _v6(ip)
    plain = [texts["plain"], *([texts["expanded"]] if "expanded" in texts else [])]
    for name, text in zip(("", " expanded"), plain, strict=False):
        texts["percent" + name] = text.replace(".", "%2e").replace(":", "%3a")
        texts["percent twice" + name] = text.replace(".", "%252e").replace(":", "%253a")
        texts["percent all" + name] = "".join(f"%{ord(letter):02x}" for letter in text)
    texts["python"] = repr(ip.packed)[2:-1]
    texts["json"] = "".join(f"\\u{byte:04x}" for byte in ip.packed)
    found = {name: text.encode() for name, text in texts.items()}
    found |= {f"base64 {shift}": _base64(texts["plain"].encode(), shift) for shift in range(3)}
    found["base64 packed"] = b64encode(ip.packed)
    found["packed"], found["packed reversed"] = ip.packed, ip.packed[::-1]
    if isinstance(ip, IPv6Address) and any(ip.packed[6:8]):  # else it is the /48 that the mask `truncate` writes
        found["packed /64"] = ip.packed[:8]
    return found


def _v4(ip: IPv4Address) -> dict[str, str]:
    octets = [str(octet) for octet in ip.packed]
    number, digits = int(ip), ip.packed.hex()
    high, low = int(digits[:4], 16), int(digits[4:], 16)
    return {
        "plain": str(ip),
        "padded": ".".join(octet.zfill(3) for octet in octets),
        "reversed": ".".join(reversed(octets)),
        "dashes": "-".join(octets),
        "dashes reversed": "-".join(reversed(octets)),
        "hexadecimal": digits,
        "hexadecimal octets": ".".join(f"0x{octet:x}" for octet in ip.packed),
        "octal octets": ".".join(f"0{octet:o}" for octet in ip.packed),
        "decimal": str(number),
        "decimal reversed": str(int.from_bytes(ip.packed[::-1])),
        "within IPv6": f"{high:x}:{low:x}",  # v4-mapped, NAT64, 6to4
        "within IPv6 padded": f"{high:04x}:{low:04x}",
    }


def _v6(ip: IPv6Address) -> dict[str, str]:
    digits = ip.packed.hex()
    groups = [digits[at : at + 4] for at in range(0, 32, 4)]
    texts = {
        "plain": str(ip),
        "expanded": ip.exploded,
        "not compressed": ":".join(f"{int(group, 16):x}" for group in groups),
        "dotted end": ":".join([*(f"{int(group, 16):x}" for group in groups[:6]), str(IPv4Address(ip.packed[12:]))]),
        "reversed": ".".join(reversed(digits)),
        "dashes": "-".join(groups),
        "hexadecimal": digits,
        "decimal": str(int(ip)),
    }
    if any(ip.packed[6:8]):
        texts["plain /64"] = ":".join(f"{int(group, 16):x}" for group in groups[:4])
        texts["expanded /64"] = ":".join(groups[:4])
        texts["reversed /64"] = ".".join(reversed(digits[:16]))
        texts["hexadecimal /64"] = digits[:16]
    return texts


def _base64(data: bytes, shift: int) -> bytes:
    """Return what is always there of `data` in base64 when `shift` bytes (modulo 3) stand before it."""
    coded = b64encode(bytes(shift) + data)
    begin, end = (8 * shift + 5) // 6, 8 * (shift + len(data)) // 6
    return coded[begin:end]


def leaks(roots: Iterable[Path], addresses: Iterable[str]) -> list[tuple[Path, str]]:
    """Return where an address stands in files below the roots, or in their names: path and name of the spelling.

    Plain files and .gz, .xz and .zst, as which they are recognised by content.
    """
    wanted = dict.fromkeys(
        (name, word if name.startswith(_CASE_MATTERS) else word.lower())
        for address in addresses
        for name, word in spellings(address).items()
    )
    found: dict[tuple[Path, str], None] = {}
    for path in files(roots):
        for data in (os.fsencode(path.name), *contents(path)):
            lower = data.lower()
            for name, word in wanted:
                if _stands_in(word, data if name.startswith(_CASE_MATTERS) else lower, name):
                    found[path, name] = None
    return list(found)


def _stands_in(word: bytes, data: bytes, name: str) -> bool:
    """Tell whether a spelling is there; 192.0.2.1 does not stand in 192.0.2.10."""
    if word not in data or name.startswith(_NO_BOUNDS):
        return word in data
    digit = b"[0-9a-f]" if b":" in word else b"[0-9]"
    before = b"" if word.find(b":") == 4 else b"(?<!" + digit + b")"  # whatever stands before four digits is no fifth
    return re.search(before + re.escape(word) + b"(?!" + digit + b")", data) is not None


def files(roots: Iterable[Path]) -> Iterator[Path]:
    """Yield everything below the roots that has a name. Raises FileNotFoundError for a root that does not exist."""
    for root in roots:
        root.lstat()
        yield root
        if root.is_dir() and not root.is_symlink():
            for folder, folders, names in os.walk(root):
                yield from (Path(folder, name) for name in (*folders, *names))


def contents(path: Path) -> Iterator[bytes]:
    """Yield what a file holds in pieces that overlap, unpacked; of a link the target, of directories nothing."""
    try:
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            yield os.fsencode(path.readlink())
        elif stat.S_ISREG(mode):
            yield from _overlapping(path)
    except FileNotFoundError:
        return


def _overlapping(path: Path) -> Iterator[bytes]:
    tail = b""
    try:
        with _unpacked(path) as file:
            while chunk := file.read1(CHUNK):  # of a file that is cut off, all that is there
                yield tail + chunk
                tail = chunk[-LONGEST:]
    except _DAMAGE:  # not what its first bytes say, or cut off
        yield path.read_bytes()


def _unpacked(path: Path) -> BufferedReader | gzip.GzipFile | lzma.LZMAFile | zstd.ZstdFile:
    with path.open("rb") as file:
        head = file.read(6)
    if head.startswith(b"\x1f\x8b"):
        return gzip.open(path)
    if head.startswith(b"\xfd7zXZ\0"):
        return lzma.open(path)
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        return zstd.open(path)
    return path.open("rb")
