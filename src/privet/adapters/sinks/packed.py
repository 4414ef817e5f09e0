"""Compress what is written, in the ways that logs are compressed."""

from __future__ import annotations

import sys
import zlib
from bz2 import BZ2Compressor
from lzma import FORMAT_XZ, LZMACompressor
from typing import TYPE_CHECKING, Protocol

if sys.version_info >= (3, 14):
    from compression.zstd import ZstdCompressor
else:
    from backports.zstd import ZstdCompressor

if TYPE_CHECKING:
    from collections.abc import Callable


class Packer(Protocol):
    """What compressors have in common."""

    def compress(self, data: bytes, /) -> bytes:
        """Take more data; return what can be written already."""

    def flush(self) -> bytes:
        """Return the rest."""


class _Plain:
    """No compression at all."""

    def compress(self, data: bytes, /) -> bytes:
        return data

    def flush(self) -> bytes:
        return b""


PACKERS: dict[str, Callable[[], Packer]] = {
    "": _Plain,
    "gz": lambda: zlib.compressobj(wbits=16 + zlib.MAX_WBITS),
    "bz2": BZ2Compressor,
    "xz": lambda: LZMACompressor(FORMAT_XZ),
    "zst": ZstdCompressor,
}
"""By the usual ending of a file's name; each compresses as much as its program does unless it is told otherwise."""
