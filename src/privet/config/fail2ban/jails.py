"""Every enabled jail of a folder laid out as /etc/fail2ban, read as fail2ban reads it.

Where fail2ban would give up as a whole because of one mistake, here the jail concerned is left out, and said so.
"""

from __future__ import annotations

import glob
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from privet.config.fail2ban.actions import read_actions
from privet.config.fail2ban.files import INCLUDES, Files
from privet.config.fail2ban.filters import OPTIONS as FILTER_OPTIONS
from privet.config.fail2ban.filters import FilterFile
from privet.config.fail2ban.ini import RefusedError
from privet.config.fail2ban.model import Jail, Log, Problem, Server, Settings
from privet.config.fail2ban.text import Place, Text
from privet.config.fail2ban.words import number, seconds, truth, words
from privet.core.bans.escalate import Escalation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from privet.config.fail2ban.interpolate import Merged

VERSION = "1.0.2"
"""What `%(fail2ban_version)s` stands for: some actions tell it to services as the name of the program."""

RECIDIVE = "recidive"
"""The filter of the jail that counts the bans of all others: it needs no log."""

_WHOLE = ("maxretry", "maxmatches", "maxlines")
_TRUTH = ("enabled", "bantime.increment", "bantime.overalljails", "ignoreself", "skip_if_nologs", "systemd_if_nologs")
_DEFAULTS = {"enabled": "false", "backend": "auto", "filter": "", "action": ""}
OPTIONS = (
    *_DEFAULTS,
    *_TRUTH[1:],
    *_WHOLE,
    "findtime",
    "bantime",
    "bantime.factor",
    "bantime.formula",
    "bantime.multipliers",
    "bantime.maxtime",
    "bantime.rndtime",
    "ignorecommand",
    "ignoreip",
    "ignorecache",
    "logtimezone",
    "logencoding",
    "logpath",
    *(option for option in FILTER_OPTIONS if option != "maxlines"),
)
"""What fail2ban itself reads of a jail; everything else only serves to be put into these."""

_SERVER = "fail2ban"


def read(folder: str | Path, exists: Callable[[str], bool] | None = None) -> Settings:
    """Read a folder; `exists` tells whether there is a file for a pattern of logs."""
    return _Reader(folder, exists or _exists).settings()


def _exists(pattern: str) -> bool:
    return any(Path(path).exists() for path in glob.iglob(pattern))  # noqa: PTH207  patterns can be absolute


class _Reader:
    def __init__(self, folder: str | Path, exists: Callable[[str], bool]) -> None:
        self._files = Files(folder)
        self._exists = exists
        self._problems: list[Problem] = []

    def settings(self) -> Settings:
        """Read everything."""
        jails: dict[str, Jail] = {}
        disabled: list[str] = []
        server, merged = self._whole(_SERVER), self._whole("jail")
        if merged:
            here = Place(self._files.folder)
            merged.defaults["fail2ban_version"] = Text.of(VERSION, here)
            merged.defaults["fail2ban_confpath"] = Text.of(self._files.folder, here)
            for name in [name for name in merged.sections if name != INCLUDES]:
                self._one(merged, name, jails, disabled)
            self._problems += self._unused(merged, jails)
        self._problems += [Problem(place, "", message) for place, message in self._files.notes]
        return Settings(
            folder=self._files.folder,
            server=_server(server) if server else Server(),
            jails=jails,
            disabled=tuple(disabled),
            problems=tuple(sorted(set(self._problems))),
        )

    def _whole(self, name: str) -> Merged | None:
        """Read jail.conf or fail2ban.conf and what goes with it."""
        try:
            merged = self._files.merged(name)
        except RefusedError as error:
            self._problems.append(Problem(error.place, "", error.message, fatal=True))
            return None
        if merged is None and name != _SERVER:
            message = f"there is neither {name}.conf nor {name}.local"
            self._problems.append(Problem(Place(self._files.folder), "", message, fatal=True))
        return merged

    def _one(self, merged: Merged, name: str, jails: dict[str, Jail], disabled: list[str]) -> None:
        try:
            first = _options(merged, name, tuple(_DEFAULTS)[:3])
            if not truth(first["enabled"].text):
                disabled.append(name)
                return
            jail = self._jail(merged, name, first)
            if self._in_journal(jail, merged):
                backend = Text.of("systemd", jail.places.get("backend", jail.place))
                jail = self._jail(merged, name, {**first, "backend": backend})
            jails[name] = jail
        except RefusedError as error:
            self._problems.append(Problem(error.place, name, error.message, fatal=True))

    def _in_journal(self, jail: Jail, merged: Merged) -> bool:
        """Tell whether the logs of a jail must be in the journal, since there are no files (as fail2ban 1.1.1 does)."""
        if jail.backend != "auto" or not jail.logs or not jail.filter.journalmatch or jail.filter.name == RECIDIVE:
            return False
        allowed = merged.get(jail.name, "systemd_if_nologs") if merged.has(jail.name, "systemd_if_nologs") else None
        if (allowed and not truth(allowed.text)) or any(self._exists(log.pattern) for log in jail.logs):
            return False
        message = "none of the log files is there: read from the journal"
        self._problems.append(Problem(jail.logs[0].place, jail.name, message, choice=True))
        return True

    def _jail(self, merged: Merged, name: str, first: dict[str, Text]) -> Jail:
        """Read an enabled jail. Raises RefusedError."""
        filter_file = FilterFile(self._files, first["filter"], first["backend"].text)
        merged.sections[name].update(filter_file.known(self._converted(name, first)))
        options = {**_options(merged, name, OPTIONS), "backend": first["backend"]}
        values = self._converted(name, options)
        journal = first["backend"].text.startswith("systemd")
        return Jail(
            name=name,
            place=merged.lines[name],
            backend=first["backend"].text,
            filter=filter_file.read(values),
            logs=() if journal else tuple(self._logs(name, options.get("logpath"))),
            actions=read_actions(self._files, name, options["action"], values),
            places={option: merged.place(name, option) or text.place for option, text in options.items()},
            texts={option: text.text for option, text in options.items()},
            **_plain(values),
        )

    def _converted(self, name: str, options: Mapping[str, Text]) -> dict[str, Text]:
        """Return options as filters and actions see them: numbers and truth in Python's spelling."""
        values = dict(options)
        for option in [option for option in options if option in _TRUTH]:
            values[option] = Text.of(str(truth(options[option].text)), options[option].place)
        for option in [option for option in options if option in _WHOLE]:
            text = options[option]
            try:
                values[option] = Text.of(str(int(text.text)), text.place)
            except ValueError:
                del values[option]
                self._problems.append(Problem(text.place, name, f"{option} is no whole number: left out"))
        return values

    def _logs(self, name: str, value: Text | None) -> Iterator[Log]:
        for line in value.split() if value else ():
            pattern, _, word = line.text.rpartition(" ")
            if pattern and word not in {"head", "tail"}:
                message = f"takes {word!r} for 'head' or 'tail': a path cannot have blanks"
                self._problems.append(Problem(line.place, name, "logpath " + message))
            if line.text:
                yield Log(pattern or line.text, word == "tail" and bool(pattern), line.place)

    def _unused(self, merged: Merged, jails: dict[str, Jail]) -> Iterator[Problem]:
        """Yield what enabled jails set and nothing reads, and defaults of the administrator that no jail uses."""
        shipped = f"{self._files.folder}/jail.conf"
        for section, options in [("DEFAULT", merged.defaults), *merged.sections.items()]:
            for option, text in options.items():
                read_ = (section, option) in merged.used or option.startswith("known/") or not text.place.line
                concerns = section in jails or (section == "DEFAULT" and option not in OPTIONS)
                if concerns and not read_ and not (section == "DEFAULT" and self._is_shipped(text.place, shipped)):
                    jail = "" if section == "DEFAULT" else section
                    yield Problem(text.place, jail, f"{option}: nothing reads this option")

    def _is_shipped(self, place: Place, shipped: str) -> bool:
        paths = f"{self._files.folder}/paths-"
        return place.file == shipped or (place.file.startswith(paths) and place.file.endswith(".conf"))


