"""What a configuration of fail2ban says, as data: everything interpolated, with the places where it is written."""

from __future__ import annotations

import msgspec

from privet.config.fail2ban.text import Place
from privet.core.bans.escalate import Escalation
from privet.core.filters.model import FilterSpec, UseDns


class Rule(msgspec.Struct, frozen=True):
    """One regular expression, and where it is written."""

    regex: str
    place: Place


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """What makes a line a failure.

    `journalmatch` holds the words of each line; the lines are alternatives. `options` is everything that
    the filter file and the brackets of the jail set.
    """

    name: str
    place: Place
    failregex: tuple[Rule, ...] = ()
    ignoreregex: tuple[Rule, ...] = ()
    prefregex: Rule | None = None
    datepattern: str | None = None
    maxlines: int = 1
    usedns: str = "warn"
    journalmatch: tuple[tuple[str, ...], ...] = ()
    logtype: str = "file"
    options: dict[str, str] = {}

    def spec(self, usedns: UseDns, *, logtimezone: str = "", logencoding: str = "auto") -> FilterSpec:
        """Return what is to be looked for; how names are used, and the log's zone and encoding, its user knows."""
        return FilterSpec(
            name=self.name,
            failregex=tuple(rule.regex for rule in self.failregex),
            ignoreregex=tuple(rule.regex for rule in self.ignoreregex),
            prefregex=self.prefregex.regex if self.prefregex else "",
            datepattern=self.datepattern or "",
            maxlines=self.maxlines,
            usedns=usedns,
            logtimezone=logtimezone,
            logencoding=logencoding,
        )


class Log(msgspec.Struct, frozen=True):
    """Log files by a pattern; `tail` to begin at the end."""

    pattern: str
    tail: bool
    place: Place


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """What a jail does with an offender.

    `file` names the file in action.d, `name` is unique in its jail. `commands` are those of the file, with its
    own tags put in and what only a ban can answer (`<ip>`, `<matches>`, …) left; `options` what these
    commands may still refer to, also by family (`blocktype?family=inet6`). A Python action has no commands.
    """

    name: str
    file: str
    place: Place
    commands: dict[str, str] = {}
    options: dict[str, str] = {}
    flags: dict[str, bool] = {}
    places: dict[str, Place] = {}
    python: bool = False


class Jail(msgspec.Struct, frozen=True, kw_only=True):
    """One enabled jail. Times in seconds; a bantime without end is infinite.

    `places` tells where each option is written, `texts` how, both before any conversion.
    """

    name: str
    place: Place
    backend: str = "auto"
    filter: Filter
    logs: tuple[Log, ...] = ()
    logencoding: str = "auto"
    logtimezone: str | None = None
    maxretry: int = 3
    findtime: float = 600.0
    bantime: float = 600.0
    growth: Escalation = Escalation()
    ignoreip: tuple[str, ...] = ()
    ignoreself: bool = True
    ignorecommand: str = ""
    skip_if_nologs: bool = False
    actions: tuple[Action, ...] = ()
    places: dict[str, Place] = {}
    texts: dict[str, str] = {}

    @property
    def journal(self) -> bool:
        """Whether it reads the journal rather than files."""
        return self.backend.startswith("systemd")


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """`fail2ban.conf`: of interest is only where the bans are kept."""

    dbfile: str = "/var/lib/fail2ban/fail2ban.sqlite3"
    texts: dict[str, str] = {}
    places: dict[str, Place] = {}


class Problem(msgspec.Struct, frozen=True, order=True):
    """Something that could not be read, or not wholly; `jail` is empty where it concerns no single one.

    `fatal` problems cost their jail (or all of them); a `choice` is no mistake, only worth to be known.
    """

    place: Place
    jail: str
    message: str
    fatal: bool = False
    choice: bool = False


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything below one folder. `disabled` names the jails that are there but not enabled."""

    folder: str
    server: Server = Server()
    jails: dict[str, Jail] = {}
    disabled: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
