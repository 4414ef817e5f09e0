"""One filter at work: from a line without its date to the failure that it tells."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from privet.core.filters.conversations import Conversations, PutOff
from privet.core.filters.errors import FilterError
from privet.core.filters.expression import Expression, Facts
from privet.core.filters.tags import IDENTITIES
from privet.core.filters.watch import Overrun

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from privet.core.filters.model import FilterSpec
    from privet.core.filters.watch import Watch


class Failure(msgspec.Struct, gc=False):
    """Who failed, as the log says it, and when, if it says that. `kind` is the group that told `who`.

    `facts` are all groups, `lines` the lines (without dates) that made the failure: for whoever asks.
    """

    time: float | None
    who: str
    kind: str
    cidr: str | None
    expression: Expression
    told: re.Match[str] | Facts
    said: str | list[str]

    @property
    def facts(self) -> Facts:
        """What the groups held."""
        return self.expression.facts(self.told) if isinstance(self.told, re.Match) else self.told

    @property
    def lines(self) -> list[str]:
        """The lines without newlines."""
        return self.said[:-1].split("\n") if isinstance(self.said, str) else self.said


class Filter:
    """A compiled filter for single lines, or with `maxlines` the compiled part of one for several.

    `read` takes the date out of lines that were put off.
    """

    def __init__(self, spec: FilterSpec, watch: Watch, read: Callable[[bytes], tuple[str, float | None]]) -> None:
        self.spec, self.watch, self._read = spec, watch, read
        self.observed = False  # whether anybody wants to know of each failure
        names = spec.usedns != "no"
        several = spec.maxlines > 1
        self.prefix = Expression("prefregex", 0, spec.prefregex, names=names) if spec.prefregex else None
        self.failures = tuple(
            Expression("failregex", number, text, names=names, lines=several)
            for number, text in enumerate(spec.failregex)
        )
        self.ignores = tuple(
            Expression("ignoreregex", number, text, names=names, lines=several)
            for number, text in enumerate(spec.ignoreregex)
        )
        if not self.failures:
            raise FilterError("failregex", 0, f"the filter {spec.name} has none")
        told = self.prefix.groups if self.prefix else frozenset()
        for expression in self.failures:
            if not (expression.groups | told) & {*IDENTITIES, "mlfid"}:
                message = "it tells no address: <HOST> or one of its kin is missing"
                raise FilterError("failregex", expression.number, message)
        self.talks = any("mlfid" in groups for groups in (told, *(e.groups for e in self.failures)))
        self.conversations, self.put_off = Conversations(), PutOff()
        self._silent = tuple(expression for expression in self.failures if expression.silent)
        self.ignored = 0

    def carry(self, old: Filter) -> None:
        """Take over the conversations of an equal filter."""
        self.conversations, self.put_off = old.conversations, old.put_off
        self.ignored = old.ignored

    @property
    def expressions(self) -> list[Expression]:
        """Everything that is matched."""
        return [*([self.prefix] if self.prefix else ()), *self.failures, *self.ignores]

    def feed(self, text: str, time: float | None, chosen: Sequence[Expression]) -> Failure | None:
        """Return the failure that a line tells. `text` ends with a newline, `chosen` may match it."""
        while True:
            try:
                before, content = self.peel(text) if self.prefix else (None, text)
                found = self.first(content, chosen) if content else None
                if found is None:
                    return None
                if self.ignores and (self.ignores_any(content) or (content is not text and self.ignores_any(text))):
                    self.ignored += 1
                    return None
            except Overrun:
                self.watch.punish()
            else:
                return self.conclude(*found, before, text, time)

    def peel(self, text: str) -> tuple[Facts | None, str]:
        """Return what the prefregex says and the text for the failregexes, "" if it does not match."""
        assert self.prefix is not None  # noqa: S101  for the type checker
        match = self.search(self.prefix, text)
        if match is None:
            return None, ""
        before = self.prefix.facts(match)
        part = before.pop("content", None)
        return before, part + "\n" if part else text

    def first(self, content: str, chosen: Sequence[Expression]) -> tuple[Expression, re.Match[str]] | None:
        """Return the first expression that matches, with its match."""
        watch = self.watch
        watch.text, length = content, len(content)
        for expression in chosen:
            if length > expression.longest:
                continue
            watch.at = expression
            match = expression.search(content)
            if match is not None:
                watch.at = None
                return expression, match
        watch.at = None
        return None

    def search(self, expression: Expression, text: str) -> re.Match[str] | None:
        """Match under watch."""
        if len(text) > expression.longest:
            return None
        watch = self.watch
        watch.text, watch.at = text, expression
        match = expression.search(text)
        watch.at = None
        return match

    def ignores_any(self, text: str) -> bool:
        """Tell whether an ignoreregex matches."""
        return any(self.search(expression, text) for expression in self.ignores)

    def conclude(
        self, expression: Expression, match: re.Match[str], before: Facts | None, lines: str, time: float | None
    ) -> Failure | None:
        """Return the failure of a match, None if it is none, or waits for more lines."""
        if expression.plain and not before:
            for kind in expression.identities:
                if who := match[kind]:
                    cidr = match["cidr"] if expression.has_cidr else None
                    return Failure(time, who, kind, cidr, expression, match, lines)
            return None
        facts = {name: value for name, value in expression.facts(match).items() if value is not None}
        if before:
            facts = {**before, **facts}
        if facts.get("mlfid") is None:
            return None if facts.get("nofail") else self._failure(expression, facts, time, lines)
        for line in self.put_off.release(facts["mlfid"]):
            self.feed(*self._read(line), self._silent)
        talk = self.conversations.take(facts, lines[:-1], time)
        return self._failure(expression, talk[0], time, talk[1]) if talk else None

    def _failure(
        self, expression: Expression, facts: Facts, time: float | None, said: str | list[str]
    ) -> Failure | None:
        for kind in IDENTITIES:
            if who := facts.get(kind):
                return Failure(time, who, kind, facts.get("cidr"), expression, facts, said)
        return None
