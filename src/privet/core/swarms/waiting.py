"""Clients who asked for a page and may still fetch its assets, and when clients did fetch some: by number."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from privet.core.arrays import np

if TYPE_CHECKING:
    import numpy.typing as npt

    from privet.core.rows.crowd import Column

    Numbers = npt.NDArray[np.intp]
    Places = npt.NDArray[np.intp]
    Times = npt.NDArray[np.float64]

ROW = (1 << 32) - 1
UNTOLD = -1.0  # seconds that a request took of which the log does not tell


class Fetches:
    """Which rows of a block fetch assets, and when they came.

    Of the `columns` one has when clients did so before the block, and the other, empty between blocks, who does in it.
    """

    def __init__(self, columns: tuple[Column, Column], clients: Numbers, rows: Places, moments: Times) -> None:
        self._column, self._here = columns
        self._clients, self._rows, self._moments = clients[rows], rows, moments
        self._by_client = np.sort(self._clients.astype(np.int64) << 32 | rows)
        self._here.values[self._clients] = True

    def last(self, clients: Numbers, rows: Places) -> Times:
        """Return when clients fetched an asset last, before a row for each; minus infinity for never."""
        last: Times = self._column.values[clients]
        here = np.flatnonzero(self._here.values[clients]) if len(self._rows) else ()
        if len(here):
            wanted = clients[here].astype(np.int64) << 32 | rows[here]
            found = self._by_client[np.searchsorted(self._by_client, wanted) - 1]
            before = np.flatnonzero((found < wanted) & (found >> 32 == wanted >> 32))
            last[here[before]] = self._moments[found[before] & ROW]
        return last

    def keep(self) -> None:
        """Take note of them for the next block."""
        self._column.values[self._clients] = self._moments[self._rows]
        self._here.values[self._clients] = False


class Pages(NamedTuple):
    """Pages that were asked for: until when their assets may be, by whom, and the seconds that they took.

    `urls` are what they are, each a `core.rows.shapes.Url`.
    """

    due: Times
    clients: Numbers
    urls: npt.NDArray[np.object_]
    took: Times

    def of(self, places: slice | Places) -> Pages:
        """Return some."""
        return Pages(self.due[places], self.clients[places], self.urls[places], self.took[places])


class Waiting:
    """Pages in the order in which they are due, those of each block together."""

    def __init__(self) -> None:
        self._blocks: deque[Pages] = deque()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, pages: Pages) -> None:
        """Add those of a block."""
        if len(pages.due):
            self._blocks.append(pages)
            self._count += len(pages.due)

    def until(self, time: float) -> Pages:
        """Take out what is due."""
        found = []
        while self._blocks and self._blocks[0].due[0] <= time:
            found.append(self._take(int(np.searchsorted(self._blocks[0].due, time, "right"))))
        if len(found) == 1:
            return found[0]
        if not found:
            return Pages(np.empty(0), np.empty(0, np.intp), np.empty(0, np.object_), np.empty(0))
        return Pages(*map(np.concatenate, zip(*found, strict=True)))

    def drop(self, count: int) -> None:
        """Forget so many, those that are due first."""
        while count > 0:
            count -= len(self._take(count).due)

    def keep(self, known: npt.NDArray[np.bool_]) -> None:
        """Keep those of clients who are known, by number."""
        for place, block in enumerate(self._blocks):
            self._blocks[place] = block.of(np.flatnonzero(known[block.clients]))
        self._blocks = deque(block for block in self._blocks if len(block.due))
        self._count = sum(len(block.due) for block in self._blocks)

    def shift(self, seconds: float) -> None:
        """Take note that the clock was set forward by so much."""
        self._blocks = deque(block._replace(due=block.due + seconds) for block in self._blocks)

    def _take(self, count: int) -> Pages:
        """Take out as many as the first block has, at most so many."""
        block = self._blocks.popleft()
        if count < len(block.due):
            self._blocks.appendleft(block.of(slice(count, None)))
            block = block.of(slice(count))
        self._count -= len(block.due)
        return block
