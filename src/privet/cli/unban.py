"""`privet unban`: lift bans."""

from __future__ import annotations

import shlex
import time
from typing import Any

import click

from privet.cli.main import EX_USAGE, Failure
from privet.cli.options import json_option, reveal_option, runtime_option
from privet.cli.subjects import FEW, SHOWN, dry_run_option, file_option, named, seconds
from privet.core.plurals import counted


@click.command(
    epilog="""\b
Examples:
  privet unban 192.0.2.1
  privet unban 192.0.2.0/24                (and whoever is banned in it)
  privet unban 100::2ffc:7803:c709:609c    (as privet bans shows it, today)
  privet unban AS64500
  privet unban --jail leech --since 1h
  privet unban --all --dry-run
"""
)
@runtime_option
@click.option("--all", "everybody", is_flag=True, help="Lift every ban.")
@click.option("--jail", metavar="NAME", help="Only what this jail holds.")
@click.option("--since", metavar="TIME", help="Only bans of the last 90s, 10m, 1h, 1d.")
@file_option
@dry_run_option
@json_option
@reveal_option
@click.argument("subjects", metavar="[SUBJECT...]", nargs=-1)
def command(
    runtime: str | None,
    jail: str | None,
    since: str | None,
    files: tuple[str, ...],
    subjects: tuple[str, ...],
    *,
    everybody: bool,
    dry_run: bool,
    as_json: bool,
    reveal: bool,
) -> None:
    """Lift bans and say which; the clients' counts start anew. `-` reads subjects from standard input."""
    from privet.cli.client import ask  # noqa: PLC0415
    from privet.cli.output import dated, print_json  # noqa: PLC0415

    if not (subjects or files or everybody or jail or since):
        raise Failure("say whom: SUBJECT, --file FILE, --jail NAME, --since TIME or --all", EX_USAGE)
    if everybody and (subjects or files or jail or since):
        raise Failure("--all lifts every ban: leave it out to lift only some", EX_USAGE)
    request = {"jail": jail, "since": seconds("--since", since), "all": everybody, "dry_run": dry_run}
    items = ask(runtime, "unban", **named(subjects, files), **request, reveal=reveal)["items"]
    if as_json:
        print_json("unban", [dated(item, "since", "until") for item in items], dry_run=dry_run)
        return
    for item in items[:SHOWN]:
        click.echo(_line(item, dry_run=dry_run))
    click.echo(f"{counted(len(items), 'ban')} {'would be ' if dry_run else ''}lifted")
    if not dry_run:
        for item in items[:FEW]:
            click.echo(_undo(item))
        if len(items) > FEW:
            click.echo(f"and so on for the other {len(items) - FEW:,}")


def _line(item: dict[str, Any], *, dry_run: bool) -> str:
    from privet.cli.output import local  # noqa: PLC0415

    result = "would be unbanned" if dry_run else "unbanned"
    told = f"{item['subject']} {result} (jail {item['jail']}, since {local(item['since'])})"
    told += "" if item["places"] == ["firewall"] else f" in: {', '.join(item['places'])}"
    return told + (f"; still closed out by: {', '.join(item['still'])}" if item["still"] else "")


def _undo(item: dict[str, Any]) -> str:
    left = "good" if item["until"] is None else f"{max(1, round(item['until'] - time.time()))}s"
    jail = "" if item["jail"] in ("by hand", "adopted") or item["origin"] == "feed" else f" --jail {item['jail']}"
    why = f" --why {shlex.quote(item['why'])}" if item["why"] else ""
    return f"undo with: privet ban {item['subject']} --for {left}{jail}{why}"
