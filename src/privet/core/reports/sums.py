"""Several sums over the same rows, so that logs are read once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from privet.core.parsing.parse import Rows


class Several:
    """What sums up rows in several ways; each of `parts` takes rows and merges with its like."""

    def __init__(self, *parts: Any) -> None:  # noqa: ANN401  each is of its own kind
        self.parts = parts

    def take(self, rows: Rows) -> None:
        """Count the rows of a block, in each way."""
        for part in self.parts:
            part.take(rows)

    def merge(self, other: Several) -> None:
        """Count what others have counted, of other lines."""
        for part, theirs in zip(self.parts, other.parts, strict=True):
            part.merge(theirs)
