"""What stands inside of the double quotes of a block's lines, for `blockwise`: cut out when somebody asks.

Who wants the numbers of texts (`core.parsing.texts`) has them cut out of a part of the block at a time, so that they
are still in the CPU's caches when they are looked up, and do not take more memory than the block.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, overload

from privet.core.arrays import np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy.typing as npt

    from privet.core.parsing.texts import Texts

    Places = npt.NDArray[np.intp]
    Lists = dict[str, Sequence[bytes]]

_PART = 1 << 16  # bytes that are cut together
_SOME = 1024  # lines that are
_MANY = 8  # of so many texts one may be cut out by itself, before lists are made


class Pieces:
    """The columns that are inside of quotes; `marks` are the places of each line's quotes and line feed.

    `quoted` tells which quotes a column is between. A block is regular when it has no other quotes and line feeds.
    """

    def __init__(self, block: bytes, marks: Places, quoted: Mapping[str, int], *, regular: bool) -> None:
        self._block, self._marks, self._quoted, self._regular = block, marks, quoted, regular
        self._more: Lists = {}
        self._order: Places | None = None
        self._lists: Lists | None = None
        self._asked = 0  # how many texts were asked for one by one
        self._numbers: dict[str, Places] = {}
        self._texts: Mapping[str, Texts] | None = None  # that these are numbers of

    def add(self, more: Lists, order: Places) -> None:
        """Add rows that were found elsewhere, and say in which order all are then."""
        self._more, self._order = more, order

    def __len__(self) -> int:
        return self._marks.shape[1] if self._order is None else len(self._order)

    @property
    def columns(self) -> dict[str, Piece]:
        """The columns."""
        return {name: Piece(self, name) for name in self._quoted}

    @property
    def lists(self) -> Lists:
        """The columns as lists."""
        if self._lists is None:
            nothing: Lists = dict.fromkeys(self._quoted, ())
            lists = next(self._parts(len(self._block), max(1, self._marks.shape[1])), nothing)
            if self._order is not None:
                order = self._order.tolist()
                both = {name: [*texts, *self._more[name]] for name, texts in lists.items()}
                lists = {name: [texts[place] for place in order] for name, texts in both.items()}
            self._lists = lists
        return self._lists

    def text(self, name: str, row: int) -> bytes:
        """Return one text; to make lists for the sake of a few would take longer."""
        self._asked += 1
        if self._lists is not None or self._asked > len(self) // _MANY:
            return self.lists[name][row]
        row = range(len(self))[row]
        place: int = row if self._order is None else self._order.item(row)
        own: int = self._marks.shape[1]
        if place >= own:
            return self._more[name][place - own]
        first = 2 * self._quoted[name]
        return self._block[int(self._marks[first, place]) + 1 : int(self._marks[first + 1, place])]

    def numbers(self, texts: Mapping[str, Texts]) -> dict[str, Places]:
        """Return the columns as numbers of texts, those whose texts are given."""
        if self._texts is not texts:
            names = [name for name in self._quoted if name in texts]
            parts: dict[str, list[Places]] = {name: [] for name in names}
            for name in names:
                texts[name].tidy()
            for part in chain(self._parts(_PART, _SOME), [self._more] if self._more else ()):
                for name in names:
                    parts[name].append(texts[name].of(part[name]))
            self._numbers = {name: np.concatenate(some) for name, some in parts.items()}
            if self._order is not None:
                self._numbers = {name: found[self._order] for name, found in self._numbers.items()}
            self._texts = texts
        return self._numbers

    def _parts(self, size: int, lines: int) -> Iterator[Lists]:
        """Cut the columns out, those of so many bytes or lines at a time."""
        block, width = self._block, len(self._marks) - 1
        if self._regular:
            start = 0
            while start < len(block):
                end = block.rfind(b"\n", start, start + size) + 1 or block.index(b"\n", start) + 1
                pieces = block[start:end].split(b'"')
                yield {name: pieces[2 * place + 1 : -1 : width] for name, place in self._quoted.items()}
                start = end
            return
        for start in range(0, self._marks.shape[1], lines):
            marks = self._marks[:, start : start + lines]
            yield {
                name: [
                    block[first:last]
                    for first, last in zip((marks[2 * place] + 1).tolist(), marks[2 * place + 1].tolist(), strict=True)
                ]
                for name, place in self._quoted.items()
            }


class Piece(Sequence[bytes]):
    """One of the columns."""

    __slots__ = ("_name", "_pieces")

    def __init__(self, pieces: Pieces, name: str) -> None:
        self._pieces, self._name = pieces, name

    def __len__(self) -> int:
        return len(self._pieces)

    @overload
    def __getitem__(self, row: int) -> bytes: ...
    @overload
    def __getitem__(self, row: slice) -> Sequence[bytes]: ...
    def __getitem__(self, row: int | slice) -> bytes | Sequence[bytes]:
        return self._pieces.lists[self._name][row] if isinstance(row, slice) else self._pieces.text(self._name, row)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._pieces.lists[self._name])

    def numbers(self, texts: Mapping[str, Texts]) -> Places:
        """Return the numbers of the texts; those of the other columns are found out with them."""
        return self._pieces.numbers(texts)[self._name]
