"""`privet bans`: who is banned now."""

from __future__ import annotations

import time
from typing import Any

import click

from privet.cli.options import json_option, reveal_option, runtime_option
from privet.cli.subjects import seconds
from privet.core.plurals import counted

FORMS = ("plain", "ipset", "nft")


@click.command(
    epilog="""\b
Examples:
  privet bans
  privet bans --jail leech --since 1d --reveal
  privet bans --json
  privet bans --export ipset > bans.ipset     (with addresses: privet ban --file bans.ipset reads it)
"""
)
@runtime_option
@click.option("--jail", metavar="NAME", help="Only what this jail holds.")
@click.option("--since", metavar="TIME", help="Only bans of the last 90s, 10m, 1h, 1d.")
@click.option("--all", "everybody", is_flag=True, help="Those of feeds too.")
@click.option("--export", type=click.Choice(FORMS), help="Print a list of addresses for other programs.")
@json_option
@reveal_option
def command(
    runtime: str | None,
    jail: str | None,
    since: str | None,
    export: str | None,
    *,
    everybody: bool,
    as_json: bool,
    reveal: bool,
) -> None:
    """List who is banned now, the latest first, by today's pseudonyms."""
    from privet.cli.client import ask  # noqa: PLC0415
    from privet.cli.output import dated, print_json  # noqa: PLC0415

    request = {"jail": jail, "since": seconds("--since", since), "all": everybody or export is not None}
    answer = ask(runtime, "bans", **request, reveal=reveal or export is not None, each=export is not None)
    items = answer["items"]
    if export:
        from privet.cli.export import exported  # noqa: PLC0415

        text, left_out = exported(export, items, time.time())
        click.echo(text, nl=False)
        if left_out:
            click.echo(f"left out: {counted(left_out, 'ban')} of single ports, or in the web server", err=True)
        return
    if as_json:
        print_json("bans", [dated(item, "since", "until") for item in items], feeds=answer["feeds"])
        return
    _show(items, answer["feeds"])


def _show(items: list[dict[str, Any]], feeds: dict[str, int]) -> None:
    from privet.cli.output import local, print_table, rounded  # noqa: PLC0415  rich is slow to import

    if not (items or feeds):
        click.echo("no bans")
        return
    now = time.time()
    rows = [
        (
            name_of(item),
            item["jail"] + (f" ({item['scope']})" if item["scope"] else ""),
            item["why"] or item["origin"],
            local(item["since"]),
            rounded(item["until"] - now) if item["until"] else "for good",
            item["failures"],
            ", ".join(item["places"]) if item["in_force"] else "waiting",
        )
        for item in items
    ]
    footer = f"{counted(len(items), 'ban')}; lift one with: privet unban SUBJECT; what led to it: privet why SUBJECT"
    if feeds:
        footer += f"\nand {sum(feeds.values()):,} of feeds: privet bans --all"
    print_table("", ("SUBJECT", "JAIL", "WHY", "SINCE", "LEFT", "#FAILURES", "IN FORCE IN"), rows, footer)


def name_of(item: dict[str, Any]) -> str:
    """Return how a table names a ban: a range with its size."""
    if item["prefixes"] > 1:
        return f"{item['subject']} ({counted(item['prefixes'], 'prefix', 'prefixes')})"
    name = str(item["subject"])
    return f"{name} (a /{item['length']})" if item["length"] not in (32, 64) and "/" not in name else name
