"""Actions that run commands, from fail2ban's words to what Privet runs: complete, and safe from what logs hold."""

from __future__ import annotations

import re
from math import ceil
from typing import TYPE_CHECKING

from privet.config.fail2ban.actions import COMMANDS
from privet.config.fail2ban.ini import RefusedError
from privet.config.fail2ban.words import seconds
from privet.config.model import ActionConfig
from privet.core.actions.programs import FAMILIES
from privet.core.actions.shell import compile_command
from privet.core.actions.shell_words import UnsafeError

if TYPE_CHECKING:
    from privet.config.fail2ban.model import Action

_CONDITIONAL = re.compile(r"(.+)\?family=(.+)")
_TAG = re.compile(r"<([^ <>]+)>")
_MOST = 26  # times that tags may be put in, one into another: fail2ban's own limit
_UNUSED = frozenset({"actionreload", "actionreban"})


def action_config(name: str, action: Action) -> ActionConfig:
    """Return an action under a name of its own. Raises RefusedError for a command that cannot be made safe."""
    options = action.options
    conditional = any(_CONDITIONAL.fullmatch(name) for name in options)
    families = tuple(FAMILIES.values()) if conditional else ("",)
    commands: dict[str, dict[str, str]] = {}
    for command in (command for command in COMMANDS if command not in _UNUSED):
        texts = {family: _text(action, command, family) for family in families}
        kept = {family: text for family, text in texts.items() if text}
        if kept:
            commands[command.removeprefix("action")] = kept
    return ActionConfig(
        name=name,
        commands=commands,
        on_demand=action.flags.get("actionstart_on_demand", conditional),
        restored=not action.flags.get("norestored", False),
        timeout=_timeout(options.get("timeout", "")),
    )


def _text(action: Action, command: str, family: str) -> str:
    """Return a command for a family, complete and known to be safe."""
    text = action.options.get(f"{command}?family={family}", action.commands.get(command, ""))
    try:
        text = _filled(text, action, family)
        compile_command(text)
    except UnsafeError as error:
        place = action.places.get(command, action.place)
        raise RefusedError(place, f"action {action.file}: {command} {error}") from None
    return text if text.strip() else ""


def _filled(text: str, action: Action, family: str) -> str:
    """Put in the options that depend on the family, and what they refer to."""

    def option(found: re.Match[str]) -> str:
        name = found[1]
        return action.options.get(f"{name}?family={family}", action.options.get(name, found[0]))

    for _ in range(_MOST):
        before, text = text, _TAG.sub(option, text)
        if text == before:
            return text
    raise UnsafeError("has an option that refers to itself")


def _timeout(text: str) -> float:
    try:
        return float(max(1, ceil(seconds(text)))) if text else 60.0
    except ValueError:
        return 60.0
