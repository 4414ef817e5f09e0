"""Jails that come with Privet, tried on logs before they stand in any configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from privet.config.builtin import builtins
from privet.config.manners import NEEDS
from privet.config.model import Config, SourceConfig
from privet.tasks.jailtests import alone

if TYPE_CHECKING:
    from collections.abc import Iterable

SOURCE = "log"


def are_builtin(jails: Iterable[str]) -> bool:
    """Tell whether all of these jails, and there are some, come with Privet."""
    names = set(jails)
    return bool(names) and names <= builtins().keys()


def bare() -> Config:
    """Return a configuration of nothing but a source, for who has none yet."""
    return Config(sources={SOURCE: SourceConfig(name=SOURCE)})


def with_builtins(config: Config, jails: Iterable[str], source: str) -> Config:
    """Return a configuration with these jails on a source too, as far as they come with Privet and it has none such.

    Raises LookupError for those that need a file which it does not name.
    """
    wanted = [name for name in jails if name not in config.jails and name in builtins()]
    for name in wanted:
        needs = NEEDS.get(builtins()[name].settings.get("signal", ""))
        if needs is not None and not getattr(config.manners, needs):
            raise LookupError(f"jail {name} needs a file to know more: '{needs}' in [manners], see docs/manners.md")
    more = {name: alone(name).jails[name] for name in wanted}
    sources = {
        name: msgspec.structs.replace(jail, sources=(source,)) if jail.sources else jail for name, jail in more.items()
    }
    return msgspec.structs.replace(config, jails={**config.jails, **sources}) if more else config
