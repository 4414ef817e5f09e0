"""A store in a folder of its own, and its seal."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from privet.adapters.store.ring import Buckets, Ring
from privet.adapters.store.rows import BANS
from privet.adapters.store.seal import KeySeal
from privet.adapters.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from privet.core.bans.model import Ban

KEY = bytes(range(32))


@pytest.fixture
def seal() -> KeySeal:
    """Return a seal with a key that everybody knows."""
    return KeySeal(KEY)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the database is to be; not even its folder is there."""
    return tmp_path / "state" / "bans.db"


@pytest.fixture
def buckets() -> Buckets:
    """Return the seals of bans, which end with the test."""
    return Buckets(Ring(), "bans")


@pytest.fixture
def store(path: Path, buckets: Buckets) -> Iterator[SqliteStore[Ban]]:
    """Return a fresh store, not open yet."""
    made = SqliteStore(path, buckets, BANS)
    yield made
    made.close()


@pytest.fixture
def steady() -> Callable[[int], bytes]:
    """Return what gives bytes as os.urandom does, but the same ones in each run."""
    return random.Random(1).randbytes
