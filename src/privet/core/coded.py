"""Columns in which few values repeat: a table of the values, and for each row the place of its own.

Who counts rows by value looks each value up once, and the rows in an array. To everybody else it is a column.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, overload

from privet.core.arrays import np

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    Places = npt.NDArray[np.intp]
    Table = npt.NDArray[Any]

_UNKNOWN = -1


class Coded(Sequence[bytes]):
    """A column; its table may get more values, but none ever changes."""

    __slots__ = ("_values", "places", "table")

    def __init__(self, table: Table, places: Places) -> None:
        self.table, self.places = table, places
        self._values: list[bytes] | None = None

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, row: int) -> bytes: ...
    @overload
    def __getitem__(self, row: slice) -> Coded: ...
    def __getitem__(self, row: int | slice) -> bytes | Coded:
        return Coded(self.table, self.places[row]) if isinstance(row, slice) else self._all[row]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._all)

    @property
    def _all(self) -> list[bytes]:
        if self._values is None:
            self._values = self.table[self.places].tolist()
        return self._values


class Numbers(dict[bytes, int]):
    """Numbers texts in the order in which they come first."""

    def __init__(self, texts: Sequence[bytes] = ()) -> None:
        super().__init__(zip(texts, range(len(texts)), strict=True))
        self._table: Table | None = None
        self._known: Places = np.empty(0, np.intp)  # by the places of that table

    def __missing__(self, text: bytes) -> int:
        self[text] = number = len(self)
        return number

    def __reduce__(self) -> tuple[type[Numbers], tuple[list[bytes]]]:
        """Leave out what is remembered of a column."""
        return Numbers, (list(self),)

    def of(self, texts: Sequence[bytes]) -> Places:
        """Return the numbers of a column."""
        if not isinstance(texts, Coded):
            return np.fromiter(map(self.__getitem__, texts), np.intp, len(texts))
        if texts.table is not self._table:
            self._table, self._known = texts.table, np.full(len(texts.table), _UNKNOWN)
        numbers = self._known[texts.places]
        new = texts.places[numbers == _UNKNOWN]
        if new.size:
            places, firsts = np.unique(new, return_index=True)
            for place in places[np.argsort(firsts)].tolist():
                self._known[place] = self[texts.table[place]]
            numbers = self._known[texts.places]
        return numbers
