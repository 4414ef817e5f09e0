"""Numbers of the past in SQLite, bounded: minutes for two days, hours for three months, days for five years."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Any

from privet.core.history import OFFENCES
from privet.ports import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from privet.core.history import Bans, Machine, Offence, Traffic

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

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class History:
    """The numbers in a file, or in memory without one. Every method may be called from any thread.

    A file that is damaged is begun anew. Raises StoreError where it can be neither read nor written.
    """

    def __init__(self, path: Path | None) -> None:
        self._lock = Lock()
        try:
            self._file = self._opened(path)
        except sqlite3.DatabaseError as error:
            if path is None or getattr(error, "sqlite_errorcode", None) not in _DAMAGED:
                raise StoreError("the history cannot be opened") from None
            path.unlink()
            self._file = self._opened(path)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._file.close()

    def newest(self) -> float:
        """Return up to when requests were counted."""
        with self._lock:
            (found,) = self._file.execute("SELECT max(time) FROM reached").fetchone()
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
        with self._lock, self._writing():
            self._put("traffic", [(60, one.time, one.site, *(getattr(one, name) for name in _SUMS)) for one in traffic])
            self._put("bans", [(60, one.time, one.jail, one.bans, one.reports) for one in bans])
            if machine:
                self._put("machine", [(60, machine.time, "", machine.load, machine.psi, machine.memory)])
            self._file.executemany(
                "INSERT INTO offences VALUES (?, ?, ?)", [(one.time, one.jail, one.who) for one in offences]
            )
            if newest is not None:
                self._file.execute("DELETE FROM reached")
                self._file.execute("INSERT INTO reached VALUES (?)", (newest,))

    def roll_up(self, now: float) -> None:
        """Add up old minutes to hours and old hours to days; the oldest go."""
        with self._lock, self._writing():
            for table, (who, numbers, how) in _TABLES.items():
                for step, longer, kept in zip(STEPS, (*STEPS[1:], 0), KEPT, strict=True):
                    edge = int(now - kept) // (longer or step) * (longer or step)
                    if longer:
                        columns = ", ".join(f"{how}({name})" for name in numbers)
                        found = self._file.execute(
                            f"SELECT ?, start / ? * ?, {who}, {columns} FROM {table} "  # noqa: S608  names of our own
                            f"WHERE step = ? AND start < ? GROUP BY 2, 3",
                            (longer, longer, longer, step, edge),
                        )
                        self._put(table, found.fetchall())
                    self._file.execute(
                        f"DELETE FROM {table} WHERE step = ? AND start < ?",  # noqa: S608  as above
                        (step, edge),
                    )

            self._file.execute("DELETE FROM offences WHERE time < ?", (now - KEPT[1],))
            self._file.execute(
                "DELETE FROM offences WHERE time <= (SELECT time FROM offences ORDER BY time DESC LIMIT 1 OFFSET ?)",
                (OFFENCES,),
            )

    def offenders(self, since: float) -> list[dict[str, Any]]:
        """Return who was banned how often: `client`, a token, `bans`, `jails`, `first` and `last`; most bans first."""
        with self._lock:
            found = self._file.execute(
                "SELECT who, count(*), group_concat(DISTINCT jail), min(time), max(time) FROM offences "
                "WHERE time >= ? GROUP BY who ORDER BY 2 DESC, 5 DESC",
                (since,),
            ).fetchall()
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
            with self._lock:
                found = self._file.execute(
                    f"SELECT start / ? * ?, {columns} FROM {table} WHERE start >= ? GROUP BY 1",  # noqa: S608  as above
                    (step, step, since),
                ).fetchall()
            for start, *values in found:
                rows.setdefault(start, {"time": start}).update(zip(numbers, values, strict=True))
        return [rows[start] for start in sorted(rows)]

    def by(self, table: str, since: float) -> list[dict[str, Any]]:
        """Return the sums of each site (table `traffic`) or jail (`bans`), the largest first."""
        who, numbers, how = _TABLES[table]
        columns = ", ".join(f"{how}({name})" for name in numbers)
        with self._lock:
            found = self._file.execute(
                f"SELECT {who}, {columns} FROM {table} WHERE start >= ? GROUP BY 1 ORDER BY 2 DESC, 1",  # noqa: S608  as above
                (since,),
            ).fetchall()
        return [dict(zip((who, *numbers), row, strict=True)) for row in found]

    def _put(self, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
        who, numbers, how = _TABLES[table]
        joined = {"sum": "{0} = {0} + excluded.{0}", "max": "{0} = max({0}, excluded.{0})"}[how]
        updates = ", ".join(joined.format(name) for name in numbers)
        marks = ", ".join("?" * (3 + len(numbers)))
        self._file.executemany(
            f"INSERT INTO {table} VALUES ({marks}) ON CONFLICT (step, start, {who}) DO UPDATE SET {updates}",  # noqa: S608  as above
            rows,
        )

    def _writing(self) -> _Writing:
        return _Writing(self._file)

    @staticmethod
    def _opened(path: Path | None) -> sqlite3.Connection:
        if path is not None:
            with suppress(OSError):
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
        file = sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None)
        try:
            _prepare(file)
        except sqlite3.Error:
            file.close()
            raise
        return file


def _prepare(file: sqlite3.Connection) -> None:
    file.execute("PRAGMA journal_mode = WAL")
    file.execute("PRAGMA synchronous = NORMAL")
    file.execute("PRAGMA journal_size_limit = 1048576")
    for table, (who, numbers, _) in _TABLES.items():
        columns = ", ".join(
            f"{name} REAL NOT NULL" if table == "machine" else f"{name} INTEGER NOT NULL" for name in numbers
        )
        file.execute(
            f"CREATE TABLE IF NOT EXISTS {table} (step INTEGER, start INTEGER, {who} TEXT, {columns}, "
            f"PRIMARY KEY (step, start, {who})) WITHOUT ROWID"
        )
    file.execute("CREATE TABLE IF NOT EXISTS offences (time REAL NOT NULL, jail TEXT NOT NULL, who BLOB NOT NULL)")
    file.execute("CREATE INDEX IF NOT EXISTS offences_time ON offences (time)")
    file.execute("CREATE TABLE IF NOT EXISTS reached (time REAL NOT NULL)")


class _Writing:
    """A transaction. What SQLite says of an error may quote a value, so that only a StoreError of our own gets out."""

    def __init__(self, file: sqlite3.Connection) -> None:
        self._file = file

    def __enter__(self) -> None:
        try:
            self._file.execute("BEGIN IMMEDIATE")
        except sqlite3.Error:
            raise StoreError("the history cannot be written", transient=True) from None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        try:
            self._file.execute("ROLLBACK" if error else "COMMIT")
        except sqlite3.Error:
            raise StoreError("the history cannot be written", transient=True) from None
        if isinstance(error, sqlite3.Error):
            raise StoreError("the history cannot be written", transient=True) from None
