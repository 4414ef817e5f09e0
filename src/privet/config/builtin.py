"""The jails that come with Privet: one file of TOML each, in folders named after their groups.

`[builtin.GROUP]` takes a whole group, `builtin = "NAME"` in a jail one of them; either becomes tables as if they stood
in the configuration.
"""

from __future__ import annotations

import tomllib
from functools import cache, partial
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

import msgspec

from privet.config import ignore
from privet.config.manners import NEEDS
from privet.config.values import Invalid, Problem, bad, did_you_mean, duration, each, flag, read, shown, table, texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from privet.config.values import Decoder, Path

FOLDER = FilePath(__file__).parents[1] / "jails"

SETTINGS: Mapping[str, Decoder] = {
    "source": texts,
    "without": texts,
    "bantime": duration,
    "ignoreip": ignore.ignored,
    "dry_run": flag,
}


class Builtin(msgspec.Struct, frozen=True):
    """One jail: what it catches, its settings as they are written, its samples, and the text of its file."""

    name: str
    group: str
    about: str
    settings: dict[str, Any]
    samples: list[Any]
    text: str

    @property
    def has_source(self) -> bool:
        """Whether it reads a log; the others count bans."""
        return "bans_of" not in self.settings

    def lacks(self, document: Mapping[str, Any]) -> bool:
        """Tell whether it needs a file that `[manners]` of a configuration does not name: its group goes without."""
        needs, files = NEEDS.get(self.settings.get("signal", "")), document.get("manners")
        return needs is not None and not (isinstance(files, dict) and needs in files)


@cache
def builtins() -> dict[str, Builtin]:
    """Return all of them by name, group by group."""
    return {one.name: one for one in map(_read, sorted(FOLDER.glob("*/*.toml")))}


@cache
def groups() -> dict[str, list[Builtin]]:
    """Return them by group."""
    found: dict[str, list[Builtin]] = {}
    for one in builtins().values():
        found.setdefault(one.group, []).append(one)
    return found


def _read(path: FilePath) -> Builtin:
    content = path.read_text()
    ((name, settings),) = tomllib.loads(content)["jail"].items()
    samples = settings.pop("test", [])
    about = content.partition("\n")[0].removeprefix("# ").removesuffix(".")
    return Builtin(name, path.parent.name, about, settings, samples, content)


def named(value: object) -> str:
    """Decode the name of a jail that comes with Privet."""
    return _known(value, builtins(), "jail")


def _known(value: object, known: Mapping[str, object], what: str) -> str:
    if not isinstance(value, str) or value not in known:
        hint = did_you_mean(value, known) if isinstance(value, str) else ""
        raise bad(f"no {what} {shown(value)} comes with Privet", hint or "privet jails --builtin lists them")
    return value


def group(sources: Mapping[str, object], name: str, value: object) -> str:
    """Check the table of a group: what it says holds for all of its jails. Return the group's name."""
    _known(name, groups(), "group of jails")
    members = groups()[name]
    references: dict[str, Decoder] = {
        "source": partial(_of, "source", sources),
        "without": partial(_of, "jail of this group", {one.name for one in members}),
    }
    _, problems = read(value, {**SETTINGS, **references})
    if members[0].has_source != ("source" in table(value)):
        needs = members[0].has_source
        message = "needs 'source'" if needs else "these jails count bans and read no source"
        problems.append(Problem(message, key=() if needs else ("source",)))
    if problems:
        raise Invalid(*problems)
    return name


def _of(what: str, known: Mapping[str, object] | set[str], value: object) -> tuple[str, ...]:
    """Decode names that are known."""

    def reference(name: str) -> str:
        if name not in known:
            raise bad(f"there is no {what} {shown(name)}", did_you_mean(name, known))
        return name

    return each(texts(value), reference)


def expanded(document: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Path]]:
    """Return a document with all jails as tables of their own, and where those of groups come from.

    A jail of the same name that stands in the document takes the place of the group's. Mistakes stay as they are.
    """
    own, origins = document.get("jail", {}), dict[str, "Path"]()
    chosen = document.get("builtin", {})
    if not isinstance(own, dict) or not isinstance(chosen, dict):
        return document, origins
    jails = {name: _with_base(settings) for name, settings in own.items()}
    for name, settings in chosen.items():
        if not isinstance(settings, dict):
            continue
        changes = {key: value for key, value in settings.items() if key in SETTINGS and key != "without"}
        left_out = settings.get("without", [])
        for one in groups().get(name, []):
            out = one.lacks(document) or one.name in ([left_out] if isinstance(left_out, str) else left_out)
            if one.name not in jails and not out:
                jails[one.name] = {**one.settings, **changes}
                origins[one.name] = ("builtin", name)
    return ({**document, "jail": jails} if jails else document), origins


def _with_base(settings: object) -> object:
    """Return the table of a jail on top of the one that it names as its base; a mistake in that stays as it is."""
    if not isinstance(settings, dict) or not isinstance(settings.get("builtin"), str):
        return settings
    base = builtins().get(settings["builtin"])
    return settings if base is None else {**base.settings, **settings}


def moved(problems: Iterable[Problem], origins: Mapping[str, Path]) -> list[Problem]:
    """Return what is wrong with jails of a group as something that is wrong with its table, if that is not known."""
    known = list(problems)
    wrong = {problem.key[:2] for problem in known}
    found = []
    for problem in known:
        origin = origins.get(problem.key[1]) if problem.key[:1] == ("jail",) and len(problem.key) > 1 else None
        if origin is None:
            found.append(problem)
        elif origin not in wrong:
            message = f"{problem.key[1]}: {problem.message}"
            found.append(Problem(message, problem.hint, (*origin, *problem.key[2:])))
    return found
