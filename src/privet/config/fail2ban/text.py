"""Text that knows where each of its parts was written, through every interpolation."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LONGEST = 1 << 20
"""Characters of one value: a hundred times what real filters need, far below what doubling values can reach."""


class Place(msgspec.Struct, frozen=True, order=True):
    """A line of a file; line 0 is the file as a whole."""

    file: str
    line: int = 0

    def __str__(self) -> str:
        """Return `file:line`, as editors jump to it."""
        return f"{self.file}:{self.line}" if self.line else self.file


class TooLongError(ValueError):
    """Interpolation makes a value grow beyond `LONGEST`."""


class Text:
    """A string, and from which offset on it comes from which place."""

    __slots__ = ("_offsets", "_places", "text")

    def __init__(self, text: str, offsets: list[int], places: list[Place]) -> None:
        self.text = text
        self._offsets, self._places = offsets, places  # of equal length, the first offset is 0

    @classmethod
    def of(cls, text: str, place: Place) -> Text:
        """Make a text that comes from one place."""
        return cls(text, [0], [place])

    @classmethod
    def join(cls, parts: Iterable[Text], separator: str = "") -> Text:
        """Put parts together; a separator belongs to the part before it. There must be at least one."""
        words, offsets, places, length = list[str](), list[int](), list[Place](), 0
        for part in parts:
            if words and separator:
                words.append(separator)
                length += len(separator)
            if part.text or not words:
                if offsets and offsets[-1] == length:  # what came before was empty
                    offsets, places = offsets[:-1], places[:-1]
                offsets += [length + offset for offset in part._offsets]  # noqa: SLF001  of its own kind
                places += part._places  # noqa: SLF001
            words.append(part.text)
            length += len(part.text)
            if length > LONGEST:
                raise TooLongError(f"a value grows beyond {LONGEST} characters")
        return cls("".join(words), offsets, places)

    @property
    def place(self) -> Place:
        """Where it begins."""
        return self._places[0]

    def __getitem__(self, span: slice) -> Text:
        """Return a part, by start and stop."""
        start, stop, _ = span.indices(len(self.text))
        first = bisect_right(self._offsets, start) - 1
        last = max(bisect_right(self._offsets, stop - 1), first + 1)
        offsets = [max(0, offset - start) for offset in self._offsets[first:last]]
        return Text(self.text[start:stop], offsets, self._places[first:last])

    def replaced(self, old: str, new: Text) -> Text:
        """Replace every occurrence of `old`."""
        parts, start = list[Text](), 0
        while (found := self.text.find(old, start)) >= 0:
            parts += [self[start:found], new]
            start = found + len(old)
        return Text.join([*parts, self[start:]])

    def split(self, separator: str = "\n") -> Iterator[Text]:
        """Yield the parts between separators."""
        start = 0
        while (found := self.text.find(separator, start)) >= 0:
            yield self[start:found]
            start = found + len(separator)
        yield self[start:]

    def stripped(self) -> Text:
        """Return it without white space around."""
        word = self.text.strip()
        start = self.text.find(word)
        return self[start : start + len(word)]

    def __repr__(self) -> str:
        return f"Text({self.text!r} at {self.place})"
