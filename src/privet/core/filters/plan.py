"""All filters of one source in one pass: a line is read, decoded and dated once, and few expressions look at it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from privet.core.addresses.address import client_key, is_pseudonym, network_key
from privet.core.cache import SIZE
from privet.core.filters.matching import Filter
from privet.core.filters.needles import Prefilter
from privet.core.filters.several import Ring
from privet.core.filters.shapes import shape_of
from privet.core.filters.swift import Swift
from privet.core.filters.trees import Needles, halved, rated
from privet.core.filters.views import BYTEWISE, History, View
from privet.core.filters.watch import Watch, penalty
from privet.core.parsing.lines import line_feeds
from privet.core.unshown import Unshown

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from datetime import tzinfo

    from privet.core.filters.expression import Expression
    from privet.core.filters.matching import Failure
    from privet.core.filters.model import FilterSpec
    from privet.core.filters.shapes import Shape
    from privet.core.filters.watch import Watched

NO_ADDRESS, NAME, PSEUDONYM = "no address", "a host name", "a pseudonym"
_LONGEST_ADDRESS = 64  # characters
_WORTHY = 5.0  # of a second needle, so that seeking it saves more than it costs
_POOR = 2.0  # of a needle that stands in so many lines that these need a second look
_REMEMBERED = 4096  # combinations of expressions that lines may match


class Found(Unshown, msgspec.Struct):
    """The failures of one filter in a block: where their lines begin, whose they are, and when.

    `names` are failures of hosts whose name stands in the line, if the filter wants that looked up.
    """

    places: list[int] = []
    keys: list[bytes] = []
    times: list[float] = []
    names: list[tuple[int, str, float]] = []


class _Task(NamedTuple):
    """A filter with those of its expressions that may match a line.

    `patient`: the line may stay unread; `user`: it may name one.
    """

    filter: Filter
    chosen: tuple[Expression, ...]
    patient: bool
    user: bool


class FilterPlan:
    """Matches whole blocks of lines of one source with all filters that listen to it.

    `zone` is that of dates without one; in a `journal` dates are `JournalDates`. `observe` is called with the
    filter, the place of the line and the failure, before it is known whether anybody can be banned for it: for
    all filters, or for those `observed`.
    """

    def __init__(
        self,
        specs: Collection[FilterSpec],
        zone: tzinfo,
        observe: Callable[[FilterSpec, int, Failure], None] | None = None,
        *,
        observed: Collection[FilterSpec] | None = None,
        journal: bool = False,
    ) -> None:
        self.watch = Watch()
        self.nobody: Counter[str] = Counter()  # failures of which nobody can be banned, by the reason
        self._observe = observe
        self._history = History()
        views: dict[tuple[str, str, str], View] = {}
        self._owner: list[tuple[View, Filter, Expression]] = []
        self._rings: list[_RingPass] = []
        self.filters: dict[FilterSpec, Filter] = {}
        for spec in specs:
            if spec.maxlines > 1:
                ring = _RingPass(spec, zone, self.watch, journal=journal)
                self._rings.append(ring)
                one = self.filters[spec] = ring.filter
                one.observed = observe is not None and (observed is None or spec in observed)
                continue
            sort = spec.datepattern, spec.logtimezone, spec.logencoding
            if sort not in views:
                views[sort] = View(spec, zone, self.watch, self._history, journal=journal)
            one = self.filters[spec] = Filter(spec, self.watch, views[sort].read)
            one.observed = observe is not None and (observed is None or spec in observed)
            self._owner += [(views[sort], one, expression) for expression in one.failures]
        self._views = list(views.values())
        wanted = [needles_for(*owner) for owner in self._owner]
        shapes = {
            number: shape
            for number, ((view, _, expression), needles) in enumerate(zip(self._owner, wanted, strict=True))
            if (shape := shape_for(view, expression, needles))
        }
        self._prefilter = Prefilter(wanted, shapes)
        self._work: dict[int, list[tuple[View, list[_Task]]]] = {}
        self._keys: dict[str, bytes] = {}
        self._found: dict[Filter, Found] = {}  # in the block at hand
        self._swift = self._alone()
        self._dense = False  # whether half the lines of the last block or more were failures

    def begin(self, now: float) -> None:
        """Say what time it is, for `time_of` before the first block."""
        for view in [*self._views, *(ring.view for ring in self._rings)]:
            view.begin(now)

    def time_of(self, line: bytes) -> float | None:
        """Return the time of one line, None when it has none."""
        views = (*self._views, *(ring.view for ring in self._rings))
        return next((time for view in views if (time := view.read(line)[1]) is not None), None)

    def parse(self, block: bytes, now: float) -> dict[FilterSpec, Found]:
        """Return the failures in whole lines, each with its newline."""
        self._found.clear()
        self._history.turn(block)
        for view in self._views:
            view.begin(now)
        if self._swift and self._dense and self._swift.ready:
            self._swift.run(block, self._keys, self._found.setdefault(self._owner[0][1], Found([], [], [], [])))
        else:
            self._seek(block)
        if self._swift:
            failures = sum(len(columns.places) for columns in self._found.values())
            self._dense = 2 * failures >= line_feeds(block)
        for ring in self._rings:
            for place, failure in ring.failures(block, now):
                self._book(ring.filter, place, failure)
        return {one.spec: columns for one, columns in self._found.items()}

    def _seek(self, block: bytes) -> None:
        """Try the lines in which the needles of an expression are."""
        works = self._work
        for start, line, mask in self._prefilter.lines(block):
            work = works.get(mask)
            for view, tasks in self._work_for(mask) if work is None else work:
                self._try(view, tasks, line, start)

    def _alone(self) -> Swift | None:
        """Return the loop for a filter that is alone on the source, and simple."""
        if len(self.filters) != 1 or not self._owner:
            return None
        view, one, _ = self._owner[0]
        tasks = [_task(view, one, one.failures)]

        def slowly(line: bytes, start: int) -> None:
            self._try(view, tasks, line, start)

        return Swift(view, one, slowly, self._book) if Swift.fits(view, one) else None

    def _try(self, view: View, tasks: list[_Task], line: bytes, start: int) -> None:
        """Book the failures that a line tells filters with the same view."""
        text = time = None
        for one, chosen, patient, user in tasks:
            if patient and one.put_off.keep(line, user=user):
                continue
            if text is None:
                text, time = view.read(line)
            failure = one.feed(text, time, chosen)
            if failure is not None:
                if failure.time is None:
                    failure.time = view.time_before(start)
                self._book(one, start, failure)

    def _book(self, one: Filter, place: int, failure: Failure) -> None:
        """Add a failure to the columns of its filter."""
        time = failure.time or 0.0
        if one.observed and self._observe:
            self._observe(one.spec, place, failure)
        columns = self._found.get(one)
        if columns is None:
            columns = self._found[one] = Found([], [], [], [])
        key = self._keys.get(failure.who)
        if key is None or failure.cidr is not None:
            key = self._key_of(failure)
            if key is None:
                if failure.kind == "dns" and one.spec.usedns == "yes":
                    columns.names.append((place, failure.who, time))
                return
        columns.places.append(place)
        columns.keys.append(key)
        columns.times.append(time)

    def carry(self, old: FilterPlan) -> None:
        """Take over what a plan that this one replaces knows of conversations and of lines that belong together."""
        for spec in self.filters.keys() & old.filters.keys():
            self.filters[spec].carry(old.filters[spec])
        rings = {ring.filter.spec: ring for ring in old._rings}
        for ring in self._rings:
            if ring.filter.spec in rings:
                ring.carry(rings[ring.filter.spec])
        self.nobody = old.nobody

    @property
    def slow(self) -> list[str]:
        """What took too long, and what that means for it."""
        views = [*self._views, *(ring.view for ring in self._rings)]
        told: list[tuple[str, Watched]] = [(f"{view.name}: datepattern", view.dates) for view in views]
        told += [(f"{one.spec.name}: {e.name}", e) for one in self.filters.values() for e in one.expressions]
        return [f"{name} {penalty(thing.longest)}" for name, thing in told if thing.overruns]

    @property
    def undated(self) -> int:
        """How many failures stood in lines without a date of their own."""
        return sum(view.undated for view in (*self._views, *(ring.view for ring in self._rings)))

    def _work_for(self, mask: int) -> list[tuple[View, list[_Task]]]:
        """Return, by view, the filters with the expressions that may match a line with these needles."""
        table: dict[View, dict[Filter, list[Expression]]] = {}
        for number in self._prefilter.fitting(mask):
            view, one, expression = self._owner[number]
            table.setdefault(view, {}).setdefault(one, []).append(expression)
        work = [
            (view, [_task(view, one, tuple(chosen)) for one, chosen in rows.items()]) for view, rows in table.items()
        ]
        if len(self._work) >= _REMEMBERED:
            self._work.clear()
        self._work[mask] = work
        return work

    def _key_of(self, failure: Failure) -> bytes | None:
        """Return the client key of who failed; None, counted, for what nobody can be banned by."""
        who = failure.who.encode()
        if failure.cidr is not None and (network := network_key(who, failure.cidr)):
            return network
        key = client_key(who)
        if key is None:
            self.nobody[NAME if failure.kind == "dns" else NO_ADDRESS] += 1
        elif is_pseudonym(key):
            self.nobody[PSEUDONYM] += 1
        elif len(who) <= _LONGEST_ADDRESS:
            if len(self._keys) >= SIZE:
                self._keys.clear()
            self._keys[failure.who] = key
        return key


def _task(view: View, one: Filter, chosen: tuple[Expression, ...]) -> _Task:
    """Make a task; lines can stay unread which only a silent expression may match."""
    patient = one.talks and not view.brackets and not (one.prefix and "user" in one.prefix.groups)
    silent = all(expression.silent for expression in chosen)
    return _Task(one, chosen, patient and silent, any("user" in expression.groups for expression in chosen))


class _RingPass:
    """The pass of one filter with `maxlines`: it needs lines that no needle is in, but only where one is near."""

    def __init__(self, spec: FilterSpec, zone: tzinfo, watch: Watch, *, journal: bool) -> None:
        self._history = History()
        self.view = View(spec, zone, watch, self._history, journal=journal)
        self.filter = Filter(spec, watch, self.view.read)
        self._ring = Ring(self.filter)
        self._prefilter = Prefilter([needles_for(self.view, self.filter, one)[:1] for one in self.filter.failures])
        self._due: dict[int, int] = {}  # for how many more lines each expression may match

    def carry(self, old: _RingPass) -> None:
        """Take over the lines of a pass that this one replaces."""
        self._ring.carry(old._ring)
        self._due = old._due

    def failures(self, block: bytes, now: float) -> Iterator[tuple[int, Failure]]:
        """Yield the failures in a block."""
        spots = {start: mask for start, _, mask in self._prefilter.lines(block)}
        self._history.turn(block)
        self.view.begin(now)
        if not (spots or self._due):
            self._ring.pass_by(block.rsplit(b"\n", self._ring.size + 1)[-self._ring.size - 1 : -1])
            return
        place = 0
        for line in block.split(b"\n")[:-1]:
            failure = self._feed(line, spots.get(place, 0))
            if failure is not None:
                if failure.time is None:
                    failure.time = self.view.time_before(place)
                yield place, failure
            place += len(line) + 1

    def _feed(self, line: bytes, mask: int) -> Failure | None:
        due, expressions = self._due, self.filter.failures
        due.update((number, self._ring.size) for number in self._prefilter.fitting(mask))
        if not due:
            self._ring.pass_by([line])
            return None
        text, time = self.view.read(line)
        chosen = [expressions[number] for number in sorted(due)]
        failure = self._ring.feed(line, text, time, chosen, self.view.read)
        self._due = {number: left - 1 for number, left in due.items() if left > 1}
        return failure


def needles_for(view: View, filter_: Filter, expression: Expression) -> list[Needles]:
    """Return the needles of a failregex and its prefregex, the best first; none: it may match any line."""
    all_ = [*expression.needles, *(filter_.prefix.needles if filter_.prefix else ())]
    best = rated(all_ if view.dates.between_words else map(halved, all_))
    return [*best[:1], *(one for one in best[1:2] if one.worth >= _WORTHY)]


def shape_for(view: View, expression: Expression, needles: list[Needles]) -> Shape | None:
    """Return the shape of a failregex whose needles are none or poor, if lines show it as they were written."""
    if (needles and needles[0].worth >= _POOR) or not view.dates.between_words:
        return None
    return shape_of(expression.regex.pattern, expression.regex.flags) if view.encoding.lower() in BYTEWISE else None
