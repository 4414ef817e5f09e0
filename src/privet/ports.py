"""One Protocol per outside thing; its failure semantics stand above each method.

Adapters live in `privet.adapters`; every port ships a null or in-memory twin there, so that a dry
run needs nothing special and tests need no mocks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from privet.core.addresses.address import Subject
    from privet.core.bans.model import Held, Order


T = TypeVar("T")


class PrivetError(Exception):
    """Something outside failed; `transient` tells whether trying again can help."""

    def __init__(self, message: str, *, transient: bool = False) -> None:
        super().__init__(message)
        self.transient = transient


class SourceError(PrivetError):
    """A source cannot be read."""


class SinkError(PrivetError):
    """The masked log cannot be written."""


class FirewallError(PrivetError):
    """The firewall refused, or did not answer."""


class SealError(PrivetError):
    """Sealed data was changed, stands in the wrong place, or was sealed with another key."""


class StoreError(PrivetError):
    """What should outlast a restart cannot be read or written."""


class Firewall(Protocol):
    """Where bans are enforced. Called from one thread at a time."""

    name: str

    # Idempotent: leaves what is already there, bans included. Raises FirewallError (permanent when the
    # program or the right is missing, transient otherwise); nothing half-made is left behind.
    def open(self) -> None:
        """Make the structure (table, sets, chains) that bans live in."""

    # All orders go as one transaction where the backend can. Answers one error text (without an address)
    # or None per order, in order: None means that the kernel confirmed. One bad order does not lose
    # the others. A text that is a `Later` is about no order: such are tried again. Raises FirewallError only when
    # nothing at all was done.
    def apply(self, orders: Sequence[Order]) -> list[str | None]:
        """Carry out orders; a subject that is already closed gets the new end, a missing one opens."""

    # Cheap when nothing is wrong, so that it can be called every second. Bans may be missing after an answer of True:
    # they are not known here. Raises FirewallError.
    def repair(self) -> bool:
        """Make again what somebody changed of the structure; tell whether there was anything since the last call."""

    # Raises FirewallError. Slow for large sets: for start-up only.
    def held(self) -> Iterator[Held]:
        """List what is banned now."""

    # None where the backend cannot tell. Raises FirewallError.
    def mark(self) -> str | None:
        """Return a text that stays the same for as long as nobody, not even we, changes anything of what is held."""

    # Wins over every ban, in one step for all. Kept, and made again by repair(). Raises FirewallError.
    def allow(self, subjects: Collection[Subject]) -> None:
        """Let these through whatever is banned, and nobody else any more."""

    # The backend itself ends the pause, so that it ends even when this process is gone. A second call replaces
    # the first. Raises FirewallError.
    def pause(self, seconds: float) -> None:
        """Let everybody through for a while; the bans stay, and go on to end at their time."""

    # Idempotent. Raises FirewallError.
    def resume(self) -> None:
        """End a pause before its time."""

    # Raises FirewallError.
    def paused(self) -> float:
        """Return for how many seconds more everybody is let through, 0 if nobody is."""

    # None when this backend cannot tell, then repair() alone finds out. The same descriptor until close().
    # Never raises.
    def watch(self) -> int | None:
        """Return a descriptor that is readable once somebody else may have changed what bans need."""

    # Never raises, and never waits.
    def seen(self) -> bool:
        """Read the descriptor of watch() empty; tell whether repair() should look."""

    # Raises FirewallError.
    def counters(self) -> Mapping[str, tuple[int, int]]:
        """Return packets and bytes that were dropped, by the name of each set."""

    # Works without open(). Raises FirewallError.
    def show(self) -> str:
        """Return the rules as the administrator would read them."""

    # Idempotent; raises FirewallError.
    def remove(self) -> None:
        """Leave no trace."""

    def close(self) -> None:
        """Release sockets; the bans stay."""


class Notifier(Protocol):
    """How the administrator is told of what went wrong. Called from one thread at a time."""

    # Never raises. May wait for as long as the adapter says, so the caller must not be in a hurry. Where it returns a
    # text the caller tries again later; neither the message nor the text has an address in it.
    def tell(self, message: str) -> str | None:
        """Hand over a message of some lines; return what went wrong, None if nothing did."""


class Sink(Protocol):
    """Where masked lines go. None of its methods raises."""

    @property
    def lost(self) -> int:
        """How many lines were not written."""

    @property
    def complaint(self) -> str | None:
        """What is wrong, None if nothing is."""

    # What cannot be written is lost, counted and complained of.
    def write(self, block: bytes) -> None:
        """Write whole masked lines."""

    # Where that is not allowed it goes on as before.
    def follow(self) -> None:
        """Go on in a new file if this one was renamed or removed."""

    def close(self) -> None:
        """Flush and close."""


class Seal(Protocol):
    """How data is made unreadable for everybody without the key. Its methods may be called from any thread."""

    # Never fails. Sealing the same data twice gives two different results.
    def seal(self, plain: bytes, context: bytes) -> bytes:
        """Encrypt; what is sealed can be opened with the very same context only."""

    # Raises SealError for whatever this key did not seal in this context, be it changed, cut or moved.
    def open(self, sealed: bytes, context: bytes) -> bytes:
        """Return what was sealed."""

    # Never fails for a purpose of at most 16 bytes. Equal data has equal tokens, for one key and purpose.
    def token(self, data: bytes, purpose: bytes) -> bytes:
        """Return 16 bytes by which data is found again, and from which nobody without the key can tell it."""


class Seals(Protocol):
    """Seals by number, one for all that ends at about the same time, so that its key can be destroyed then."""

    seals: Mapping[int, Seal]

    # Raises StoreError when the new key cannot be stored: then nothing may be sealed with it either.
    def number(self, since: float, until: float) -> int:
        """Return the number of the seal for what begins and ends so, made now if there is none."""

    # Never fails.
    def over(self, now: float) -> bool:
        """Tell whether the time of any seal is over."""

    # Idempotent. Raises StoreError when the keys are gone in memory only.
    def retire(self, used: Collection[int], now: float) -> None:
        """Destroy the keys of the seals whose time is over, and of those that are not in use."""


class Store(Protocol[T]):
    """Where bans outlast the daemon, one for each subject, jail and action; or notes of earlier bans, by their keys.

    Called from one thread only, always the same; counters and complaint may be read from any. Whatever cannot be
    stored stays in memory (bounded), and every later call tries it again; so a caller takes a transient StoreError
    as news, not as something to do. No error and no complaint has an address in it.
    """

    refused: int  # what could not be opened: changed by somebody, or sealed with another key
    evicted: int  # what had to go because there was too much: that which ends first
    rested: bool  # whether nothing has changed since rest()
    losses: int  # how often everything stored was lost; when it rises, put all again

    @property
    def complaint(self) -> str | None:
        """What is wrong or was lost, for the administrator; None if nothing is."""

    # Idempotent, and not needed before the others. A damaged store is set aside, never deleted, and a fresh one
    # is begun: that is a loss and a complaint, no error. Raises StoreError (transient when the disk is full,
    # read-only or the store is in use; permanent when only the administrator can help).
    def open(self) -> None:
        """Make the store ready to be written."""

    # Reads also what can be read only: a full or read-only disk is a complaint, no error. What does not open
    # is counted in `refused`, then erased. Raises StoreError when nothing at all can be read.
    def load(self, now: float) -> list[T]:
        """Return what has not ended; bans are not confirmed."""

    # When it returns, all are stored, and outlast the end of this process by whatever signal. The last few
    # may be lost when the machine loses power; none is ever stored in part. Raises StoreError.
    def put(self, items: Iterable[T]) -> None:
        """Store them; each replaces the one with the same key."""

    # When it returns, nothing tells of them in any file of the store but damaged ones set aside. Raises StoreError.
    def drop(self, items: Iterable[T]) -> None:
        """Erase them by their keys; those that are not there are no error."""

    # As drop. Cheap when there is nothing to do, so that it can be called every second. Raises StoreError.
    def expire(self, now: float) -> int:
        """Erase what has ended; return how much that was."""

    # For the end of a daemon: the next load() is quicker, if nothing changes until then. What is left beside is gone
    # with the first change. Raises StoreError.
    def rest(self, items: Sequence[T]) -> None:
        """Take note that `items` are all that is stored."""

    # Raises StoreError.
    def size(self) -> int:
        """Return how many are stored, the ended ones that were not yet erased among them."""

    # Everything is released even when it raises StoreError: what was not stored by then is lost.
    def close(self) -> None:
        """Store what is waiting, and release everything."""
