"""Texts by number, and facts about them: the texts in a log repeat, and what they mean is found out once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from privet.core.arrays import np
from privet.core.cache import LONGEST, SIZE
from privet.core.parsing.blocks.columns import Coded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

MOST = 9216  # bytes of a text that anybody looks at: somewhat more than servers take
ROOM = 8 << 20  # bytes of long texts that are kept


def digest(text: bytes) -> int:
    """Return a hash of 31 bits, never 0: enough to tell the texts of one client apart, in half the memory."""
    return hash(text) & 0x7FFF_FFFF or 1


class Fact:
    """What a function says of each text, of which it is given so many bytes at most; yes or no, if it has no kind."""

    def __init__(
        self, texts: Texts, function: Callable[[bytes], Any], kind: type[np.generic] | None, longest: int
    ) -> None:
        self._texts, self.function, self.longest = texts, function, longest
        self._values: npt.NDArray[Any] = np.empty(1024, np.bool_ if kind is None else kind)
        self._known = 0

    def __call__(self, numbers: npt.NDArray[np.intp]) -> npt.NDArray[Any]:
        """Return what is said of texts by their numbers."""
        texts = self._texts.texts
        if self._known < len(texts):
            if len(texts) > len(self._values):
                self._values = np.resize(self._values, 2 * len(texts))
            for place in range(self._known, len(texts)):
                self._values[place] = self.function(texts[place][: self.longest])
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
        self.cleared = 0  # how often
        self._facts: list[Fact] = []
        self._size = size
        self._long = 0  # bytes of texts that are too long to be remembered

    def fact(
        self, function: Callable[[bytes], Any], kind: type[np.generic] | None = None, longest: int = LONGEST
    ) -> Fact:
        """Return what a function says of these texts; who asks for the same gets the same."""
        found = next((one for one in self._facts if (one.function, one.longest) == (function, longest)), None)
        if found is None:
            found = Fact(self, function, kind, longest)
            self._facts.append(found)
        return found

    def numbers(self, column: Sequence[bytes]) -> npt.NDArray[np.intp]:
        """Return the number of each text of a block."""
        self.tidy()
        if isinstance(column, Coded) and len(column.table) < len(column):
            present, found = column.present, np.empty(len(column.table), np.intp)
            found[present] = [*map(self.__getitem__, column.table[present].tolist())]
            return found[column.places]
        return self.of(column)

    def of(self, some: Sequence[bytes]) -> npt.NDArray[np.intp]:
        """Return the number of each text of a part of a block, which is tidied for first."""
        return np.fromiter(map(self.__getitem__, some), np.intp, len(some))

    def tidy(self) -> None:
        """Forget all at the bound: at the beginning of a block."""
        if len(self.texts) >= self._size or self._long >= ROOM:
            self._long = 0
            self.clear()
            self.texts.clear()
            self.cleared += 1
            for fact in self._facts:
                fact.clear()

    def __missing__(self, text: bytes) -> int:
        number = len(self.texts)
        if len(text) <= LONGEST:
            self[text] = number
        else:  # an attacker's, who fills the memory: it is not known again
            text = text[:MOST]
            self._long += len(text)
        self.texts.append(text)
        return number
