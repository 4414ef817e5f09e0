"""Bans, or notes of earlier ones, in an SQLite file, sealed: the store that outlasts restarts.

What ends at about the same time is in one bucket, with a key of its own: to erase is to remove rows and, once nothing
of its bucket is left, to destroy that key, since a copy of the file may be anywhere.
"""

from __future__ import annotations

import heapq
import sqlite3
from contextlib import suppress
from functools import partial
from itertools import chain, islice
from math import inf
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from privet.adapters.store import database
from privet.adapters.store.database import DamagedError, UnwritableError
from privet.adapters.store.ring import BEFORE
from privet.adapters.store.rows import Form, T, close_row, close_whole, identify, open_row, open_whole
from privet.core.bans.sight import Unseen
from privet.core.plurals import counted
from privet.ports import SealError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from privet.ports import Seals

    R = TypeVar("R")

MOST = 200_000
"""Rows that are kept: some 50 MB."""

BATCH = 10_000
"""Changes in one transaction: a full disk costs no more work than that, and the journal stays small."""

AT_ONCE = 100
"""Rows in one statement: each statement waits for its turn in an interpreter that other threads use."""

RETIRE = 60.0
"""Seconds between looks for buckets that nothing is in any more."""

_ROWS = "SELECT rowid, id, CAST(jail AS BLOB), until, sealed, bucket FROM kept"
_PUT = (
    "INSERT INTO kept (id, jail, until, sealed, bucket) VALUES {} "
    "ON CONFLICT (id) DO UPDATE SET until = excluded.until, sealed = excluded.sealed"
)
_VALUES = "(?, CAST(? AS TEXT), ?, ?, ?)"
_DROP = "DELETE FROM kept WHERE id = ?"
_DROP_ROW = "DELETE FROM kept WHERE rowid = ?"
_EXPIRE = "DELETE FROM kept WHERE until <= ?"
_COUNT = "SELECT count(*) FROM kept"
_CHECK = "SELECT count(*), total(min(until, 1e12)) FROM kept"  # some have no end
_BUCKETS = "SELECT DISTINCT bucket FROM kept"
_WHOLE = "SELECT bucket, sealed FROM whole"
_PUT_WHOLE = "INSERT INTO whole VALUES (?, ?)"
_DROP_WHOLE = "DELETE FROM whole"
_EVICT = "DELETE FROM kept WHERE rowid IN (SELECT rowid FROM kept ORDER BY until LIMIT ?)"


class _Change(NamedTuple, Generic[T]):
    """What is to be done about something that is not in the file as it should be."""

    item: T
    stays: bool


