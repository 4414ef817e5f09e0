"""What `privet.toml` says about where lines come from: `[source.NAME]`."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from privet.config import masks
from privet.config.model import PLAIN, MaskMode, SourceConfig
from privet.config.values import Invalid, Problem, as_list, bad, choice, each, flag, read, shown, table, text, texts
from privet.core.parsing.formats import FormatError, parse_format
from privet.core.parsing.parse import plan_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from privet.config.values import Decoder

_MATCH = re.compile(r"[A-Z0-9_]+=.*", re.DOTALL)
_NAMESPACE = re.compile(r"[\w.-]{1,200}", re.ASCII)
_KINDS = ("path", "pipe", "journal")


def _line_format(value: object) -> str:
    """Read how lines look; the same code as in the engine says whether it can be used."""
    word = text(value)
    if word not in ("auto", PLAIN):
        try:
            plan_of(parse_format(word))
        except FormatError as error:
            raise bad(str(error)) from None
    return word


def _journal(value: object) -> tuple[tuple[str, ...], ...]:
    """Decode matches of the journal; none of them mean everything."""
    return each(as_list(value), _match)


def _match(value: object) -> tuple[str, ...]:
    """Decode one match; its words are told apart as a shell does."""
    word = text(value)
    try:
        words = tuple(shlex.split(word))
    except ValueError:
        words = ()
    if not words or not all(one == "+" or _MATCH.fullmatch(one) for one in words):
        raise bad(f"expected a match such as '_SYSTEMD_UNIT=ssh.service', got {shown(word)}")
    return words


def _namespace(value: object) -> str:
    word = text(value)
    if not _NAMESPACE.fullmatch(word):
        raise bad(f"expected the name of a namespace as in LogNamespace=, got {shown(word)}")
    return word


SETTINGS: Mapping[str, Decoder] = {
    "path": texts,
    "pipe": flag,
    "journal": _journal,
    "namespace": _namespace,
    "format": _line_format,
    "log": text,
    "mask": choice(MaskMode),
    "proxied": flag,
    "tail": flag,
    "optional": flag,
    "truncate": masks.kept,
}


def source(name: str, value: object) -> SourceConfig:
    """Decode a source."""
    settings, problems = read(value, SETTINGS)
    problems += [*_problems(table(value)), *masks.problems(table(value))]
    if problems:
        raise Invalid(*problems)
    return SourceConfig(name=name, paths=settings.pop("path", ()), **settings)


def _problems(settings: Mapping[str, object]) -> list[Problem]:
    """Check what the settings of a source say together."""
    kinds = [kind for kind in _KINDS if kind in settings and settings[kind] is not False]
    if not kinds:
        return [Problem("needs 'path', 'journal' or 'pipe = true'")]
    if len(kinds) > 1:
        first, second = kinds[:2]
        return [Problem(f"a source has either '{first}' or '{second}', not both", key=(second,))]
    if "log" in settings and kinds != ["pipe"]:
        return [Problem("only a source with 'pipe = true' writes a log", key=("log",))]
    if kinds == ["pipe"] and settings.get("format") == PLAIN:
        hint = "leave it out: filters look at requests as they are"
        return [Problem("an intake masks requests, so their format must be known", hint, ("format",))]
    if kinds == ["journal"] and settings.get("format", PLAIN) != PLAIN:
        return [Problem(f"what comes from the journal is '{PLAIN}'", key=("format",))]
    return [
        Problem(f"only a source with '{kind}' has this", key=(name,))
        for name, kind in (("tail", "path"), ("optional", "path"), ("namespace", "journal"))
        if name in settings and kinds != [kind]
    ]


def kind_problems(sources: Mapping[str, object], jails: Mapping[str, object]) -> list[Problem]:
    """Check that jails on requests listen to sources that have requests."""
    plain = {name for name, one in sources.items() if isinstance(one, dict) and _is_plain(one)}
    return [
        Problem(
            f"the lines of the source {shown(name)} are no requests",
            "give the jail a 'filter'",
            key=("jail", jail, "source"),
        )
        for jail, settings in jails.items()
        if isinstance(settings, dict) and "filter" not in settings
        for name in as_list(settings.get("source", []))
        if isinstance(name, str) and name in plain
    ]


def _is_plain(settings: Mapping[str, object]) -> bool:
    return settings.get("format") == PLAIN or "journal" in settings
