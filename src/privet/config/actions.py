"""What `privet.toml` says about programs that are told of bans: `[action.NAME]`, and `actions` in jails."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from privet.config.model import ActionConfig, Config
from privet.config.values import Invalid, Problem, as_list, bad, did_you_mean, duration, each, flag, read, shown, text
from privet.core.actions.programs import FAMILIES, Program
from privet.core.actions.shell import compile_command
from privet.core.actions.shell_words import UnsafeError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from privet.config.values import Decoder

COMMANDS = ("start", "stop", "flush", "check", "repair", "ban", "prolong", "unban")
"""What an action can be told, in the order in which it happens."""


def command(value: object) -> str:
    """Decode a command, once it is sure that what its tags stand for is never read as code."""
    word = text(value)
    try:
        compile_command(word)
    except UnsafeError as error:
        raise bad(f"this command {error}") from None
    return word


def _commands(value: object) -> dict[str, str]:
    """Decode one command, or one for each family."""
    if not isinstance(value, dict):
        return {"": command(value)}
    found, problems = read(value, dict.fromkeys(FAMILIES.values(), command))
    if not (found or problems):
        problems.append(Problem(f"expected a command for {' or '.join(FAMILIES.values())}"))
    if problems:
        raise Invalid(*problems)
    return found


SETTINGS: Mapping[str, Decoder] = {
    **dict.fromkeys(COMMANDS, _commands),
    "on_demand": flag,
    "restored": flag,
    "timeout": duration,
}


def action(name: str, value: object) -> ActionConfig:
    """Decode an action."""
    settings, problems = read(value, SETTINGS)
    commands = {one: settings.pop(one) for one in COMMANDS if one in settings}
    if not ({"ban", "unban"} & commands.keys() or problems):
        problems.append(Problem("needs 'ban' or 'unban'"))
    if problems:
        raise Invalid(*problems)
    return ActionConfig(name=name, commands=commands, **settings)


def jail_actions(known: Mapping[str, object], value: Any) -> tuple[str, ...]:  # noqa: ANN401  anything that TOML can hold
    """Decode the names of actions that a jail has."""
    return each(as_list(value), partial(_reference, known))


def _reference(known: Mapping[str, object], value: object) -> str:
    name = text(value)
    if name not in known:
        raise bad(f"there is no action {shown(name)}", did_you_mean(name, known))
    return name


def jail_problems(settings: Mapping[str, object]) -> list[Problem]:
    """Check that a jail that closes nothing does something."""
    if settings.get("close") is False and not settings.get("actions") and settings.get("dry_run") is not True:
        return [Problem("then the jail does nothing: it needs 'actions', or 'dry_run = true'", key=("close",))]
    if settings.get("close") is False and "ports" in settings:
        return [Problem("has no effect with 'close = false'", key=("ports",))]
    return []


def programs(config: Config) -> list[Program]:
    """Return what is to be run, for each jail that bans."""
    return [
        program(jail.name, config.actions[name])
        for jail in config.jails.values()
        if not jail.dry_run
        for name in jail.actions
    ]


def program(jail: str, given: ActionConfig) -> Program:
    """Return an action of a jail as it is run."""
    return Program(
        jail=jail,
        name=given.name,
        commands={
            f"action{name}": {family: compile_command(text) for family, text in texts.items()}
            for name, texts in given.commands.items()
        },
        on_demand=given.on_demand,
        norestored=not given.restored,
        timeout=given.timeout,
    )
