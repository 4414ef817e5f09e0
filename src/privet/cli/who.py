"""`privet who`: who a pseudonym of today is."""

from __future__ import annotations

import click

from privet.cli.options import json_option, runtime_option


@click.command(
    epilog="""\b
Examples:
  privet who 100::2ffc:7803:c709:609c
  privet who 100::2ffc:7803:c709:609c --site www.example.org
"""
)
@runtime_option
@click.option("--site", metavar="NAME", help="The site of the line, where one log holds several (%v).")
@json_option
@click.argument("pseudonym")
def command(runtime: str | None, site: str | None, pseudonym: str, *, as_json: bool) -> None:
    """Tell who a pseudonym is, as the logs of today show it. Only root may ask, and every question is noted.

    Fails if nobody who came today has it; 77 says that the caller is not root.
    """
    from privet.cli.client import ask  # noqa: PLC0415
    from privet.cli.output import print_json  # noqa: PLC0415

    answer = ask(runtime, "who", subject=pseudonym, site=site)
    if as_json:
        print_json("who", answer["items"], noted=answer["noted"])
        return
    for item in answer["items"]:
        click.echo(f"{item['pseudonym']} is {item['address']}")
    click.echo(f"the question is noted in {answer['noted']}", err=True)
