"""The file behind the store: how it is opened, brought up to date, set aside when damaged, and read when read-only.

What SQLite says of an error never leaves this module: its code says enough, and is sure to have no address in it.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from privet.ports import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WAIT = 1.0  # seconds for another process to let go
MOST_SET_ASIDE = 10  # a disk that damages everything must not be filled with copies of that

PRAGMAS = (
    "locking_mode = EXCLUSIVE",  # one daemon; and no -shm file, so that a full disk can still be read
    "secure_delete = ON",  # what is erased is overwritten, not just marked as free
    "journal_mode = WAL",
    "temp_store = MEMORY",
    "synchronous = NORMAL",  # a commit waits for no disk, so the last ones may be lost with the power, never half
    "journal_size_limit = 4194304",
)

STEPS: tuple[Sequence[str], ...] = (
    (
        "CREATE TABLE kept (id BLOB PRIMARY KEY, jail TEXT NOT NULL, until REAL NOT NULL, sealed BLOB NOT NULL)",
        "CREATE INDEX kept_by_end ON kept (until)",
        "CREATE TABLE whole (sealed BLOB NOT NULL)",
    ),
    (
        "ALTER TABLE kept ADD COLUMN bucket INTEGER NOT NULL DEFAULT 0",
        "DROP TABLE whole",
        "CREATE TABLE whole (bucket INTEGER NOT NULL, sealed BLOB NOT NULL)",
    ),
)
"""What leads from each version of the schema to the next one, beginning with the empty file."""

_IN_MEMORY = "/dev/shm"  # noqa: S108  no names are guessed there
_FILES = ("", "-wal", "-shm")

_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR}  # the last: a table is not there
_UNWRITABLE = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "it is read-only",
    sqlite3.SQLITE_CANTOPEN: "it, or what belongs to it, cannot be opened for writing",
    sqlite3.SQLITE_IOERR: "the disk does not work, or is full",
    sqlite3.SQLITE_PERM: "no permission to write it",
}
_TEXTS = {sqlite3.SQLITE_BUSY: "another process has it open"}


class DamagedError(StoreError):
    """The file is no database, or one that lost something."""


class UnwritableError(StoreError):
    """The file cannot be written now; perhaps it can be read."""


def connect(
    path: Path | None, steps: Sequence[Sequence[str]] = STEPS, *, any_thread: bool = False
) -> sqlite3.Connection:
    """Open the database, made now if there is none, or one in memory. Raises sqlite3.Error, OSError, StoreError.

    Who may use it in `any_thread` sees to it that only one does at a time.
    """
    if path:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _keep_private(path)
    name = path or ":memory:"
    with ExitStack() as undo:
        db = sqlite3.connect(name, timeout=WAIT, isolation_level="IMMEDIATE", check_same_thread=not any_thread)
        undo.callback(db.close)
        for pragma in PRAGMAS:
            db.execute(f"PRAGMA {pragma}")
        migrate(name, db, steps)
        undo.pop_all()
    return db


def _keep_private(path: Path) -> None:
    """See to it that a database is its owner's alone; what SQLite puts beside it gets the same mode."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)


def migrate(path: Path | str, db: sqlite3.Connection, steps: Sequence[Sequence[str]] = STEPS) -> None:
    """Bring the schema up to date, each step whole or not at all. Raises sqlite3.Error, StoreError."""
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if version > len(steps):
        raise StoreError(
            f"{path}: written by a newer Privet (version {version} of the store, this one knows {len(steps)}): "
            "update Privet, or move the file away to begin without what it holds"
        )
    if version == 0 and db.execute("SELECT 1 FROM sqlite_master").fetchone():
        raise StoreError(f"{path}: a database, but not one of Privet's: name another file for the store")
    for number, step in enumerate(steps[version:], version + 1):
        with db:
            db.execute("BEGIN IMMEDIATE")
            for statement in step:
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {number}")


def truncate(db: sqlite3.Connection) -> None:
    """Bring everything into the database itself, and leave nothing in the journal. Raises sqlite3.Error."""
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def explain(path: Path | str, error: sqlite3.Error | OSError | StoreError) -> StoreError:
    """Return an error as the caller of a store may see it."""
    if isinstance(error, StoreError):
        return error
    if isinstance(error, OSError):
        return UnwritableError(f"{path}: {error.strerror}", transient=True)
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF  # the rest are particulars
    if code in _DAMAGE:
        return DamagedError(f"{path}: damaged")
    if code in _UNWRITABLE:
        return UnwritableError(f"{path}: {_UNWRITABLE[code]}", transient=True)
    return StoreError(f"{path}: {_TEXTS.get(code, f'SQLite error {code}')}", transient=True)


def set_aside(path: Path) -> Path:
    """Give a damaged database another name, with all that belongs to it; return that. Raises StoreError."""
    try:
        return _renamed(path)
    except OSError as error:
        raise explain(path, error) from error


def _renamed(path: Path) -> Path:
    if len(list(path.parent.glob(f"{path.name}.corrupt-*[0-9]"))) >= MOST_SET_ASIDE:
        raise StoreError(
            f"{path}: damaged again, and {MOST_SET_ASIDE} damaged ones were set aside already: "
            f"check the disk, then remove {path}.corrupt-*"
        )
    name = f"{path.name}.corrupt-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}"
    target, more = path.with_name(name), 1
    while target.exists():
        more += 1
        target = path.with_name(f"{name}-{more}")
    for suffix in _FILES:
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).rename(target.with_name(target.name + suffix))
    return target


def check(path: Path, db: sqlite3.Connection) -> None:
    """Look whether all pages of a database are what they should be. Raises sqlite3.Error, DamagedError."""
    if db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
        raise DamagedError(f"{path}: damaged")


def looks(path: Path) -> tuple[int, ...] | None:
    """Return what changes when a file is replaced (the first two) or written to, None if there is none.

    Raises OSError.
    """
    try:
        facts = path.stat()
    except FileNotFoundError:
        return None
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns


@contextmanager
def copy(path: Path, steps: Sequence[Sequence[str]] = STEPS) -> Iterator[sqlite3.Connection]:
    """Open a copy in memory of a database that is locked or cannot be written: SQLite would write to read its journal.

    Raises sqlite3.Error, OSError, StoreError.
    """
    with TemporaryDirectory(prefix="privet-", dir=_IN_MEMORY) as folder:
        target = Path(folder, path.name)
        shutil.copyfile(path, target)
        with suppress(FileNotFoundError):
            shutil.copyfile(f"{path}-wal", f"{target}-wal")
        db = connect(target, steps)
        try:
            yield db
        finally:
            db.close()
