"""What jails remember of earlier bans, in the form in which a store keeps it."""

from __future__ import annotations

from itertools import islice
from typing import Generic, TypeVar

import msgspec

K = TypeVar("K")


class Note(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Something about somebody that a jail needs until `until`; `key` is by what it is found again."""

    jail: str
    key: bytes
    until: float
    data: bytes = b""

    def __repr__(self) -> str:
        """Never show the key, in which there may be an address."""
        return f"Note(jail={self.jail!r}, until={self.until})"


class Changed(Generic[K]):
    """The keys of what changed and nobody has stored yet; of more than `cap` the oldest are forgotten.

    Nothing is collected before `begin`: most engines have no store.
    """

    def __init__(self, cap: int) -> None:
        self._cap = cap
        self._keys: dict[K, None] | None = None

    def begin(self) -> None:
        """Collect from now on."""
        self._keys = self._keys or {}

    def add(self, key: K) -> None:
        """Take note of a change."""
        if self._keys is not None:
            self._keys[key] = None
            if len(self._keys) > self._cap:
                del self._keys[next(iter(self._keys))]

    def take(self, most: int) -> list[K]:
        """Return the oldest, and forget them."""
        keys = list(islice(self._keys or (), most))
        for key in keys:
            self._keys.pop(key, None)  # type: ignore[union-attr]  # there are keys
        return keys

    def carry(self, old: Changed[K]) -> None:
        """Take over what one that this replaces has collected."""
        self._keys = old._keys
