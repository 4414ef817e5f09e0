"""What is compressed is what the real programs unpack."""

from __future__ import annotations

import subprocess

import pytest

from privet.adapters.sinks.packed import PACKERS

PROGRAMS = {"": ["cat"], "gz": ["gzip", "-dc"], "bz2": ["bzip2", "-dc"], "xz": ["xz", "-dc"], "zst": ["zstd", "-dcq"]}
DATA = [b"", b"one line\n", bytes(range(256)) * 5000]


@pytest.mark.needs("gzip", "bzip2", "xz", "zstd")
@pytest.mark.parametrize("kind", PACKERS)
@pytest.mark.parametrize("pieces", [[], DATA, [b"x"] * 1000])
def test_the_programs_unpack_it(kind: str, pieces: list[bytes]) -> None:
    packer = PACKERS[kind]()
    packed = b"".join(map(packer.compress, pieces)) + packer.flush()
    done = subprocess.run(PROGRAMS[kind], input=packed, capture_output=True, check=True)
    assert done.stdout == b"".join(pieces)
