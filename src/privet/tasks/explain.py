"""One line through every jail, step by step: where it stops, and what would have been needed to go on."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from privet.config.compile import is_plain, plan_for
from privet.core.addresses.address import Subject, client_key, is_pseudonym
from privet.core.filters.dates import Dates
from privet.core.filters.matching import Filter
from privet.core.filters.near import near
from privet.core.filters.plan import needles_for
from privet.core.filters.tags import IDENTITIES
from privet.core.filters.views import History, View
from privet.core.filters.watch import Watch
from privet.core.jails import Between, Is, Matches
from privet.core.plurals import counted
from privet.core.rows.select import columns_for, values_of
from privet.core.rows.sieve import Sieve
from privet.tasks.trial import HARMLESS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import tzinfo

    from privet.config.model import Config, SourceConfig
    from privet.core.filters.expression import Expression, Facts
    from privet.core.filters.model import FilterSpec
    from privet.core.jails import Jail, Predicate, Test

FAILURE, HARMLESS_LINE, NOTHING = "a failure", "no failure by itself", "nothing"
"""What a line is to a jail."""

_SHOWN = 160  # characters of a line or an expression


class Step(msgspec.Struct, frozen=True):
    """One step: its name, what came of it, and whether the line goes on (None: neither here nor there)."""

    name: str
    text: str
    good: bool | None = True


class Walk(msgspec.Struct, frozen=True):
    """A line's way through a jail, as it comes from one of its sources."""

    jail: str
    source: str
    steps: tuple[Step, ...]
    result: str = NOTHING


class _Stop(Exception):  # noqa: N818  nothing is wrong
    """The line goes no further; `result` is what it is."""

    def __init__(self, result: str = NOTHING) -> None:
        super().__init__()
        self.result = result


def explain(config: Config, line: str, zone: tzinfo, now: float, jail: str | None = None) -> Iterator[Walk]:
    """Walk a line through one jail, or through all; dates that carry no offset are in `zone`."""
    for one in config.jails.values():
        if jail not in (None, one.name):
            continue
        if one.bans_of is not None:
            yield Walk(one.name, "", (Step("source", "counts the bans of other jails and reads no lines", good=False),))
        for name in one.sources:
            yield _Walker(config, one, zone, now).walk(config.sources[name], line)


