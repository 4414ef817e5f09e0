"""`privet doctor`: one page of what is set up, what is missing, what it means."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from privet.cli.main import EX_WARNING, Failure
from privet.cli.options import config_option, json_option, load_config, runtime_dir, runtime_option

if TYPE_CHECKING:
    from privet.config.model import Config
    from privet.tasks.doctor import Level


@click.command(
    epilog="""\b
Examples:
  privet doctor
  privet doctor --json
"""
)
@config_option
@runtime_option
@json_option
def command(config_path: str, runtime: str | None, *, as_json: bool) -> int:
    """Look at everything that Privet stands on, and say what is missing, what it means and what to do.

    Exit code 0: all is well. 1: there are warnings.
    """
    import msgspec  # noqa: PLC0415  heavy imports wait until the verb is called

    from privet.cli.client import ask  # noqa: PLC0415
    from privet.cli.output import print_json  # noqa: PLC0415
    from privet.core.leaks import Finder  # noqa: PLC0415
    from privet.tasks.doctor import Doctor, Setup  # noqa: PLC0415

    def status() -> dict[str, object] | None:
        try:
            return ask(str(where), "status")
        except Failure:
            return None

    config = _config(config_path)
    where = runtime_dir(runtime, None if isinstance(config, str) else config)
    checks = list(Doctor(Setup(config, where, _level(_state_dir())), Finder(), status).checks())
    if as_json:
        print_json("doctor", msgspec.to_builtins(checks))
    else:
        for check in checks:
            click.secho(
                f"{check.state:8} {check.name}: {check.says}", fg="yellow" if check.state == "warning" else None
            )
            if check.remedy:
                click.echo(f"         remedy: {check.remedy}")
    return EX_WARNING if any(check.state == "warning" for check in checks) else 0


def _config(path: str) -> Config | str:
    try:
        return load_config(path)
    except Failure as failure:
        return failure.format_message()


def _level(state: Path) -> Level:
    return "file" if (state / "key").exists() else "memory"


def _state_dir() -> Path:
    """Return where the daemon keeps what outlasts a restart."""
    if os.geteuid() == 0:
        return Path("/var/lib/privet")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "privet"
