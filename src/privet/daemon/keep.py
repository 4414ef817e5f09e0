"""What outlasts the daemon: bans, and notes of earlier ones, written to their stores by one thread.

Whoever has something to keep collects its changes; they are fetched when the thread is free. So a slow disk
stands in nobody's way, and what changes twice meanwhile is written once.
"""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, ParamSpec, Protocol, TypeVar

from privet.adapters.store.host import credential
from privet.adapters.store.memory import MemoryStore
from privet.adapters.store.ring import RING, Buckets, Ring, keys_of
from privet.adapters.store.rows import BANS, NOTES, ON_SIGHT
from privet.adapters.store.sqlite import SqliteStore
from privet.ports import SealError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from structlog.typing import FilteringBoundLogger

    from privet.config.model import StoreConfig
    from privet.core.bans.model import Ban
    from privet.core.bans.notes import Note
    from privet.ports import Store

    P = ParamSpec("P")
    T = TypeVar("T")

SELDOM = 5  # seconds between looks at stores of which nothing is known to be wrong
PATIENCE = 5.0  # seconds that a caller waits for what was changed to be stored
_OLD_KEY = "key"  # to all that was stored, before there was a ring
_COUNT = re.compile(r"\d+")  # of what waits: it changes every second


class Changing(Protocol):
    """Something to keep. Both lists hold what the store that it belongs to takes."""

    def changes(self) -> tuple[Sequence[Any], Sequence[Any]]:
        """Return what to put and what to drop since this was asked last, or a part of it; nothing when that is all."""

    def all_changed(self) -> None:
        """Let changes() return everything: the store has lost it."""


class Stores(NamedTuple):
    """Where bans and notes are kept, the keys, and why nothing is kept if that is so."""

    bans: Store[Ban]
    notes: Store[Note]
    ring: Ring
    problem: str | None = None
    buckets: Buckets | None = None  # of the bans
    hidden: bool = False  # whether no subject may be stored


def open_stores(folder: Path, config: StoreConfig, now: float, before: Ring | None = None) -> Stores:
    """Return the stores as configured; those in memory where the keys cannot be had, since bans must go on.

    `before` is the ring of such stores, which are to be followed by better ones.
    """
    problem = None
    if config.persist != "none":
        try:
            ring = Ring.after(keys_of(folder) / RING, credential(), folder / _OLD_KEY, ("bans", "notes"), now)
            if before is not None:
                ring.follow(before)
            ring.secrets(now)
        except (SealError, StoreError) as error:
            problem = f"nothing outlasts a restart: {error}"
        else:
            buckets, form = Buckets(ring, "bans"), BANS if config.persist == "sealed" else ON_SIGHT
            bans = SqliteStore(folder / "bans.db", buckets, form, config.max_bans)
            notes = SqliteStore(folder / "notes.db", Buckets(ring, "notes"), NOTES, config.max_bans)
            return Stores(bans, notes, ring, buckets=buckets, hidden=form is ON_SIGHT)
    in_memory = MemoryStore(BANS, config.max_bans), MemoryStore(NOTES, config.max_bans)
    return Stores(*in_memory, Ring(), problem)


