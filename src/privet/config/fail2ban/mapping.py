"""From fail2ban's settings to Privet's: which jails there will be, and a report of everything that was found."""

from __future__ import annotations

import codecs
from ipaddress import IPv4Network
from math import inf
from typing import TYPE_CHECKING, cast

import msgspec

from privet.config.fail2ban.closing import STOCK, Closing, closing, customised, is_closing, opens, scope
from privet.config.fail2ban.jails import RECIDIVE
from privet.config.fail2ban.model import Action, Log
from privet.config.fail2ban.report import Report
from privet.config.fail2ban.text import Place
from privet.config.ignore import ignored
from privet.config.values import Invalid
from privet.core.actions.shell import compile_command
from privet.core.actions.shell_words import UnsafeError
from privet.core.addresses.address import Subject
from privet.core.bans.escalate import Escalation
from privet.core.filters.model import FilterSpec, UseDns
from privet.core.guard import Listed

if TYPE_CHECKING:
    from privet.config.fail2ban.model import Filter, Jail, Settings

LONGEST = 36525 * 86400.0
"""Seconds: 100 years, as long as any ban of Privet lasts."""

_OWN_LOG = "fail2ban.log"
_SERVICE = "fail2ban.service"
_USUAL_CHAINS = frozenset({"", "<known/chain>", "input", "input_direct", "f2b-chain"})
_ACCEPTED = {"yes": "yes", "true": "yes", "1": "yes", "on": "yes", "warn": "warn", "no": "no", "raw": "raw"}


class Adopted(msgspec.Struct, frozen=True, kw_only=True):
    """A jail as Privet runs it. Times in seconds.

    `scope` says what bans close ("" everything, None nothing). `rules` and `ignores` tell where each regex is written,
    `places` where each option is. `commands` are actions that run programs of their own. With `bans_of_jails` there is
    no source: failures are the bans of all other jails, as with fail2ban's jail recidive. A journal is read by the
    words of `journalmatch`.
    """

    name: str
    place: Place
    filter: FilterSpec
    rules: tuple[Place, ...] = ()
    ignores: tuple[Place, ...] = ()
    places: dict[str, Place] = {}
    logs: tuple[Log, ...] = ()
    journal: bool = False
    journalmatch: tuple[tuple[str, ...], ...] = ()
    maxretry: int
    findtime: float
    bantime: float
    growth: Escalation = Escalation()
    ignoreip: tuple[Subject, ...] = ()
    ignorelists: tuple[Listed, ...] = ()
    skip_if_nologs: bool = False
    ignorecommand: str = ""
    scope: str | None = ""
    commands: tuple[Action, ...] = ()
    bans_of_jails: bool = False


def adopt(settings: Settings) -> tuple[dict[str, Adopted], Report]:
    """Map every enabled jail; what cannot be used is left out, and all of it reported."""
    report = Report()
    for problem in settings.problems:
        text = f"{problem.message}; the jail is left out" if problem.fatal and problem.jail else problem.message
        (report.changed if problem.choice else report.unknown)(problem.place, problem.jail, text)
    _server(settings, report)
    jails = {}
    for name, jail in settings.jails.items():
        adopted = _Mapper(jail, report).adopted()
        if adopted:
            jails[name] = adopted
    return jails, report


def _server(settings: Settings, report: Report) -> None:
    """Report fail2ban.conf: nothing of it is needed but where the bans are."""
    texts = {
        "logtarget": "has no effect: bans are in `privet bans` and in the journal, without addresses",
        "loglevel": "has no effect: Privet's own messages go to the journal",
        "socket": "has no effect: `privet fail2ban-client` finds the daemon by itself",
        "dbfile": "is only read to adopt running bans; Privet keeps its bans sealed",
        "dbpurgeage": "has no effect: bans are forgotten when they end",
    }
    for option, place in settings.server.places.items():
        if option in texts and place.line:
            report.changed(place, "", f"{option} {texts[option]}")


