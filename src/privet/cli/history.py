"""`privet report history`: what the daemon counted, by minute, hour or day."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from privet.cli.options import runtime_option
from privet.cli.sheet import Column, Output, Page, Sheet, Top, output_options, put, put_page, show

if TYPE_CHECKING:
    from collections.abc import Sequence

STEPS = {"minute": 60, "hour": 3600, "day": 86_400}
DEFAULTS = {"minute": "2h", "hour": "1d", "day": "30d"}


@click.command(
    epilog="""\b
Examples:
  privet report history
  privet report history --by day --since 90d
  privet report history --by minute --since 30m --json
  privet report history --html history.html
"""
)
@click.option("--by", type=click.Choice(list(STEPS)), default="hour", show_default=True, help="What a row stands for.")
@click.option("--since", metavar="TIME", help="Only the last 30m, 12h, 90d.  [default: 2h, 1d or 30d]")
@runtime_option
@output_options()
def history(runtime: str | None, by: str, since: str | None, output: Output) -> None:
    """Show hits, answers, bans and load over time, then sites and jails.

    The numbers are those of the daemon: minutes of two days, hours of three months, days of five years. Bytes and
    answers are sums, load and memory the highest of a row's time. With --limit only the last N rows are shown.
    """
    from privet.cli.client import ask  # noqa: PLC0415  heavy imports wait until the verb is called
    from privet.cli.subjects import seconds  # noqa: PLC0415  as above

    wanted = since or DEFAULTS[by]
    answer = ask(runtime, "history", since=seconds("--since", wanted), step=STEPS[by])
    items, sites, jails = _times(answer, output.limit), _sites(answer["sites"]), _jails(answer["jails"])
    if output.html is not None:
        newest_first = items._replace(rows=items.rows[::-1])
        _put_page(output, answer, [sites, jails, newest_first], by, wanted)
        return
    put(output, items, Top())
    if not (output.json or output.csv):
        for sheet in (sites, jails):
            if sheet.rows:
                show(sheet)


def _put_page(output: Output, answer: dict[str, Any], sheets: Sequence[Sheet], by: str, since: str) -> None:
    from privet.cli import figures  # noqa: PLC0415  as above

    items = answer["items"]
    tiles = [
        ("Requests", f"{sum(item.get('hits', 0) for item in items):,}"),
        ("Bans", f"{sum(item.get('bans', 0) for item in items):,}"),
        ("Highest load", f"{max((item.get('load', 0) for item in items), default=0):.1f}"),
        ("Sent", f"{_mib(sum(item.get('bytes', 0) for item in items))} MiB"),
    ]
    says = f"What the daemon counted by {by}, the last {since}"
    drawn = figures.history(items, STEPS[by])
    put_page(output, Page("History", says, tiles, drawn, [sheet for sheet in sheets if sheet.rows]))


def _times(answer: dict[str, Any], limit: int | None) -> Sheet:
    from privet.cli.output import bars, dated, local  # noqa: PLC0415  as above

    items = answer["items"][-limit:] if limit else answer["items"]
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
    numbers = ("HITS", "2XX", "3XX", "4XX", "5XX", "MIB", "BANS", "LOAD", "MEMORY")
    return Sheet(
        "history",
        "Time by time",
        [dated(item, "time") for item in items],
        [Column("TIME"), Column(""), *(Column(head, "number") for head in numbers)],
        rows,
        beside={"sites": answer["sites"], "jails": answer["jails"]},
        notes=[] if rows else ["nothing was counted in this time yet"],
    )


def _sites(found: Sequence[dict[str, Any]]) -> Sheet:
    rows = [(one["site"], one["hits"], one["failed"], _mib(one["bytes"])) for one in found]
    columns = [Column("SITE", "said"), *(Column(head, "number") for head in ("HITS", "5XX", "MIB"))]
    return Sheet("sites", "Sites", found, columns, rows)


def _jails(found: Sequence[dict[str, Any]]) -> Sheet:
    rows = [(one["jail"], one["bans"], one["reports"]) for one in found]
    return Sheet("jails", "Jails", found, [Column("JAIL"), Column("BANS", "number"), Column("REPORTS", "number")], rows)


def _mib(size: int) -> str:
    return f"{size / (1 << 20):,.1f}"
