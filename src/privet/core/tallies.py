"""Sum up requests per client with numpy: the same as `core.leeches` does line by line, only faster.

Each client has a number, and each sum is a column: what a batch adds is added at once. Needs the extra `fast`; nothing
imports this module but what has many lines to sum up.
"""

from __future__ import annotations

from itertools import compress
from typing import TYPE_CHECKING, Any

import numpy as np

from privet.core.leeches import Leeches, LeechRow, Tally, numbers, row_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    Ids = npt.NDArray[np.intp]
    Sums = dict[str, npt.NDArray[Any]]

_LARGE = 1 << 32  # bytes of one response: beyond, a sum of them might not fit into 64 bits
_NEW = {"hits": np.int64(0), "size": np.int64(0), "first": np.inf, "last": -np.inf, "status": np.intp(0)}
"""The columns, and what a client begins with; `status` is the number of that of its first hit."""


class _Numbers(dict[bytes, int]):
    """Numbers texts in the order in which they come first."""

    def __missing__(self, text: bytes) -> int:
        self[text] = number = len(self)
        return number

    def of(self, texts: Sequence[bytes]) -> Ids:
        """Return the numbers of texts."""
        return np.fromiter(map(self.__getitem__, texts), np.intp, len(texts))


class Tallies(Leeches):
    """Sum up requests per client, many at a time."""

    def __init__(self, max_clients: int = 1_000_000) -> None:
        self.hits = 0
        self.evicted = 0
        self._cap = max(1, max_clients)
        self._ids, self._statuses = _Numbers(), _Numbers()
        self._sums: Sums = {name: np.zeros(0, type(new)) for name, new in _NEW.items()}
        self._others: dict[bytes, dict[bytes, int]] = {}  # hits with another status than the first, in their order
        self._beyond: dict[bytes, int] = {}  # bytes of responses that are too large for a column

    def add(
        self, keys: Sequence[bytes], times: Sequence[float], sizes: Sequence[bytes | int], statuses: Sequence[bytes]
    ) -> None:
        """Count a batch, as `Leeches.add` does."""
        self.hits += len(keys)
        amounts = numbers(sizes)
        if max(amounts, default=0) >= _LARGE:
            large = [(row, size) for row, size in enumerate(amounts) if size >= _LARGE]
            amounts = [size if size < _LARGE else 0 for size in amounts]
        else:
            large = []
        when = np.array(times, float)
        batch = {
            "hits": np.ones(len(keys), np.int64),
            "size": np.array(amounts, np.int64),
            "first": when,
            "last": when,
            "status": self._statuses.of(statuses),
        }
        for start, ids in self._placed(keys, batch):
            own = self._sums["status"][ids] == batch["status"][start : start + len(ids)]
            for row in (np.flatnonzero(~own) + start).tolist():
                others = self._others.setdefault(keys[row], {})
                others[statuses[row]] = others.get(statuses[row], 0) + 1
            for row, size in large:
                if start <= row < start + len(ids):
                    self._beyond[keys[row]] = self._beyond.get(keys[row], 0) + size

    def merge(self, other: Leeches) -> None:
        """Count what another one of this kind has counted, of other lines."""
        theirs: Tallies = other  # type: ignore[assignment]  # all sums of a report are of one kind
        self.hits += theirs.hits
        self.evicted += theirs.evicted
        keys, names = list(theirs._ids), list(theirs._statuses)
        batch = {name: column[: len(keys)] for name, column in theirs._sums.items()}
        firsts = batch["status"]
        batch["status"] = self._statuses.of(names)[firsts] if keys else firsts
        more = np.fromiter(map(theirs._others.__contains__, keys), bool, len(keys))
        for start, ids in self._placed(keys, batch):
            part = slice(start, start + len(ids))
            differ = self._sums["status"][ids] != batch["status"][part]
            for row in (np.flatnonzero(differ | more[part]) + start).tolist():
                self._add_statuses(keys[row], theirs._tally(keys[row], row, names).statuses)
            for key in theirs._beyond.keys() & keys[part] if theirs._beyond else ():
                self._beyond[key] = self._beyond.get(key, 0) + theirs._beyond[key]

    def __getstate__(self) -> tuple[object, ...]:
        """Return what is needed to go on in another process."""
        sums = {name: column[: len(self)] for name, column in self._sums.items()}
        return (
            self.hits,
            self.evicted,
            self._cap,
            list(self._ids),
            list(self._statuses),
            sums,
            self._others,
            self._beyond,
        )

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """Go on in this process."""
        self.hits, self.evicted, self._cap, keys, statuses, self._sums, self._others, self._beyond = state
        self._ids, self._statuses = _Numbers(), _Numbers()
        self._ids.update(zip(keys, range(len(keys)), strict=True))
        self._statuses.update(zip(statuses, range(len(statuses)), strict=True))

    def __len__(self) -> int:
        return len(self._ids)

    def clients(self) -> Iterator[tuple[bytes, int, int]]:
        """Yield the key of each client with its hits and the bytes that it was sent."""
        sums = zip(self._ids, self._sums["hits"].tolist(), self._sums["size"].tolist(), strict=False)
        return ((key, hits, size + self._beyond.get(key, 0)) for key, hits, size in sums)

    def rows(self, limit: int | None = None) -> list[LeechRow]:
        """Return the clients, most hits first, among equals the one that came first."""
        keys, names = list(self._ids), list(self._statuses)
        ranked = np.argsort(-self._sums["hits"][: len(keys)], kind="stable")[:limit]
        return [row_of(keys[place], self._tally(keys[place], place, names), self.hits) for place in ranked.tolist()]

    def _placed(self, keys: Sequence[bytes], batch: Sums) -> Iterator[tuple[int, Ids]]:
        """Add a batch to the sums; yield from which row on which clients were added, in as many parts as it takes.

        Where the next client is one too many, some are forgotten before it is added.
        """
        start = 0
        while start < len(keys):
            known = len(self)
            ids = self._ids.of(keys[start:] if start else keys)
            if full := len(self) > self._cap:
                for key in list(self._ids)[self._cap :]:
                    del self._ids[key]
                ids = ids[: int(np.argmax(ids >= self._cap))]
            part = {name: column[start : start + len(ids)] for name, column in batch.items()}
            self._begin(known, ids, part["status"])
            np.add.at(self._sums["hits"], ids, part["hits"])
            np.add.at(self._sums["size"], ids, part["size"])
            np.minimum.at(self._sums["first"], ids, part["first"])
            np.maximum.at(self._sums["last"], ids, part["last"])
            yield start, ids
            start += len(ids)
            if full:
                self._evict()

    def _begin(self, known: int, ids: Ids, statuses: Ids) -> None:
        """Make room for the clients that are new, and note the status of the first hit of each."""
        if len(self) > len(self._sums["hits"]):
            room = 2 * len(self)
            for name, new in _NEW.items():
                column = np.full(room, new)
                column[:known] = self._sums[name][:known]
                self._sums[name] = column
        rows = np.flatnonzero(ids >= known)
        numbers, firsts = np.unique(ids[rows], return_index=True)
        self._sums["status"][numbers] = statuses[rows[firsts]]

    def _evict(self) -> None:
        hits = self._sums["hits"][: len(self)]
        kept = np.ones(len(self), bool)
        kept[np.argsort(hits, kind="stable")[: max(1, self._cap // 8)]] = False
        for key in compress(self._ids, (~kept).tolist()):
            self._others.pop(key, None)
            self._beyond.pop(key, None)
        keys = list(compress(self._ids, kept.tolist()))
        self.evicted += len(self) - len(keys)
        for name, new in _NEW.items():
            column = self._sums[name]
            column[: len(keys)] = column[: len(self)][kept]
            column[len(keys) :] = new
        self._ids = _Numbers(zip(keys, range(len(keys)), strict=True))

    def _add_statuses(self, key: bytes, statuses: dict[bytes, int]) -> None:
        own = list(self._statuses)[self._sums["status"][self._ids[key]]]
        others = self._others.setdefault(key, {})
        for status, hits in statuses.items():
            if status != own:
                others[status] = others.get(status, 0) + hits

    def _tally(self, key: bytes, place: int, names: list[bytes]) -> Tally:
        """Return the sums of one client."""
        first, last, hits, size, status = (
            self._sums[name][place].item() for name in ("first", "last", "hits", "size", "status")
        )
        tally = Tally(first, size + self._beyond.get(key, 0), names[status])
        tally.hits, tally.last, tally.others = hits, last, self._others.get(key)
        return tally
