"""Jails of fail2ban beside those of `privet.toml`: `[fail2ban] config` names the folder that they stand in."""

from __future__ import annotations

import re
from math import inf
from pathlib import Path as FilePath
from typing import TYPE_CHECKING

import msgspec

from privet.config.fail2ban import jails as folder
from privet.config.fail2ban.ini import RefusedError
from privet.config.fail2ban.mapping import LONGEST, Adopted, adopt
from privet.config.fail2ban.programs import action_config
from privet.config.fail2ban.report import Fate, Report
from privet.config.filters import filter_problem
from privet.config.model import PLAIN, Config, SourceConfig
from privet.config.values import Invalid, Problem
from privet.core.bans.escalate import Escalation
from privet.core.bans.formula import FormulaError
from privet.core.jails import ALL_JAILS, Jail

if TYPE_CHECKING:
    from collections.abc import Iterable

    from privet.config.fail2ban.model import Log
    from privet.config.fail2ban.text import Place
    from privet.core.filters.model import FilterSpec

_FOREIGN = re.compile(r"[^A-Za-z0-9_-]+")
_USUAL_FOLDER = "/var/log/"


def adopted(config: Config) -> Config:
    """Add what the folder holds that a configuration names. Raises Invalid if there is none."""
    if config.fail2ban.config is None:
        return config
    path = FilePath(config.fail2ban.config)
    if not path.is_dir():
        raise Invalid(Problem(f"there is no folder {path}", key=("fail2ban", "config")))
    jails, report = adopt(folder.read(path))
    return _Adoption(config, report).of(jails.values())


class _Adoption:
    """Adds jails to a configuration one by one; whatever cannot be added is reported."""

    def __init__(self, config: Config, report: Report) -> None:
        self._config, self._report = config, report
        self._sources, self._jails, self._actions = dict(config.sources), dict(config.jails), dict(config.actions)
        self._filters = _Names(jail.filter.name for jail in config.jails.values() if jail.filter)
        self._by_lines = {_lines_of(source): name for name, source in config.sources.items() if not source.pipe}
        self._asks: dict[str, bool] = {}  # by source: whether some jail wants it to be there
        self._places: dict[str, Place] = {}

    def of(self, jails: Iterable[Adopted]) -> Config:
        """Return the configuration with these."""
        for one in jails:
            self._add(one)
        sources = {
            name: msgspec.structs.replace(source, optional=not self._asks[name]) if name in self._asks else source
            for name, source in self._sources.items()
        }
        return msgspec.structs.replace(
            self._config,
            sources=sources,
            jails=self._jails,
            actions=self._actions,
            findings=tuple(finding for fate in Fate for finding in self._report.of(fate)),
            places=self._places,
        )

    def _add(self, one: Adopted) -> None:
        name = native_name(one.name)
        if name in self._jails:
            other = "the jail of that name in privet.toml" if name in self._config.jails else f"another jail {name}"
            self._report.changed(one.place, one.name, f"{other} is there already: this one is left out")
            return
        if name != one.name:
            self._report.changed(one.place, one.name, f"is called {name} here")
        if not (one.logs or one.journal or one.bans_of_jails):
            self._report.unknown(one.place, one.name, "has no logpath: the jail is left out")
            return
        spec = None if one.bans_of_jails else self._filter(name, one)
        if spec is None and not one.bans_of_jails:
            return
        actions = tuple(self._told(name, one))
        self._places[name] = one.place
        if not one.bans_of_jails:
            self._say_counting(one.places.get("findtime", one.place))
        self._jails[name] = Jail(
            name=name,
            sources=tuple(self._listens(one)),
            filter=spec,
            findtime=_whole(one.findtime),
            maxretry=one.maxretry,
            bantime=_whole(one.bantime),
            ignoreip=one.ignoreip,
            ignorelists=one.ignorelists,
            ignorecommand=one.ignorecommand or None,
            counting="window" if one.bans_of_jails else self._config.fail2ban.counting,
            dry_run=one.scope is None and not actions,
            close=one.scope is not None or not actions,
            scope=one.scope or "",
            escalation=self._escalation(one),
            bans_of=(ALL_JAILS,) if one.bans_of_jails else None,
            actions=actions,
        )

    def _say_counting(self, place: Place) -> None:
        if self._config.fail2ban.counting == "rate":
            self._report.adopted(
                place, "", 'findtime: failures are counted as before, by their rate (counting = "rate")'
            )
        else:
            text = 'findtime: failures are counted exactly, not by their rate; counting = "rate" does as fail2ban'
            self._report.changed(place, "", text)

    def _filter(self, name: str, one: Adopted) -> FilterSpec | None:
        """Return the filter of a jail under a name of its own, None if it cannot be used."""
        spec = one.filter
        while wrong := filter_problem(spec):
            places = {"failregex": one.rules, "ignoreregex": one.ignores}.get(wrong.option, ())
            place = places[wrong.number] if wrong.number < len(places) else one.places.get(wrong.option, one.place)
            rest = [regex for number, regex in enumerate(spec.failregex) if number != wrong.number]
            if wrong.option != "failregex" or not rest:
                self._report.unknown(place, one.name, f"{wrong.option}: {wrong.message}; the jail is left out")
                return None
            self._report.unknown(place, one.name, f"{wrong.option}: {wrong.message}; it is left out")
            rules = tuple(place for number, place in enumerate(one.rules) if number != wrong.number)
            one = msgspec.structs.replace(one, rules=rules)
            spec = msgspec.structs.replace(spec, failregex=tuple(rest))
        return msgspec.structs.replace(spec, name=self._filters.of(native_name(spec.name or name), spec))

    def _listens(self, one: Adopted) -> Iterable[str]:
        """Return the sources that a jail listens to; each log is read once, however many jails it has."""
        if one.bans_of_jails:
            return
        for source in [_journal(one.journalmatch)] if one.journal else map(_file, one.logs):
            lines = _lines_of(source)
            if lines not in self._by_lines:
                taken = self._sources.keys()
                self._by_lines[lines] = name = _free(source.name, taken)
                self._sources[name] = msgspec.structs.replace(source, name=name)
                if source.paths:
                    self._asks[name] = False
            name = self._by_lines[lines]
            if name in self._asks:
                self._asks[name] |= not one.skip_if_nologs
            yield name

    def _told(self, jail: str, one: Adopted) -> Iterable[str]:
        """Return the actions of a jail that run commands."""
        for action in one.commands:
            try:
                name = _free(native_name(f"{jail}-{action.name}"), self._actions.keys())
                self._actions[name] = action_config(name, action)
            except RefusedError as error:
                self._report.unknown(error.place, one.name, f"{error.message}; the action is left out")
                continue
            yield name

    def _escalation(self, one: Adopted) -> Escalation:
        growth, bantime = one.growth, _whole(one.bantime)
        if not growth.increment:
            return Escalation()
        found = Escalation(
            increment=True,
            factor=growth.factor if growth.factor > 0 else 1.0,
            multipliers=() if growth.formula else tuple(factor for factor in growth.multipliers if factor > 0),
            maxtime=None if growth.maxtime is None else max(_whole(growth.maxtime), bantime),
            rndtime=_whole(growth.rndtime) if growth.rndtime > 0 else 0.0,
            overalljails=growth.overalljails and not one.bans_of_jails,
            formula=growth.formula,
        )
        try:
            found.check(bantime)
        except FormulaError as error:
            place = one.places.get("bantime.formula", one.place)
            self._report.unknown(place, one.name, f"bantime.formula: {error}; each ban is twice as long as the last")
            return msgspec.structs.replace(found, formula=None)
        return found


