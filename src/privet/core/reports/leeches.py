"""Who asks how much: the aggregate behind `privet report leeches`.

One row per client: hits, mean size, share of all hits, mean interval and the distribution of status
codes. Percentages and KiB are truncated, never rounded up. Lines may come out of order; the answer
does not depend on how they are split into batches.

Memory is bounded: when the cap on clients is reached, an eighth of them is forgotten, those with the
fewest hits first and among equals those that came first. `evicted` counts them; their hits remain in
the total, and a client that comes back starts anew.

Each client has a number, and each sum is a column: what a batch adds is added at once.
"""

from __future__ import annotations

from itertools import compress
from math import inf
from typing import TYPE_CHECKING, Any

import msgspec

from privet.core.addresses.address import Subject
from privet.core.arrays import np
from privet.core.parsing.blocks.columns import Counts, Numbers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from privet.core.parsing.parse import Rows

    Ids = npt.NDArray[np.intp]
    Sums = dict[str, npt.NDArray[Any]]

HEADER = f"{'ip':>20} {'hits':>10} {'bandw.':>6} {'hits%':>5} {'interv.':>7} status code distrib."

COLUMNS = ("status", "size")

_LARGE = 1 << 40  # bytes of one response: beyond, a sum of them might not fit into 64 bits
_STATUS_BITS = 10  # there are a thousand status codes, and the dash
_WAITING = 1 << 16
_NEW = {"hits": 0, "size": 0, "first": inf, "last": -inf, "status": 0}
"""The columns, and what a client begins with; `status` is the number of that of its first hit."""

_NO_SIZE = frozenset((b"-", b""))  # common, hence known before an exception is made for them


class LeechRow(msgspec.Struct, frozen=True):
    """What one client asked.

    `kib` is the mean size of a response in KiB, `share` the percentage of all hits, `interval` the mean
    number of seconds between two requests (None when there is none, or no time passed), `statuses` the
    percentage of each status code, most frequent first.
    """

    subject: Subject
    hits: int
    kib: int
    share: int
    interval: float | None
    statuses: tuple[tuple[str, int], ...]


class _Others:
    """Hits with another status than the first one of their client, which are few."""

    def __init__(self) -> None:
        none = np.zeros(0, np.int64)
        self._parts = [(none, none, none)]  # which client and status, hits, and when the first of them came
        self._more = 0

    def add(self, clients: Ids, statuses: Ids, hits: Ids, order: Ids) -> None:
        """Add hits of clients and statuses, by their numbers; `order` tells which was first."""
        self._parts.append((clients << _STATUS_BITS | statuses, hits, order))
        self._more += len(clients)
        if self._more > _WAITING:
            self.columns()

    def columns(self) -> tuple[Ids, Ids, Ids, Ids]:
        """Return clients, statuses, hits and order, one row for each client and status, by client."""
        if len(self._parts) > 1:
            pairs, hits, order = (np.concatenate(column) for column in zip(*self._parts, strict=True))
            pairs, firsts, places = np.unique(pairs, return_index=True, return_inverse=True)
            sums = np.zeros(len(pairs), np.int64)
            np.add.at(sums, places, hits)
            self._parts, self._more = [(pairs, sums, order[firsts])], 0
        pairs, hits, order = self._parts[0]
        return pairs >> _STATUS_BITS, pairs & ((1 << _STATUS_BITS) - 1), hits, order

    def of(self, client: int) -> list[tuple[int, int]]:
        """Return the statuses of a client with their hits, the first one first."""
        clients, statuses, hits, order = self.columns()
        own = slice(*np.searchsorted(clients, (client, client + 1)).tolist())
        ranked = np.argsort(order[own])
        return list(zip(statuses[own][ranked].tolist(), hits[own][ranked].tolist(), strict=True))


