"""What `privet.toml` says about jails that look for swarms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from privet.config.values import Problem, choice
from privet.core.jails import Answer, Kind
from privet.core.swarms.swarm import LOOK_BACK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from privet.config.values import Decoder

SETTINGS: Mapping[str, Decoder] = {"kind": choice(Kind), "action": choice(Answer)}

_OTHERS = (
    "findtime",
    "maxretry",
    "counting",
    "distinct",
    "filter",
    "bans_of",
    "key",
    "prefixes",
    "clients",
    "increment",
    "ignorecommand",
)
"""Settings that say who does too much alone: a swarm has no numbers."""


_NO_FORM = ("counting", "distinct", "filter", "bans_of", "key", "prefixes", "clients")
"""Settings that say that something else counts than forms of clients."""


def swarm_problems(settings: Mapping[str, object]) -> list[Problem]:
    """Check that a jail has only settings of its kind."""
    if settings.get("kind") == "form":
        return [Problem("a jail for forms does not have this", key=(name,)) for name in _NO_FORM if name in settings]
    if settings.get("kind") == "swarm":
        return [Problem("a jail for swarms does not have this", key=(name,)) for name in _OTHERS if name in settings]
    return [Problem("only a jail with 'kind = \"swarm\"' has this", key=("action",))] if "action" in settings else []


def swarm_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings as the jail has them; a start reads again what tells who is a browser."""
    if "action" in settings:
        settings["answer"] = settings.pop("action")
    return settings | ({"findtime": LOOK_BACK} if settings.get("kind") == "swarm" else {})
