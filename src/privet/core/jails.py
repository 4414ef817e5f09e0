"""Jails as data: which requests count, how many within what time, and what follows."""

from __future__ import annotations

from typing import Literal

import msgspec

from privet.core.addresses.address import Subject
from privet.core.bans.escalate import Escalation
from privet.core.filters.model import FilterSpec
from privet.core.guard import Listed
from privet.core.verdicts import Action

TEXT_FIELDS = ("method", "path", "query", "target", "proto", "agent", "referer", "host")
NUMBER_FIELDS = ("status", "size")
FIELDS = TEXT_FIELDS + NUMBER_FIELDS

ALL_JAILS = "*"
Key = Literal["address", "prefix", "asn"]
Counting = Literal["window", "rate"]
Kind = Literal["clients", "swarm", "manners", "form"]
Signal = Literal["robots", "crawl-delay", "heads", "backoff", "feeds", "whole-feeds", "fake-browser", "fake-robot"]
Answer = Literal["report", "slow", "deny", "ban"]
Distinction = Literal["method", "path", "query", "target", "agent", "referer", "host", "status", "size"]


class Is(msgspec.Struct, frozen=True):
    """The whole field equals `text`."""

    text: str


class Matches(msgspec.Struct, frozen=True):
    """The regular expression is found in the field."""

    regex: str


class Between(msgspec.Struct, frozen=True):
    """The number is from `low` to `high`, both included."""

    low: float
    high: float


Test = Is | Matches | Between


class Predicate(msgspec.Struct, frozen=True):
    """One condition on one field: any of `any` holds (if there are some), and none of `none`."""

    field: str
    any: tuple[Test, ...] = ()
    none: tuple[Test, ...] = ()


_ANSWERS: dict[Answer, Action] = {"slow": Action.SLOW, "deny": Action.DENY}


class Jail(msgspec.Struct, frozen=True):
    """A rule: requests on `sources` for which every predicate holds are failures, or with a filter, the lines it finds.

    Times in seconds. With `dry_run` the verdict is a report. `escalation` makes bans longer for those who
    come back, `scope` says what is closed to them (see `core.bans.scope`). Those in `ignoreip` are spared, and who is
    on one of `ignorelists`.

    With `counting` by rate, failures are counted as fail2ban does (see `core.windows.rate`); with `distinct`, only
    those count that differ in this field (see `core.windows.distinct`). With `by_load`, limits and the loads above
    which they hold, the first for a load of 0, `maxretry` is the first. With `close` off nothing is closed: only
    `actions` are told of its bans. `ignorecommand` is asked before each.

    A jail with `bans_of` has no sources: its failures are the bans of the jails named there (or `ALL_JAILS`),
    counted by `key` (see `core.windows.recidive`); `prefixes` are the lengths for IPv4 and IPv6. One on sources with
    another `key` than addresses counts networks, if so many different `clients` of theirs failed (see
    `core.windows.neighbours`).

    A jail of the kind `swarm` looks for many clients with one aim (see `core.swarms.swarm`); `answer` is what happens
    to them.

    To one of the kind `manners`, offences of one `signal` are failures (see `core.manners`); `wait` and `every` are
    seconds that some signals ask for.

    With `patience`, who reaches the limit is told by the web server to come back later, each time for `bantime`, and
    banned only who still does so many seconds after he was told first (see `core.windows.patience`).
    """

    name: str
    sources: tuple[str, ...]
    predicates: tuple[Predicate, ...] = ()
    findtime: float = 600.0
    maxretry: int = 5
    bantime: float = 600.0
    ignoreip: tuple[Subject, ...] = ()
    dry_run: bool = False
    escalation: Escalation = Escalation()
    bans_of: tuple[str, ...] | None = None
    key: Key = "address"
    prefixes: tuple[int, int] = (24, 48)
    clients: int = 1
    scope: str = ""
    filter: FilterSpec | None = None
    counting: Counting = "window"
    distinct: Distinction | None = None
    close: bool = True
    actions: tuple[str, ...] = ()
    ignorecommand: str | None = None
    ignorelists: tuple[Listed, ...] = ()
    kind: Kind = "clients"
    answer: Answer = "report"
    by_load: tuple[tuple[float, int], ...] = ()
    signal: Signal | None = None
    wait: float = 600.0
    every: float = 300.0
    patience: float | None = None

    @property
    def action(self) -> Action:
        """What a verdict of this jail asks for."""
        if self.dry_run:
            return Action.REPORT
        if not self.close:
            return Action.TELL
        return _ANSWERS.get(self.answer, Action.BAN) if self.kind == "swarm" else Action.BAN

    @property
    def by_blocks(self) -> bool:
        """Whether this jail looks at many requests at once, as arrays."""
        return self.bans_of is None and (self.key != "address" or self.kind != "clients" or self.distinct is not None)

    @property
    def only_reports(self) -> bool:
        """Whether this jail leaves everybody alone."""
        return self.dry_run or (self.kind == "swarm" and self.answer == "report")

    def limit_at(self, load: float) -> int:
        """Return the limit that holds at a load of the machine."""
        return next((limit for above, limit in reversed(self.by_load) if load > above), self.maxretry)

    def watches(self, other: Jail) -> bool:
        """Tell whether bans of the other jail are failures of this one."""
        if self.bans_of is None or other.bans_of is not None or other.key != "address":
            return False
        return ALL_JAILS in self.bans_of or other.name in self.bans_of
