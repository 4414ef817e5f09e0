"""IPv4 addresses out of many texts at once: what one by one would give, whatever the texts are."""

from __future__ import annotations

import random

import numpy as np
import pytest

from privet.core.addresses.address import client_key
from privet.core.parsing.blocks.quads import read_quads

WIDTH = 15


def read(texts: list[bytes], before: bytes = b"\0" * WIDTH) -> list[bytes | None]:
    """Return what is read of texts, with something else before them."""
    chars = np.frombuffer(b"".join((before + text)[-WIDTH:] for text in texts), np.uint8).reshape(-1, WIDTH)
    numbers, rows = read_quads(chars, np.array([len(text) for text in texts]))
    found: list[bytes | None] = [None] * len(texts)
    for row, number in zip(rows.tolist(), numbers.tolist(), strict=True):
        found[row] = number.to_bytes(4)
    return found


def expected(text: bytes) -> bytes | None:
    """Return what is read of one text, if it is an IPv4 address."""
    key = client_key(text)
    return key if key is not None and len(key) == 4 else None


@pytest.mark.parametrize(
    "text",
    [
        b"192.0.2.1",
        b"0.0.0.0",
        b"0.0.0.1",
        b"255.255.255.255",
        b"256.0.2.1",
        b"192.0.2.01",
        b"192.0.2.00",
        b"192.0.2",
        b"192.0.2.",
        b".192.0.2",
        b"192..0.2",
        b"192.0.2.1.4",
        b"192.0.2.1a",
        b"192.0.2.1/",
        b"192.0.2:1",
        b"1920.0.2.1",
        b"-192.0.2.1",
        b"...",
        b"",
        b"1234567890.1.2.3",
    ],
)
def test_it_is_an_address_where_it_is_one_alone(text: bytes) -> None:
    assert read([text]) == read([text], b"." * WIDTH) == read([text], b"1" * WIDTH) == [expected(text)]


def test_many_texts_are_read_as_one_by_one() -> None:
    chance = random.Random(7)
    parts = ["0", "1", "9", "10", "00", "01", "99", "100", "199", "255", "256", "300", "1000", "", "a", " 1"]
    texts = [".".join(chance.choices(parts, k=chance.choice((3, 4, 4, 4, 5)))).encode() for _ in range(20_000)]
    texts += [".".join(str(chance.randrange(256)) for _ in range(4)).encode() for _ in range(20_000)]
    found = read(texts)
    assert found == [expected(text) for text in texts]
    assert None in found
    assert len(set(found)) > 15_000
