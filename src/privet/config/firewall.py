"""What `privet.toml` says about where bans are enforced: `[firewall]`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from privet.config.model import Backend, FirewallConfig
from privet.config.values import Invalid, Problem, as_list, bad, choice, read, shown, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from privet.config.values import Decoder


def command(value: object) -> tuple[str, ...]:
    """Decode a program with its arguments, in their order."""
    words = tuple(text(word) for word in as_list(value))
    if words and not words[0].startswith("/"):
        raise bad(f"expected the full path of a program, got {shown(words[0])}", "it begins with '/'")
    return words


SETTINGS: Mapping[str, Decoder] = {"backend": choice(Backend), "ban": command, "unban": command}


def firewall(value: object) -> FirewallConfig:
    """Decode the table."""
    settings, problems = read(value, SETTINGS)
    backend = settings.get("backend", FirewallConfig().backend)
    for name in ("ban", "unban"):
        if name in settings and backend != "command":
            problems.append(Problem("has no effect without 'backend = \"command\"'", key=(name,)))
        elif backend == "command" and not settings.get(name) and not any(one.key[:1] == (name,) for one in problems):
            problems.append(Problem(f"'backend = \"command\"' needs the program '{name}'"))
    if problems:
        raise Invalid(*problems)
    return FirewallConfig(**settings)