class SqliteStore(Generic[T]):
    """A `ports.Store` in one file, which this process has for itself. Nothing is opened before the first call."""

    def __init__(self, path: Path, buckets: Seals, form: Form[T], most: int = MOST) -> None:
        """Name the file; more than `most` rows are not kept, neither in it nor waiting for it."""
        self.path = path
        self.refused = self.evicted = self.losses = 0
        self.rested = False
        self._form: Form[T] = form
        self._buckets, self._most = buckets, most
        self._db: sqlite3.Connection | None = None
        self._looks: tuple[int, ...] | None = None  # of the file that is open, after the last work on it
        self._changes: dict[bytes, _Change[T]] = {}  # by the item's key: what is not yet stored
        self._strange = ""  # what somebody did to the file, until it was looked at
        self._remnants = False  # whether the journal may have something that was erased
        self._emptied = True  # whether a bucket may have become empty
        self._retire_at = -inf
        self._trouble: str | None = None
        self._loss: str | None = None

    @property
    def complaint(self) -> str | None:
        """What is wrong or was lost, for the administrator; None if nothing is."""
        said = [self._loss] if self._loss else []
        if self._trouble:
            said.append(f"{self._trouble}; changes waiting in memory: {len(self._changes)}")
        if self.refused:
            entries = counted(self.refused, "entry", "entries")
            said.append(f"{self.path}: {entries} not opened: changed, or sealed with another key")
        return "; ".join(said) or None

    def open(self) -> None:
        """Make the file ready to be written."""
        self._do(lambda _db: None)
        self._settle()

    def load(self, now: float) -> list[T]:
        """Return what has not ended."""
        with suppress(StoreError):
            whole = self._do(self._read_whole) if self._form.sighted and not self._changes else None
            if whole is not None:
                self.rested = True
                return [item for item in whole if item.until > now]
        found: dict[tuple[int, bytes], T] = {}
        losses = self.losses
        try:
            bad = self._do(partial(self._read, found))
        except UnwritableError as error:
            bad = self._read_copy(found, error)
        self.refused += len(bad)
        with suppress(StoreError):  # it stands in the complaint, and what was read is needed all the same
            if self.losses > losses:
                self._note(found.values(), stays=True)  # what could be read before the damage
            elif bad:
                self._do(partial(self._erase, _DROP_ROW, bad))
            self._note((item for (bucket, _), item in found.items() if self._is_outdated(bucket, item)), stays=True)
            self._settle()
        for change in self._changes.values():
            for place in self._places(change.item):
                found.pop(place, None)
            if change.stays:
                found[-1, self._form.key(change.item)] = self._form.fresh(change.item)
        return [item for item in found.values() if item.until > now]

    def put(self, items: Iterable[T]) -> None:
        """Store them; each replaces the one with the same key."""
        self._note(items, stays=True)
        self._settle()

    def drop(self, items: Iterable[T]) -> None:
        """Erase them by their keys."""
        self._note(items, stays=False)
        self._settle()

    def expire(self, now: float) -> int:
        """Erase what has ended; return how much that was."""
        self._settle()
        ended = self._do(partial(self._erase, _EXPIRE, [(now,)]))
        self._settle()
        looked = self._retire_at - RETIRE <= now < self._retire_at
        if self._buckets.over(now) or (self._emptied and not looked):
            self._do(lambda db: self._buckets.retire(_used(db), now))
            self._emptied, self._retire_at = False, now + RETIRE
        return ended

    def rest(self, items: Sequence[T]) -> None:
        """Leave all that is stored in one piece for each bucket too, which is read five times as fast."""
        self._settle()
        if self._form.sighted:
            self._do(partial(self._write_whole, items))
            self._settle()

    def size(self) -> int:
        """Return how many rows are in the file."""
        return self._do(_count)

    def close(self) -> None:
        """Store what is waiting, and release the file."""
        try:
            if self._db or self._changes:
                self._settle()
        finally:
            self._disconnect()

    def _note(self, items: Iterable[T], *, stays: bool) -> None:
        """Take down what is to be done; of too much, what concerns that which ends first is forgotten."""
        self.rested, changes = False, self._changes
        for item in items:
            changes[self._form.key(item)] = _Change(item, stays)
        excess = len(changes) - self._most
        if excess > 0:
            for key in heapq.nsmallest(excess, changes, key=lambda key: changes[key].item.until):
                del changes[key]
            self.evicted += excess

    def _settle(self) -> None:
        """Bring the file up to date, and let nothing that was erased stand in its journal. Raises StoreError."""
        while self._changes:
            batch = dict(islice(self._changes.items(), BATCH))
            self.evicted += self._do(partial(self._write, batch))
            for key in batch:
                del self._changes[key]
        if self._remnants:
            self._do(database.truncate)
            self._remnants = False
        if self._db:  # else nothing was tried
            self._trouble = None

    def _do(self, work: Callable[[sqlite3.Connection], R]) -> R:
        """Work on the database; with a fresh one if it turns out to be damaged. Raises StoreError."""
        try:
            return self._try(work)
        except DamagedError:
            return self._try(work)

    def _try(self, work: Callable[[sqlite3.Connection], R]) -> R:
        try:
            try:
                return work(self._connected())
            finally:
                self._looks = database.looks(self.path)
        except sqlite3.ProgrammingError:  # a second thread: nothing that is wrong with the file
            raise
        except (sqlite3.Error, OSError, StoreError) as error:
            problem = database.explain(self.path, error)
            self._trouble = str(problem)
            self._disconnect()
            if isinstance(problem, DamagedError):
                self._set_aside()
            raise problem from error

    def _connected(self) -> sqlite3.Connection:
        """Return the connection; begin again if somebody removed, replaced or wrote to the file meanwhile."""
        if self._db is not None and (looks := database.looks(self.path)) != self._looks:
            self._disconnect()
            other = looks is None or self._looks is None or looks[:2] != self._looks[:2]
            self._strange = "removed or replaced" if other else "changed by somebody else"
        if self._db is None:
            self._db = database.connect(self.path)
            self._remnants = True  # of a process that was killed
        if self._strange:
            database.check(self.path, self._db)
            self._lose(f"was {self._strange} while it was in use")
        return self._db

    def _disconnect(self) -> None:
        if self._db:
            self._db.close()
            self._db = None

    def _set_aside(self) -> None:
        """Make room for a fresh database. Raises StoreError."""
        try:
            target = database.set_aside(self.path)
        except StoreError as problem:
            self._trouble = f"{self.path}: damaged, and cannot be set aside: {problem}"
            raise
        self._lose(f"was damaged, and is set aside as {target.name}: remove that once you have looked at it")

    def _lose(self, what: str) -> None:
        self.losses += 1
        self._strange = ""
        self._loss = f"{self.path}: {what}"

    def _is_outdated(self, bucket: int, item: T) -> bool:
        """Tell whether a row should be written anew: under a key of its bucket, or without its subject."""
        return bucket == BEFORE or not (self._form.sighted or isinstance(item, Unseen))

    def _places(self, item: T) -> list[tuple[int, bytes]]:
        """Return where an item may stand: in which buckets, under which id."""
        if isinstance(item, Unseen):
            return [(item.bucket, item.identity)]
        return [(number, identify(item, seal, self._form)) for number, seal in self._buckets.seals.items()]

    def _read(self, found: dict[tuple[int, bytes], T], db: sqlite3.Connection) -> list[tuple[int]]:
        """Put what opens into `found`; return the numbers of the other rows."""
        bad, seals, form = [], self._buckets.seals, self._form
        for rowid, identity, jail, until, sealed, bucket in db.execute(_ROWS):
            try:
                found[bucket, identity] = open_row((identity, jail, until, sealed, bucket), seals[bucket], form)
            except (SealError, KeyError):  # tampered with, or its key is destroyed
                bad.append((rowid,))
        return bad

    def _read_whole(self, db: sqlite3.Connection) -> list[T] | None:
        """Return what was left in one piece, if there is one, and nothing has changed since."""
        pieces = db.execute(_WHOLE).fetchall()
        if not pieces:
            return None
        check, found = db.execute(_CHECK).fetchone(), list[T]()
        try:
            for bucket, sealed in pieces:
                found += open_whole(sealed, check, bucket, self._buckets.seals[bucket], self._form)
        except (SealError, KeyError):
            return None
        return found if check[0] == len(found) else None

    def _write_whole(self, items: Sequence[T], db: sqlite3.Connection) -> None:
        check = db.execute(_CHECK).fetchone()
        if check[0] != len(items):
            return
        pieces: dict[int, list[T]] = {}
        for item in items:
            pieces.setdefault(self._number(item), []).append(item)
        with db:
            db.execute(_DROP_WHOLE)
            for number, piece in pieces.items():
                sealed = close_whole(piece, check, number, self._buckets.seals[number], self._form)
                db.execute(_PUT_WHOLE, (number, sealed))
        self._remnants = True

    def _number(self, item: T) -> int:
        if isinstance(item, Unseen) and item.bucket in self._buckets.seals:  # elsewhere its mark would mean nothing
            return item.bucket
        return self._buckets.number(self._form.since(item), item.until)

    def _read_copy(self, found: dict[tuple[int, bytes], T], problem: UnwritableError) -> list[tuple[int]]:
        """Read what cannot be written. Raises the problem if that is not possible either."""
        try:
            with database.copy(self.path) as db:
                return self._read(found, db)
        except (sqlite3.Error, OSError, StoreError):
            raise problem from None

    def _write(self, batch: Mapping[bytes, _Change[T]], db: sqlite3.Connection) -> int:
        """Carry out changes; return how many rows had to go for them."""
        puts = [(self._number(item), item) for item, stays in batch.values() if stays]
        seals, form = self._buckets.seals, self._form
        gone = [(identity,) for item, stays in batch.values() if not stays for _, identity in self._places(item)]
        if len(seals) > 1:  # it may have been in another bucket until now
            gone += [(place[1],) for number, item in puts for place in self._places(item) if place[0] != number]
        rows = (close_row(item, number, seals[number], form) for number, item in puts)
        with db:
            stale = db.execute(_DROP_WHOLE).rowcount
            erased = db.executemany(_DROP, gone).rowcount > 0 if gone else False
            while some := list(islice(rows, AT_ONCE)):
                db.execute(_PUT.format(", ".join([_VALUES] * len(some))), list(chain.from_iterable(some)))
            excess = max(0, _count(db) - self._most)
            if excess:
                db.execute(_EVICT, (excess,))
        self._emptied = self._emptied or erased or excess > 0
        self._remnants = self._remnants or bool(erased or excess or stale)
        return excess

    def _erase(self, statement: str, parameters: Iterable[tuple[float]], db: sqlite3.Connection) -> int:
        """Erase rows; return how many those were."""
        with db:
            erased = db.executemany(statement, parameters).rowcount
            if erased:
                db.execute(_DROP_WHOLE)
        self._remnants = self._remnants or erased > 0
        self._emptied = self._emptied or erased > 0
        return erased


def _used(db: sqlite3.Connection) -> set[int]:
    return {number for (number,) in db.execute(_BUCKETS)}


def _count(db: sqlite3.Connection) -> int:
    return int(db.execute(_COUNT).fetchone()[0])
