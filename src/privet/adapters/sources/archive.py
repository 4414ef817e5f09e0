"""Finished log files for replay and reports: plain, gzip, bzip2, xz and zstd, several of them in order of time.

Nothing is unpacked to disk and memory stays bounded, however far the data expands. What surrounds the
compressed data is treated as zcat does: any number of members follow one another, zero bytes are padding,
and other bytes after the last member are ignored with a note.
"""

from __future__ import annotations

import os
import stat
import sys
import zlib
from bz2 import BZ2Decompressor
from contextlib import suppress
from importlib import import_module
from itertools import chain
from lzma import FORMAT_XZ, LZMADecompressor, LZMAError
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from privet.core.parsing.lines import BLOCK, LineSplitter, LineTime, merge_by_time
from privet.ports import SourceError

if sys.version_info >= (3, 14):
    from compression.zstd import ZstdDecompressor, ZstdError
else:
    from backports.zstd import ZstdDecompressor, ZstdError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from types import ModuleType

try:
    isal: ModuleType | None = import_module("isal.igzip_lib")
except ImportError:  # it comes with the extra `fast`
    isal = None

_STDIN = 0
_PEEK = 1 << 20  # bytes in which a first time must be found; a file without one goes first
_PIECE = 2 * BLOCK  # bytes of readable text: of an archive nobody waits for the next line
_STEP = 1 << 14  # bytes; at most this much readable text is lost before a damaged place
_XZ_MEMORY = 1 << 27  # bytes; `xz -9` needs half of it, and zstd has the same bound built in
_IsalError: type[Exception] = isal.error if isal else zlib.error
_DAMAGE = (zlib.error, LZMAError, ZstdError, _IsalError)


class Archive:
    """Log files as one stream of lines in order of time; "-" is standard input.

    `progress` is called with the number of bytes on disk consumed since its last call, `size` in total.
    """

    def __init__(
        self, paths: Sequence[str | Path], line_time: LineTime, progress: Callable[[int], None] | None = None
    ) -> None:
        """Look at the files; those that are missing or not readable are damages."""
        self._files: list[File] = []
        self._missing: list[str] = []
        self._damages: list[str] = []
        for path in paths:
            try:
                self._files.append(File(str(path), progress or _ignore))
            except SourceError as error:
                self._missing.append(str(error))
        self._line_time = line_time
        self.size = sum(file.size for file in self._files)

    @property
    def too_long(self) -> int:
        """How many lines were dropped for their length."""
        return sum(file.too_long for file in self._files)

    @property
    def damages(self) -> list[str]:
        """What could not be read, a sentence for each file, as far as the last `blocks` got."""
        return self._missing + self._damages

    @property
    def notes(self) -> list[str]:
        """What was odd about the files and did no harm."""
        return [file.note for file in self._files if file.note]

    def blocks(self) -> Iterator[bytes]:
        """Yield whole lines, many at a time, each with its newline.

        A damaged file ends where the damage begins and the others go on: `damages` says so.
        """
        self._damages = []
        if len(self._files) == 1:
            yield from self._spared(self._files[0])
        else:
            streams = [(file.start(self._line_time), self._spared(file)) for file in self._files]
            yield from merge_by_time(streams, self._line_time)

    def _spared(self, file: File) -> Iterator[bytes]:
        try:
            yield from file.blocks()
        except SourceError as error:
            self._damages.append(str(error))


def packing(path: str) -> str:
    """Tell how a file is compressed: "gz", "bz2", "xz", "zst", or "" for not at all. Raises OSError."""
    with open(path, "rb") as file:  # noqa: PTH123  a path as it was given
        head = file.read(_LONGEST_MAGIC)
    return next((_SUFFIXES[make] for magic, make in _MAGICS.items() if head.startswith(magic)), "")


def pieces(path: str, progress: Callable[[int], None] | None = None) -> Iterator[bytes]:
    """Yield what one file holds, unpacked, cut anywhere.

    Raises SourceError when it cannot be read, or when there is more in it than could be unpacked.
    """
    file = File(path, progress or _ignore)
    yield from file.pieces()
    if file.note:
        raise SourceError(file.note)


def _ignore(_count: int) -> None:
    pass


