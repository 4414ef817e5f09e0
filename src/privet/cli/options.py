"""Options that several verbs share, and the configuration that they read."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from privet.cli.main import EX_CONFIG, Failure

if TYPE_CHECKING:
    from privet.config.model import Config

DEFAULT_CONFIG = "/etc/privet/privet.toml"

config_option = click.option(
    "-c",
    "--config",
    "config_path",
    metavar="FILE",
    default=DEFAULT_CONFIG,
    envvar="PRIVET_CONFIG",
    show_default=True,
    help="The configuration.",
)
runtime_option = click.option(
    "--runtime",
    metavar="DIR",
    envvar="PRIVET_RUNTIME",
    help="Where the daemon's sockets are.  [default: /run/privet as root, else $XDG_RUNTIME_DIR/privet]",
)
state_option = click.option(
    "--state",
    metavar="DIR",
    envvar="PRIVET_STATE",
    help="Where bans outlast a restart.  [default: /var/lib/privet as root, else $XDG_STATE_HOME/privet]",
)


def _regex(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    try:
        re.compile((value or "").encode())
    except re.error as error:
        raise click.BadParameter(f"no regular expression: {error.msg}") from None
    return value


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, as docs/json.md describes.")
logs_argument = click.argument("logs", metavar="LOG...", nargs=-1, required=True)
optional_logs = click.argument("logs", metavar="[LOG]...", nargs=-1)
reveal_option = click.option("--reveal", is_flag=True, help="Show addresses instead of pseudonyms.")
members_option = click.option(
    "--members", metavar="REGEX", callback=_regex, help="Paths that only those get (200) who are logged in."
)


def load_config(path: str) -> Config:
    """Load the configuration, or fail with every mistake in it."""
    from privet.config.errors import ConfigErrors  # noqa: PLC0415  verbs that need no configuration start faster
    from privet.config.loader import load  # noqa: PLC0415

    try:
        return load(path)
    except ConfigErrors as errors:
        raise Failure("the configuration cannot be used\n" + str(errors), EX_CONFIG) from None


def runtime_dir(given: str | None, config: Config | None = None) -> Path:
    """Return the directory of sockets and day keys."""
    if given or (config and config.daemon.runtime):
        return Path(given or str(config and config.daemon.runtime))
    if os.geteuid() == 0:
        return Path("/run/privet")
    if own := os.environ.get("XDG_RUNTIME_DIR"):
        return Path(own) / "privet"
    return Path(f"/tmp/privet-{os.getuid()}")  # noqa: S108  made 0700, its owner is checked


def state_dir(given: str | None, config: Config | None) -> Path:
    """Return the directory of what outlasts a restart."""
    from privet.adapters.folders import state_folder  # noqa: PLC0415  as above

    return state_folder(given or (config.daemon.state if config else None))
