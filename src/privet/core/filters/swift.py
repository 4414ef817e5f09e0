"""Dense blocks in one tight loop: one simple filter that most lines fail, as when every request counts.

This is a hot loop, and gives what `FilterPlan` gives line by line. Whatever is not plain here (another stamp than that
of the line before, a head of a line not seen yet, a line without a date) is left to the plan.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from privet.core.filters.dates import Dates
from privet.core.filters.matching import Failure
from privet.core.filters.views import BYTEWISE
from privet.core.filters.watch import Overrun

if TYPE_CHECKING:
    from collections.abc import Callable

    from privet.core.filters.matching import Filter
    from privet.core.filters.plan import Found
    from privet.core.filters.views import View

_NEVER = "\n"  # is in no line
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
        expressions = self._filter.failures
        stamp, time = _NEVER, 0.0
        heads: dict[str, bool] = {}
        place, raws = 0, block.split(b"\n")
        raws.pop()
        for raw, line in zip(raws, block.decode(self._view.encoding, "replace").split("\n"), strict=False):
            start, place = place, place + len(raw) + 1
            head, found, rest = line.partition(stamp)
            if not found or not heads.get(head):
                self._slowly(raw, start)
                if (quick := dates.quick) is not None:
                    heads, (stamp, time) = quick.heads, quick.again or (_NEVER, 0.0)
                continue
            text = f"{head}{stamp[-1]}{rest}\n"
            watch.text = text
            try:
                for expression in expressions:
                    watch.at = expression
                    match = expression.search(text)
                    watch.at = None
                    if match is not None:
                        break
                else:
                    continue
            except Overrun:  # the plan will try it again, and do what is to be done
                watch.at = None
                self._slowly(raw, start)
                continue
            for kind in expression.identities:
                if who := match[kind]:
                    key = keys.get(who)
                    if key is None:
                        self._book(self._filter, start, Failure(time, who, kind, None, expression, match, text))
                    else:
                        add_place(start)
                        add_key(key)
                        add_time(time)
                    break