class File:
    """One file; it is open only while its blocks are read."""

    def __init__(self, path: str, progress: Callable[[int], None] = _ignore) -> None:
        self.path = path
        self.name = "standard input" if path == "-" else path
        self.note = ""
        self.too_long = 0
        self._progress = progress
        self._at = 0  # how many bytes on disk are read
        try:
            info = os.fstat(_STDIN) if path == "-" else Path(path).stat()
            if stat.S_ISREG(info.st_mode) and path != "-":
                os.close(os.open(path, os.O_RDONLY))
        except OSError as error:
            raise SourceError(f"{self.name}: {error.strerror}") from error
        if stat.S_ISDIR(info.st_mode):
            raise SourceError(f"{self.name}: is a directory")
        self.size = info.st_size if stat.S_ISREG(info.st_mode) else 0
        self._stream = path == "-" or not stat.S_ISREG(info.st_mode)

    def start(self, line_time: LineTime) -> float:
        """Return the time of the first line that has one, -inf if that takes reading too far."""
        if self._stream:
            return -inf
        seen = 0
        with suppress(SourceError):  # reading it for good will tell
            for block in File(self.path).blocks():
                for line in block.split(b"\n"):
                    if (time := line_time(line)) is not None:
                        return time
                seen += len(block)
                if seen > _PEEK:
                    break
        return -inf

    def blocks(self) -> Iterator[bytes]:
        """Yield blocks of complete lines; raises SourceError where the data is damaged."""
        lines = LineSplitter()
        try:
            for data in self.pieces():
                if block := lines.feed(data):
                    yield block
            if block := lines.flush():
                yield block
        finally:
            self.too_long = lines.too_long

    def pieces(self) -> Iterator[bytes]:
        """Yield what the file holds, unpacked, however it is cut; raises SourceError where it is damaged."""
        self._at = 0
        try:
            fd = _STDIN if self.path == "-" else os.open(self.path, os.O_RDONLY)
        except OSError as error:
            raise SourceError(f"{self.name}: {error.strerror}") from error
        try:
            yield from self._plain(self._chunks(fd))
        except (OSError, *_DAMAGE) as error:
            raise SourceError(f"{self.name}: damaged before byte {self._at}: {error}") from error
        finally:
            if fd != _STDIN:
                os.close(fd)
        if self._at < self.size:
            self._progress(self.size - self._at)

    def _chunks(self, fd: int) -> Iterator[bytes]:
        while chunk := os.read(fd, BLOCK):
            self._at += len(chunk)
            self._progress(len(chunk))
            yield chunk

    def _plain(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        head = b""
        for chunk in chunks:
            head += chunk
            if len(head) >= _LONGEST_MAGIC:
                break
        chunks = chain((head,), chunks)
        make = next((make for magic, make in _MAGICS.items() if head.startswith(magic)), None)
        return _gathered(self._unpacked(chunks, make)) if make else chunks

    def _unpacked(self, chunks: Iterable[bytes], make: Callable[[], _Decoder]) -> Iterator[bytes]:
        decoder = make()
        for chunk in chunks:
            data = chunk
            while True:
                if decoder.eof:
                    data = data.lstrip(b"\0")
                    if not data:
                        break
                    if not _begins(data, make):
                        self.note = f"{self.name}: what follows the compressed data near byte {self._at} is ignored"
                        return
                    decoder = make()
                yield decoder.decompress(data, _STEP)
                data = decoder.unused_data if decoder.eof else b""
                if decoder.needs_input and not decoder.eof:
                    break
        if not decoder.eof:
            raise SourceError(f"{self.name}: the compressed data ends too early, at byte {self._at}")


def _gathered(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Join parts to large pieces, of which an error loses none."""
    pieces: list[bytes] = []
    held = 0
    try:
        for part in parts:
            pieces.append(part)
            held += len(part)
            if held >= _PIECE:
                yield b"".join(pieces)
                pieces.clear()
                held = 0
    except (SourceError, *_DAMAGE):
        yield b"".join(pieces)
        raise
    yield b"".join(pieces)


class _Decoder(Protocol):
    """What the decompressors of bz2, lzma and zstd have in common: each decodes one member."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class _Gunzip:
    """zlib in the shape of the others."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def needs_input(self) -> bool:
        return not self._zlib.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int, /) -> bytes:
        return self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)


def _gunzip() -> _Decoder:
    """Return isal's decoder, which takes less than half of the time, if there is one."""
    decoder: _Decoder = isal.IgzipDecompressor(flag=isal.DECOMP_GZIP) if isal else _Gunzip()
    return decoder


def _unxz() -> _Decoder:
    return LZMADecompressor(FORMAT_XZ, memlimit=_XZ_MEMORY)


_MAGICS: dict[bytes, Callable[[], _Decoder]] = {
    b"\x1f\x8b": _gunzip,
    b"\xfd7zXZ\0": _unxz,
    b"BZh": BZ2Decompressor,
    b"\x28\xb5\x2f\xfd": ZstdDecompressor,
    # Frames to skip, which may stand before and between the others: parallel compressors write them.
    **{bytes((number, 0x2A, 0x4D, 0x18)): ZstdDecompressor for number in range(0x50, 0x60)},
}
_LONGEST_MAGIC = max(map(len, _MAGICS))
_SUFFIXES: dict[Callable[[], _Decoder], str] = {
    _gunzip: "gz",
    BZ2Decompressor: "bz2",
    _unxz: "xz",
    ZstdDecompressor: "zst",
}


def _begins(data: bytes, make: Callable[[], _Decoder]) -> bool:
    """Tell whether another member begins here; of its magic only a part may be there yet."""
    return any(magic.startswith(data[: len(magic)]) for magic, other in _MAGICS.items() if other is make)
