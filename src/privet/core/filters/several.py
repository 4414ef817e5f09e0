"""Filters whose failures span several lines (`maxlines`): the last lines that were not matched yet, together.

A line is matched with those before it, up to `maxlines` in all. What matched is taken out; lines that
`<SKIPLINES>` passed over stay for other matches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from privet.core.filters.watch import Overrun

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Sequence

    from privet.core.filters.expression import Expression
    from privet.core.filters.matching import Failure, Filter


class Ring:
    """The lines that a filter with `maxlines` sees together."""

    def __init__(self, filter_: Filter) -> None:
        self.filter = filter_
        self.size = filter_.spec.maxlines
        self._lines: list[bytes] = []
        self._cuts: dict[int, str] = {}  # by the place in `_lines`: what was cut already

    def carry(self, old: Ring) -> None:
        """Take over the lines of a ring that this one replaces."""
        self._lines, self._cuts = old._lines, old._cuts

    def pass_by(self, lines: Sequence[bytes]) -> None:
        """Take lines that need not be matched."""
        if lines:
            self._extend(lines[-self.size :])

    def feed(
        self,
        line: bytes,
        text: str,
        time: float | None,
        chosen: Sequence[Expression],
        read: Callable[[bytes], tuple[str, float | None]],
    ) -> Failure | None:
        """Match a line together with those before it; `read` takes the date out of older ones."""
        self._extend([line])
        self._cuts[len(self._lines) - 1] = text
        texts = [self._text(place, read) for place in range(len(self._lines))]
        while True:
            try:
                return self._match("".join(texts), texts, time, chosen)
            except Overrun:
                self.filter.watch.punish()

    def _extend(self, lines: Sequence[bytes]) -> None:
        self._lines += lines
        gone = len(self._lines) - self.size
        if gone > 0:
            del self._lines[:gone]
            self._cuts = {place - gone: text for place, text in self._cuts.items() if place >= gone}

    def _text(self, place: int, read: Callable[[bytes], tuple[str, float | None]]) -> str:
        text = self._cuts.get(place)
        if text is None:
            text = self._cuts[place] = read(self._lines[place])[0]
        return text

    def _match(
        self, together: str, texts: list[str], time: float | None, chosen: Sequence[Expression]
    ) -> Failure | None:
        filter_ = self.filter
        before, content = filter_.peel(together) if filter_.prefix else (None, together)
        found = filter_.first(content, chosen) if content else None
        if found is None:
            return None
        expression, match = found
        first, last = _span(match, len(texts))
        skipped = _skipped(expression, match)
        places = [place for place in range(first, last) if place not in skipped]
        matched = "".join(texts[place] for place in places)
        ignored = filter_.ignores_any(matched)
        self._take_out(places)
        if ignored:
            filter_.ignored += 1
            return None
        return filter_.conclude(expression, match, before, matched, time)

    def _take_out(self, places: list[int]) -> None:
        kept = [place for place in range(len(self._lines)) if place not in places]
        self._lines = [self._lines[place] for place in kept]
        self._cuts = {number: self._cuts[place] for number, place in enumerate(kept) if place in self._cuts}


def _span(match: re.Match[str], lines: int) -> tuple[int, int]:
    """Return the first line of a match and the one after its last."""
    text = match.string
    first = text.count("\n", 0, match.start())
    last = text.count("\n", 0, max(match.end() - 1, match.start())) + 1
    return first, min(last, lines)


def _skipped(expression: Expression, match: re.Match[str]) -> set[int]:
    """Return the lines that were passed over as a whole."""
    text = match.string
    skipped: set[int] = set()
    for name in expression.skips:
        start, end = match.span(name)
        begun = start > 0 and text[start - 1] != "\n"  # the line in which it starts was matched up to there
        skipped.update(range(text.count("\n", 0, max(start, 0)) + begun, text.count("\n", 0, max(end, 0))))
    return skipped
