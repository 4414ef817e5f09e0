"""What never shows what it holds, whoever prints it: a log line, a key of a client, a secret."""

from __future__ import annotations


class Unshown:
    """What is of this kind, too, has a text that says no more than what it is."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"
