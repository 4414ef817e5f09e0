"""`privet init`: a first configuration."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from privet.cli.main import EX_CONFIG, EX_DATA, EX_ERROR, EX_NOT_RUNNING, EX_USAGE, EX_WARNING, Failure
from privet.cli.options import DEFAULT_CONFIG, runtime_option
from privet.core.plurals import counted

if TYPE_CHECKING:
    from privet.adapters.fail2ban_db import RunningBan
    from privet.tasks.init import Begun

_NONE = "no access log of a web server was found; docs/configuration.md shows what a configuration looks like"


@click.command(
    epilog="""\b
Examples:
  privet init                                        (looks for the logs of Apache, nginx and Caddy)
  privet init --from-fail2ban /etc/fail2ban
  privet init --from-fail2ban /etc/fail2ban --output - | less
  privet init --from-fail2ban /etc/fail2ban --adopt-bans
"""
)
@click.option("--from-fail2ban", "folder", metavar="DIR", help="Write the jails of this configuration of fail2ban.")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    default=DEFAULT_CONFIG,
    envvar="PRIVET_CONFIG",
    show_default=True,
    help="Where to write; - for standard output.",
)
@click.option("--adopt-bans", is_flag=True, help="Hand fail2ban's running bans to the running daemon.")
@runtime_option
def command(folder: str | None, output: str, runtime: str | None, *, adopt_bans: bool) -> int:
    """Write a first configuration, and say what it holds. Nothing is started and nothing is overwritten.

    With --from-fail2ban it is made of fail2ban's jails, and what was adopted, changed on purpose or not understood is
    printed with file and line. With --adopt-bans a configuration that is there already is left as it is.
    """
    from privet.cli.findings import not_understood, print_report, summary  # noqa: PLC0415

    if adopt_bans and folder is None:
        raise Failure("--adopt-bans needs --from-fail2ban DIR", EX_USAGE)
    begun = _begun(folder)
    print_report(begun.config.findings, stderr=True)
    written = _write(begun.text, output, keep=adopt_bans)
    if written and output != "-":
        counts = f"{counted(len(begun.config.sources), 'source')}, {counted(len(begun.config.jails), 'jail')}"
        click.echo(f"{output}: {counts}" + (f"; {found}" if (found := summary(begun.config.findings)) else ""))
        click.echo(f"next: privet check --config {output}")
    if adopt_bans and folder is not None:
        return _adopt(folder, runtime)
    return EX_WARNING if not_understood(begun.config.findings) else 0


def _begun(folder: str | None) -> Begun:
    from privet.config.errors import ConfigErrors  # noqa: PLC0415
    from privet.tasks.init import from_fail2ban, from_logs  # noqa: PLC0415

    if folder is None:
        begun = from_logs()
        if begun is None:
            raise Failure(_NONE, EX_ERROR)
        return begun
    try:
        return from_fail2ban(folder)
    except ConfigErrors as errors:
        raise Failure("; ".join(error.message for error in errors.errors), EX_CONFIG) from None


def _write(text: str, output: str, *, keep: bool) -> bool:
    """Write a new file; tell whether it was, and leave alone what is there."""
    from pathlib import Path  # noqa: PLC0415

    if output == "-":
        click.echo(text, nl=False)
        return True
    try:
        with Path(output).open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        if keep:
            return False
        raise Failure(f"{output} is there already: name another with --output", EX_ERROR) from None
    except FileNotFoundError:
        message = f"there is no folder {Path(output).parent}: make it, or name another file with --output"
        raise Failure(message, EX_ERROR) from None
    return True


def _adopt(folder: str, runtime: str | None) -> int:
    """Hand over the bans that fail2ban would restore."""
    from privet.ports import SourceError  # noqa: PLC0415
    from privet.tasks.init import bans_of_fail2ban  # noqa: PLC0415

    try:
        bans, skipped, path = bans_of_fail2ban(folder, time.time())
    except SourceError as error:
        raise Failure(str(error), EX_DATA) from None
    if not bans:
        click.echo(f"{path}: no running bans")
        return 0
    return _handed(bans, skipped, path, runtime)


def _handed(bans: list[RunningBan], skipped: int, path: str, runtime: str | None) -> int:
    from privet.cli.client import ask  # noqa: PLC0415

    rows = [[ban.jail, ban.subject.reveal(), ban.since, ban.until, ban.count] for ban in bans]
    try:
        answer = ask(runtime, "adopt", bans=rows)
    except Failure as failure:
        if failure.code != EX_NOT_RUNNING:
            raise
        message = f"{path}: {counted(len(bans), 'running ban')} to be adopted; the daemon does not run yet: start it, "
        raise Failure(message + "then give the same command again", EX_NOT_RUNNING) from None
    rest = f", {skipped} of no address left out" if skipped else ""
    click.echo(f"{path}: {counted(answer['adopted'], 'running ban')} adopted{rest}")
    for reason, count in answer["refused"].items():
        click.echo(f"  {count} refused: {reason}")
    return EX_WARNING if skipped or answer["refused"] else 0
