"""The lines that led to a verdict, found again among the failures that were counted last, and masked.

Nothing is done per line: blocks stay for a while as they came, and only who is found guilty is searched for.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from privet.core.masking.mask import sample

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy as np
    import numpy.typing as npt

    from privet.core.parsing.parse import Rows

    Chosen = Sequence[int] | npt.NDArray[np.intp]

LINES = 3
"""Lines kept of one verdict: the last ones."""

ROOM = 256 << 10  # bytes of lines that one rule remembers, beside the block that came last


class Lines:
    """The lines of a block by the number of their row; none when it is not sure which line is which row."""

    def __init__(self, block: bytes, rows: Rows) -> None:
        self.size = len(block)
        self._block, self._count = block, len(rows)
        self._bad, self._alone = rows.bad, LINES if len(rows) == rows.lines else 0
        self._lines: list[bytes] | None = None
        self._starts: list[int] | None = None

    def __getitem__(self, row: int) -> bytes:
        if self._alone and self._lines is None:  # to find a few lines takes less than to part all of them
            self._alone -= 1
            after = self._count - row
            if after < row:
                return self._block.rsplit(b"\n", after + 1)[-after - 1]
            return self._block.split(b"\n", row + 1)[row]
        lines = self._parted()
        return lines[row] if lines else b""

    def place(self, row: int) -> int:
        """Return where the line of a row begins in the block; 0 when that is not sure."""
        if self._starts is None:
            self._starts = [start for start, _ in self._good()] if self._parted() else []
        return self._starts[row] if self._starts else 0

    def _parted(self) -> list[bytes]:
        """Return the lines of all rows; none when it is not sure which is which."""
        if self._lines is None:
            lines = [line for _, line in self._good()] if self._bad else [*filter(None, self._block.split(b"\n"))]
            self._lines = lines if len(lines) == self._count else []
        return self._lines

    def _good(self) -> Iterator[tuple[int, bytes]]:
        """Yield the lines that parsed and where they begin, and with them those that were ignored."""
        bad, start = {line for _, line in self._bad}, 0
        for line in self._block.split(b"\n"):
            if line and line not in bad:
                yield start, line
            start += len(line) + 1


class Places:
    """The lines of a block by the place where they begin."""

    def __init__(self, block: bytes) -> None:
        self.size = len(block)
        self._block = block

    def __getitem__(self, place: int) -> bytes:
        return self._block[place : self._block.find(b"\n", place)]


class _Failures:
    """The failures in one block: which rows they are, whose, and when."""

    def __init__(self, lines: Lines | Places, rows: Chosen, keys: Iterable[bytes], times: Sequence[float]) -> None:
        self.size = lines.size
        self.lines = lines
        self._rows, self._keys, self._times = rows, keys, times
        self._of: dict[bytes, list[int]] | None = None
        self._asked = 0

    def last(self, key: bytes, until: float, most: int) -> list[bytes]:
        """Return the last lines of a client, of those that were written by some time."""
        places = [place for place in self._places(key) if self._times[place] <= until][-most:]
        return [line for place in places if (line := self.lines[self._rows[place]])]

    def _places(self, key: bytes) -> Sequence[int]:
        """Return which failures are a client's; an index pays where more than one client is searched for."""
        self._asked += 1
        if self._asked == 1:
            return [place for place, one in enumerate(self._keys) if one == key]
        if self._of is None:
            self._of = {}
            for place, one in enumerate(self._keys):
                self._of.setdefault(one, []).append(place)
        return self._of.get(key, ())

    def clear(self) -> None:
        """Let go of the block; there was nothing in it."""
        self.lines = Places(b"")
        self._rows, self._keys, self._times, self._of = (), (), (), {}


class Shelf:
    """The failures of all rules in the large block that came last: nobody keeps an older one for the sake of a few."""

    def __init__(self) -> None:
        self._latest: list[_Failures] = []

    def put(self, failures: _Failures) -> None:
        """Add failures; with those of a new block the ones of the block before it go."""
        if failures.size <= ROOM:
            return
        if self._latest and self._latest[0].lines is not failures.lines:
            for one in self._latest:
                one.clear()
            self._latest.clear()
        self._latest.append(failures)


class Recent:
    """The failures that a rule counted last."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._blocks: deque[_Failures] = deque()
        self._size = 0

    def note(self, lines: Lines | Places, rows: Chosen, keys: Iterable[bytes], times: Sequence[float]) -> None:
        """Remember the failures in a block, and forget the oldest ones."""
        failures = _Failures(lines, rows, keys, times)
        self._shelf.put(failures)
        self._blocks.append(failures)
        self._size += failures.size
        while self._size > ROOM and len(self._blocks) > 1:
            gone = self._blocks.popleft()
            self._size -= gone.size
            gone.clear()

    def of(self, key: bytes, until: float) -> tuple[str, ...]:
        """Return the last lines of a client, masked, the oldest first."""
        return tuple(map(sample, self.lines(key, until, LINES)))

    def lines(self, key: bytes, until: float, most: int) -> list[bytes]:
        """Return the last lines of a client as they were written, the oldest first."""
        found: list[bytes] = []
        for block in reversed(self._blocks):
            found = block.last(key, until, most - len(found)) + found
            if len(found) == most:
                break
        return found
