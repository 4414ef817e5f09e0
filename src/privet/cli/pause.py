"""`privet pause`: all bans off for a while."""

from __future__ import annotations

import click

from privet.cli.main import EX_USAGE, Failure
from privet.cli.options import json_option, runtime_option
from privet.cli.subjects import dry_run_option, seconds


@click.command(
    epilog="""\b
Examples:
  privet pause 5m
  privet pause --end
"""
)
@runtime_option
@click.option("--end", is_flag=True, help="Let bans hold again now.")
@dry_run_option
@json_option
@click.argument("time", required=False)
def command(runtime: str | None, time: str | None, *, end: bool, dry_run: bool, as_json: bool) -> None:
    """Let everybody through for a TIME of at most a day; bans go on to be made and to end meanwhile.

    The kernel itself ends the pause, so that it ends even if the daemon is gone.
    """
    from privet.cli.client import ask  # noqa: PLC0415
    from privet.cli.output import local, print_json, rfc3339  # noqa: PLC0415

    if end == (time is not None):
        raise Failure("give a TIME such as 5m, or --end", EX_USAGE)
    answer = ask(runtime, "pause", seconds=seconds("TIME", time), end=end, dry_run=dry_run)
    until, was = answer["until"], answer["was"]
    if as_json:
        dates = {name: value and rfc3339(value) for name, value in (("until", until), ("was", was))}
        print_json("pause", [], **dates, dry_run=dry_run)
        return
    would = "would be" if dry_run else "are"
    before = f" (before: until {local(was)})" if was else ""
    if until:
        click.echo(f"all bans {would} off until {local(until)}{before}")
        click.echo("undo with: privet pause --end")
    else:
        click.echo(f"bans {'would hold' if dry_run else 'hold'} again{before}" if was else "there is no pause")
