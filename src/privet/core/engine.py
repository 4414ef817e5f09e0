"""The one path from lines to verdicts, for the daemon, replay, the demo and the tests alike.

`Engine.feed` is a function of what it was fed before: it reads no clock, and any split of the input
into batches gives the same verdicts (`tests/property/test_engine.py`).
"""

from __future__ import annotations

from collections import Counter
from contextlib import nullcontext
from functools import partial
from heapq import merge
from itertools import chain
from math import isfinite
from operator import attrgetter
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

from privet.core.addresses.address import IPV6_CLIENT, Subject, widened
from privet.core.addresses.networks import as_text
from privet.core.addresses.prefixes import PrefixSet
from privet.core.cache import Cache
from privet.core.filters.plan import Found
from privet.core.manners.window import Manners
from privet.core.memory import Memory
from privet.core.parsing.forwarded import BEHIND
from privet.core.parsing.parse import PART
from privet.core.rows.evidence import Lines, Places
from privet.core.rows.facts import Registry
from privet.core.rules import Rule, Sifted, identity_of
from privet.core.source import SourceState
from privet.core.swarms.swarm import Swarms
from privet.core.unshown import Unshown
from privet.core.verdicts import Action, Verdict
from privet.core.windows.ahead import HOLD, MOMENT, PLENTIFUL, ByClient, ByWindow
from privet.core.windows.detect import Window
from privet.core.windows.loads import Loads
from privet.core.windows.neighbours import Neighbours
from privet.core.windows.nets import network_key, number_of
from privet.core.windows.rate import Rate

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from privet.core.addresses.networks import Networks
    from privet.core.bans.notes import Note
    from privet.core.filters.model import FilterSpec
    from privet.core.filters.plan import FilterPlan
    from privet.core.filters.watch import Watch
    from privet.core.guard import Listed
    from privet.core.jails import Jail
    from privet.core.manners.known import Known
    from privet.core.parsing.parse import Rows
    from privet.core.rows.evidence import Recent
    from privet.core.source import LinePlan
    from privet.core.swarms.swarm import Baseline, Event
    from privet.core.windows.ahead import Ahead, Foreseeing
    from privet.core.windows.detect import Reached
    from privet.core.windows.limits import Peaks, Standing
    from privet.core.windows.recidive import Recidive, Who

NO_FILTERS: Mapping[str, FilterPlan] = MappingProxyType({})
PORTION = 3 << 19
"""Bytes that are best fed at once to detectors that look at whole blocks: they begin less often."""

EMPTY: Mapping[str, Sequence[Subject]] = MappingProxyType({})


class Batch(Unshown, msgspec.Struct, frozen=True):
    """Whole lines of one source, each with its newline, as one read brought them.

    Of `old` ones what they say is long ago may be so: they were there before the start, or their times are sure.
    """

    source: str
    data: bytes
    old: bool = False


_in_order = attrgetter("row", "limit.order")


def _by_place(lines: Lines, one: Reached) -> tuple[int, int]:
    """Return where the line of a row begins, or of a filter's failure, and the order of the jail."""
    return (lines.place(one.row) if one.limit.jail.filter is None else one.row), one.limit.order


