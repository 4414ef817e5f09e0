"""Numbers of the past in SQLite, bounded: minutes for two days, hours for three months, days for five years."""

from __future__ import annotations

import sqlite3
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from privet.adapters.store import database
from privet.adapters.store.database import DamagedError
from privet.core.reports.history import OFFENCES
from privet.ports import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from privet.core.reports.history import Bans, Machine, Offence, Traffic

    R = TypeVar("R")

STEPS = (60, 3600, 86_400)
"""Seconds that one row stands for."""

KEPT = (2 * 86_400, 92 * 86_400, 5 * 366 * 86_400)
"""Seconds for which rows of each step are kept, before they are added up to the next, or go."""

_SUMS = ("hits", "bytes", "ok", "moved", "refused", "failed", "other")
_TABLES = {
    "traffic": ("site", _SUMS, "sum"),
    "bans": ("jail", ("bans", "reports"), "sum"),
    "machine": ("name", ("load", "psi", "memory"), "max"),
}
"""Of each table: whom a row is about, its numbers, and how they become those of a longer step."""


def _table(name: str, who: str, numbers: Sequence[str]) -> str:
    kind = "REAL" if name == "machine" else "INTEGER"
    columns = ", ".join(f"{number} {kind} NOT NULL" for number in numbers)
    key = f"PRIMARY KEY (step, start, {who})"
    return f"CREATE TABLE {name} (step INTEGER, start INTEGER, {who} TEXT, {columns}, {key}) WITHOUT ROWID"


FILE = "history.db"
"""In the state directory; no address is in it."""

SCHEMA = (
    (
        *(_table(name, who, numbers) for name, (who, numbers, _) in _TABLES.items()),
        "CREATE TABLE offences (time REAL NOT NULL, jail TEXT NOT NULL, who BLOB NOT NULL)",
        "CREATE INDEX offences_time ON offences (time)",
        "CREATE TABLE reached (time REAL NOT NULL)",
    ),
)
"""What leads from each version of the schema to the next one, beginning with the empty file."""


_LOADS = "SELECT start, load FROM machine WHERE step = 60 ORDER BY start"


def loads_in(state: Path) -> list[tuple[float, float]]:
    """Return the load of each minute that is kept in a state directory, by its beginning, also while a daemon runs.

    There are none where it cannot be read.
    """
    try:
        with database.copy(state / FILE, SCHEMA) as db:
            return db.execute(_LOADS).fetchall()
    except (sqlite3.Error, OSError, StoreError):
        return []


