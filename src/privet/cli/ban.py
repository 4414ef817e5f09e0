"""`privet ban`: ban addresses, prefixes and AS numbers by hand."""

from __future__ import annotations

import sys
import time
from collections import Counter
from typing import Any

import click

from privet.cli.main import EX_USAGE, EX_WARNING, Failure
from privet.cli.options import json_option, reveal_option, runtime_option
from privet.cli.subjects import FEW, SHOWN, dry_run_option, file_option, named, seconds
from privet.core.plurals import counted


@click.command(
    epilog="""\b
Examples:
  privet ban 192.0.2.1
  privet ban 192.0.2.1 2001:db8::/64 --for 1w --why "took the whole wiki"
  privet ban AS64500 --dry-run                     (whom it would hit)
  privet ban --jail leech 100::2ffc:7803:c709:609c (as the masked log shows it, today)
  privet ban - < addresses.txt                     (keeps them out of the command line)
  fail2ban-client banned | privet ban --file -
"""
)
@runtime_option
@click.option(
    "--for", "duration", metavar="TIME", help="How long: 90s, 10m, 1h, 1w, good.  [default: 1h, or the jail's]"
)
@click.option("--why", metavar="TEXT", default="", help="The reason, shown by privet bans.")
@click.option("--jail", metavar="NAME", help="Ban as this jail does: its time, its ports, its name.")
@file_option
@dry_run_option
@click.option("--yes", is_flag=True, help="Do not ask before ranges and long lists.")
@json_option
@reveal_option
@click.argument("subjects", metavar="[SUBJECT...]", nargs=-1)
def command(
    *,
    runtime: str | None,
    duration: str | None,
    why: str,
    jail: str | None,
    files: tuple[str, ...],
    subjects: tuple[str, ...],
    dry_run: bool,
    yes: bool,
    as_json: bool,
    reveal: bool,
) -> int:
    """Ban addresses, prefixes, AS numbers, or today's pseudonyms. `-` reads a list from standard input.

    What must never be banned is refused with the reason: this machine, its gateway, your own ssh connection.
    Before a range is banned you are told how many clients of the last day it would close out.
    """
    from privet.cli.client import ask  # noqa: PLC0415
    from privet.cli.output import dated, print_json  # noqa: PLC0415

    if not (subjects or files):
        raise Failure("say whom: SUBJECT, --file FILE, or - for standard input", EX_USAGE)
    length = duration if duration in (None, "good") else seconds("--for", duration)
    request: dict[str, Any] = {**named(subjects, files), "seconds": length, "why": why, "jail": jail, "reveal": reveal}
    answer = ask(runtime, "ban", **request, dry_run=dry_run, agreed=yes)
    if not answer["agreed"]:
        _confirm(answer["items"], can_ask=sys.stdin.isatty() and not as_json)
        answer = ask(runtime, "ban", **request, agreed=True)
    items = answer["items"]
    if as_json:
        print_json("ban", [dated(item, "until") | _was(item) for item in items], dry_run=dry_run)
    else:
        _tell(items)
    return EX_WARNING if any(item["reason"] for item in items) else 0


def _was(item: dict[str, Any]) -> dict[str, Any]:
    from privet.cli.output import dated  # noqa: PLC0415

    return {"was": item["was"] and dated(item["was"], "until")}


def _confirm(items: list[dict[str, Any]], *, can_ask: bool) -> None:
    for item in items:
        if item["cost"]:
            click.echo(f"{item['subject']}: {cost(item)}", err=True)
    what = f"{len(items):,} subjects" if len(items) > 1 else "it"
    if not can_ask:
        raise Failure(f"nothing was banned: say --yes to ban {what}", EX_USAGE)
    click.confirm(f"Ban {what}?", abort=True, err=True)


def cost(item: dict[str, Any]) -> str:
    """Say what the ban of a range costs."""
    told = item["cost"]
    size = [counted(told["addresses"], "address", "addresses")] if told["addresses"] else []
    size += [f"{counted(told['networks'], 'network')} of /64"] if told["networks"] else []
    least = "at least " if told["at_least"] else ""
    came = f"{least}{counted(told['clients'], 'client')} came in the last day"
    return f"{' and '.join(size)}; {came}, {told['innocent']:,} of them did nothing wrong"


def _tell(items: list[dict[str, Any]]) -> None:
    bad = [item for item in items if item["result"] in ("refused", "waiting")]
    for item in items if len(items) <= SHOWN else bad[:SHOWN]:
        click.echo(_line(item))
    if len(items) > SHOWN:
        counts = Counter(item["result"] for item in items)
        click.echo(", ".join(f"{count:,} {result}" for result, count in counts.most_common()))
    done = [item for item in items if item["result"] in ("banned", "waiting")]
    if not items:
        click.echo("0 banned: the list is empty")
    elif len(done) > FEW:
        click.echo(f"undo with: privet unban --jail '{done[0]['jail']}' --since 1m")
    else:
        new = [item["subject"] for item in done if not item["was"]]
        if new:
            click.echo(f"undo with: privet unban {' '.join(new)}")
        for item in done:
            if item["was"]:
                click.echo(_back(item))


def _back(item: dict[str, Any]) -> str:
    """Say how the end that a ban had before comes back."""
    until = item["was"]["until"]
    left = "good" if until is None else f"{max(1, round(until - time.time()))}s"
    jail = "" if item["jail"] == "by hand" else f" --jail {item['jail']}"
    return f"undo with: privet ban {item['subject']} --for {left}{jail}"


def _line(item: dict[str, Any]) -> str:
    from privet.cli.output import local  # noqa: PLC0415

    def end(until: float | None) -> str:
        return f"until {local(until)}" if until else "for good"

    told = f"{item['subject']} {item['result']}"
    if item["prefixes"] > 1:
        told += f" with {counted(item['prefixes'], 'prefix', 'prefixes')}"
    if item["result"] != "refused":
        told += f" {end(item['until'])}"
        told += f" (before: {end(item['was']['until'])})" if item["was"] else ""
    if item["cost"] and item["result"] == "would be banned":
        told += f"\n  {cost(item)}"
    return told + (f": {item['reason']}" if item["reason"] else "")
