"""The database of fail2ban, read only: which bans are running, so that they can be taken over."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from privet.core.addresses.address import Subject
from privet.ports import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable

_RUNNING = """
    SELECT jail, ip, timeofban, bantime, bancount FROM bips
    WHERE bantime < 0 OR timeofban + bantime > ? ORDER BY timeofban
"""
_PATIENCE = 5.0  # seconds to wait for a server that is writing


class RunningBan(msgspec.Struct, frozen=True):
    """A ban that fail2ban would restore. `until` is None for one without end, `count` how many there were."""

    jail: str
    subject: Subject
    since: float
    until: float | None
    count: int


class RunningBans(msgspec.Struct, frozen=True):
    """What was found; `skipped` are bans of what is no address (of user names, say), or of no time."""

    bans: tuple[RunningBan, ...] = ()
    skipped: int = 0


def running_bans(path: str | Path, now: float) -> RunningBans:
    """Read the bans that have not ended at `now`; a server may be running.

    Raises SourceError, transient if somebody else holds the file.
    """
    place = Path(path).absolute()
    try:
        with closing(sqlite3.connect(f"file:{quote(str(place))}?mode=ro", uri=True, timeout=_PATIENCE)) as database:
            database.text_factory = partial(str, encoding="utf-8", errors="replace")
            return _read(database.execute(_RUNNING, (now,)))
    except sqlite3.Error as error:
        busy = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY
        raise SourceError(f"{place}: {error}", transient=busy) from None


def _read(rows: Iterable[tuple[str, str, float, float, int]]) -> RunningBans:
    bans, skipped = list[RunningBan](), 0
    for jail, address, since, seconds, count in rows:
        try:
            until = None if seconds < 0 else float(since + seconds)
            bans.append(RunningBan(str(jail), Subject.parse(str(address)), float(since), until, int(count)))
        except (ValueError, TypeError):  # SQLite holds whatever was written to it
            skipped += 1
    return RunningBans(tuple(bans), skipped)