class Keeper:
    """Keeps what `kept` returns: pairs of a store and what collects the changes for it."""

    def __init__(
        self,
        stores: Stores,
        kept: Callable[[], Iterable[tuple[Store[Any], Changing]]],
        clock: Callable[[], float],
        log: FilteringBoundLogger,
        again: Callable[[float, Ring], Stores],
    ) -> None:
        """Keep; while `stores` have a problem `again` is asked for better ones, given the time and the ring."""
        self.stores = stores
        self._kept, self._clock, self._log, self._again = kept, clock, log, again
        self._losses = {stores.bans: 0, stores.notes: 0}
        self._said: str | None = None
        self._looks = 0
        self._writing: asyncio.Task[None] | None = None
        self._pool = ThreadPoolExecutor(1, "store")

    @property
    def problem(self) -> str | None:
        """What is wrong, for the administrator."""
        said = [self.stores.problem, self.stores.bans.complaint, self.stores.notes.complaint]
        return "; ".join(one for one in said if one) or None

    async def load(self, now: float) -> tuple[list[Ban], list[Note]]:
        """Return what has not ended; nothing where that cannot be read, which is a problem then."""
        found: list[list[Any]] = []
        for store in (self.stores.bans, self.stores.notes):
            try:
                found.append(await self.call(store.load, now))
            except StoreError:
                found.append([])
            self._losses[store] = store.losses
        self._voice()
        return found[0], found[1]

    def wake(self) -> None:
        """See to it that what changed is stored, now or right after what is stored now."""
        if self._writing is None or self._writing.done():
            self._writing = asyncio.get_running_loop().create_task(self._write())

    async def settled(self) -> None:
        """Wait until everything that has changed is stored, but no longer than is bearable."""
        self.wake()
        if self._writing is not None:
            await asyncio.wait([self._writing], timeout=PATIENCE)

    async def look(self) -> None:
        """Store what could not be stored, now and then erase what has ended: to be called every second."""
        if self._writing is not None and not self._writing.done():
            return  # a disk that hangs
        if self.stores.problem:
            await self._renew()
        self._looks += 1
        expire = self._looks % SELDOM == 0 or self.problem is not None
        self._writing = asyncio.get_running_loop().create_task(self._write(expire=expire))
        await self._writing

    async def _renew(self) -> None:
        """Have what is kept in memory for want of something better stored, if that is possible by now."""
        stores = await self.call(self._again, self._clock(), self.stores.ring)
        if stores.problem:
            return
        self.stores = stores
        self._losses = {stores.bans: 0, stores.notes: 0}
        for _store, changing in self._kept():
            changing.all_changed()

    async def close(self, bans: Sequence[Ban]) -> None:
        """Store what is left, all of these bans among it, and let go."""
        if self._writing is not None:
            await asyncio.wait([self._writing])
        await self._write(expire=True)
        with suppress(StoreError):  # which stands in the complaint
            await self.call(self.stores.bans.rest, bans)
        for store in (self.stores.bans, self.stores.notes):
            try:
                await self.call(store.close)
            except StoreError as error:
                self._log.error("not everything could be stored", problem=str(error))
        self._pool.shutdown()

    async def _write(self, *, expire: bool = False) -> None:
        kept, stores = list(self._kept()), (self.stores.bans, self.stores.notes)
        for store, changing in kept:
            with suppress(StoreError):  # it stands in the complaint, and the store itself tries again
                await self._put(store, changing)
        if expire:
            await self.call(_expire, stores, self._clock())
        lost = [store for store in stores if store.losses > self._losses[store]]
        for store, changing in kept:
            if store in lost:
                self._losses[store] = store.losses
                changing.all_changed()
                with suppress(StoreError):
                    await self._put(store, changing)
        self._voice()

    async def _put(self, store: Store[Any], changing: Changing) -> None:
        while True:
            puts, drops = changing.changes()
            if not puts and not drops:
                return
            await self.call(_store, store, puts, drops)

    async def call(self, work: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        """Do some work in the thread that writes."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: work(*arguments, **options))

    def _voice(self) -> None:
        """Log a problem when it arises, and when it is over."""
        problem = self.problem
        kind = problem and _COUNT.sub("", problem)
        if kind and kind != self._said:
            self._log.error("store", problem=problem)
        elif self._said and not problem:
            self._log.info("the store works again")
        self._said = kind


def _store(store: Store[Any], puts: Sequence[Any], drops: Sequence[Any]) -> None:
    """Bring a store up to date. Raises StoreError."""
    try:
        store.put(puts)
    finally:
        store.drop(drops)


def _expire(stores: Iterable[Store[Any]], now: float) -> None:
    """Erase what has ended; what cannot be erased is tried again."""
    for store in stores:
        with suppress(StoreError):  # it stands in the complaint
            store.expire(now)