class Engine:
    """Jails over sources.

    `observers` are called with each source's name and parsed rows, `found` with its name and a filter's failures.
    `plans` read lines as requests, `filters` look at them whole; a source has a plan, filters, or both. Dates without
    a year are close to `today` where the clock does not tell.

    `loads` is told the load of the machine, by which limits of some jails go; where nobody tells, all is calm.
    `memory` knows who was banned before, by tokens under `secrets`, those of the epochs. An IPv6 client
    has `ipv6_client` bits, at most 64. `networks` tells AS numbers, for the jails that count by them. To `proxied`
    sources all clients come through a proxy; such clients, and those of other sources whose rows say so, get a deny in
    place of a ban.
    """

    def __init__(  # noqa: PLR0913  each is a thing of its own
        self,
        plans: Mapping[str, LinePlan],
        jails: Iterable[Jail],
        filters: Mapping[str, FilterPlan] = NO_FILTERS,
        *,
        tolerance: float,
        max_clients: int,
        observers: Sequence[Callable[[str, Rows], None]] = (),
        found: Callable[[str, Found], None] | None = None,
        secrets: Sequence[bytes] = (),
        ipv6_client: int = IPV6_CLIENT,
        networks: Networks | None = None,
        proxied: Collection[str] = (),
        today: float = 0.0,
    ) -> None:
        self.sources = {
            name: SourceState(name, plans.get(name), filters.get(name)) for name in dict.fromkeys([*plans, *filters])
        }
        self._today = today
        for plan in filters.values():
            plan.begin(today)
        self.jails = tuple(jails)
        self.memory = Memory(self.jails, tolerance, max_clients, networks, secrets)
        self.bans: Counter[str] = Counter()
        self.spared: Counter[str] = Counter()  # limits reached by clients in ignoreip
        self._tolerance = tolerance
        self._observers, self._observe_found = observers, found
        self._ipv6_client = ipv6_client
        self._widened = None if ipv6_client == IPV6_CLIENT else Cache(partial(widened, length=ipv6_client))
        self._networks = networks
        self._proxied = frozenset(proxied)
        shared: dict[tuple[object, ...], list[tuple[int, Jail]]] = {}
        for order, jail in enumerate(self.jails):
            if jail.bans_of is None:
                shared.setdefault(identity_of(jail), []).append((order, jail))
        self.loads = Loads()
        self._registry = Registry(max_clients)
        self._rules = [
            Rule(group, tolerance, max_clients, networks, self._registry, self.loads) for group in shared.values()
        ]
        self._sieves = {
            name: Sifted((rule for rule in self._rules if name in rule.sources), self._registry) for name in plans
        }
        self._by_blocks = any(rule.by_blocks for rule in self._rules)
        self.ignore({})

    @property
    def portion(self) -> int:
        """How many bytes of lines are best fed at once, where they can be had."""
        return PORTION if self._by_blocks else PART

    def ignore(
        self, answers: Mapping[Listed, Iterable[Subject]], instead: Mapping[str, Sequence[Subject]] = EMPTY
    ) -> None:
        """Spare whom `ignoreip` of the jails names, or `instead` for some; `answers` tells who is on their lists."""
        own = {
            jail.name: [
                *instead.get(jail.name, jail.ignoreip),
                *chain.from_iterable(answers.get(one, ()) for one in jail.ignorelists),
            ]
            for jail in self.jails
        }
        self._ignored = {name: PrefixSet(subjects) for name, subjects in own.items()}
        for recidive in self.memory.recidives:
            names = (recidive.jail.name, *recidive.watched)
            self._ignored[recidive.jail.name] = PrefixSet(chain.from_iterable(own[name] for name in names))

    def know(self, known: Known) -> None:
        """Heed what the administrator's files say about robots."""
        for rule in self._rules:
            if isinstance(rule.window, Manners):
                rule.window.habit.know(known)

    def feed(self, batch: Batch, now: float) -> list[Verdict]:
        """Return the verdicts that the batch brings about, in the order of its lines.

        `now` is the clock in seconds since the epoch: stamps further ahead of it than a minute count
        as now. Replay passes infinity, since there the log's own time is the clock.
        """
        source, name = self.sources[batch.source], batch.source
        if self._by_blocks:
            self._registry.crowd.make_room()
        rows, failures = self._requests(source, batch.data, now), self._failures(source, batch, now)
        lines, places = Lines(batch.data, rows) if rows else None, Places(batch.data)
        by_rule: list[Iterable[Reached]] = [
            rule.feed_failures(failures[rule.filter], places)
            for rule in self._rules
            if name in rule.sources and rule.filter in failures
        ]
        if rows and lines:
            by_rule += [rule.feed(rows, chosen, lines) for rule, chosen in self._sieves[name](rows)]
        # Taken one by one in the order of lines, so that each is judged before its window, or another jail, goes on.
        order = partial(_by_place, lines) if lines and failures else _in_order
        reached = merge(*by_rule, key=order) if len(by_rule) > 1 else by_rule[0] if by_rule else ()
        proxied = name in self._proxied
        behind = rows.columns.get("behind") if rows else None
        verdicts = [
            verdict
            for one in reached
            for verdict in self._verdicts(
                one, denied=proxied or bool(behind and one.limit.jail.filter is None and behind[one.row] == BEHIND)
            )
        ]
        self._registry.release()
        return verdicts

    def fail(self, source: str, spec: FilterSpec, keys: Iterable[bytes], time: float) -> list[Verdict]:
        """Count failures that were found out later, as when names are looked up, and return the verdicts."""
        rules = [rule for rule in self._rules if rule.filter == spec and source in rule.sources]
        verdicts: list[Verdict] = []
        for key in keys:
            found = Found([0], [key if self._widened is None else self._widened[key]], [time])
            for rule in rules:
                for one in rule.feed_failures(found, Places(b"")):
                    verdicts += self._verdicts(one, denied=source in self._proxied)
        return verdicts

    def ahead(
        self, source: str, now: float, watched: Callable[[], AbstractContextManager[None]] = nullcontext
    ) -> Ahead | None:
        """Return what tells how long lines of a source can wait before they are fed; None if they cannot wait.

        It matches regular expressions while `watched`.
        """
        state, rules = self.sources[source], [rule for rule in self._rules if source in rule.sources]
        asked = [rule for rule in rules if not rule.by_blocks]
        windows = [rule.window for rule in asked if isinstance(rule.window, Window | Rate)]
        at_once = any(window.least == 1 and not rule.predicates for rule, window in zip(asked, windows, strict=True))
        if state.plan is None or state.filters is not None or at_once or any(len(rule.sources) > 1 for rule in asked):
            return None
        hold = HOLD if len(asked) == len(rules) else MOMENT
        rare = any(window.least < PLENTIFUL and rule.predicates for rule, window in zip(asked, windows, strict=True))
        if state.plan.direct and not rare and self._widened is None and source not in self._proxied:
            return ByClient(state.plan, windows, now, hold)
        return ByWindow(partial(self._ahead, state.plan, self._sieves[source]), watched, now, hold)

    def _ahead(self, plan: LinePlan, sieve: Sifted, block: bytes) -> Iterator[tuple[Foreseeing, Iterable[bytes]]]:
        rows = plan.parse(block)
        for window, keys in sieve.ahead(rows) if rows.keys else ():
            yield window, keys if self._widened is None else map(self._widened.__getitem__, keys)

    def _requests(self, source: SourceState, data: bytes, now: float) -> Rows | None:
        """Parse requests; None if there are none."""
        if source.plan is None:
            return None
        rows = source.plan.parse(data)
        source.count(rows, data)
        if rows.keys:
            rows.times, rows.clients = source.requests.keep(rows.times, now, self._tolerance), rows.keys
            if self._widened is not None:
                rows.keys = list(map(self._widened.__getitem__, rows.keys))
        for observe in self._observers:
            observe(source.name, rows)
        return rows if rows.keys else None

    def _failures(self, source: SourceState, batch: Batch, now: float) -> dict[FilterSpec, Found]:
        """Return what the filters find; failures that are not old but say so count as now."""
        if source.filters is None:
            return {}
        found = source.filters.parse(batch.data, now if isfinite(now) else self._today)
        if source.plan is None:
            source.count_failures(found.values(), batch.data)
        if not batch.old and isfinite(now):
            for columns in found.values():
                columns.times = list(source.failures.as_of(columns.times, now))
        source.keep_failures(list(found.values()), now, self._tolerance)
        for columns in found.values():
            if self._widened is not None:
                columns.keys = list(map(self._widened.__getitem__, columns.keys))
            if self._observe_found is not None:
                self._observe_found(source.name, columns)
        return found

    def watches(self, source: str) -> list[Watch]:
        """Return where regular expressions say what they look at, for whoever bounds the time that they take."""
        filters, sifted = self.sources[source].filters, self._sieves.get(source)
        sieve = sifted.sieve if sifted and sifted.sieve.matches else None
        return [one.watch for one in (filters, sieve) if one]

    def slow(self, source: str) -> list[str]:
        """Return the expressions that took too long on a source, and what that means for them."""
        filters, sifted = self.sources[source].filters, self._sieves.get(source)
        return [*(f"filter {one}" for one in (filters.slow if filters else ())), *(sifted.sieve.slow if sifted else ())]

    def carry(self, old: Engine) -> None:
        """Take over the state of an engine that this one replaces: sources, and windows of equal rules."""
        for name in self.sources.keys() & old.sources.keys():
            fresh, self.sources[name] = self.sources[name], old.sources[name]
            self.sources[name].turn(fresh)
        self._registry.carry(old._registry)
        before = {rule.identity: rule for rule in old._rules}
        for rule in self._rules:
            if rule.identity in before:
                rule.window.carry(before[rule.identity].window)  # type: ignore[arg-type]  # equal rules count alike
                rule.matched, rule.last_match = before[rule.identity].matched, before[rule.identity].last_match
        self.learn({name: one for name, one in old.baselines().items() if name not in self.baselines()})
        self.bans, self.spared = old.bans, old.spared
        self.loads.carry(old.loads)
        self.memory.carry(old.memory)
        self._pardon_all()

    def restore(self, notes: Iterable[Note]) -> None:
        """Take over what a store kept of earlier bans, and collect the changes for it from now on."""
        self.memory.restore(notes)
        self._pardon_all()

    def shift(self, seconds: float) -> None:
        """Take note that the clock, by which lines are stamped, was set forward by so much."""
        for source in self.sources.values():
            source.shift(seconds)
        self.loads.shift(seconds)
        self._registry.shift(seconds)
        for rule in self._rules:
            rule.window.shift(seconds)
        self.memory.shift(seconds)

    def networks_changed(self) -> None:
        """Take note that the table of networks has other answers."""
        for rule in self._rules:
            rule.networks_changed()

    def forget(self, who: Who, now: float, jail: str = "") -> None:
        """Let the counts of a subject, or of an AS number, start anew (in one jail only, if named), as after an unban.

        What they did until now does not count either when it is read again after a restart.
        """
        key = self._counted_as(who)
        for window in [rule.window for rule in self._rules]:
            limits = [limit for limit in window.limits if jail in ("", limit.jail.name)]
            if len(limits) == len(window.limits):
                window.forget(key)
            else:  # others count the same failures
                for limit in limits:
                    limit.until[key] = now
        self.memory.forget(who, now, jail)

    def _pardon(self, who: Who, jail: str, time: float) -> None:
        key = self._counted_as(who)
        for limit in (limit for rule in self._rules for limit in rule.window.limits):
            if jail in ("", limit.jail.name):
                limit.until[key] = max(time, limit.until.get(key, time))
        for recidive in self.memory.recidives:
            if jail in ("", recidive.jail.name):
                recidive.until[who] = max(time, recidive.until.get(who, time))

    def _pardon_all(self) -> None:
        for who, jail, time in self.memory.pardoned():
            self._pardon(who, jail, time)

    def key_of(self, who: Who) -> bytes | None:
        """Return the client key that rows of a subject have; None for what is not just one client."""
        return who.key_in(self._ipv6_client) if isinstance(who, Subject) else None

    def _counted_as(self, who: Who) -> bytes:
        """Return the key that windows have for somebody: a client, or a network."""
        return self.key_of(who) or network_key(who)

    def accused(self, verdict: Verdict) -> Sequence[bytes]:
        """Return the clients whose failures made a verdict: to be asked before the next batch is fed."""
        key = self.key_of(verdict.subject)
        if key is not None:
            return (key,)
        windows = (rule.window for rule in self._rules if rule.window.limits[0].jail.name == verdict.jail)
        network = network_key(verdict.who)
        return [key for one in windows if isinstance(one, Neighbours) for key in one.accused.get(network, ())]

    def evidence(self, verdict: Verdict) -> tuple[str, ...]:
        """Return the last lines that counted for a verdict, masked: to be asked before the next batch is fed."""
        recent = self._recent(verdict.jail)
        return recent.of(self._counted_as(verdict.who), verdict.time) if recent else ()

    def lines(self, verdict: Verdict, most: int) -> list[bytes]:
        """Return the last lines that counted for a verdict, as they were written, for programs that want them."""
        recent = self._recent(verdict.jail)
        return recent.lines(self._counted_as(verdict.who), verdict.time, most) if recent else []

    def _recent(self, name: str) -> Recent | None:
        rules = (rule for rule in self._rules if any(limit.jail.name == name for limit in rule.window.limits))
        return next((rule.recent for rule in rules), None)

    def swarms(self) -> list[Event]:
        """Return the swarms that are there now, and those that were lately, the oldest first."""
        windows = (rule.window for rule in self._rules if isinstance(rule.window, Swarms))
        seen = [event for swarms in windows for event in (*swarms.over, *swarms.going)]
        return sorted(seen, key=lambda event: event.seen)

    def baselines(self) -> dict[str, Baseline]:
        """Return what is usual for each jail that looks for swarms, unless it knows nothing yet."""
        windows = (rule.window for rule in self._rules if isinstance(rule.window, Swarms))
        known = ((swarms.limits[0].jail.name, swarms.baseline()) for swarms in windows)
        return {name: one for name, one in known if one.seconds}

    def learn(self, known: Mapping[str, Baseline]) -> None:
        """Let jails that look for swarms know what was usual before; to be called before anything is fed."""
        for window in (rule.window for rule in self._rules):
            if isinstance(window, Swarms) and window.limits[0].jail.name in known:
                window.learn(known[window.limits[0].jail.name])

    def watch(self, peaks: Peaks) -> None:
        """Tell for each failure from now on how many then count, except in jails that look for swarms or count bans."""
        for rule in self._rules:
            rule.watch = peaks

    def standings(self, now: float) -> Iterator[Standing]:
        """Yield for each jail but those that look for swarms who has how many failures that count now, be it none.

        Whoever takes them may feed the engine meanwhile.
        """
        for window in [rule.window for rule in self._rules]:
            if not isinstance(window, Swarms):
                for limit in window.limits:
                    yield from window.standing(limit, now)
        for recidive in self.memory.recidives:
            yield from recidive.standing(now)

    def spares(self, jail: str, subject: Subject) -> bool:
        """Tell whether a jail never bans somebody, for `ignoreip`."""
        return self._ignored[jail].overlaps(subject)

    def matches(self) -> dict[str, tuple[int, float | None]]:
        """Return for each jail how many failures it saw and the time of the last."""
        on_rows = {
            limit.jail.name: (rule.matched, rule.last_match) for rule in self._rules for limit in rule.window.limits
        }
        return on_rows | {one.jail.name: (one.matched, one.last_match) for one in self.memory.recidives}

    def failing(self, name: str, now: float) -> int:
        """Return how many clients have failures that still count in a jail."""
        limits = ((rule.window, limit) for rule in self._rules for limit in rule.window.limits)
        return sum(window.failing(limit, now) for window, limit in limits if limit.jail.name == name)

    @property
    def tracked(self) -> int:
        """How many clients are remembered now, over all windows."""
        manners = sum(rule.window.remembered for rule in self._rules if isinstance(rule.window, Manners))
        windows = sum(len(rule.window.clients) for rule in self._rules)
        return windows + sum(map(len, self.memory.recidives)) + manners + self._registry.tracked

    @property
    def evicted(self) -> int:
        """How many clients were forgotten to stay within the cap."""
        windows = sum(rule.window.evicted for rule in self._rules)
        return windows + self.memory.evicted + self._registry.evicted

    def _verdicts(self, reached: Reached, *, denied: bool) -> Iterator[Verdict]:
        """Yield the verdict on a client who reached a limit, and those of the jails that count bans.

        `denied` tells that the client came through a proxy, where the firewall cannot reach him.
        """
        limit, number = reached.limit, number_of(reached.key)
        who = Subject.of_key(reached.key, self._ipv6_client) if number is None else number
        verdicts = self._judge(limit.jail, who, reached.time, reached.failures, denied=denied)
        for verdict in verdicts:
            limit.until[reached.key] = verdict.until
            yield verdict
            if verdict.action not in (Action.REPORT, Action.SLOW):
                for recidive in self.memory.recidives:
                    yield from self._repeated(recidive, verdict, denied=denied)

    def _repeated(self, recidive: Recidive, verdict: Verdict, *, denied: bool) -> Iterator[Verdict]:
        who = recidive.hit(verdict)
        if who is not None:
            verdicts = self._judge(recidive.jail, who, verdict.time, recidive.jail.maxretry, denied=denied)
            if verdicts:
                recidive.until[who] = verdicts[0].until
            yield from verdicts

    def _judge(self, jail: Jail, who: Who, time: float, failures: int, *, denied: bool) -> list[Verdict]:
        """Return the verdict on a subject, or on each prefix of an AS number, unless they are ignored."""
        group, subjects = self._members(who)
        ignored = self._ignored[jail.name]
        closed = [subject for subject in subjects if not ignored.overlaps(subject)]
        if not closed:
            self.spared[jail.name] += 1
            return []
        self.bans[jail.name] += 1
        if not self.memory.patience.ends(jail, who, time):
            action = Action.REPORT if jail.dry_run else Action.SLOW
            return [Verdict(action, one, jail.name, time, time + jail.bantime, failures) for one in closed]
        action, scope = jail.action, jail.scope
        count, bantime = (0, jail.bantime) if action is Action.SLOW else self.memory.escalated(jail, who, time)
        if denied and action is Action.BAN:
            action = Action.DENY
        if action in (Action.DENY, Action.SLOW):
            scope = ""  # a web server's lists know of no ports
        return [
            Verdict(action, one, jail.name, time, time + bantime, failures, scope, count=count, group=group)
            for one in closed
        ]

    def _members(self, who: Who) -> tuple[str, Sequence[Subject]]:
        if isinstance(who, Subject):
            return "", (who,)
        return as_text(who), self._networks.prefixes(who) if self._networks else ()
