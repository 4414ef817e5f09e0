"""`privet bans`: who is banned now."""

from __future__ import annotations

import time

import click

from privet.cli.options import json_option, reveal_option, runtime_option


@click.command(
    epilog="""\b
Examples:
  privet bans
  privet bans --jail leech --reveal
  privet bans --json
"""
)
@runtime_option
@click.option("--jail", metavar="NAME", help="Only what this jail holds.")
@json_option
@reveal_option
def command(runtime: str | None, jail: str | None, *, as_json: bool, reveal: bool) -> None:
    """List who is banned now, the latest first, by today's pseudonyms."""
    from privet.cli.client import ask  # noqa: PLC0415
    from privet.cli.output import dated, local, print_json  # noqa: PLC0415

    items = [item for item in ask(runtime, "bans", reveal=reveal)["items"] if jail in (None, item["jail"])]
    if as_json:
        print_json("bans", [dated(item, "since", "until") for item in items])
        return
    from privet.cli.output import print_table, rounded  # noqa: PLC0415  rich is slow to import, and JSON needs none

    now = time.time()
    rows = [
        (
            item["subject"],
            item["jail"],
            item["why"] or item["origin"],
            local(item["since"]),
            rounded(item["until"] - now) if item["until"] else "for good",
            item["failures"],
            "yes" if item["in_kernel"] else "waiting",
        )
        for item in items
    ]
    footer = f"{len(items)} bans; lift one with: privet unban SUBJECT"
    print_table("", ("SUBJECT", "JAIL", "WHY", "SINCE", "LEFT", "#FAILURES", "IN KERNEL"), rows, footer)
