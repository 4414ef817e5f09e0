"""Answers that are remembered: the texts in a log repeat, and what they mean need not be found out each time."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Value = TypeVar("Value")

SIZE = 65_536  # distinct texts remembered per column: some 10 MB
LONGEST = 512  # bytes of a text worth remembering: what is longer is an attacker's who fills the memory


class Cache(dict[bytes, Value]):
    """What a function said of each text that is not too long, forgotten whole when it grows past its bound."""

    def __init__(self, function: Callable[[bytes], Value], size: int = SIZE, longest: int = LONGEST) -> None:
        super().__init__()
        self._function, self._size, self._longest = function, size, longest

    def __missing__(self, text: bytes) -> Value:
        value = self._function(text)
        if len(text) <= self._longest:
            if len(self) >= self._size:
                self.clear()
            self[text] = value
        return value
