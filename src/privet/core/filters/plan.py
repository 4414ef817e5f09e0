"""All filters of one source in one pass: a line is read, decoded and dated once, and few expressions look at it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from privet.core.address import client_key, is_pseudonym, network_key
from privet.core.filters.matching import Failure, Filter
from privet.core.filters.needles import Prefilter
from privet.core.filters.several import Ring
from privet.core.filters.trees import Needles, better
from privet.core.filters.views import View
from privet.core.filters.watch import Watch
from privet.core.parse import Cache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import tzinfo

    from privet.core.filters.expression import Expression
    from privet.core.filters.model import FilterSpec
    from privet.core.filters.trees import Needles

NO_ADDRESS, NAME, PSEUDONYM = "no address", "a host name", "a pseudonym"
_REMEMBERED = 4096  # combinations of expressions that lines may match


class Found(msgspec.Struct):
    """The failures of one filter in a block: where their lines begin, whose they are, and when."""

    places: list[int] = []
    keys: list[bytes] = []
    times: list[float] = []


_Chosen = list[tuple[Filter, "tuple[Expression, ...]"]]


class FilterPlan:
    """Matches whole blocks of lines of one source with all filters that listen to it.

    `zone` is that of dates without one. `observe` is called with the filter, the place of the line and the
    failure, before it is known whether anybody can be banned for it.
    """

    def __init__(
        self,
        specs: Iterable[FilterSpec],
        zone: tzinfo,
        observe: Callable[[FilterSpec, int, Failure], None] | None = None,
    ) -> None:
        self.watch = Watch()
        self.filters = {spec: Filter(spec, self.watch) for spec in specs}
        self.nobody: Counter[str] = Counter()  # failures of which nobody can be banned, by the reason
        self._observe = observe
        self._zone = zone
        single = [one for one in self.filters.values() if one.spec.maxlines <= 1]
        self._views: dict[tuple[str, str, str], View] = {}
        self._owner = [(self._view_of(one.spec), one, expression) for one in single for expression in one.failures]
        self._prefilter = Prefilter([needles_for(view, one, expression) for view, one, expression in self._owner])
        self._rings = [_RingPass(one, zone) for one in self.filters.values() if one.spec.maxlines > 1]
        self._work: dict[int, list[tuple[View, _Chosen]]] = {}
        self._keys = Cache(client_key)

    def parse(self, block: bytes, now: float) -> dict[FilterSpec, Found]:
        """Return the failures in whole lines, each with its newline."""
        found: dict[FilterSpec, Found] = {}
        for place, failure in self._failures(block, now):
            spec = failure.spec
            if self._observe:
                self._observe(spec, place, failure)
            key = self._key_of(failure)
            if key is not None:
                columns = found.get(spec)
                if columns is None:
                    columns = found[spec] = Found([], [], [])
                columns.places.append(place)
                columns.keys.append(key)
                columns.times.append(failure.time)
        return found

    def _failures(self, block: bytes, now: float) -> Iterator[tuple[int, Failure]]:
        views = self._views.values()
        for view in views:
            view.begin(block, now)
        for start, end, mask in self._prefilter.lines(block):
            work = self._work.get(mask)
            if work is None:
                work = self._work_for(mask)
            line = block[start:end]
            for view, filters in work:
                text, time = view.cut(line, start)
                for one, chosen in filters:
                    failure = one.feed(text, time, chosen)
                    if failure is not None:
                        yield start, failure
        for view in views:
            view.end()
        for ring in self._rings:
            yield from ring.failures(block, now)

    def _view_of(self, spec: FilterSpec) -> View:
        sort = spec.datepattern, spec.logtimezone, spec.logencoding
        if sort not in self._views:
            self._views[sort] = View(spec, self._zone, self.watch)
        return self._views[sort]

    def _work_for(self, mask: int) -> list[tuple[View, _Chosen]]:
        """Return, by view and filter, the expressions that a mask stands for."""
        table: dict[View, dict[Filter, list[Expression]]] = {}
        for number, (view, one, expression) in enumerate(self._owner):
            if mask >> number & 1:
                table.setdefault(view, {}).setdefault(one, []).append(expression)
        work = [(view, [(one, tuple(chosen)) for one, chosen in rows.items()]) for view, rows in table.items()]
        if len(self._work) >= _REMEMBERED:
            self._work.clear()
        self._work[mask] = work
        return work

    def _key_of(self, failure: Failure) -> bytes | None:
        """Return the client key of who failed; None, counted, for what nobody can be banned by."""
        if failure.cidr is not None and (network := network_key(failure.who.encode(), failure.cidr)):
            return network
        key = self._keys[failure.who.encode()]
        if key is None:
            self.nobody[NAME if failure.kind == "dns" else NO_ADDRESS] += 1
        elif is_pseudonym(key):
            self.nobody[PSEUDONYM] += 1
        return key


class _RingPass:
    """The pass of one filter with `maxlines`: it needs lines that no needle is in, but only where one is near."""

    def __init__(self, filter_: Filter, zone: tzinfo) -> None:
        self._filter = filter_
        self._ring = Ring(filter_)
        self._view = View(filter_.spec, zone, filter_.watch)
        self._prefilter = Prefilter([needles_for(self._view, filter_, expression) for expression in filter_.failures])
        self._due: dict[int, int] = {}  # for how many more lines each expression may match

    def failures(self, block: bytes, now: float) -> Iterator[tuple[int, Failure]]:
        """Yield the failures in a block."""
        spots = {start: mask for start, _, mask in self._prefilter.lines(block)}
        self._view.begin(block, now)
        if spots or self._due:
            place = 0
            for line in block.split(b"\n")[:-1]:
                failure = self._feed(line, place, spots.get(place, 0))
                if failure:
                    yield place, failure
                place += len(line) + 1
        else:
            self._ring.pass_by(block.rsplit(b"\n", self._ring.size + 1)[-self._ring.size - 1 : -1])
        self._view.end()

    def _feed(self, line: bytes, place: int, mask: int) -> Failure | None:
        due, expressions = self._due, self._filter.failures
        due.update((number, self._ring.size) for number in range(len(expressions)) if mask >> number & 1)
        if not due:
            self._ring.pass_by([line])
            return None
        text, time = self._view.cut(line, place)
        chosen = [expressions[number] for number in sorted(due)]
        failure = self._ring.feed(line, text, time, chosen, self._view.without_date)
        self._due = {number: left - 1 for number, left in due.items() if left > 1}
        return failure


def needles_for(view: View, filter_: Filter, expression: Expression) -> Needles | None:
    """Return the needles of a failregex or, if they promise more, of the prefregex; None: it may match any line."""
    if not view.dates.between_words:
        return None
    return better(expression.needles, filter_.prefix.needles if filter_.prefix else None)
