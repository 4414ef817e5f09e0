"""`privet jails`: the rules and how often they matched."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from privet.cli.main import EX_USAGE, Failure
from privet.cli.options import json_option, runtime_option

if TYPE_CHECKING:
    from collections.abc import Mapping


@click.command(
    epilog="""\b
Examples:
  privet jails
  privet jails --json
  privet jails --builtin
  privet jails --show web-crawl >> privet.toml
"""
)
@click.option("--builtin", is_flag=True, help="List the jails that come with Privet; needs no daemon.")
@click.option("--show", metavar="NAME", help="Print one of these as it is written, samples included.")
@runtime_option
@json_option
def command(runtime: str | None, show: str | None, *, builtin: bool, as_json: bool) -> None:
    """List the jails: limits, failures seen, verdicts, and who is banned now."""
    if show is not None:
        _show(show)
    elif builtin:
        _list_builtin(as_json=as_json)
    else:
        _list(runtime, as_json=as_json)


def _show(name: str) -> None:
    from privet.config.builtin import builtins  # noqa: PLC0415  only those who ask need it

    if name not in builtins():
        raise Failure(f"no jail {name} comes with Privet: privet jails --builtin lists them", EX_USAGE)
    click.echo(builtins()[name].text, nl=False)


def _list_builtin(*, as_json: bool) -> None:
    from privet.cli.output import print_json, print_table, rounded  # noqa: PLC0415
    from privet.config.builtin import builtins  # noqa: PLC0415
    from privet.tasks.jailtests import alone  # noqa: PLC0415

    items = []
    for one in builtins().values():
        jail = alone(one.name).jails[one.name]
        items.append(
            {
                "jail": one.name,
                "group": one.group,
                "about": one.about,
                "kind": jail.kind,
                "key": jail.key,
                "distinct": jail.distinct,
                "findtime": jail.findtime,
                "maxretry": jail.maxretry,
                "bantime": jail.bantime,
                "samples": len(one.samples),
                "reports": jail.only_reports,
            }
        )
    if as_json:
        print_json("builtin-jails", items)
        return
    rows = [
        (
            item["jail"],
            item["group"],
            _limit(item),
            "only reports" if item["reports"] else rounded(float(str(item["bantime"]))),
            item["about"],
        )
        for item in items
    ]
    print_table("", ("JAIL", "GROUP", "LIMIT", "BAN", "CATCHES"), rows)
    click.echo("docs/jails.md says how to take them; privet jails --show NAME prints one.")


def _limit(item: Mapping[str, object]) -> str:
    """Say how much is too much."""
    from privet.cli.output import rounded  # noqa: PLC0415

    if item["kind"] == "swarm":
        return "swarms"
    of = f" different {item['distinct']}" if item["distinct"] else ""
    return f"{item['maxretry']}{of} in {rounded(float(str(item['findtime'])))}"


def _list(runtime: str | None, *, as_json: bool) -> None:
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
            _limit({**item, "maxretry": item["limit"]}),
            rounded(item["bantime"])
            + (", growing" if item["increment"] else "")
            + (" (dry run)" if item["dry_run"] else " (only reports)" if item["reports"] else "")
            + ("" if item["close"] else " (told only)"),
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
