"""The store in memory is alone with its bans; what else it does is shown beside its twin, in test_twins.py."""

from __future__ import annotations

from privet.adapters.store.memory import MemoryStore
from privet.adapters.store.rows import BANS
from tests.unit.adapters.store.examples import NOW, ban, bans


def test_two_stores_share_nothing() -> None:
    one, other = MemoryStore(BANS), MemoryStore(BANS)
    one.put(bans(3))

    assert other.load(NOW) == []


def test_closing_keeps_what_is_there() -> None:
    store = MemoryStore(BANS)
    store.put([ban(1)])
    store.close()
    store.open()

    assert store.load(NOW) == [ban(1)]
