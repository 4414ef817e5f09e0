"""Answers that are remembered: the texts in a log repeat, and what they mean need not be found out each time."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Value = TypeVar("Value")

SIZE = 65_536  # distinct texts remembered per column: some 10 MB
LONGEST = 512  # bytes of a text worth remembering: what is longer is an attacker's who fills the memory


class Cache(dict[bytes, Value]):
    """What a function said of each text that is not too long; of more than `size` those that came last stay.

    They are kept in two halves. When the younger is full, it becomes the older one, which is forgotten; a text of the
    older one that comes again is put into the younger.
    """

    def __init__(self, function: Callable[[bytes], Value], size: int = SIZE, longest: int = LONGEST) -> None:
        super().__init__()
        self._function, self._half, self._longest = function, max(1, size // 2), longest
        self._older: dict[bytes, Value] = {}

    def __missing__(self, text: bytes) -> Value:
        value = self._older[text] if text in self._older else self._function(text)
        if len(text) <= self._longest:
            if len(self) >= self._half:
                self._older = dict(self)
                super().clear()
            self[text] = value
        return value

    @property
    def remembered(self) -> int:
        """How many texts are kept, those twice that are in both halves."""
        return len(self) + len(self._older)

    def clear(self) -> None:
        """Forget everything."""
        self._older = {}
        super().clear()
