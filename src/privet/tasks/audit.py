"""Look for addresses in files: what they are, how they are spelt, and what could not be looked at.

Memory is bounded: a file is read in pieces, of each file a few places are kept, and the rest is counted.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from privet.adapters.sources.archive import pieces
from privet.adapters.sources.journalfile import MAGIC, messages
from privet.core.masking.leaks import WORD
from privet.ports import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from privet.adapters.tree import File, Tree
    from privet.core.masking.leaks import Finder

ROOTS = ("/var/log", "/var/lib/privet", "/var/lib/systemd/coredump", "/var/crash", "/run/log/journal")
PLACES = 3  # of one file that are shown
FILES = 1000  # with findings that are listed; more are counted
PIECE = 1 << 20  # bytes looked at together
LONGEST = 1 << 16  # bytes of one word that may wait for their end
PACKED = {
    b"PK\x03\x04": "zip", b"7z\xbc\xaf": "7z", b"Rar!": "rar", b"\x04\x22\x4d\x18": "lz4",
    b"\x89PNG": "pictures", b"\xff\xd8\xff": "pictures", b"%PDF": "PDF",
}  # fmt: skip
"""By its first bytes: what is read as it is, without being unpacked."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """One finding: `where` in the file, `how` it is written, and what stands there, masked."""

    where: str
    how: str
    sample: str
    doubtful: bool


class Leaky(msgspec.Struct, kw_only=True):
    """A file with findings: `found` are addresses, `doubtful` may be version numbers and the like."""

    path: str
    in_memory: bool
    found: int = 0
    doubtful: int = 0
    places: list[Place] = []


class Scan(msgspec.Struct, kw_only=True):
    """What a search through files came to."""

    files: int = 0
    bytes: int = 0
    leaky: list[Leaky] = []
    unlisted: int = 0
    not_scanned: dict[str, int] = {}

    @property
    def at_rest(self) -> int:
        """How many addresses stand in files on disks."""
        return sum(file.found for file in self.leaky if not file.in_memory)


def places(runtime: Path, written: Iterable[Path]) -> list[Path]:
    """Return the directories of logs, state and run-time data that exist, and what else servers write."""
    return [path for path in dict.fromkeys([*map(Path, ROOTS), runtime, *written]) if path.exists()]


def scan(tree: Tree, finder: Finder, progress: Callable[[int], None] | None = None) -> Scan:
    """Search all files of a tree."""
    result, missed = Scan(), Counter[str]()
    for file in tree.files():
        leaky = _File(file, finder, missed).search(progress)
        result.files += 1
        if leaky is None:
            continue
        result.bytes += leaky.size
        if leaky.found.found or leaky.found.doubtful:
            if len(result.leaky) < FILES:
                result.leaky.append(leaky.found)
            else:
                result.unlisted += 1
    result.not_scanned = dict(tree.skipped + missed)
    return result


class _File:
    """One file on its way through the search; `size` is what was read of it, unpacked."""

    def __init__(self, file: File, finder: Finder, missed: Counter[str]) -> None:
        self.size = 0
        self._file, self._finder, self._missed = file, finder, missed
        self.found = Leaky(path=finder.name(str(file.path)), in_memory=file.in_memory)

    def search(self, progress: Callable[[int], None] | None) -> _File | None:
        """Search name and content; None if it cannot be read."""
        path = str(self._file.path)
        for hit in self._finder.find(self._file.path.name.encode("utf-8", "surrogateescape")):
            self._note("name", hit.how, self.found.path, doubtful=hit.doubtful)
        try:
            with self._file.path.open("rb") as stream:
                head = stream.read(16)
        except OSError as error:
            self._missed[(error.strerror or "cannot be read").lower()] += 1
            return None
        kind = next((name for magic, name in PACKED.items() if head.startswith(magic)), None)
        if kind:
            self._missed[f"the inside of {kind} files"] += 1
        try:
            self._look(pieces(path, progress))
        except SourceError:  # what is damaged, or follows what could be unpacked, is read as it is
            self._missed["compressed data that is damaged or has something behind it: read as it is"] += 1
            with suppress(OSError):
                self._look(_raw(self._file.path))
        if head.startswith(MAGIC) and not self.found.found:
            try:
                self._look(messages(path), "entry text, line")
            except SourceError:
                self._missed["compressed messages of journals"] += 1
        return self

    def _look(self, data: Iterable[bytes], unit: str = "line") -> None:
        line, offset, binary = 1, 0, False
        for block in _whole_words(data):
            binary = binary or (offset == 0 and b"\0" in block[:4096])
            seen = 0
            for hit in self._finder.find(block):
                if binary and hit.doubtful and b":" in block[hit.start : hit.end]:
                    continue  # any data has two colons somewhere
                line += block.count(b"\n", seen, hit.start)
                seen = hit.start
                where = f"byte {offset + hit.start}" if binary and unit == "line" else f"{unit} {line}"
                if len(self.found.places) < PLACES or (not hit.doubtful and self._only_doubtful()):
                    self._keep(
                        Place(where=where, how=hit.how, sample=self._finder.shown(block, hit), doubtful=hit.doubtful)
                    )
                self._count(doubtful=hit.doubtful)
            line += block.count(b"\n", seen)
            offset += len(block)
            self.size += len(block)

    def _note(self, where: str, how: str, sample: str, *, doubtful: bool) -> None:
        self._keep(Place(where=where, how=how, sample=sample, doubtful=doubtful))
        self._count(doubtful=doubtful)

    def _count(self, *, doubtful: bool) -> None:
        self.found.doubtful += doubtful
        self.found.found += not doubtful

    def _only_doubtful(self) -> bool:
        return all(place.doubtful for place in self.found.places)

    def _keep(self, place: Place) -> None:
        self.found.places = [*self.found.places[: PLACES - 1], place]


def _raw(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece


def _whole_words(data: Iterable[bytes]) -> Iterator[bytes]:
    """Cut where no address is cut, and leave no more waiting than LONGEST."""
    waiting = bytearray()
    try:
        for piece in data:
            waiting += piece
            if len(waiting) < PIECE:
                continue
            cut = len(waiting.rstrip(WORD))
            if cut < len(waiting) - LONGEST:
                cut = len(waiting)
            yield bytes(waiting[:cut])
            del waiting[:cut]
    except SourceError:  # what could be unpacked before the damage counts
        if waiting:
            yield bytes(waiting)
        raise
    if waiting:
        yield bytes(waiting)
