"""One Protocol per outside thing; its failure semantics stand above each method.

Adapters live in `privet.adapters`; every port ships a null or in-memory twin there, so that a dry
run needs nothing special and tests need no mocks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from privet.core.bans import Held, Order


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


class Firewall(Protocol):
    """Where bans are enforced. Called from one thread at a time."""

    name: str

    # Idempotent: leaves what is already there, bans included. Raises FirewallError (permanent when the
    # program or the right is missing, transient otherwise); nothing half-made is left behind.
    def open(self) -> None:
        """Make the structure (table, sets, chains) that bans live in."""

    # All orders go as one transaction where the backend can. Answers one error text (without an address)
    # or None per order, in order: None means that the kernel confirmed. One bad order does not lose
    # the others. Raises FirewallError only when nothing at all was done.
    def apply(self, orders: Sequence[Order]) -> list[str | None]:
        """Carry out orders; a subject that is already closed gets the new end, a missing one opens."""

    # Cheap when nothing is wrong, so that it can be called every second. Raises FirewallError.
    def repair(self) -> bool:
        """Make the structure again if somebody removed it; tell whether bans were lost since the last call."""

    # Raises FirewallError. Slow for large sets: for start-up only.
    def held(self) -> Iterator[Held]:
        """List what is banned now."""

    # Works without open(). Raises FirewallError.
    def show(self) -> str:
        """Return the rules as the administrator would read them."""

    # Idempotent; raises FirewallError.
    def remove(self) -> None:
        """Leave no trace."""

    def close(self) -> None:
        """Release sockets; the bans stay."""


class Sink(Protocol):
    """Where masked lines go."""

    # Never raises: what cannot be written is lost, counted in `lost` (lines) and complained of once.
    def write(self, block: bytes) -> None:
        """Write whole masked lines."""

    def close(self) -> None:
        """Flush and close."""


class Reader(Protocol):
    """A finite source: files for replay."""

    # Raises SourceError naming the file when it cannot be opened or is damaged.
    def blocks(self) -> Iterable[bytes]:
        """Yield whole lines, many at a time, each with its newline."""
