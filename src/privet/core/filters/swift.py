"""Dense blocks in one tight loop: one simple filter that most lines fail, as when every request counts.

This is a hot loop, and gives what `FilterPlan` gives line by line. Whatever is not plain here (another stamp than that
of the line before, a head of a line not seen yet, a line without a date) is left to the plan.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from privet.core.cache import SIZE
from privet.core.filters.dates import Dates
from privet.core.filters.matching import Failure
from privet.core.filters.views import BYTEWISE
from privet.core.filters.watch import Overrun

if TYPE_CHECKING:
    from collections.abc import Callable

    from privet.core.filters.expression import Expression
    from privet.core.filters.matching import Filter
    from privet.core.filters.plan import Found
    from privet.core.filters.views import View

_NEVER = "\n"  # is in no line
_LONGEST = 64  # characters before a stamp; what is longer is an attacker's
_FEW = 3  # expressions: with more of them it pays to seek their needles first


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
        self._whose: dict[
            str, tuple[Expression, tuple[tuple[int, int], ...], bytes]
        ] = {}  # by what stands before a stamp

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
        dates, watch = self._view.dates, self._filter.watch
        assert isinstance(dates, Dates)  # noqa: S101  see `fits`
        add_place, add_key, add_time = columns.places.append, columns.keys.append, columns.times.append
        expressions = [(one, one.search) for one in self._filter.failures]
        same = self._whose.get
        stamp, time, quick = _NEVER, 0.0, dates.quick
        place, whole = 0, block.decode(self._view.encoding, "replace")
        lines = whole.split("\n")[:-1]
        for line, size in zip(lines, map(len, lines if whole.isascii() else block.split(b"\n")), strict=False):
            start, place = place, place + size + 1
            head, found, rest = line.partition(stamp)
            known = same(head)
            if not found or not (known or (quick and quick.clear(head))):
                self._slowly(block[start : place - 1], start)
                quick = dates.quick
                stamp, time = (quick and quick.again) or (_NEVER, 0.0)
                continue
            watch.text = text = f"{head}{stamp[-1]}{rest}\n"
            try:
                for expression, search in expressions:
                    watch.at = expression
                    match = search(text)
                    watch.at = None
                    if match is not None:
                        break
                else:
                    continue
            except Overrun:  # the plan will try it again, and do what is to be done
                watch.at = None
                self._slowly(block[start : place - 1], start)
                continue
            if known and known[0] is expression and known[1] == match.regs[1:]:
                add_place(start)
                add_key(known[2])
                add_time(time)
                continue
            self._enter(Failure(time, "", "", None, expression, match, text), start, head, keys)

    def _enter(self, failure: Failure, place: int, head: str, keys: dict[str, bytes]) -> None:
        """Enter a failure, and remember whose it is as long as it begins with the same head and groups."""
        match = failure.told
        assert isinstance(match, re.Match)  # noqa: S101  it is plain
        for kind in failure.expression.identities:
            if who := match[kind]:
                failure.who, failure.kind = who, kind
                self._book(self._filter, place, failure)
                key = keys.get(who)
                if key is not None and max(end for _, end in match.regs[1:]) <= len(head) <= _LONGEST:
                    if len(self._whose) >= SIZE:
                        self._whose.clear()
                    self._whose[head] = failure.expression, match.regs[1:], key
                return
