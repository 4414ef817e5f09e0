"""`privet report history`: what the daemon counted, by minute, hour or day."""

from __future__ import annotations

from typing import Any

import click

from privet.cli.options import json_option, runtime_option

STEPS = {"minute": 60, "hour": 3600, "day": 86_400}
DEFAULTS = {"minute": "2h", "hour": "1d", "day": "30d"}


@click.command(
    epilog="""\b
Examples:
  privet report history
  privet report history --by day --since 90d
  privet report history --by minute --since 30m --json
"""
)
@click.option("--by", type=click.Choice(list(STEPS)), default="hour", show_default=True, help="What a row stands for.")
@click.option("--since", metavar="TIME", help="Only the last 30m, 12h, 90d.  [default: 2h, 1d or 30d]")
@runtime_option
@json_option
def history(runtime: str | None, by: str, since: str | None, *, as_json: bool) -> None:
    """Show hits, answers, bans and load over time, then sites and jails.

    The numbers are those of the daemon: minutes of two days, hours of three months, days of five years. Bytes and
    answers are sums, load and memory the highest of a row's time.
    """
    from privet.cli.client import ask  # noqa: PLC0415  heavy imports wait until the verb is called
    from privet.cli.output import dated, print_json  # noqa: PLC0415  as above
    from privet.cli.subjects import seconds  # noqa: PLC0415  as above

    answer = ask(runtime, "history", since=seconds("--since", since or DEFAULTS[by]), step=STEPS[by])
    if as_json:
        items = [dated(item, "time") for item in answer["items"]]
        print_json("history", items, sites=answer["sites"], jails=answer["jails"])
    else:
        _print(answer)


def _print(answer: dict[str, Any]) -> None:
    from privet.cli.output import bars, local, print_table  # noqa: PLC0415  as above

    items = answer["items"]
    rows = [
        (
            local(item["time"])[:16],
            bar,
            *(item.get(name, 0) for name in ("hits", "ok", "moved", "refused", "failed")),
            _mib(item.get("bytes", 0)),
            item.get("bans", 0),
            f"{item.get('load', 0):.1f}",
            f"{item.get('memory', 0):.0f}%",
        )
        for item, bar in zip(items, bars([item.get("hits", 0) for item in items]), strict=True)
    ]
    columns = ("TIME", "", "#HITS", "#2XX", "#3XX", "#4XX", "#5XX", "#MIB", "#BANS", "#LOAD", "#MEMORY")
    print_table("", columns, rows, "" if rows else "nothing was counted in this time yet")
    sites = [(one["site"], one["hits"], one["failed"], _mib(one["bytes"])) for one in answer["sites"]]
    if sites:
        print_table("", ("SITE", "#HITS", "#5XX", "#MIB"), sites)
    jails = [(one["jail"], one["bans"], one["reports"]) for one in answer["jails"]]
    if jails:
        print_table("", ("JAIL", "#BANS", "#REPORTS"), jails)


def _mib(size: int) -> str:
    return f"{size / (1 << 20):.1f}"