class Leeches:
    """Sum up requests per client; `hits` counts all of them, `evicted` the clients forgotten."""

    def __init__(self, max_clients: int = 1_000_000) -> None:
        self.hits = 0
        self.evicted = 0
        self._cap = max(1, max_clients)
        self._ids, self._statuses, self._others = Numbers(), Numbers(), _Others()
        self._sums: Sums = {name: np.zeros(0, type(new)) for name, new in _NEW.items()}
        self._beyond: dict[bytes, int] = {}  # bytes of responses that are too large for a column

    def add(
        self, keys: Sequence[bytes], times: Sequence[float], sizes: Sequence[bytes | int], statuses: Sequence[bytes]
    ) -> None:
        """Count a batch, given as columns: client keys, seconds, sizes in bytes, status codes.

        A size that is no number (the `-` of a response without a body) counts as 0. Statuses are the
        three digits that the parsers let through.
        """
        if not len(keys) == len(times) == len(sizes) == len(statuses):
            raise ValueError("the columns are of different length")
        small, large = _amounts(sizes)
        when = np.asarray(times, float)
        ones = np.ones(len(keys), np.int64)
        batch = {"hits": ones, "size": small, "first": when, "last": when, "status": self._statuses.of(statuses)}
        for start, ids in self._placed(keys, batch):
            own = batch["status"][start : start + len(ids)]
            rows = np.flatnonzero(self._sums["status"][ids] != own)
            self._others.add(ids[rows], own[rows], ones[: len(rows)], rows + (self.hits + start))
            for row, size in large:
                if start <= row < start + len(ids):
                    self._beyond[keys[row]] = self._beyond.get(keys[row], 0) + size
        self.hits += len(keys)

    def take(self, rows: Rows) -> None:
        """Count the rows of a block, which have the columns of `COLUMNS`."""
        self.add(rows.keys, rows.times, rows.column("size"), rows.column("status"))

    def merge(self, theirs: Leeches) -> None:
        """Count what another has counted, of other lines."""
        keys = list(theirs._ids)
        batch = {name: column[: len(keys)] for name, column in theirs._sums.items()}
        names = self._statuses.of(list(theirs._statuses))
        batch["status"] = names[batch["status"]]
        clients, statuses, hits, order = theirs._others.columns()
        statuses = names[statuses]
        first = batch["hits"].copy()
        np.subtract.at(first, clients, hits)
        for start, ids in self._placed(keys, batch):
            part = slice(start, start + len(ids))
            own = self._sums["status"][ids]
            rows = np.flatnonzero(own != batch["status"][part])
            self._others.add(
                ids[rows], batch["status"][part][rows], first[part][rows], np.full(len(rows), self.hits, np.int64)
            )
            here = (clients >= start) & (clients < part.stop)
            places = clients[here] - start
            more = own[places] != statuses[here]
            self._others.add(ids[places][more], statuses[here][more], hits[here][more], order[here][more] + self.hits)
            for key in theirs._beyond.keys() & keys[part] if theirs._beyond else ():
                self._beyond[key] = self._beyond.get(key, 0) + theirs._beyond[key]
        self.hits += theirs.hits
        self.evicted += theirs.evicted

    def __getstate__(self) -> tuple[object, ...]:
        """Return what is needed to go on in another process."""
        self._others.columns()
        sums = {name: column[: len(self)] for name, column in self._sums.items()}
        numbered = list(self._ids), list(self._statuses), sums
        return self.hits, self.evicted, self._cap, self._others, self._beyond, *numbered

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """Go on in this process."""
        self.hits, self.evicted, self._cap, self._others, self._beyond, keys, statuses, self._sums = state
        self._ids, self._statuses = Numbers(keys), Numbers(statuses)

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
        return [self._row(keys[place], place, names) for place in ranked.tolist()]

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
        keys = list(compress(self._ids, kept.tolist()))
        for key in compress(self._ids, (~kept).tolist()) if self._beyond else ():
            self._beyond.pop(key, None)
        self.evicted += len(self) - len(keys)
        for name, new in _NEW.items():
            column = self._sums[name]
            column[: len(keys)] = column[: len(self)][kept]
            column[len(keys) :] = new
        clients, *others = self._others.columns()
        own = kept[clients]
        self._others = _Others()
        self._others.add((np.cumsum(kept) - 1)[clients[own]], *(column[own] for column in others))
        self._ids = Numbers(keys)

    def _row(self, key: bytes, place: int, names: list[bytes]) -> LeechRow:
        hits, size, first, last = (self._sums[name][place].item() for name in ("hits", "size", "first", "last"))
        others = self._others.of(place)
        statuses = [(self._sums["status"][place], hits - sum(number for _, number in others)), *others]
        ranked = sorted(statuses, key=lambda item: -item[1])
        return LeechRow(
            subject=Subject.of_key(key),
            hits=hits,
            kib=(size + self._beyond.get(key, 0)) // hits // 1024,
            share=hits * 100 // self.hits,
            interval=(last - first) / (hits - 1) if last > first else None,
            statuses=tuple((names[status].decode("ascii", "replace"), n * 100 // hits) for status, n in ranked),
        )


def format_row(row: LeechRow, name: str) -> str:
    """Return the row as plain text under `HEADER`; `name` is how the client is to be called."""
    interval = "" if row.interval is None else f"{row.interval:.1f}s"
    statuses = ", ".join(f"{status} ({percent}%)" for status, percent in row.statuses)
    # "hits%" is one wider than the percentage below it: 5 instead of 4 keeps the columns under their heads.
    return f"{name:>20} {row.hits:10d} {row.kib:5d}K {row.share:4d}% {interval:>7} {statuses}"


def numbers(sizes: Sequence[bytes | int]) -> list[int]:
    """Return sizes as numbers, 0 for what is none."""
    try:
        return list(map(int, sizes))
    except ValueError:
        return [_number(size) for size in sizes]


def _amounts(sizes: Sequence[bytes | int]) -> tuple[Ids, list[tuple[int, int]]]:
    """Return sizes as a column, and with their rows those that are too large for one, which are 0 in it."""
    if isinstance(sizes, Counts):
        return np.maximum(sizes.places, 0), []
    known = numbers(sizes)
    large = [(row, size) for row, size in enumerate(known) if size >= _LARGE]
    for row, _ in large:
        known[row] = 0
    return np.array(known, np.int64), large


def _number(size: bytes | int) -> int:
    # Agrees with int() wherever that answers: how the input is cut into batches must not matter.
    if size in _NO_SIZE:
        return 0
    try:
        return int(size)
    except ValueError:
        return 0
