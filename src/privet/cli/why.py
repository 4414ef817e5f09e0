"""`privet why`: why somebody is banned, or is not."""

from __future__ import annotations

import sys
import time
from typing import Any

import click

from privet.cli.options import json_option, reveal_option, runtime_option
from privet.core.plurals import counted


@click.command(
    epilog="""\b
Examples:
  privet why 192.0.2.1
  privet why 100::2ffc:7803:c709:609c    (as privet bans shows it, today)
  privet why AS64500
  echo 192.0.2.1 | privet why -          (keeps it out of the command line)
"""
)
@runtime_option
@json_option
@reveal_option
@click.argument("subject")
def command(runtime: str | None, subject: str, *, as_json: bool, reveal: bool) -> None:
    """Tell which bans close somebody out, the lines that led to them, and how to undo it."""
    from privet.cli.client import ask  # noqa: PLC0415
    from privet.cli.output import dated, print_json  # noqa: PLC0415

    word = sys.stdin.readline().strip() if subject == "-" else subject
    answer = ask(runtime, "why", subject=word, reveal=reveal)
    if as_json:
        about = {name: answer[name] for name in answer.keys() - {"items"}}
        print_json("why", [dated(item, "since", "until") for item in answer["items"]], **about)
        return
    for line in _lines(answer):
        click.echo(line)


def _lines(answer: dict[str, Any]) -> list[str]:
    subject, items = answer["subject"], answer["items"]
    lines = [f"{subject} {'is not banned' if not items else 'is closed out by:'}"]
    for item in items:
        lines += ["", *_ban(item)]
    lines += ["", f"and {answer['more']:,} more"] if answer["more"] else []
    lines += [""] if items else []
    if answer["network"]:
        lines.append(f"network: AS{answer['network']['asn']} {answer['network']['name']}".rstrip())
    if answer["cost"]:
        from privet.cli.ban import cost  # noqa: PLC0415

        lines.append(cost(answer))
    if answer["protected"]:
        lines.append(f"it is never banned: {answer['protected']}")
    if answer["before"]:
        told = ", ".join(f"{count} by {jail}" for jail, count in answer["before"].items())
        lines.append(f"bans that are remembered: {told}")
    return lines


def _ban(item: dict[str, Any]) -> list[str]:
    from privet.cli.bans import name_of  # noqa: PLC0415
    from privet.cli.output import local, rounded  # noqa: PLC0415

    left = f"{rounded(item['until'] - time.time())} left" if item["until"] else "for good"
    ports = f", {item['scope']} only" if item["scope"] else ""
    where = "" if item["places"] == ["firewall"] else f", in: {', '.join(item['places'])}"
    force = "" if item["in_force"] else "; not yet in force"
    lines = [f"{name_of(item)}: jail {item['jail']}{ports}, since {local(item['since'])}, {left}{where}{force}"]
    if item["why"]:
        lines.append(f"  why: {item['why']}")
    if item["failures"]:
        lines.append(f"  {counted(item['failures'], 'failure')}{'; the last lines:' if item['evidence'] else ''}")
    lines += [f"    {line}" for line in item["evidence"]]
    return [*lines, f"  undo with: privet unban {item['subject']}"]
