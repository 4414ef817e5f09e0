"""`privet doctor`: one page of what is set up, what is missing, what it means."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from privet.cli.main import EX_WARNING, Failure
from privet.cli.options import config_option, json_option, load_config, runtime_dir, runtime_option, state_dir

if TYPE_CHECKING:
    from privet.adapters.store.host import Level
    from privet.config.model import Config


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
    from privet.core.masking.leaks import Finder  # noqa: PLC0415
    from privet.tasks.doctor import Doctor, Setup  # noqa: PLC0415

    def status() -> dict[str, object] | None:
        try:
            return ask(str(where), "status")
        except Failure:
            return None

    config = _config(config_path)
    usable = None if isinstance(config, str) else config
    where, kept = runtime_dir(runtime, usable), state_dir(None, usable)
    checks = list(Doctor(Setup(config, where, kept, _level(kept)), Finder(), status).checks())
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


def _level(state: Path) -> Level | None:
    from privet.adapters.store.ring import level_of  # noqa: PLC0415

    try:
        return level_of(state, Path("/"))
    except OSError:
        return None