class _Mapper:
    """Maps one jail."""

    def __init__(self, jail: Jail, report: Report) -> None:
        self._jail, self._report = jail, report

    def adopted(self) -> Adopted | None:
        """Return the jail, None if it cannot be used."""
        jail = self._jail
        recidive = _reads_own_log(jail)
        if recidive and jail.filter.name != RECIDIVE:
            self._unknown("logpath", f"reads {_OWN_LOG}, which is not written any more: the jail is left out")
            return None
        opening = [action for action in jail.actions if opens(action)]
        if opening:
            text = f"action {opening[0].file} lets clients in instead of closing them out, which Privet does not do"
            self._report.unknown(opening[0].place, jail.name, f"{text}: the jail is left out")
            return None
        if not (jail.filter.failregex or recidive):
            self._unknown("filter", "has no failregex and can never match: the jail is left out")
            return None
        adopted = self._mapped(bans_of_jails=recidive)
        self._say(adopted)
        return adopted

    def _mapped(self, *, bans_of_jails: bool) -> Adopted:
        jail = self._jail
        closed, commands = self._actions()
        ignored = self._ignored()
        prefix = jail.filter.prefregex
        return Adopted(
            name=jail.name,
            place=jail.place,
            filter=self._filter(jail.filter),
            rules=tuple(rule.place for rule in jail.filter.failregex),
            ignores=tuple(rule.place for rule in jail.filter.ignoreregex),
            places={**jail.places, "prefregex": prefix.place} if prefix else jail.places,
            logs=() if bans_of_jails else jail.logs,
            journal=jail.journal and not bans_of_jails,
            journalmatch=() if bans_of_jails else jail.filter.journalmatch,
            maxretry=self._maxretry(),
            findtime=self._findtime(),
            bantime=self._bantime(),
            growth=self._growth(),
            ignoreip=tuple(one for one in ignored if isinstance(one, Subject)),
            ignorelists=tuple(one for one in ignored if isinstance(one, Listed)),
            skip_if_nologs=jail.skip_if_nologs,
            ignorecommand=self._ignorecommand(),
            scope=closed,
            commands=commands,
            bans_of_jails=bans_of_jails,
        )

    def _filter(self, found: Filter) -> FilterSpec:
        usedns = _ACCEPTED.get(found.usedns, "warn")
        if usedns == "warn":
            self._changed("usedns", "usedns: names are not looked up, as with 'no'; a look-up tells a third party")
        if usedns == "yes":
            self._adopted("usedns", "usedns: names are looked up as asked, which tells name servers about clients")
        return found.spec(
            cast("UseDns", "no" if usedns == "warn" else usedns),
            logtimezone=self._jail.logtimezone or "",
            logencoding=self._encoding(),
        )

    def _encoding(self) -> str:
        name = self._jail.logencoding
        try:
            return name if name == "auto" else codecs.lookup(name).name
        except LookupError:
            self._unknown("logencoding", f"logencoding: {name!r} is no encoding: read as UTF-8")
            return "auto"

    def _maxretry(self) -> int:
        if self._jail.maxretry < 1:
            self._changed("maxretry", "maxretry: the first failure bans; 1 says so")
        return max(1, self._jail.maxretry)

    def _findtime(self) -> float:
        if self._jail.findtime <= 0:
            self._changed("findtime", "findtime: is no length of time: 10 minutes")
            return 600.0
        return min(self._jail.findtime, LONGEST)

    def _bantime(self) -> float:
        if self._jail.bantime == 0:
            self._changed("bantime", "bantime: bans of no length are none: one second")
        if self._jail.bantime == inf:
            self._changed("bantime", "bantime: for ever is 100 years")
        return min(max(1.0, self._jail.bantime), LONGEST)

    def _growth(self) -> Escalation:
        growth = self._jail.growth
        if growth.formula and growth.multipliers:
            self._changed("bantime.formula", "bantime.formula: has no effect beside bantime.multipliers")
            return msgspec.structs.replace(growth, formula=None)
        return growth

    def _ignored(self) -> list[Subject | Listed]:
        found = list[Subject | Listed]()
        for word in self._jail.ignoreip:
            try:
                found.append(ignored(_prefix(word))[0])
            except Invalid:
                self._unknown("ignoreip", "ignoreip: has a word that is no address, no prefix, no name and no file")
        return found

    def _ignorecommand(self) -> str:
        try:
            compile_command(self._jail.ignorecommand)
        except UnsafeError as error:
            self._unknown("ignorecommand", f"ignorecommand: {error}; it is not asked")
            return ""
        return self._jail.ignorecommand

    def _actions(self) -> tuple[str | None, tuple[Action, ...]]:
        """Return what bans close, and the actions that are programs."""
        closings, commands = list[Closing](), list[Action]()
        for action in self._jail.actions:
            where = customised(action)
            if is_closing(action):
                closings.append(self._closing(action))
            elif action.python:
                text = f"action {action.file} is a Python module, which is not supported"
                self._report.unknown(action.place, self._jail.name, text)
            else:
                commands.append(action)
                reason = f": its actionban is changed in {where}" if where and action.file in STOCK else ""
                self._report.adopted(action.place, self._jail.name, f"action {action.file} runs its commands{reason}")
        return scope(closings) if closings else None, tuple(commands)

    def _closing(self, action: Action) -> Closing:
        found = closing(action)
        name, place = self._jail.name, action.place
        text = f"action {action.file}: bans go to Privet's own sets in the kernel, and packets are dropped unanswered"
        self._report.changed(place, "", text)
        for note in found.notes:
            self._report.changed(place, name, f"action {action.file} {note}")
        for note in found.unknown:
            self._report.unknown(place, name, f"action {action.file}: {note}")
        chain = action.options.get("chain", "")
        if chain.lower() not in _USUAL_CHAINS:
            self._report.changed(
                place, "", f"chain {chain}: bans hold for every packet that comes in, forwarded or not"
            )
        return found

    def _say(self, adopted: Adopted) -> None:
        """Report the jail as a whole, and what it asks for besides."""
        jail = self._jail
        closes = {None: "nothing is closed", "": "everything is closed"}.get(adopted.scope, f"closes {adopted.scope}")
        if adopted.bans_of_jails:
            text = f"counts the bans of all jails itself, {_OWN_LOG} is neither written nor read; {closes}"
            self._report.changed(jail.place, jail.name, text)
        else:
            where = "the journal" if jail.journal else _counted(len(jail.logs), "log path")
            text = f"filter {jail.filter.name or 'of its own'} with {len(jail.filter.failregex)} failregex on {where}"
            self._report.adopted(jail.place, jail.name, f"{text}; {closes}")
        if adopted.scope is None:
            text = "action: none closes anything, so failures are counted and bans only reported"
            self._report.changed(self._place("action"), jail.name, text)
        if jail.growth.increment:
            self._adopted("bantime.increment", "bantime.increment: bans grow for those who come back")
        if adopted.ignorecommand:
            self._changed("ignorecommand", "ignorecommand: is asked before a ban, not for each failure")
        if not jail.ignoreself:
            self._changed("ignoreself", "ignoreself: this machine's own addresses are never banned")
        for option in ("maxmatches", "ignorecache"):
            if option in jail.places:
                self._changed(
                    option, f"{option} has no effect: no lines are kept with bans, and no answers of commands"
                )

    def _place(self, option: str) -> Place:
        return self._jail.places.get(option, self._jail.place)

    def _adopted(self, option: str, text: str) -> None:
        self._report.adopted(self._place(option), "", text)

    def _changed(self, option: str, text: str) -> None:
        self._report.changed(self._place(option), "", text)

    def _unknown(self, option: str, text: str) -> None:
        self._report.unknown(self._place(option), self._jail.name, text)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _reads_own_log(jail: Jail) -> bool:
    """Tell whether a jail reads the log of fail2ban itself."""
    if jail.filter.name == RECIDIVE:
        return True
    units = (word for words in jail.filter.journalmatch for word in words)
    return any(log.pattern.endswith(_OWN_LOG) for log in jail.logs) or (
        jail.journal and any(word.endswith(f"={_SERVICE}") for word in units)
    )


def _prefix(word: str) -> str:
    """Return an address with a netmask as one with a prefix length; anything else as it is."""
    try:
        return IPv4Network(word, strict=False).with_prefixlen if "/" in word else word
    except ValueError:
        return word
