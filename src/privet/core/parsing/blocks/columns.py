"""Columns as arrays: of few values that repeat, by their places in a table, or of numbers.

Who counts rows by value looks each value up once, and the rows in an array. To everybody else they are columns.
"""

from __future__ import annotations

from abc import abstractmethod
from array import array
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, overload

from privet.core.arrays import np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

    import numpy.typing as npt

    Places = npt.NDArray[np.intp]
    Table = npt.NDArray[Any]

NONE = -1


class _Array(Sequence[bytes]):
    """A column that is made of an array when somebody wants to see it."""

    __slots__ = ("_values", "places")

    def __init__(self, places: Places) -> None:
        self.places = places
        self._values: list[bytes] | None = None

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, row: int) -> bytes: ...
    @overload
    def __getitem__(self, row: slice) -> Self: ...
    def __getitem__(self, row: int | slice) -> bytes | Self:
        return self._of(self.places[row]) if isinstance(row, slice) else self._all[row]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._all)

    @property
    def _all(self) -> list[bytes]:
        if self._values is None:
            self._values = self._made()
        return self._values

    @abstractmethod
    def _of(self, places: Places) -> Self:
        """Return a column of other rows."""

    @abstractmethod
    def _made(self) -> list[bytes]:
        """Return the values."""


class Coded(_Array):
    """A column of values by their places in a table, which may get more values, but none ever changes."""

    __slots__ = ("table",)

    def __init__(self, table: Table, places: Places) -> None:
        super().__init__(places)
        self.table = table

    @property
    def present(self) -> Places:
        """The places in the table of the values that are there."""
        return np.bincount(self.places).nonzero()[0]

    def _of(self, places: Places) -> Self:
        return type(self)(self.table, places)

    def _made(self) -> list[bytes]:
        found: list[bytes] = self.table[self.places].tolist()
        return found


def some_of(column: Sequence[bytes], rows: Places) -> Table:
    """Return some rows of a column as an array."""
    if isinstance(column, Coded):
        return column.table[column.places[rows]]
    return np.fromiter(map(column.__getitem__, rows.tolist()), np.object_, len(rows))


class Counts(_Array):
    """A column of whole numbers, `NONE` where there is a dash."""

    __slots__ = ()

    def _of(self, places: Places) -> Self:
        return type(self)(places)

    def _made(self) -> list[bytes]:
        return [b"%d" % number if number >= 0 else b"-" for number in self.places.tolist()]


class Answers:
    """What a function says of the values of a table: each is asked for once, in the order in which they come."""

    def __init__(self, function: Callable[[Sequence[bytes]], Sequence[int]]) -> None:
        self._function = function
        self._table: Table | None = None
        self._known: npt.NDArray[np.int32] | None = None  # by the places of that table

    def __call__(self, column: Coded) -> npt.NDArray[np.int32]:
        """Return the answers for a column."""
        if column.table is not self._table or self._known is None:
            self._table, self._known = column.table, np.full(len(column.table), NONE, np.int32)
        found = self._known[column.places]
        new = column.places[found == NONE]
        if new.size:
            order = np.arange(len(new), dtype=np.int32)
            self._known[new[::-1]] = order[::-1]  # of those with the same place the first stays
            places = new[self._known[new] == order]
            self._known[places] = self._function(column.table[places].tolist())
            found = self._known[column.places]
        return found

    def by(self, function: Callable[[Sequence[bytes]], Sequence[int]]) -> Self:
        """Go on with another function that says the same."""
        self._function = function
        return self

    def forget(self, gone: npt.NDArray[np.bool_]) -> None:
        """Ask again for what had some answers."""
        if self._known is not None:
            self._known[(self._known != NONE) & gone[self._known]] = NONE


class Frequencies:
    """Counts values of columns as long as there are not too `many`; those of arrays are not looked at."""

    def __init__(self, many: int) -> None:
        self._many = many
        self._counts: Counter[bytes] = Counter()
        self._table: Table | None = None
        self._here: npt.NDArray[np.int32] | None = None  # by the places of that table

    def add(self, values: Sequence[bytes]) -> None:
        """Count the values of a column."""
        if len(self._counts) >= self._many:
            return
        if not isinstance(values, Coded):
            self._counts.update(values)
            return
        if values.table is not self._table or self._here is None:
            self._settle()
            self._table, self._here = values.table, np.zeros(len(values.table), np.int32)
        np.add.at(self._here, values.places, np.int32(1))  # of another kind it takes 50 times as long

    @property
    def most(self) -> tuple[int, int]:
        """How often the value was there that was there most often, and how often all were."""
        if self._here is not None and not self._counts:
            return int(self._here.max()), int(self._here.sum())
        self._settle()
        return max(self._counts.values(), default=0), self._counts.total()

    def clear(self) -> None:
        """Begin anew."""
        self._counts.clear()
        if self._here is not None:
            self._here[:] = 0

    def _settle(self) -> None:
        if self._table is not None and self._here is not None:
            places = self._here.nonzero()[0]
            values, counts = self._table[places].tolist(), self._here[places].tolist()
            for value, count in zip(values, counts, strict=True):
                self._counts[value] += count
            self._here[:] = 0


def ends(times: Sequence[float]) -> tuple[float, float]:
    """Return the lowest and the highest of times."""
    if not isinstance(times, array):
        return min(times), max(times)
    when = np.asarray(times)
    return when.min().item(), when.max().item()


def are_in_order(times: Sequence[float]) -> bool:
    """Tell whether no time is lower than the one before it."""
    if not isinstance(times, array):
        return sorted(times) == times
    when = np.asarray(times)
    return bool((when[1:] >= when[:-1]).all())


class Numbers(dict[bytes, int]):
    """Numbers texts in the order in which they come first."""

    def __init__(self, texts: Sequence[bytes] = ()) -> None:
        super().__init__(zip(texts, range(len(texts)), strict=True))
        self._answers = Answers(lambda some: [*map(self.__getitem__, some)])

    def __missing__(self, text: bytes) -> int:
        self[text] = number = len(self)
        return number

    def __reduce__(self) -> tuple[type[Numbers], tuple[list[bytes]]]:
        """Leave out what is remembered of a column."""
        return Numbers, (list(self),)

    def of(self, texts: Sequence[bytes]) -> Places:
        """Return the numbers of a column."""
        if isinstance(texts, Coded):
            return self._answers(texts).astype(np.intp)
        return np.fromiter(map(self.__getitem__, texts), np.intp, len(texts))