class History:
    """The numbers in a file, or in memory without one. Every method may be called from any thread.

    A damaged file is set aside, and a new one begun. Raises StoreError where it can be neither read nor written.
    """

    def __init__(self, path: Path | None) -> None:
        self._path, self._lock = path, Lock()
        self._db: sqlite3.Connection | None = None
        self.newest()

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._disconnect()

    def newest(self) -> float:
        """Return up to when requests were counted."""
        (found,) = self._do(lambda db: db.execute("SELECT max(time) FROM reached").fetchone())
        return float("-inf") if found is None else float(found)

    def add(
        self,
        traffic: Iterable[Traffic],
        bans: Iterable[Bans],
        machine: Machine | None,
        newest: float | None,
        offences: Iterable[Offence] = (),
    ) -> None:
        """Add numbers of minutes; those of a minute that is there already are added to it."""
        rows = {
            "traffic": [(60, one.time, one.site, *(getattr(one, name) for name in _SUMS)) for one in traffic],
            "bans": [(60, one.time, one.jail, one.bans, one.reports) for one in bans],
            "machine": [(60, machine.time, "", machine.load, machine.psi, machine.memory)] if machine else [],
        }
        seen = [(one.time, one.jail, one.who) for one in offences]

        def write(db: sqlite3.Connection) -> None:
            with db:
                for table, values in rows.items():
                    _put(db, table, values)
                db.executemany("INSERT INTO offences VALUES (?, ?, ?)", seen)
                if newest is not None:
                    db.execute("DELETE FROM reached")
                    db.execute("INSERT INTO reached VALUES (?)", (newest,))

        self._do(write)

    def roll_up(self, now: float) -> None:
        """Add up old minutes to hours and old hours to days; the oldest go."""
        self._do(partial(_roll_up, now))

    def loads(self) -> list[tuple[float, float]]:
        """Return the load of each minute that is kept, by its beginning."""
        return self._rows(_LOADS)

    def offenders(self, since: float) -> list[dict[str, Any]]:
        """Return who was banned how often: `client`, a token, `bans`, `jails`, `first` and `last`; most bans first."""
        found = self._rows(
            "SELECT who, count(*), group_concat(DISTINCT jail), min(time), max(time) FROM offences "
            "WHERE time >= ? GROUP BY who ORDER BY 2 DESC, 5 DESC",
            since,
        )
        return [
            {"client": who, "bans": bans, "jails": sorted(jails.split(",")), "first": first, "last": last}
            for who, bans, jails, first, last in found
        ]

    def read(self, since: float, step: int) -> list[dict[str, Any]]:
        """Return a row for each `step` seconds that has something: sums over all sites and jails, peaks of the machine.

        What is kept in longer steps only stands at their beginning.
        """
        rows: dict[int, dict[str, Any]] = {}
        for table, (_, numbers, how) in _TABLES.items():
            columns = ", ".join(f"{how}({name})" for name in numbers)
            found = self._rows(
                f"SELECT start / ? * ?, {columns} FROM {table} WHERE start >= ? GROUP BY 1",  # noqa: S608  names of our own
                step,
                step,
                since,
            )
            for start, *values in found:
                rows.setdefault(start, {"time": start}).update(zip(numbers, values, strict=True))
        return [rows[start] for start in sorted(rows)]

    def by(self, table: str, since: float) -> list[dict[str, Any]]:
        """Return the sums of each site (table `traffic`) or jail (`bans`), the largest first."""
        who, numbers, how = _TABLES[table]
        columns = ", ".join(f"{how}({name})" for name in numbers)
        found = self._rows(
            f"SELECT {who}, {columns} FROM {table} WHERE start >= ? GROUP BY 1 ORDER BY 2 DESC, 1",  # noqa: S608  as above
            since,
        )
        return [dict(zip((who, *numbers), row, strict=True)) for row in found]

    def _rows(self, query: str, *values: float) -> list[Any]:
        return self._do(lambda db: db.execute(query, values).fetchall())

    def _do(self, work: Callable[[sqlite3.Connection], R]) -> R:
        """Work on the database; with a fresh one if it turns out to be damaged. Raises StoreError."""
        with self._lock:
            try:
                return self._try(work)
            except DamagedError:
                return self._try(work)

    def _try(self, work: Callable[[sqlite3.Connection], R]) -> R:
        try:
            if self._db is None:
                self._db = database.connect(self._path, SCHEMA, any_thread=True)
            return work(self._db)
        except (sqlite3.Error, OSError, StoreError) as error:
            problem = database.explain(self._path or "the history", error)
            if self._path:
                self._disconnect()
                if isinstance(problem, DamagedError):
                    database.set_aside(self._path)
            raise problem from None

    def _disconnect(self) -> None:
        if self._db:
            self._db.close()
            self._db = None


def _roll_up(now: float, db: sqlite3.Connection) -> None:
    with db:
        for table, (who, numbers, how) in _TABLES.items():
            columns = ", ".join(f"{how}({name})" for name in numbers)
            for step, longer, kept in zip(STEPS, (*STEPS[1:], 0), KEPT, strict=True):
                edge = int(now - kept) // (longer or step) * (longer or step)
                if longer:
                    found = db.execute(
                        f"SELECT ?, start / ? * ?, {who}, {columns} FROM {table} "  # noqa: S608  as above
                        f"WHERE step = ? AND start < ? GROUP BY 2, 3",
                        (longer, longer, longer, step, edge),
                    )
                    _put(db, table, found.fetchall())
                db.execute(f"DELETE FROM {table} WHERE step = ? AND start < ?", (step, edge))  # noqa: S608  as above
        db.execute("DELETE FROM offences WHERE time < ?", (now - KEPT[1],))
        db.execute(
            "DELETE FROM offences WHERE time <= (SELECT time FROM offences ORDER BY time DESC LIMIT 1 OFFSET ?)",
            (OFFENCES,),
        )


def _put(db: sqlite3.Connection, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
    who, numbers, how = _TABLES[table]
    joined = {"sum": "{0} = {0} + excluded.{0}", "max": "{0} = max({0}, excluded.{0})"}[how]
    updates = ", ".join(joined.format(name) for name in numbers)
    marks = ", ".join("?" * (3 + len(numbers)))
    db.executemany(
        f"INSERT INTO {table} VALUES ({marks}) ON CONFLICT (step, start, {who}) DO UPDATE SET {updates}",  # noqa: S608  as above
        rows,
    )
