"""What the engine keeps for jails that count the same: which rows or failures concern them, and their window."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any, TypeVar, cast

from privet.core.arrays import np
from privet.core.manners.window import Manners
from privet.core.parsing.blocks.columns import Coded, some_of
from privet.core.rows.evidence import Recent
from privet.core.rows.sieve import Sieve
from privet.core.swarms.swarm import Swarms
from privet.core.windows.detect import Limit, Window
from privet.core.windows.distinct import Distinct
from privet.core.windows.forms import Forms
from privet.core.windows.neighbours import Neighbours
from privet.core.windows.nets import Keys, Named
from privet.core.windows.rate import Rate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import numpy.typing as npt

    from privet.core.addresses.networks import Networks
    from privet.core.filters.plan import Found
    from privet.core.jails import Jail
    from privet.core.parsing.parse import Rows
    from privet.core.rows.evidence import Lines, Places
    from privet.core.rows.facts import Registry
    from privet.core.windows.detect import Reached
    from privet.core.windows.limits import Peaks
    from privet.core.windows.loads import Loads

    Chosen = Sequence[int] | npt.NDArray[np.intp]

Value = TypeVar("Value")

Counting = Window | Rate | Distinct | Neighbours
AnyWindow = Counting | Swarms


class Rule:
    """A window, the rows or the filter's failures that belong in it, and the sources it listens to."""

    def __init__(  # noqa: PLR0913, PLR0917  each is a thing of its own
        self,
        jails: Sequence[tuple[int, Jail]],
        tolerance: float,
        max_clients: int,
        networks: Networks | None,
        registry: Registry,
        loads: Loads | None = None,
    ) -> None:
        first = jails[0][1]
        self.identity = identity_of(first)
        self.sources = frozenset(first.sources)
        self.filter = first.filter
        self.predicates = first.predicates
        limits = [Limit(jail, order, loads) for order, jail in jails]
        self.window = _window_for(limits, tolerance, max_clients, registry)
        self.by_blocks = first.by_blocks
        self.learns = isinstance(self.window, Manners | Forms | Swarms)  # from all rows, not only from failures
        self._field, self._registry = first.distinct or "", registry
        self._networks = Keys(first, networks)
        self.recent = Recent(registry.shelf)
        self.watch: Peaks | None = None
        self.matched = 0
        self.last_match: float | None = None

    def feed(self, rows: Rows, chosen: Chosen, lines: Lines) -> Iterable[Reached]:
        """Count the failures, the rows that were chosen for the predicates.

        The limits that they reach come one by one, as `Window.hit` says.
        """
        window = self.window
        if not isinstance(window, Swarms | Distinct | Neighbours):
            chosen = chosen if isinstance(chosen, Sequence) else chosen.tolist()
            if isinstance(window, Manners | Forms):
                chosen = window.offences(rows, chosen)
            return self._count(chosen, _picked(rows.keys, chosen), _picked(rows.times, chosen), lines)
        keys, times = _picked(rows.keys, chosen), _picked(rows.times, chosen)
        if isinstance(window, Swarms):  # it learns from all rows who is a browser
            self._note(chosen, keys, times, lines)
            return window.take(rows, chosen)
        facts, places = self._registry.facts(rows), slice(None) if len(chosen) == len(rows) else np.asarray(chosen)
        if isinstance(window, Neighbours):
            when, clients = facts.times[places], facts.clients[places]
            return self._count_networks(window, chosen, keys, times, lines, when, clients)
        self._note(chosen, keys, times, lines)
        columns = (chosen, facts.times[places], facts.clients[places], facts.names(self._field)[places])
        return self._watched(window, window.take, keys, times, columns)

    def feed_failures(self, found: Found, lines: Places) -> Iterable[Reached]:
        """Count the failures that the filter has found; each stands in the row of its place."""
        if isinstance(self.window, Neighbours):
            when = np.array(found.times, np.float64)
            return self._count_networks(self.window, found.places, found.keys, found.times, lines, when, None)
        return self._count(found.places, found.keys, found.times, lines)

    def _count(
        self, chosen: Sequence[int], keys: Sequence[bytes], times: Sequence[float], lines: Lines | Places
    ) -> Iterable[Reached]:
        self._note(chosen, keys, times, lines)
        if not chosen or not isinstance(self.window, Window | Rate):
            return ()
        return self._watched(self.window, self.window.hit, keys, times, (chosen, keys, times))

    def networks_changed(self) -> None:
        """Forget to which networks clients belong: the table has other answers."""
        if isinstance(self.window, Neighbours):
            self._networks.clear()
            self.window.networks_changed()

    def _count_networks(  # noqa: PLR0913, PLR0917  what `_count` has, and whose failures they are
        self,
        window: Neighbours,
        chosen: Chosen,
        keys: Sequence[bytes],
        times: Sequence[float],
        lines: Lines | Places,
        when: npt.NDArray[np.float64],
        clients: npt.NDArray[np.intp] | None,
    ) -> Iterable[Reached]:
        """Count failures by the network of their clients; whoever has none counts for nobody."""
        nets = window.numbers(self._networks, keys, when, clients)
        there = (nets >= 0).nonzero()[0]
        if not len(there):
            return ()
        if len(there) < len(nets):
            nets, when = nets[there], when[there]
            chosen, keys, times = _Picked(chosen, there), _Picked(keys, there), _Picked(times, there)
        named = Named(self._networks, keys)
        self._note(chosen, named, times, lines)
        return self._watched(window, window.take, named, times, (chosen, nets, keys, when))

    def _watched(
        self,
        window: Counting,
        take: Callable[..., Iterator[Reached]],
        keys: Iterable[bytes],
        times: Sequence[float],
        columns: Sequence[Any],
    ) -> Iterator[Reached]:
        """Count failures; where somebody watches, one by one, and tell after each how many there are."""
        return take(*columns) if self.watch is None else _one_by_one(self.watch, window, take, keys, times, columns)

    def _note(self, chosen: Chosen, keys: Iterable[bytes], times: Sequence[float], lines: Lines | Places) -> None:
        if len(chosen):
            self.matched += len(chosen)
            self.last_match = times[-1]
            self.recent.note(lines, chosen, keys, times)


