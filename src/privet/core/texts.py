"""Texts by number, and facts about them: the texts in a log repeat, and what they mean is found out once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from privet.core.cache import LONGEST, SIZE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt


class Fact:
    """What a function says of each text, which it is given cut to `LONGEST` bytes."""

    def __init__(self, texts: Texts, function: Callable[[bytes], Any], kind: type[np.generic]) -> None:
        self._texts, self.function = texts, function
        self._values: npt.NDArray[Any] = np.empty(1024, kind)
        self._known = 0

    def __call__(self, numbers: npt.NDArray[np.int32]) -> npt.NDArray[Any]:
        """Return what is said of texts by their numbers."""
        texts = self._texts.texts
        if self._known < len(texts):
            if len(texts) > len(self._values):
                self._values = np.resize(self._values, 2 * len(texts))
            for place in range(self._known, len(texts)):
                self._values[place] = self.function(texts[place])
            self._known = len(texts)
        return self._values[numbers]

    def clear(self) -> None:
        """Forget all."""
        self._known = 0


class Texts(dict[bytes, int]):
    """Numbers of the texts of one column. They are valid until the next block, as all is forgotten at the bound."""

    def __init__(self, size: int = SIZE) -> None:
        super().__init__()
        self.texts: list[bytes] = []
        self._facts: list[Fact] = []
        self._size = size

    def fact(self, function: Callable[[bytes], Any], kind: type[np.generic] = np.bool_) -> Fact:
        """Return what a function says of these texts; who asks for the same gets the same."""
        found = next((one for one in self._facts if one.function == function), None)
        if found is None:
            found = Fact(self, function, kind)
            self._facts.append(found)
        return found

    def numbers(self, column: Sequence[bytes]) -> npt.NDArray[np.int32]:
        """Return the number of each text of a block."""
        if len(self.texts) >= self._size:
            self.clear()
            self.texts.clear()
            for fact in self._facts:
                fact.clear()
        return np.fromiter(map(self.__getitem__, column), np.int32, len(column))

    def __missing__(self, text: bytes) -> int:
        number = len(self.texts)
        self.texts.append(text[:LONGEST])
        if len(text) <= LONGEST:  # what is longer is an attacker's who fills the memory
            self[text] = number
        return number
