"""`privet ban`: ban addresses or prefixes by hand."""

from __future__ import annotations

import sys

import click

from privet.cli.main import EX_USAGE, EX_WARNING, Failure
from privet.cli.options import json_option, reveal_option, runtime_option


@click.command(
    epilog="""\b
Examples:
  privet ban 192.0.2.1
  privet ban 192.0.2.1 2001:db8::/64 --for 1w --why "took the whole wiki"
  privet ban - < addresses.txt             (keeps them out of the command line)
"""
)
@runtime_option
@click.option(
    "--for", "duration", metavar="TIME", default="1h", show_default=True, help="How long: 90s, 10m, 1h, 1d, 1w."
)
@click.option("--why", metavar="TEXT", default="", help="The reason, shown by privet bans.")
@json_option
@reveal_option
@click.argument("subjects", metavar="SUBJECT...", nargs=-1, required=True)
def command(
    runtime: str | None, duration: str, why: str, subjects: tuple[str, ...], *, as_json: bool, reveal: bool
) -> int:
    """Ban addresses or prefixes; an IPv6 address stands for its /64. `-` reads them from standard input.

    What must never be banned is refused with the reason: this machine, its gateway, your own ssh connection.
    """
    from privet.cli.client import ask  # noqa: PLC0415
    from privet.cli.output import local, print_json, rfc3339  # noqa: PLC0415
    from privet.config.values import Invalid  # noqa: PLC0415
    from privet.config.values import duration as parse_duration  # noqa: PLC0415

    try:
        seconds = parse_duration(duration)
    except Invalid:
        raise Failure(f"--for {duration}: give a time such as 90s, 10m, 1h, 1d or 1w", EX_USAGE) from None
    answer = ask(runtime, "ban", subjects=expanded(subjects), seconds=seconds, why=why, reveal=reveal)
    if as_json:
        print_json("ban", answer["items"], until=rfc3339(answer["until"]))
    else:
        for item in answer["items"]:
            reason = f": {item['reason']}" if item["reason"] else f" until {local(answer['until'])}"
            click.echo(f"{item['subject']} {item['result']}{reason}")
        if any(item["result"] == "banned" for item in answer["items"]):
            click.echo("undo with: privet unban SUBJECT")
    return EX_WARNING if any(item["result"] != "banned" for item in answer["items"]) else 0


def expanded(subjects: tuple[str, ...]) -> list[str]:
    """Return the words of the command line, with those of standard input in place of `-`."""
    return [word for subject in subjects for word in (sys.stdin.read().split() if subject == "-" else [subject])]
