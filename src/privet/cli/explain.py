"""`privet explain`: why a line counts in a jail, or why not."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click
import msgspec

from privet.cli.main import EX_USAGE, EX_WARNING, Failure
from privet.cli.options import config_option, json_option, load_config

if TYPE_CHECKING:
    from privet.tasks.explain import Step, Walk

SIGNS = {True: ("ok", "green"), False: ("no", "red"), None: ("--", None)}


@click.command(
    epilog="""\b
Examples:
  privet explain "Nov 14 22:13:20 mars sshd[77]: Failed password for root from 192.0.2.7 port 1 ssh2"
  privet explain --jail sshd "$(grep Failed /var/log/auth.log | tail -1)"
"""
)
@config_option
@click.option("--jail", metavar="NAME", help="Only this jail.")
@json_option
@click.argument("line")
def command(config_path: str, jail: str | None, line: str, *, as_json: bool) -> int:
    """Walk LINE through source, date, prefilter, each expression, whom a jail spares, and counting.

    Shows how far expressions got that nearly matched. For a source that is a journal, give what stands behind the
    date. Exit code 0 if the line is a failure in some jail, else 1.
    """
    from privet.adapters.localtime import local_zone  # noqa: PLC0415
    from privet.cli.output import print_json  # noqa: PLC0415
    from privet.tasks.explain import FAILURE, explain  # noqa: PLC0415

    config = load_config(config_path)
    if jail is not None and jail not in config.jails:
        raise Failure(f"there is no jail {jail}; there are {', '.join(config.jails)}", EX_USAGE)
    walks = list(explain(config, line, local_zone(), time.time(), jail))
    if as_json:
        print_json("explain", [msgspec.to_builtins(walk) for walk in walks])
    else:
        for walk in walks:
            _print(walk)
    return 0 if any(walk.result == FAILURE for walk in walks) else EX_WARNING


def _print(walk: Walk) -> None:
    click.secho(f"jail {walk.jail}: {walk.result}", bold=True)
    for step in walk.steps:
        _print_step(step)
    click.echo()


def _print_step(step: Step) -> None:
    sign, colour = SIGNS[step.good]
    click.echo(f"  {click.style(sign, fg=colour)} {step.name:<12} {step.text}")
