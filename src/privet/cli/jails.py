"""`privet jails`: the rules and how often they matched."""

from __future__ import annotations

import click

from privet.cli.options import json_option, runtime_option


@click.command(
    epilog="""\b
Examples:
  privet jails
  privet jails --json
"""
)
@runtime_option
@json_option
def command(runtime: str | None, *, as_json: bool) -> None:
    """List the jails: limits, failures seen, verdicts, and who is banned now."""
    from privet.cli.client import ask  # noqa: PLC0415
    from privet.cli.output import dated, local, print_json, print_table, rounded  # noqa: PLC0415

    items = ask(runtime, "jails")["items"]
    if as_json:
        print_json("jails", [dated(item, "last_failure") for item in items])
        return
    rows = [
        (
            item["jail"],
            ", ".join(item["sources"] or [f"bans of {name}" for name in item["bans_of"]]),
            "swarms" if item["kind"] == "swarm" else f"{item['maxretry']} in {rounded(item['findtime'])}",
            rounded(item["bantime"])
            + (", growing" if item["increment"] else "")
            + (" (dry run)" if item["dry_run"] else "" if item["close"] else " (told only)"),
            item["failures"],
            local(item["last_failure"]) if item["last_failure"] else "never",
            item["verdicts"],
            item["banned"],
        )
        for item in items
    ]
    print_table("", ("JAIL", "SOURCES", "LIMIT", "BAN", "#FAILURES", "LAST", "#VERDICTS", "#BANNED"), rows)
    for item in items:
        if item["adopted_from"]:
            click.echo(f"{item['jail']}: adopted from {item['adopted_from']}")
            for one in item["findings"]:
                place = f"{one['file']}:{one['line']}" if one["line"] else one["file"]
                click.echo(f"  {one['fate']}: {place}: {one['text']}")