class _Walker:
    """Walks a line through one jail."""

    def __init__(self, config: Config, jail: Jail, zone: tzinfo, now: float) -> None:
        self._config, self._jail, self._zone, self._now = config, jail, zone, now
        self._steps: list[Step] = []

    def walk(self, source: SourceConfig, line: str) -> Walk:
        """Go as far as the line gets."""
        self._source, self._line = source, line.rstrip("\r\n")
        try:
            result = self._through_filter(self._jail.filter) if self._jail.filter else self._through_conditions()
        except _Stop as stop:
            result = stop.result
        return Walk(self._jail.name, source.name, tuple(self._steps), result)

    def _say(self, name: str, text: str, *, good: bool | None = True) -> None:
        self._steps.append(Step(name, text, good))

    def _through_filter(self, spec: FilterSpec) -> str:
        """Walk through a filter in fail2ban's language."""
        self._reads("as whole lines")
        watch = Watch()
        journal = self._source.journal is not None
        view = View(spec, self._zone, watch, History(), journal=journal)
        view.begin(self._now)
        one = Filter(spec, watch, view.read)
        text = self._dated(view, journal=journal)
        self._sifted(view, one)
        before, content = self._peeled(one, text)
        expression, facts = self._matched(one, content, before)
        self._not_ignored(one, text, content)
        if any(facts.get(name) for name in HARMLESS):
            self._say("failure", "the line says that nobody failed; it may name who did in other lines", good=None)
            raise _Stop(HARMLESS_LINE)
        who = next(((kind, who) for kind in IDENTITIES if (who := facts.get(kind))), None)
        if who is None:
            self._say(
                "who", f"{expression.name} tells no address: it waits for a line of {facts['mlfid']!r}", good=None
            )
            raise _Stop(HARMLESS_LINE)
        return self._counted(client_key(who[1].encode()), who[1], names=who[0] == "dns")

    def _at(self, seconds: float) -> str:
        return datetime.fromtimestamp(seconds, self._zone).strftime("%Y-%m-%d %H:%M:%S %z")

    def _reads(self, how: str) -> None:
        source = self._source
        what = ", ".join(source.paths) if source.paths else "a pipe" if source.pipe else "the journal"
        self._say("source", f"{source.name} ({what}), read {how}")

    def _dated(self, view: View, *, journal: bool) -> str:
        """Return the line as the filter sees it."""
        if journal:
            self._say("date", "in a journal, each entry knows its own")
            return f"{self._line}\n"
        line = self._line.encode()
        text, time = view.read(line)
        form = view.dates.form(self._line) if isinstance(view.dates, Dates) else None
        if form is None:
            self._say("date", "none is found: it would count as now, or with the line before it", good=None)
        elif time is None:
            self._say("date", f"one in the form {form}, but there is no such day or time", good=None)
        else:
            self._say("date", f"{self._at(time)}, in the form {form}")
        self._say("rest", _short(text.rstrip("\n")), good=None)
        return text

    def _sifted(self, view: View, one: Filter) -> None:
        """Tell how many expressions look at the line at all."""
        small = self._line.lower()
        wanted = [needles_for(view, one, expression) for expression in one.failures]
        count = sum(all(any(text in small for text in needle.texts) for needle in needles) for needles in wanted)
        total = len(wanted)
        if count == 0:
            words = sorted({text for needles in wanted for needle in needles for text in needle.texts})
            self._say(
                "prefilter", f"none of the words that it takes is there, such as {_short(', '.join(words))}", good=False
            )
        else:
            self._say("prefilter", f"{count} of {total} failregex are tried: the words that they need are there")

    def _peeled(self, one: Filter, text: str) -> tuple[Facts, str]:
        if one.prefix is None:
            return {}, text
        before, content = one.peel(text)
        if before is None:
            found = near(one.prefix.text, text, names=one.spec.usedns != "no")
            self._say("prefregex", str(found) if found else f"does not match: {_short(one.prefix.text)}", good=False)
            raise _Stop
        self._say("prefregex", f"matches, and leaves {_short(content.rstrip(chr(10)))}")
        return before, content

    def _matched(self, one: Filter, content: str, before: Facts) -> tuple[Expression, Facts]:
        """Return the first failregex that matches, with all that is known."""
        for expression in one.failures:
            match = expression.search(content)
            if match is not None:
                self._say(expression.name, f"matches: {_short(expression.text)}")
                return expression, {**before, **{k: v for k, v in expression.facts(match).items() if v is not None}}
        for expression in one.failures:
            if found := near(expression.text, content, names=one.spec.usedns != "no"):
                self._say(expression.name, str(found), good=False)
        self._say("failregex", f"none of {counted(len(one.failures), 'expression')} matches", good=False)
        raise _Stop

    def _not_ignored(self, one: Filter, text: str, content: str) -> None:
        for expression in one.ignores:
            if expression.search(content) or expression.search(text):
                self._say(expression.name, f"matches, so the line is ignored: {_short(expression.text)}", good=False)
                raise _Stop
        if one.ignores:
            self._say("ignoreregex", f"none of {counted(len(one.ignores), 'expression')} matches")

    def _through_conditions(self) -> str:
        """Walk through a jail with conditions on requests."""
        self._reads(f"as requests in the format {self._source.format}")
        if is_plain(self._config, self._source):
            self._say("format", "the lines of this source are no requests", good=False)
            raise _Stop
        plan = plan_for(self._source, columns_for(self._jail.predicates), self._zone)
        rows = plan.parse(self._line.encode() + b"\n")
        for reason, _ in rows.bad:
            self._say("format", f"the line is no request: {reason}", good=False)
        if not rows.keys:
            raise _Stop
        self._say("format", f"a request, at {self._at(rows.times[0])}")
        counts = True
        for predicate in self._jail.predicates:
            value = values_of(rows, predicate.field, [0])[0].decode(errors="replace")
            holds = Sieve([[predicate]])(rows) == [[0]]
            counts = counts and holds
            self._say(predicate.field, f"{_short(value)!r}: wanted is {_wanted(predicate)}", good=holds)
        if not counts:
            raise _Stop
        if self._jail.signal:
            self._say("signal", f"{self._jail.signal}: judged by what the client did before", good=None)
            raise _Stop(HARMLESS_LINE)
        return self._counted(rows.keys[0], "", names=False)

    def _counted(self, key: bytes | None, who: str, *, names: bool) -> str:
        """Tell who is counted, and what it takes for a ban."""
        jail = self._jail
        if key is None:
            why = "a host name, and names are not looked up" if names else "no client's address: the log is masked"
            self._say("who", f"{who} is {why}; nobody can be banned for it", good=False)
            raise _Stop
        if is_pseudonym(key):
            self._say("who", "a pseudonym: the log is masked, and nobody can be banned for it", good=False)
            raise _Stop
        subject = Subject.of_key(key, self._config.engine.ipv6_client)
        self._say("who", f"{who or 'the client'}, counted as a /{subject.length}")
        for setting, subjects in (("[daemon] ignoreip", self._config.daemon.ignoreip), ("ignoreip", jail.ignoreip)):
            if any(one.overlaps(subject) for one in subjects):
                self._say("ignoreip", f"stands in {setting}: is never banned", good=False)
                raise _Stop
        lists = len(jail.ignorelists) + len(self._config.daemon.ignorelists)
        if lists or jail.ignorecommand:
            self._say("ignoreip", "lists, names and commands are asked by the daemon only", good=None)
        often = (
            f"one failure of {jail.maxretry} within {jail.findtime:g} s" if jail.maxretry > 1 else "enough for a ban"
        )
        self._say("count", f"{often}; a ban lasts {jail.bantime:g} s")
        return FAILURE


def _wanted(predicate: Predicate) -> str:
    """Say what a condition asks of its field."""
    parts = [f"{', '.join(map(_asked, predicate.any))}"] if predicate.any else []
    parts += [f"none of {', '.join(map(_asked, predicate.none))}"] if predicate.none else []
    return _short(" and ".join(parts))


def _asked(test: Test) -> str:
    match test:
        case Is(text):
            return repr(text)
        case Matches(regex):
            return f"found by {regex}"
        case Between(low, high):
            return f"{low:g} to {high:g}" if low != high else f"{low:g}"


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