class _Names:
    """Names for filters: equal ones share theirs, others have a number behind it."""

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken: dict[str, FilterSpec | None] = dict.fromkeys(taken)

    def of(self, name: str, spec: FilterSpec) -> str:
        """Return the name of a filter."""
        for known, other in self._taken.items():
            if other is not None and other == msgspec.structs.replace(spec, name=other.name):
                return known
        free = _free(name, self._taken.keys())
        self._taken[free] = msgspec.structs.replace(spec, name=free)
        return free


def _file(log: Log) -> SourceConfig:
    path = log.pattern.removeprefix(_USUAL_FOLDER)
    return SourceConfig(name=native_name(path) or "log", paths=(log.pattern,), format=PLAIN, tail=log.tail)


def _journal(matches: tuple[tuple[str, ...], ...]) -> SourceConfig:
    first = matches[0][0].partition("=")[2] if matches else ""
    return SourceConfig(name=native_name(f"journal-{first}"), journal=matches, format=PLAIN)


def _lines_of(source: SourceConfig) -> object:
    """Return what sources of the same lines have in common."""
    return source.paths, source.journal, source.tail


def native_name(name: str) -> str:
    """Return a name as it can stand in `privet.toml`."""
    return _FOREIGN.sub("-", name).strip("-")


def _free(name: str, taken: Iterable[str]) -> str:
    if name not in taken:
        return name
    number = 2
    while f"{name}-{number}" in taken:
        number += 1
    return f"{name}-{number}"


def _whole(seconds: float) -> float:
    """Return a length of time as it can stand in `privet.toml`."""
    return LONGEST if seconds == inf else min(LONGEST, float(max(1, round(seconds))))
