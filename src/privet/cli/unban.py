"""`privet unban`: lift bans."""

from __future__ import annotations

import click

from privet.cli.main import EX_USAGE, Failure
from privet.cli.options import json_option, reveal_option, runtime_option


@click.command(
    epilog="""\b
Examples:
  privet unban 192.0.2.1
  privet unban 100::2ffc:7803:c709:609c    (as privet bans shows it, today)
  privet unban --jail leech
  privet unban --all
"""
)
@runtime_option
@click.option("--all", "everybody", is_flag=True, help="Lift every ban.")
@click.option("--jail", metavar="NAME", help="Only what this jail holds.")
@json_option
@reveal_option
@click.argument("subjects", metavar="[SUBJECT...]", nargs=-1)
def command(
    runtime: str | None, jail: str | None, subjects: tuple[str, ...], *, everybody: bool, as_json: bool, reveal: bool
) -> None:
    """Lift bans and say which; the clients' counts start anew. `-` reads subjects from standard input."""
    from privet.cli.ban import expanded  # noqa: PLC0415
    from privet.cli.client import ask  # noqa: PLC0415
    from privet.cli.output import dated, local, print_json  # noqa: PLC0415

    if not (subjects or everybody or jail):
        raise Failure("say whom: SUBJECT, --jail NAME or --all", EX_USAGE)
    answer = ask(runtime, "unban", subjects=expanded(subjects), jail=jail, all=everybody, reveal=reveal)
    if as_json:
        print_json("unban", [dated(item, "since") for item in answer["items"]])
        return
    for item in answer["items"]:
        click.echo(f"{item['subject']} unbanned (jail {item['jail']}, since {local(item['since'])})")
    click.echo(f"{len(answer['items'])} bans lifted")
