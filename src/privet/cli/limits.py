"""`privet report limits`: who hovers just below a limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from privet.cli.options import config_option, logs_argument, reveal_option
from privet.cli.replaying import config_for, replaying, source_option, warned
from privet.cli.sheet import Column, Output, Page, Sheet, Top, output_options, put, put_page, show
from privet.cli.summing import names_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from privet.core.address import Subject
    from privet.tasks.limits import Limits

_STEPS = [f"{low * 10}%" for low in range(10)]
_NONE = "Nobody came that close to a limit without a ban."


@click.command(
    epilog="""\b
Examples:
  privet report limits /var/log/apache2/access.log*
  privet report limits --share 80 --jail leech --config examples/web.toml access.log
  privet report limits --jail web-crawl access.log
  privet report limits --html limits.html access.log.*.gz
"""
)
@config_option
@source_option
@click.option(
    "--jail", "jails", metavar="NAME", multiple=True, help="Ask this jail, or one that comes with Privet; repeatable."
)
@click.option(
    "--share", type=click.IntRange(1, 99), default=50, show_default=True, help="Per cent of the limit from which on."
)
@output_options()
@reveal_option
@logs_argument
def limits(
    config_path: str,
    source_name: str | None,
    jails: tuple[str, ...],
    logs: tuple[str, ...],
    *,
    share: int,
    output: Output,
    reveal: bool,
) -> int:
    """List who hovers just below the limit of a jail, and how close all clients came.

    The rules run over LOG as in `privet replay`, and the counts are the engine's own. Whoever was banned by a jail is
    not listed for it, nor are those in its ignoreip. Clients are shown as pseudonyms that mean nothing outside of this
    run, unless --reveal is given.

    Exit code 1 means that something deserves a look: unparsed lines, or a source that jails cannot work on.
    """
    from privet.tasks.borrowed import with_builtins  # noqa: PLC0415  heavy imports wait until the verb is called
    from privet.tasks.limits import Watched  # noqa: PLC0415  as above
    from privet.tasks.replay import play, source_of  # noqa: PLC0415  as above

    config = config_for(config_path, jails)
    with replaying(logs) as progress:
        source = source_of(config, logs, source_name)
        watched = Watched(with_builtins(config, jails, source), source, jails)
        play([watched], logs, progress)
    found = watched.limits(share / 100)
    close, spread = close_sheet(found, names_for(reveal=reveal), output.rows), spread_sheet(found)
    if output.html is not None:
        says = f"Clients that came to {share}% of a limit or more, and were not banned for it"
        tiles = [("Close to a limit", f"{len(found.close):,}"), ("Jails", f"{len(found.tenths):,}")]
        put_page(output, Page("Limits", says, tiles, [], [close, spread]))
    else:
        put(output, close._replace(beside={**close.beside, "damages": found.replayed.damages}), Top())
        if not (output.json or output.csv):
            show(spread)
    return warned(found.replayed)


def close_sheet(found: Limits, name: Callable[[Subject], str], limit: int | None) -> Sheet:
    """Return who came close to a limit."""
    from privet.cli.output import local, rfc3339  # noqa: PLC0415  as above

    listed = [(one.peak, name(one.subject) if one.subject else one.name) for one in found.close[:limit]]
    items = [
        {
            "jail": peak.jail,
            "client": who,
            "count": peak.count,
            "limit": peak.limit,
            "share": int(peak.share * 100),
            "time": rfc3339(peak.time),
        }
        for peak, who in listed
    ]
    rows = [
        (who, peak.jail, peak.count, peak.limit, f"{int(peak.share * 100)}%", local(peak.time)) for peak, who in listed
    ]
    return Sheet(
        "limits",
        "Close to a limit",
        items,
        [
            Column("client"),
            Column("jail"),
            Column("highest", "number"),
            Column("limit", "number"),
            Column("share", "share"),
            Column("when"),
        ],
        rows,
        "The most failures that counted at once, of those that make a ban.",
        beside={"tenths": found.tenths, "forgotten": found.forgotten},
        notes=[] if rows else [_NONE],
        total=len(found.close),
    )


def spread_sheet(found: Limits) -> Sheet:
    """Return how many clients came to each tenth of a limit at most."""
    rows = [(jail, *counts) for jail, counts in found.tenths.items()]
    columns = [Column("jail"), *(Column(step, "number") for step in _STEPS), Column("reached", "number")]
    says = "Clients by how much of a limit they came to at most, from each tenth to the next."
    return Sheet("tenths", "How close all clients came", [], columns, rows, says)
