"""`privet check`: every mistake in the configuration at once."""

from __future__ import annotations

import time

import click

from privet.cli.main import EX_WARNING
from privet.cli.options import config_option, json_option, load_config
from privet.core.plurals import counted


@click.command(
    epilog="""\b
Examples:
  privet check
  privet check --config examples/web.toml
"""
)
@config_option
@json_option
def command(config_path: str, *, as_json: bool) -> int:
    """Check the configuration with the code that the daemon starts with.

    Prints every mistake as `file:line: key: message` and exits with 78 if there is one, with 1 if a jail
    can never match as things stand (filters are held against the ends of their logs), or if something of
    fail2ban's configuration was not understood. What became of that configuration is printed with file and line.
    """
    from privet.adapters.localtime import local_zone  # noqa: PLC0415
    from privet.adapters.suit import unsuitable  # noqa: PLC0415
    from privet.cli.findings import not_understood, print_report  # noqa: PLC0415
    from privet.cli.output import print_json  # noqa: PLC0415
    from privet.config.compile import blind_to_proxies, engine_for, idle_jails, missing_fields  # noqa: PLC0415
    from privet.config.escrow import idle_escrow  # noqa: PLC0415
    from privet.config.fail2ban.report import as_items  # noqa: PLC0415

    config = load_config(config_path)
    engine_for(config)
    warnings = missing_fields(config) + idle_jails(config) + blind_to_proxies(config)
    warnings += idle_escrow(config)
    warnings += unsuitable(config, local_zone(), time.time())
    if as_json:
        print_json("check", warnings, findings=as_items(config.findings))
    else:
        for warning in warnings:
            click.secho(f"{config_path}: warning: {warning}", fg="yellow", err=True)
        print_report(config.findings)
        counts = f"{counted(len(config.sources), 'source')}, {counted(len(config.jails), 'jail')}"
        click.echo(f"{config_path}: {counts}, no mistakes")
    return EX_WARNING if warnings or not_understood(config.findings) else 0