def _one_by_one(  # noqa: PLR0913, PLR0917  what `_watched` has
    watch: Peaks,
    window: Counting,
    take: Callable[..., Iterator[Reached]],
    keys: Iterable[bytes],
    times: Sequence[float],
    columns: Sequence[Any],
) -> Iterator[Reached]:
    for place, (key, time) in enumerate(zip(keys, times, strict=True)):
        for one in take(*([column[place]] for column in columns)):
            watch.reach(one.limit.jail, one.key, one.time)
            yield one
        for limit in window.limits:
            watch.see(limit.jail, key, time, window.counted(limit, key, time))


class Sifted:
    """The rules on the requests of a source, with the rows that concern each."""

    def __init__(self, rules: Iterable[Rule], registry: Registry) -> None:
        rules = [rule for rule in rules if rule.filter is None]
        self._all = [rule for rule in rules if not rule.predicates]
        self._some = [rule for rule in rules if rule.predicates]
        by_blocks = any(rule.by_blocks for rule in rules)
        self.sieve = Sieve([rule.predicates for rule in self._some], registry if by_blocks else None)

    def __call__(self, rows: Rows) -> Iterator[tuple[Rule, Chosen]]:
        """Yield each rule that some rows concern with its rows."""
        yield from ((rule, range(len(rows))) for rule in self._all)
        if self._some:
            for rule, chosen in zip(self._some, self.sieve(rows), strict=True):
                if len(chosen) or rule.learns:
                    yield rule, chosen

    def ahead(self, rows: Rows) -> Iterator[tuple[Window | Rate, Sequence[bytes]]]:
        """Yield the windows that can be asked what is left, and whose failures will come; nothing is counted yet."""
        chosen = self.sieve.by_row(rows) if self._some else ()
        found = chain(zip(self._all, repeat(range(len(rows)))), zip(self._some, chosen, strict=True))
        for rule, places in found:
            if places and isinstance(rule.window, Window | Rate) and not rule.by_blocks:
                yield rule.window, _Picked(rows.keys, places)


class _Picked(Sequence[Value]):
    """The chosen rows of a column, taken out when somebody asks: most are never looked at."""

    __slots__ = ("_chosen", "_column")

    def __init__(self, column: Sequence[Value] | npt.NDArray[Any], chosen: Chosen) -> None:
        self._column, self._chosen = column, chosen

    def __len__(self) -> int:
        return len(self._chosen)

    def __iter__(self) -> Iterator[Value]:
        if isinstance(self._column, Coded):
            return iter(some_of(self._column, np.asarray(self._chosen)).tolist())
        return map(self._column.__getitem__, self._chosen)

    def __getitem__(self, place: int) -> Value:  # type: ignore[override]  # no slices
        return cast("Value", self._column[self._chosen[place]])


def _picked(column: Sequence[Value], chosen: Chosen) -> Sequence[Value]:
    """Return the chosen rows of a column, which may be all."""
    return column if len(chosen) == len(column) else _Picked(column, chosen)


def _window_for(limits: Sequence[Limit], tolerance: float, max_clients: int, registry: Registry) -> AnyWindow:
    first = limits[0].jail
    if first.key != "address":
        return Neighbours(limits[0], tolerance, max_clients, registry.crowd)
    if first.kind == "swarm":
        return Swarms(limits[0], max_clients, registry)
    if first.kind == "form":
        return Forms(limits, tolerance, max_clients, registry)
    if first.kind == "manners":
        return Manners(limits, tolerance, max_clients, registry)
    if first.distinct is not None:
        return Distinct(limits[0], tolerance, registry.crowd)
    return Rate(limits[0], max_clients) if first.counting == "rate" else Window(limits, tolerance, max_clients)


def identity_of(jail: Jail) -> tuple[object, ...]:
    """Return what jails that share a window have in common."""
    alone = jail.counting == "rate" or jail.kind == "swarm" or jail.key != "address" or jail.distinct is not None
    own = (jail.name, jail.findtime, jail.kind, jail.key, jail.prefixes, jail.distinct) if alone else ()
    manners = (jail.signal, jail.wait, jail.every) if jail.kind == "manners" else ()
    return tuple(sorted(jail.sources)), tuple(sorted(jail.predicates, key=repr)), jail.filter, own, manners, jail.kind
