"""What is being matched right now, for whoever bounds the time that it may take.

`re` has no time limit, but a signal's handler that raises interrupts it. The core knows no signals: it says what it
is about to match, and lets itself be interrupted there and only there. An expression that was too slow sees no line
as long as that one any more; when even short lines are too much for it, it sees none until the next reload.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Text = TypeVar("Text", str, bytes)
Found = TypeVar("Found")

SHORT = 1024
"""Characters. An expression that is too slow for such a line is at fault, not the line."""


class Watched(Protocol):
    """What can take too long: an expression, or what finds dates."""

    longest: int
    overruns: int


class Overrun(Exception):  # noqa: N818  the pattern took too long, which is no error of the program's
    """Raised from outside while an expression is matched, to end that."""


class Watch:
    """Says which expression looks at which text. `at` is None where nothing may be interrupted."""

    __slots__ = ("at", "text")

    def __init__(self) -> None:
        self.at: Watched | None = None
        self.text: str | bytes = ""

    def look(self, one: Watched, search: Callable[[Text], Found | None], text: Text) -> Found | None:
        """Return what a search of `one` finds, under watch: nothing if the text is too long, or it takes too long."""
        if len(text) > one.longest:
            return None
        self.text = text
        try:
            self.at = one
            found = search(text)
            self.at = None
        except Overrun:
            self.punish()
            return None
        return found

    def punish(self) -> None:
        """Let the expression that was interrupted see shorter lines only."""
        expression, self.at = self.at, None
        if expression is not None:
            length = len(self.text)
            expression.longest = length // 2 if length > SHORT else -1
            expression.overruns += 1


def penalty(longest: int) -> str:
    """Say what it means for an expression that it took too long."""
    return f"took too long: it sees no text of more than {longest} characters" if longest >= 0 else "is too slow to use"
