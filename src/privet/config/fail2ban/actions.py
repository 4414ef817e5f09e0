"""The actions of a jail: their files in action.d, with the options in brackets."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from privet.config.fail2ban.definitions import Definition, misspelt
from privet.config.fail2ban.ini import RefusedError
from privet.config.fail2ban.model import Action
from privet.config.fail2ban.text import Place, Text
from privet.config.fail2ban.words import named, several, truth

if TYPE_CHECKING:
    from collections.abc import Mapping

    from privet.config.fail2ban.files import Files

COMMANDS = (
    "actionstart",
    "actionstop",
    "actionflush",
    "actionreload",
    "actioncheck",
    "actionrepair",
    "actionban",
    "actionprolong",
    "actionreban",
    "actionunban",
)
FLAGS = ("actionstart_on_demand", "actionrepair_on_unban", "norestored")
_LATER = frozenset({"matches", "ipmatches", "ipjailmatches", "timeout", "bantime"})
"""Tags that stay even where an option has that name: each ban answers them."""


def read_actions(files: Files, jail: str, value: Text, options: Mapping[str, Text]) -> tuple[Action, ...]:
    """Read what `action = …` of a jail names. Raises RefusedError."""
    return tuple(_action(files, jail, item.stripped(), options) for item in several(value))


def _action(files: Files, jail: str, item: Text, options: Mapping[str, Text]) -> Action:
    file, passed = named(item)
    place = item.place
    if file.endswith(".py"):
        return _python(file, passed, place)
    merged = files.merged(f"action.d/{file}")
    if merged is None:
        raise RefusedError(place, f"there is no action {file!r} in action.d")
    for text, message in misspelt(merged, (*COMMANDS, *FLAGS)):
        files.note(text.place, message)
    name = passed.setdefault("name", Text.of(jail, place)).text
    unique = file if name == jail else file + (name[len(jail) :] if name.startswith(jail) else "-" + name)
    passed.setdefault("actname", Text.of(unique, place))
    definition = Definition(merged, passed)
    definition.load(options, (*COMMANDS, *FLAGS))
    combined = definition.combined(_LATER)
    return Action(
        name=definition.passed["actname"].text,
        file=file,
        place=place,
        commands={command: combined[command].text for command in COMMANDS if command in combined},
        flags={flag: truth(combined[flag].text) for flag in FLAGS if flag in combined},
        options=_rest(definition.passed),
        places={name: value.place for name, value in combined.items()},
    )


def _python(file: str, passed: dict[str, Text], place: Place) -> Action:
    name = passed.pop("actname", Text.of(PurePath(file).stem, place)).text
    return Action(name=name, file=file, place=place, options=_rest(passed), python=True)


def _rest(options: Mapping[str, Text]) -> dict[str, str]:
    """Return the options that are no commands, as they are written."""
    apart = {*COMMANDS, *FLAGS}
    return {name: value.text for name, value in options.items() if name not in apart and not name.startswith("known/")}
