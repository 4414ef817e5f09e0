"""Look out for a few clients: has this one come? So the canary learns whether the detector sees.

One `Lookout` stands where batches of rows pass; as long as nobody is looked out for, that costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST = 16  # clients looked out for at once; the oldest is forgotten


class Lookout:
    """Remembers of a few client keys whether they have come."""

    def __init__(self) -> None:
        self._seen: dict[bytes, bool] = {}

    def ask(self, key: bytes) -> bool:
        """Tell whether a client has come since it was first asked for."""
        seen = self._seen.setdefault(key, False)
        while len(self._seen) > MOST:
            del self._seen[next(iter(self._seen))]
        return seen

    def see(self, keys: Iterable[bytes]) -> None:
        """Take the client keys of a batch."""
        if self._seen and not self._seen.keys().isdisjoint(keys):
            self._seen.update(dict.fromkeys(self._seen.keys() & set(keys), True))
