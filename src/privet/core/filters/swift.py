"""Dense blocks in few passes: one simple filter that most lines fail, as when every request counts.

This is a hot loop, and gives what `FilterPlan` gives line by line. Whatever is not plain here (another stamp than that
of the line before, a line without a date) is left to the plan. Of the other lines the dates are cut out; then one
search matches them all, each with the end of its line, where the expression cannot reach beyond that.
"""

from __future__ import annotations

import re
from operator import itemgetter
from typing import TYPE_CHECKING, cast

from privet.core.filters.dates import Dates
from privet.core.filters.matching import Failure
from privet.core.filters.tags import IDENTITIES
from privet.core.filters.trees import within_lines
from privet.core.filters.views import BYTEWISE
from privet.core.filters.watch import Overrun

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from privet.core.filters.expression import Expression
    from privet.core.filters.matching import Filter
    from privet.core.filters.plan import Found
    from privet.core.filters.views import View

_NEVER = "\n"  # is in no line
_FEW = 3  # expressions: with more of them it pays to seek their needles first

Row = tuple[str, str, str, str]
"""What a line has in the groups that tell who failed, in the order of `IDENTITIES`."""

_NOBODY: Row = ("", "", "", "")
_OVERRUN: Row = ("\n", "", "", "")  # nobody is called that


class _Together:
    """Matches many lines with one search: each by itself, as the expression can take in no newline."""

    def __init__(self, expression: Expression) -> None:
        self.expression = expression
        pattern = expression.regex.pattern.removeprefix("(?i)")
        flags = re.MULTILINE | (expression.regex.flags & re.IGNORECASE)
        self._search = re.compile(rf"(?:{pattern}|).*\n()", flags).findall  # the last group is what others lack
        groups = expression.regex.groupindex
        self._pick = itemgetter(*(groups.get(name, 0) - 1 for name in IDENTITIES))

    @staticmethod
    def fits(expression: Expression) -> bool:
        """Tell whether an expression matches a line among others as it does alone."""
        pattern = expression.regex.pattern
        return within_lines(pattern) and not re.match(r"\(\?(?!i\))[aiLmsux]+\)", pattern)

    def rows(self, text: str) -> list[Row]:
        """Return a row for each line."""
        return cast("list[Row]", list(map(self._pick, self._search(text))))


class Swift:
    """The loop for one filter.

    `slowly` judges a line that begins somewhere in the block; `book` enters a failure.
    """

    def __init__(
        self,
        view: View,
        filter_: Filter,
        slowly: Callable[[bytes, int], None],
        book: Callable[[Filter, int, Failure], None],
    ) -> None:
        self._view, self._filter = view, filter_
        self._slowly, self._book = slowly, book
        first, *others = filter_.failures
        self._together = _Together(first) if not others and _Together.fits(first) else None

    @staticmethod
    def fits(view: View, filter_: Filter) -> bool:
        """Tell whether a filter that is alone on its source is simple enough."""
        return (
            isinstance(view.dates, Dates)
            and view.dates.anywhere
            and view.encoding in BYTEWISE
            and len(filter_.failures) <= _FEW
            and not (filter_.prefix or filter_.ignores or filter_.observed)
            and all(one.plain and not one.has_cidr for one in filter_.failures)
        )

    @property
    def ready(self) -> bool:
        """Whether nothing has been too slow so far."""
        return not any(one.overruns for one in (*self._filter.failures, self._view.dates))

    def run(self, block: bytes, keys: dict[str, bytes], columns: Found) -> None:
        """Enter the failures of a block whose view has begun; `keys` are known."""
        dates = self._view.dates
        assert isinstance(dates, Dates)  # noqa: S101  see `fits`
        texts: list[str] = []
        starts: list[int] = []
        times: list[float] = []
        add_text, add_start, add_time = texts.append, starts.append, times.append
        stamp, closing, time, quick = _NEVER, "", 0.0, dates.quick
        clear = quick.heads.get if quick else None
        place, whole = 0, block.decode(self._view.encoding, "replace")
        lines = whole.split("\n")[:-1]
        for line, size in zip(lines, map(len, lines if whole.isascii() else block.split(b"\n")), strict=False):
            head, found, rest = line.partition(stamp)
            if found and clear and quick and (clear(head) or quick.clear(head)):
                add_text(head + closing + rest)
                add_start(place)
                add_time(time)
            else:
                self._enter(block, texts, starts, times, keys, columns)
                texts.clear()
                starts.clear()
                times.clear()
                self._slowly(block[place : place + size], place)
                quick = dates.quick
                clear = quick.heads.get if quick else None
                stamp, time = (quick and quick.again) or (_NEVER, 0.0)
                closing = stamp[-1]
            place += size + 1
        self._enter(block, texts, starts, times, keys, columns)

    def _enter(  # noqa: PLR0913, PLR0917  the columns of the lines at hand
        self,
        block: bytes,
        texts: Sequence[str],
        starts: Sequence[int],
        times: Sequence[float],
        keys: dict[str, bytes],
        columns: Found,
    ) -> None:
        """Enter the failures among lines of a block, of which there are the texts without the dates."""
        if not texts:
            return
        rows = self._rows(texts)
        known = [keys.get(one or two or three or four) for one, two, three, four in rows]
        if None not in known:
            columns.places += starts
            columns.keys += cast("list[bytes]", known)
            columns.times += times
            return
        add_place, add_key, add_time = columns.places.append, columns.keys.append, columns.times.append
        for place, (key, start, time) in enumerate(zip(known, starts, times, strict=True)):
            if key is not None:
                add_place(start)
                add_key(key)
                add_time(time)
            elif rows[place] is _OVERRUN:  # the plan will try it again, and do what is to be done
                self._slowly(block[start : block.find(b"\n", start)], start)
            elif rows[place] != _NOBODY:
                self._book(self._filter, start, self._failure(rows[place], time, texts[place]))

    def _failure(self, row: Row, time: float, text: str) -> Failure:
        """Return the failure of a row, of which nobody wants to know more than who failed, and when."""
        kind, who = next((kind, who) for kind, who in zip(IDENTITIES, row, strict=True) if who)
        return Failure(time, who, kind, None, self._filter.failures[0], {kind: who}, text)

    def _rows(self, texts: Sequence[str]) -> Sequence[Row]:
        """Return what each line has in the groups that tell who failed."""
        watch, together = self._filter.watch, self._together
        if together is not None:
            try:
                watch.text = text = "\n".join(texts) + "\n"
                watch.at = together.expression
                rows = together.rows(text)
                watch.at = None
            except Overrun:  # line by line it will be seen which one it is
                watch.at = self._together = None
            else:
                return rows
        return [self._row(text + "\n") for text in texts]

    def _row(self, text: str) -> Row:
        """Match one line."""
        watch = self._filter.watch
        watch.text = text
        try:
            for expression in self._filter.failures:
                watch.at = expression
                match = expression.search(text)
                watch.at = None
                if match is not None:
                    groups = match.groupdict("")
                    return cast("Row", tuple(groups.get(kind, "") for kind in IDENTITIES))
        except Overrun:
            watch.at = None
            return _OVERRUN
        return _NOBODY
