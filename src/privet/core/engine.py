"""The one path from lines to verdicts, for the daemon, replay, the demo and the tests alike.

`Engine.feed` is a function of what it was fed before: it reads no clock, and any split of the input
into batches gives the same verdicts (`tests/property/test_engine.py`).
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from heapq import merge
from itertools import chain
from math import isfinite
from operator import attrgetter
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

from privet.core.address import IPV6_CLIENT, Subject, widened
from privet.core.cache import Cache
from privet.core.escalate import KIND as OFFENCES
from privet.core.escalate import Offences, counted_with, draw_for
from privet.core.escalate import state_of as offence_of
from privet.core.evidence import Lines, Places
from privet.core.filters.plan import Found
from privet.core.forwarded import BEHIND
from privet.core.manners.window import Manners
from privet.core.neighbours import Neighbours, network_key, number_of
from privet.core.networks import as_number, as_text
from privet.core.pardons import KIND as PARDON
from privet.core.pardons import Pardons
from privet.core.pardons import state_of as pardon_of
from privet.core.patience import Patience
from privet.core.prefixes import PrefixSet
from privet.core.recidive import KIND as RECIDIVE
from privet.core.recidive import Recidive, Who
from privet.core.recidive import state_of as recidive_of
from privet.core.rules import Rule, identity_of
from privet.core.source import SourceState
from privet.core.swarm import Swarms
from privet.core.tokens import Tokens
from privet.core.verdicts import Action, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from privet.core.detect import Reached
    from privet.core.evidence import Recent
    from privet.core.filters.model import FilterSpec
    from privet.core.filters.plan import FilterPlan
    from privet.core.guard import Listed
    from privet.core.jails import Jail
    from privet.core.manners.known import Known
    from privet.core.networks import Networks
    from privet.core.notes import Note
    from privet.core.parse import Rows
    from privet.core.source import LinePlan
    from privet.core.swarm import Event

NO_FILTERS: Mapping[str, FilterPlan] = MappingProxyType({})
EMPTY: Mapping[str, Sequence[Subject]] = MappingProxyType({})
_NUMBER = b"\xff"  # before an AS number; no prefix is that long
BATCH = 10_000  # notes that a store gets at once


class Batch(msgspec.Struct, frozen=True):
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

    `offences` and `recidives` remember who was banned, by tokens under `secrets`, those of the epochs. An IPv6 client
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
        self.offences = Offences(max_clients, max((jail.escalation.forget for jail in self.jails), default=0.0))
        longest = max((jail.findtime for jail in self.jails), default=0.0)
        self.pardons = Pardons(max_clients, longest + tolerance)
        self.patience = Patience(max_clients)
        self._tokens = Tokens(secrets)
        self.recidives = [
            Recidive(jail, self.jails, tolerance, max_clients, networks, tokens=self._tokens)
            for jail in self.jails
            if jail.bans_of is not None
        ]
        self.bans: Counter[str] = Counter()
        self.spared: Counter[str] = Counter()  # limits reached by clients in ignoreip
        self._tolerance = tolerance
        self._observers, self._observe_found = observers, found
        self._ipv6_client = ipv6_client
        self._widened = None if ipv6_client == IPV6_CLIENT else Cache(partial(widened, length=ipv6_client))
        self._networks = networks
        self._proxied = frozenset(proxied)
        self._counted = counted_with(self.jails)
        shared: dict[tuple[object, ...], list[tuple[int, Jail]]] = {}
        for order, jail in enumerate(self.jails):
            if jail.bans_of is None:
                shared.setdefault(identity_of(jail), []).append((order, jail))
        self._rules = [Rule(group, tolerance, max_clients, networks) for group in shared.values()]
        self.ignore({})

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
        for recidive in self.recidives:
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
        rows, failures = self._requests(source, batch.data, now), self._failures(source, batch, now)
        lines, places = Lines(batch.data, rows) if rows else None, Places(batch.data)
        by_rule: list[Iterable[Reached]] = []
        for rule in self._rules:
            if name in rule.sources:
                if rule.filter is not None and rule.filter in failures:
                    by_rule.append(rule.feed_failures(failures[rule.filter], places))
                elif rule.filter is None and rows and lines:
                    by_rule.append(rule.feed(rows, lines))
        # Taken one by one in the order of lines, so that each is judged before its window, or another jail, goes on.
        order = partial(_by_place, lines) if lines and failures else _in_order
        reached = merge(*by_rule, key=order) if len(by_rule) > 1 else by_rule[0] if by_rule else ()
        proxied = name in self._proxied
        behind = rows.columns.get("behind") if rows else None
        return [
            verdict
            for one in reached
            for verdict in self._verdicts(
                one, denied=proxied or bool(behind and one.limit.jail.filter is None and behind[one.row] == BEHIND)
            )
        ]

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
                columns.times = source.failures.as_of(columns.times, now)
        self._keep_all(source, list(found.values()), now)
        for columns in found.values():
            if self._widened is not None:
                columns.keys = list(map(self._widened.__getitem__, columns.keys))
            if self._observe_found is not None:
                self._observe_found(source.name, columns)
        return found

    def _keep_all(self, source: SourceState, columns: Sequence[Found], now: float) -> None:
        """Bring the times of all filters within reach, in the order of the lines."""
        if len(columns) == 1 and columns[0].times:
            columns[0].times = source.failures.keep(columns[0].times, now, self._tolerance)
            return
        spots = sorted(
            (place, number, index) for number, one in enumerate(columns) for index, place in enumerate(one.places)
        )
        if not spots:
            return
        times = source.failures.keep([columns[number].times[index] for _, number, index in spots], now, self._tolerance)
        for (_, number, index), time in zip(spots, times, strict=True):
            columns[number].times[index] = time

    def carry(self, old: Engine) -> None:
        """Take over the state of an engine that this one replaces: sources, and windows of equal rules."""
        for name in self.sources.keys() & old.sources.keys():
            fresh, self.sources[name] = self.sources[name], old.sources[name]
            self.sources[name].turn(fresh)
        before = {rule.identity: rule for rule in old._rules}
        for rule in self._rules:
            if rule.identity in before:
                rule.window.carry(before[rule.identity].window)  # type: ignore[arg-type]  # equal rules count alike
                rule.matched, rule.last_match = before[rule.identity].matched, before[rule.identity].last_match
        self.bans, self.spared = old.bans, old.spared
        self.offences.carry(old.offences)
        self.pardons.carry(old.pardons)
        self.patience.carry(old.patience)
        named = {recidive.jail.name: recidive for recidive in old.recidives}
        for recidive in self.recidives:
            if recidive.jail.name in named:
                recidive.carry(named[recidive.jail.name])
        self._pardon_all()

    def restore(self, notes: Iterable[Note]) -> None:
        """Take over what a store kept of earlier bans, and collect the changes for it from now on."""
        for thing in self._memories:
            thing.changed.begin()
        known = list(notes)
        self.offences.restore(offence_of(note) for note in known if note.key.startswith(OFFENCES))
        for recidive in self.recidives:
            own = [note for note in known if note.jail == recidive.jail.name and note.key.startswith(RECIDIVE)]
            recidive.restore(map(recidive_of, own))
        self.pardons.restore(pardon_of(note) for note in known if note.key.startswith(PARDON))
        self._pardon_all()

    @property
    def _memories(self) -> list[Offences | Recidive | Pardons]:
        """What remembers earlier bans."""
        return [self.offences, *self.recidives, self.pardons]

    def changes(self) -> tuple[list[Note], list[Note]]:
        """Return what a store is to put and to drop since this was asked last, or a part; nothing when that is all."""
        told = [self.offences.note_of(*one) for one in self.offences.changed.take(BATCH)]
        told += [self.pardons.note_of(one) for one in self.pardons.changed.take(BATCH)]
        for recidive in self.recidives:
            told += [recidive.note_of(one) for one in recidive.changed.take(BATCH)]
        return [note for note, stays in told if stays], [note for note, stays in told if not stays]

    def all_changed(self) -> None:
        """Let changes() return everything: a store has lost it."""
        for thing in self._memories:
            thing.all_changed()

    def shift(self, seconds: float) -> None:
        """Take note that the clock, by which lines are stamped, was set forward by so much."""
        for source in self.sources.values():
            source.shift(seconds)
        for rule in self._rules:
            rule.window.shift(seconds)
        for thing in (*self._memories, self.patience):
            thing.shift(seconds)

    def networks_changed(self) -> None:
        """Take note that the table of networks has other answers."""
        for rule in self._rules:
            rule.networks_changed()

    def expire(self, now: float) -> None:
        """Forget what no jail asks for any more."""
        self.offences.expire(now)
        self.pardons.expire(now)
        self.patience.expire({jail.name: jail for jail in self.jails}, now)

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
        for recidive in self.recidives:
            recidive.forget(who, jail)
        self.offences.forgive(self._token(who), jail)
        self.patience.forget(who, jail)
        self.pardons.grant(_packed(who), jail, now)

    def _pardon(self, who: Who, jail: str, time: float) -> None:
        key = self._counted_as(who)
        for limit in (limit for rule in self._rules for limit in rule.window.limits):
            if jail in ("", limit.jail.name):
                limit.until[key] = max(time, limit.until.get(key, time))
        for recidive in self.recidives:
            if jail in ("", recidive.jail.name):
                recidive.until[who] = max(time, recidive.until.get(who, time))

    def _pardon_all(self) -> None:
        for packed, jail, time in self.pardons.export():
            self._pardon(_unpacked(packed), jail, time)

    def recall(self, subject: Subject, jail: str, count: int, until: float) -> None:
        """Take note of bans that somebody had elsewhere before, the last one up to a time."""
        if jail in self._counted:
            self.offences.restore([(self._token(subject), jail, count, until)])
            self.offences.changed.add((self._token(subject), jail))

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
        network = network_key(_who(verdict))
        return [key for one in windows if isinstance(one, Neighbours) for key in one.accused.get(network, ())]

    def evidence(self, verdict: Verdict) -> tuple[str, ...]:
        """Return the last lines that counted for a verdict, masked: to be asked before the next batch is fed."""
        recent = self._recent(verdict.jail)
        return recent.of(self._counted_as(_who(verdict)), verdict.time) if recent else ()

    def lines(self, verdict: Verdict, most: int) -> list[bytes]:
        """Return the last lines that counted for a verdict, as they were written, for programs that want them."""
        recent = self._recent(verdict.jail)
        return recent.lines(self._counted_as(_who(verdict)), verdict.time, most) if recent else []

    def _recent(self, name: str) -> Recent | None:
        rules = (rule for rule in self._rules if any(limit.jail.name == name for limit in rule.window.limits))
        return next((rule.recent for rule in rules), None)

    def swarms(self) -> list[Event]:
        """Return the swarms that are there now, and those that were lately, the oldest first."""
        windows = (rule.window for rule in self._rules if isinstance(rule.window, Swarms))
        seen = [event for swarms in windows for event in (*swarms.over, *swarms.going)]
        return sorted(seen, key=lambda event: event.seen)

    def history(self, who: Who) -> dict[str, int]:
        """Return how often somebody was banned of late, by jail."""
        return self.offences.of(self._token(who))

    def matches(self) -> dict[str, tuple[int, float | None]]:
        """Return for each jail how many failures it saw and the time of the last."""
        on_rows = {
            limit.jail.name: (rule.matched, rule.last_match) for rule in self._rules for limit in rule.window.limits
        }
        return on_rows | {one.jail.name: (one.matched, one.last_match) for one in self.recidives}

    def failing(self, name: str, now: float) -> int:
        """Return how many clients have failures that still count in a jail."""
        limits = ((rule.window, limit) for rule in self._rules for limit in rule.window.limits)
        return sum(window.failing(limit, now) for window, limit in limits if limit.jail.name == name)

    @property
    def tracked(self) -> int:
        """How many clients are remembered now, over all windows."""
        manners = sum(rule.window.remembered for rule in self._rules if isinstance(rule.window, Manners))
        return sum(len(rule.window.clients) for rule in self._rules) + sum(map(len, self.recidives)) + manners

    @property
    def evicted(self) -> int:
        """How many clients were forgotten to stay within the cap."""
        by_windows = sum(rule.window.evicted for rule in self._rules)
        by_memories = self.offences.evicted + self.patience.evicted
        return by_windows + sum(recidive.evicted for recidive in self.recidives) + by_memories

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
                for recidive in self.recidives:
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
        if not self.patience.ends(jail, who, time):
            action = Action.REPORT if jail.dry_run else Action.SLOW
            return [Verdict(action, one, jail.name, time, time + jail.bantime, failures) for one in closed]
        count, bantime = self._escalated(jail, who, time)
        action, scope = jail.action, jail.scope
        if denied and action is Action.BAN:
            action, scope = Action.DENY, ""  # a web server's list knows of no ports
        return [
            Verdict(action, one, jail.name, time, time + bantime, failures, scope, count=count, group=group)
            for one in closed
        ]

    def _members(self, who: Who) -> tuple[str, Sequence[Subject]]:
        if isinstance(who, Subject):
            return "", (who,)
        return as_text(who), self._networks.prefixes(who) if self._networks else ()

    def _escalated(self, jail: Jail, who: Who, time: float) -> tuple[int, float]:
        """Return how many bans count before this one and how long this one is; note it for the next."""
        counted = self._counted.get(jail.name)
        if counted is None:
            return 0, jail.bantime
        escalation, token, count, bantime = jail.escalation, self._token(who), 0, jail.bantime
        if escalation.increment:
            count = self.offences.before(token, jail.name, counted, time, escalation.forget)
            bantime = escalation.bantime(bantime, count, draw_for(token, jail.name, count))
        self.offences.note(token, jail.name, time, time + bantime, escalation.forget)
        return count, bantime

    def _token(self, who: Who) -> bytes:
        """Return what stands for a subject or an AS number in `offences`, with what was known before this epoch."""
        token = self._tokens.of(who)
        for before in self._tokens.before(who):
            self.offences.rename(before, token)
        return token

    def turn(self, secrets: Sequence[bytes]) -> None:
        """Begin a new epoch."""
        self._tokens = Tokens(secrets)
        for recidive in self.recidives:
            recidive.tokens = self._tokens

    def renew(self, who: Who) -> None:
        """Let what is remembered of somebody go on in this epoch, as for who is banned for longer than one lasts."""
        self._token(who)
        for recidive in self.recidives:
            recidive.renew(who)


def _who(verdict: Verdict) -> Who:
    """Return whom a verdict is about."""
    return as_number(verdict.group) or verdict.subject


def _packed(who: Who) -> bytes:
    """Return whom a pardon is for in bytes that `_unpacked` reads."""
    return bytes([who.length]) + who.packed if isinstance(who, Subject) else _NUMBER + who.to_bytes(4)


def _unpacked(packed: bytes) -> Who:
    return int.from_bytes(packed[1:]) if packed.startswith(_NUMBER) else Subject(packed[1:], packed[0])
