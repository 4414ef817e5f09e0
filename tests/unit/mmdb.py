"""Writes small MMDB files: a tree of 32-bit records and what its leaves hold (MaxMind DB format 2.0)."""

from __future__ import annotations

from struct import pack
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from privet.core.addresses.address import Subject

_TEXT, _UINT16, _UINT32, _MAP, _UINT64, _ARRAY = 2, 5, 6, 7, 9, 11
_GAP = 16  # zero bytes between tree and data


class Number(NamedTuple):
    """A number of a type that the format asks for."""

    kind: int
    value: int


Value = str | int | Number | list[str] | dict[str, "Value"]


def write_mmdb(path: Path, records: Iterable[tuple[Subject, Mapping[str, Value]]]) -> None:
    """Write a file that gives each prefix its record; IPv4 stands in ::/96, as usual."""
    nodes: list[list[int]] = [[0, 0]]  # 0: nothing, positive: a node, negative: the data at -1 - number
    data = bytearray()
    for subject, record in records:
        bits = f"{int.from_bytes(subject.packed):0{len(subject.packed) * 8}b}"[: subject.length]
        bits = "0" * 96 + bits if subject.version == 4 else bits
        node = 0
        for bit in map(int, bits[:-1]):
            if nodes[node][bit] <= 0:
                nodes[node][bit] = len(nodes)
                nodes.append([0, 0])
            node = nodes[node][bit]
        nodes[node][int(bits[-1])] = -1 - len(data)
        data += _value(dict(record))
    count = len(nodes)
    words = (-1 - number + count + _GAP if number < 0 else number or count for node in nodes for number in node)
    tree = b"".join(pack(">I", word) for word in words)
    path.write_bytes(tree + bytes(_GAP) + data + b"\xab\xcd\xefMaxMind.com" + _value(_metadata(count)))


def _metadata(count: int) -> dict[str, Value]:
    return {
        "node_count": count,
        "record_size": Number(_UINT16, 32),
        "ip_version": Number(_UINT16, 6),
        "database_type": "Test-ASN",
        "languages": ["en"],
        "binary_format_major_version": Number(_UINT16, 2),
        "binary_format_minor_version": Number(_UINT16, 0),
        "build_epoch": Number(_UINT64, 1),
        "description": {},
    }


def _value(value: Value) -> bytes:
    match value:
        case str():
            return _control(_TEXT, len(value.encode())) + value.encode()
        case Number(kind, number):
            encoded = number.to_bytes((number.bit_length() + 7) // 8)
            return _control(kind, len(encoded)) + encoded
        case int():
            return _value(Number(_UINT32, value))
        case list():
            return _control(_ARRAY, len(value)) + b"".join(map(_value, value))
        case dict():
            return _control(_MAP, len(value)) + b"".join(_value(key) + _value(inner) for key, inner in value.items())


def _control(kind: int, size: int) -> bytes:
    more = b"" if size < 29 else bytes([size - 29])
    return (
        bytes([(kind << 5 if kind <= _MAP else 0) | min(size, 29)]) + (bytes([kind - 7]) if kind > _MAP else b"") + more
    )