def _options(merged: Merged, name: str, wanted: tuple[str, ...]) -> dict[str, Text]:
    """Return options of a jail with their defaults. Raises RefusedError."""
    options = {}
    for option in wanted:
        try:
            options[option] = merged.get(name, option)
        except KeyError:
            if option in _DEFAULTS:
                options[option] = Text.of(_DEFAULTS[option], merged.lines[name])
    return options


def _plain(values: Mapping[str, Text]) -> dict[str, Any]:
    """Return what the jail itself says about counting and banning. Raises RefusedError."""
    settings: dict[str, Any] = {"growth": _growth(values)}
    for option in ("findtime", "bantime"):
        if option in values:
            settings[option] = _measured(values[option], option, seconds)
    if settings.get("bantime", 0.0) < 0:
        settings["bantime"] = inf
    if "maxretry" in values:
        settings["maxretry"] = int(values["maxretry"].text)
    for option in ("ignoreself", "skip_if_nologs"):
        if option in values:
            settings[option] = truth(values[option].text)
    for option in ("ignorecommand", "logencoding", "logtimezone"):
        if option in values and values[option].text:
            settings[option] = values[option].text
    if "ignoreip" in values:
        settings["ignoreip"] = tuple(word.text for word in words(values["ignoreip"]))
    return settings


def _growth(values: Mapping[str, Text]) -> Escalation:
    """Read `bantime.*`. Raises RefusedError."""
    given = {
        option.removeprefix("bantime."): text
        for option, text in values.items()
        if option.startswith("bantime.") and text.text
    }
    growth: dict[str, Any] = {name: truth(given[name].text) for name in ("increment", "overalljails") if name in given}
    for name, read_ in {"maxtime": seconds, "rndtime": seconds, "factor": number}.items():
        if name in given:
            growth[name] = _measured(given[name], f"bantime.{name}", read_)
    if "formula" in given:
        growth["formula"] = given["formula"].text
    if "multipliers" in given:
        multipliers = words(given["multipliers"])
        growth["multipliers"] = tuple(_measured(word, "bantime.multipliers", number) for word in multipliers)
    return Escalation(**growth)


def _measured(text: Text, option: str, read_: Callable[[str], float]) -> float:
    try:
        return read_(text.text)
    except ValueError as error:
        raise RefusedError(text.place, f"{option}: {text.text!r} {error}") from None


def _server(merged: Merged) -> Server:
    """Read fail2ban.conf, as far as it can be read."""
    found = {}
    for option in merged.sections.get("Definition", {}).keys() | merged.defaults.keys():
        try:
            found[option] = merged.get("Definition", option)
        except (KeyError, RefusedError):
            continue
    texts = {option: text.text for option, text in found.items()}
    places = {option: text.place for option, text in found.items()}
    return Server(dbfile=texts.get("dbfile", Server.dbfile), texts=texts, places=places)
