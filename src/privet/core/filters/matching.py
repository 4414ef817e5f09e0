"""One filter at work: from a line without its date to the failure that it tells."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from privet.core.filters.conversations import Conversations
from privet.core.filters.errors import FilterError
from privet.core.filters.expression import Expression, Facts
from privet.core.filters.model import FilterSpec
from privet.core.filters.tags import IDENTITIES
from privet.core.filters.watch import Overrun

if TYPE_CHECKING:
    from collections.abc import Sequence

    from privet.core.filters.watch import Watch


class Failure(msgspec.Struct):
    """Who failed, as the log says it, and when. `kind` is the group that told `who`.

    `facts` are all groups, `lines` the lines (without dates) that made the failure: both are there for whoever
    asks, since most do not.
    """

    time: float
    who: str
    kind: str
    cidr: str | None
    spec: FilterSpec
    expression: Expression
    match: re.Match[str] | None = None
    talked: Facts | None = None
    lines: list[str] = []

    @property
    def facts(self) -> Facts:
        """What the groups held."""
        if self.talked is not None:
            return self.talked
        return self.expression.facts(self.match) if self.match else {}


class Filter:
    """A compiled filter for single lines, or with `maxlines` the compiled part of one for several."""

    def __init__(self, spec: FilterSpec, watch: Watch) -> None:
        self.spec, self.watch = spec, watch
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
        self.conversations = Conversations()
        self.ignored = 0

    @property
    def expressions(self) -> list[Expression]:
        """Everything that is matched."""
        return [*([self.prefix] if self.prefix else ()), *self.failures, *self.ignores]

    def feed(self, text: str, time: float, chosen: Sequence[Expression]) -> Failure | None:
        """Return the failure that a line tells. `text` ends with a newline, `chosen` may match it."""
        while True:
            try:
                return self._feed(text, time, chosen)
            except Overrun:
                self.watch.punish()

    def _feed(self, text: str, time: float, chosen: Sequence[Expression]) -> Failure | None:
        before: Facts | None = None
        content = text
        if self.prefix:
            match = self.search(self.prefix, text)
            if match is None:
                return None
            before = self.prefix.facts(match)
            if part := before.pop("content", None):
                content = part + "\n"
        for expression in chosen:
            match = self.search(expression, content)
            if match is not None:
                break
        else:
            return None
        if self.ignores and (self.ignores_any(content) or (content is not text and self.ignores_any(text))):
            self.ignored += 1
            return None
        return self.conclude(expression, match, before, text, time)

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
        self, expression: Expression, match: re.Match[str], before: Facts | None, lines: str, time: float
    ) -> Failure | None:
        """Return the failure of a match, None if it is none, or waits for more lines."""
        if expression.plain and not before:
            for kind in expression.identities:
                if who := match[kind]:
                    cidr = match["cidr"] if "cidr" in expression.groups else None
                    return Failure(time, who, kind, cidr, self.spec, expression, match, None, [lines[:-1]])
            return None
        facts = expression.facts(match)
        if before:
            facts = {**before, **{name: value for name, value in facts.items() if value is not None}}
        if facts.get("mlfid") is None:
            return None if facts.get("nofail") else self._failure(expression, facts, time, [lines[:-1]])
        talk = self.conversations.take(facts, lines[:-1], time)
        if talk is None:
            return None
        if talk.users:
            talk.facts["users"] = talk.users
        return self._failure(expression, talk.facts, time, talk.lines)

    def _failure(self, expression: Expression, facts: Facts, time: float, lines: list[str]) -> Failure | None:
        for kind in IDENTITIES:
            if who := facts.get(kind):
                return Failure(time, who, kind, facts.get("cidr"), self.spec, expression, None, facts, lines)
        return None
