"""What is kept over restarts: written by one thread, whatever the disk does, and never in anybody's way."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

from privet.adapters.store.memory import MemoryStore
from privet.adapters.store.ring import Ring
from privet.adapters.store.rows import BANS, NOTES
from privet.adapters.store.sqlite import SqliteStore
from privet.config.model import StoreConfig
from privet.core.addresses.address import Subject
from privet.core.bans.ledger import Ledger
from privet.core.bans.model import Ban
from privet.core.bans.notes import Note
from privet.core.verdicts import Action, Verdict
from privet.daemon import keep
from privet.daemon.keep import SELDOM, Keeper, Stores, open_stores
from privet.daemon.log import make_log
from privet.ports import StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence
    from pathlib import Path

    import pytest

    from privet.daemon.keep import Changing
    from privet.ports import Store

NOW = 1.79e9
BOTH = StoreConfig()


class Notes:
    """Something else to keep."""

    def __init__(self) -> None:
        self.puts: list[Note] = []
        self.all = [Note("ssh", b"key", NOW + 60, b"data")]

    def changes(self) -> tuple[Sequence[Any], Sequence[Any]]:
        puts, self.puts = self.puts, []
        return puts, []

    def all_changed(self) -> None:
        self.puts = list(self.all)


class Disk(MemoryStore[Ban]):
    """A store that can be slow, fail, and lose everything."""

    def __init__(self) -> None:
        super().__init__(BANS)
        self.problem: StoreError | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.calls: list[str] = []

    def _try(self, call: str) -> None:
        self.calls.append(call)
        self.gate.wait(20)
        self.complaint = str(self.problem) if self.problem else None
        if self.problem:
            raise self.problem

    def load(self, now: float) -> list[Ban]:
        self._try("load")
        return super().load(now)

    def put(self, items: Iterable[Ban]) -> None:
        self._try("put")
        super().put(items)

    def expire(self, now: float) -> int:
        self._try("expire")
        return super().expire(now)

    def close(self) -> None:
        self._try("close")


class Scene:
    """A ledger, notes, and their keeper."""

    def __init__(self, disk: Disk | None = None) -> None:
        self.disk, self.ledger, self.notes, self.now = disk or Disk(), Ledger(), Notes(), NOW
        self.stores = Stores(self.disk, MemoryStore(NOTES), Ring())

    def order(self, number: int = 1, seconds: float = 600) -> None:
        subject = Subject(number.to_bytes(4), 32)
        self.ledger.order(Verdict(Action.BAN, subject, "ssh", self.now, self.now + seconds, 5), self.now)

    def play(self, scene: Callable[[Keeper], Awaitable[None]]) -> None:
        """Run with a keeper, and close it."""

        async def run() -> None:
            kept: list[tuple[Store[Any], Changing]] = [(self.stores.bans, self.ledger), (self.stores.notes, self.notes)]
            keeper = Keeper(self.stores, lambda: kept, lambda: self.now, make_log(), lambda _, __: self.stores)
            try:
                await scene(keeper)
            finally:
                self.disk.gate.set()
                await keeper.close(list(self.ledger))

        asyncio.run(run())


def test_what_changes_is_stored_and_what_ends_is_erased() -> None:
    at = Scene()

    async def scene(keeper: Keeper) -> None:
        at.order(1, seconds=60)
        at.order(2)
        at.notes.all_changed()
        await keeper.settled()
        assert (at.disk.size(), at.stores.notes.size()) == (2, 1)
        at.ledger.lift(Subject((2).to_bytes(4), 32))
        await keeper.settled()
        assert at.disk.size() == 1
        at.now += 60
        for _ in range(SELDOM):
            await keeper.look()
        assert (at.disk.size(), at.stores.notes.size()) == (0, 0)

    at.play(scene)


def test_what_changed_last_is_stored_at_the_end() -> None:
    at = Scene()

    async def scene(keeper: Keeper) -> None:
        await keeper.settled()
        at.order()

    at.play(scene)
    assert (at.disk.size(), at.disk.calls[-1]) == (1, "close")


def test_a_slow_disk_holds_up_nobody_and_gets_what_came_meanwhile_in_one_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keep, "PATIENCE", 0.1)
    at = Scene()

    async def scene(keeper: Keeper) -> None:
        at.disk.gate.clear()
        began = time.monotonic()
        for number in range(50):
            at.order(number)
            keeper.wake()
            await asyncio.sleep(0)
        await keeper.settled()
        await keeper.look()
        assert time.monotonic() - began < 2
        at.disk.gate.set()
        await keeper.settled()
        assert at.disk.size() == 50
        assert at.disk.calls.count("put") <= 3

    at.play(scene)


def test_a_disk_that_fails_is_a_problem_until_it_works(capsys: pytest.CaptureFixture[str]) -> None:
    at = Scene()

    async def scene(keeper: Keeper) -> None:
        at.order(1)
        for waiting in range(3):
            at.disk.problem = StoreError(f"bans.db: the disk is full; changes waiting in memory: {waiting}")
            await keeper.look()
            assert "the disk is full" in str(keeper.problem)
        at.disk.problem = None
        at.order(2)
        await keeper.look()
        assert keeper.problem is None
        assert at.disk.size() == 1, "what failed before is for the store itself to try again"

    at.play(scene)
    said = capsys.readouterr().err
    assert (said.count("the disk is full"), said.count("the store works again")) == (1, 1)


def test_what_cannot_be_read_is_a_problem_and_no_obstacle() -> None:
    at = Scene()
    at.disk.problem = StoreError("bans.db: written by a newer Privet")

    async def scene(keeper: Keeper) -> None:
        assert await keeper.load(NOW) == ([], [])
        assert keeper.problem == "bans.db: written by a newer Privet"
        at.disk.problem = None

    at.play(scene)


def test_what_a_store_lost_is_put_again() -> None:
    at = Scene()

    async def scene(keeper: Keeper) -> None:
        at.order(1)
        at.order(2)
        await keeper.settled()
        at.disk.drop(list(at.ledger))
        at.disk.losses += 1
        await keeper.look()
        assert at.disk.size() == 2
        await keeper.look()
        assert at.disk.calls.count("put") == 2

    at.play(scene)


def test_bans_and_notes_come_back() -> None:
    at = Scene()

    async def first(keeper: Keeper) -> None:
        at.order()
        at.notes.all_changed()
        await keeper.settled()

    async def second(keeper: Keeper) -> None:
        bans, notes = await keeper.load(NOW)
        assert [ban.jail for ban in bans] == ["ssh"]
        assert notes == at.notes.all

    at.play(first)
    at.ledger = Ledger()
    at.play(second)


def test_a_hundred_thousand_bans_go_in_parts() -> None:
    at = Scene()

    async def scene(keeper: Keeper) -> None:
        for number in range(25_000):
            at.order(number)
        await keeper.settled()
        assert at.disk.calls.count("put") == 3

    at.play(scene)
    assert at.disk.size() == 25_000


def test_stores_are_made_with_their_key(tmp_path: Path) -> None:
    one, other = (open_stores(tmp_path / "state", BOTH, NOW) for _ in range(2))
    assert one.ring.secrets(NOW) == other.ring.secrets(NOW)
    assert one.problem is None
    assert isinstance(one.bans, SqliteStore)
    assert (tmp_path / "state-keys").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "state-keys" / "ring").stat().st_mode & 0o777 == 0o600


def test_in_memory_nothing_reaches_the_disk(tmp_path: Path) -> None:
    stores = open_stores(tmp_path / "state", StoreConfig(persist="none"), NOW)
    assert isinstance(stores.bans, MemoryStore)
    assert stores.problem is None
    assert not (tmp_path / "state").exists()


def test_a_key_that_cannot_be_used_is_said_and_bans_go_on(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"short")
    (tmp_path / "key").chmod(0o600)
    stores = open_stores(tmp_path, BOTH, NOW)
    assert isinstance(stores.bans, MemoryStore)
    assert "nothing outlasts a restart" in str(stores.problem)
    assert "remove it" in str(stores.problem), "what to do about it"
