"""What was adopted from fail2ban, as the text of `privet.toml` that reads back to the very same."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from privet.config.model import ActionConfig, Config, SourceConfig
    from privet.core.bans.escalate import Escalation
    from privet.core.filters.model import FilterSpec
    from privet.core.guard import Listed
    from privet.core.jails import Jail

_UNITS = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
_LITERAL = re.compile(r"[^'\x00-\x08\x0a-\x1f\x7f]*")
_LITERAL_LINES = re.compile(r"(?:(?!''')[^\x00-\x08\x0b-\x1f\x7f])*(?<!')")
_WIDE = 100  # columns of a list on one line

_Settings = Iterator[tuple[str, object]]


class _Length(float):
    """A length of time, to be written with units."""


def text_of(config: Config) -> str:
    """Return sources, filters, actions and jails, each with where it came from; no jail has conditions on requests."""
    filters = {jail.filter.name: jail.filter for jail in config.jails.values() if jail.filter}
    tables = [
        *(_table("source", name, _source(one)) for name, one in config.sources.items()),
        *(_table("filter", name, _filter(one)) for name, one in filters.items()),
        *(_table("action", name, _action(one)) for name, one in config.actions.items()),
        *(
            _table("jail", name, _jail(one), f"# {config.places[name]}\n" if name in config.places else "")
            for name, one in config.jails.items()
        ),
    ]
    return "\n".join(tables)


def _table(kind: str, name: str, settings: _Settings, comment: str = "") -> str:
    lines = "".join(f"{key} = {_value(value)}\n" for key, value in settings)
    return f"{comment}[{kind}.{name}]\n{lines}"


def _changed(one: msgspec.Struct, *names: str) -> Iterator[tuple[str, object]]:
    """Yield the fields that are not as they are by default."""
    defaults = {field.name: field.default for field in msgspec.structs.fields(one)}
    for name in names:
        value = getattr(one, name)
        if value != defaults[name]:
            yield name, value


def _source(one: SourceConfig) -> _Settings:
    if one.paths:
        yield "path", _one_or_all(one.paths)
    if one.journal is not None:
        yield "journal", _one_or_all([shlex.join(words) for words in one.journal])
    yield from _changed(one, "pipe", "format", "log", "mask", "proxied", "tail", "optional")


def _filter(one: FilterSpec) -> _Settings:
    yield "failregex", _one_or_all(one.failregex)
    if one.ignoreregex:
        yield "ignoreregex", _one_or_all(one.ignoreregex)
    yield from _changed(one, "prefregex", "datepattern", "maxlines", "usedns", "logtimezone", "logencoding")


def _action(one: ActionConfig) -> _Settings:
    for name, texts in one.commands.items():
        yield name, texts.get("", texts)
    yield from _changed(one, "on_demand", "restored")
    yield from _lengths(one, "timeout")


def _jail(one: Jail) -> _Settings:
    if one.bans_of is not None:
        yield "bans_of", _one_or_all(one.bans_of)
        yield from _changed(one, "key")
        if one.key == "prefix":
            yield "prefixes", list(one.prefixes)
    else:
        yield "source", _one_or_all(one.sources)
    if one.filter:
        yield "filter", one.filter.name
    yield from _lengths(one, "findtime")
    yield from _changed(one, "maxretry")
    yield from _lengths(one, "bantime")
    yield from _growth(one.escalation)
    if one.ignoreip or one.ignorelists:
        yield "ignoreip", [*(subject.reveal() for subject in one.ignoreip), *map(_listed, one.ignorelists)]
    yield from _changed(one, "ignorecommand", "counting", "dry_run", "close")
    yield from _scope(one.scope)
    if one.actions:
        yield "actions", list(one.actions)


def _growth(one: Escalation) -> _Settings:
    yield from _changed(one, "increment", "factor")
    if one.multipliers:
        yield "multipliers", list(one.multipliers)
    yield from _lengths(one, "maxtime", "rndtime", "forget")
    yield from _changed(one, "overalljails", "formula")


def _scope(scope: str) -> _Settings:
    """Yield ports and protocols; where each protocol has ports of its own, all of them with their protocol."""
    if scope:
        parts = [part.partition(":")[::2] for part in scope.split(";")]
        ports = {numbers for _, numbers in parts}
        if len(ports) == 1:
            yield "ports", list(map(int, parts[0][1].split(",")))
            if (protocols := [protocol for protocol, _ in parts]) != ["tcp"]:
                yield "protocol", _one_or_all(protocols)
        else:
            yield "ports", [f"{protocol}/{port}" for protocol, numbers in parts for port in numbers.split(",")]


def _listed(one: Listed) -> object:
    match one.kind:
        case "command":
            return {"command": list(one.words)}
        case "file":
            return f"file:{one.words[0]}"
    return one.words[0]


def _lengths(one: msgspec.Struct, *names: str) -> Iterator[tuple[str, object]]:
    return ((name, _Length(value)) for name, value in _changed(one, *names) if isinstance(value, float))


def _one_or_all(values: Iterable[str]) -> object:
    found = list(values)
    return found[0] if len(found) == 1 else found


def _value(value: object) -> str:
    match value:
        case _Length():
            return f'"{units(round(value))}"'
        case str():
            return _string(value)
        case dict():
            return "{ " + ", ".join(f"{key} = {_value(one)}" for key, one in value.items()) + " }"
        case list() | tuple():
            return _list([_value(one) for one in value])
    return str(value).lower()


def units(seconds: int) -> str:
    """Return a duration as it is written: `1h30m`."""
    parts = []
    for unit, size in _UNITS.items():
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def _list(values: list[str]) -> str:
    line = f"[{', '.join(values)}]"
    if len(line) <= _WIDE or len(values) < 2:  # what is alone stays in its line
        return line
    return "[\n" + "".join(f"  {one},\n" for one in values) + "]"


def _string(text: str) -> str:
    """Write a string so that what stands in it is seen as it is, wherever TOML allows that."""
    if "\\" not in text and '"' not in text and _LITERAL.fullmatch(text):
        return f'"{text}"'
    if _LITERAL.fullmatch(text):
        return f"'{text}'"
    if _LITERAL_LINES.fullmatch(text):
        return f"'''{chr(10) if text.startswith(chr(10)) or chr(10) in text else ''}{text}'''"
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
