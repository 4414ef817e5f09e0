"""`privet report limits`: who hovers just below a limit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import click

from privet.cli.live import limits as of_the_daemon
from privet.cli.live import of_logs
from privet.cli.options import config_option, optional_logs, reveal_option, runtime_option
from privet.cli.replaying import config_for, replaying, source_option, warned
from privet.cli.sheet import Column, Output, Page, Sheet, Top, output_options, put, put_page, show
from privet.cli.summing import names_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from privet.core.addresses.address import Subject
    from privet.tasks.limits import Limits

_STEPS = [f"{low * 10}%" for low in range(10)]


class _Words(NamedTuple):
    """How a count is called, what it is, and what is said where there is none."""

    head: str
    says: str
    none: str


_EVER = _Words(
    "highest",
    "The most failures that counted at once, of those that make a ban.",
    "Nobody came that close to a limit without a ban.",
)
_NOW = _Words("failures", "Failures that count now, of those that make a ban.", "Nobody is that close to a limit now.")


@click.command(
    epilog="""\b
Examples:
  privet report limits
  privet report limits --share 80 --jail leech --reveal
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
@runtime_option
@output_options()
@reveal_option
@optional_logs
def limits(
    config_path: str,
    source_name: str | None,
    runtime: str | None,
    jails: tuple[str, ...],
    logs: tuple[str, ...],
    *,
    share: int,
    output: Output,
    reveal: bool,
) -> int:
    """List who hovers just below the limit of a jail, and how close all clients came.

    Without LOG that is who the running daemon counts now, by today's pseudonyms. With LOG the rules of --config run
    over it as in `privet replay`, and clients are shown as pseudonyms that mean nothing outside of this run; --reveal
    shows addresses. Whoever was banned by a jail is not listed for it, nor are those in its ignoreip.

    Exit code 1 means that something deserves a look: unparsed lines, or a source that jails cannot work on.
    """
    if not of_logs(logs, ["config_path", "source_name"], ["runtime"]):
        answer = of_the_daemon(runtime, jails, share, output.rows, reveal=reveal)
        says = f"Clients that are at {share}% of a limit or more now"
        _put(output, says, _sheet(answer["items"], answer, answer["total"], _NOW), _spread(answer["tenths"]))
        return 0
    from privet.tasks.borrowed import with_builtins  # noqa: PLC0415  heavy imports wait until the verb is called
    from privet.tasks.limits import Watched  # noqa: PLC0415  as above
    from privet.tasks.replay import play, source_of  # noqa: PLC0415  as above

    config = config_for(config_path, jails)
    with replaying(logs) as progress:
        source = source_of(config, logs, source_name)
        watched = Watched(with_builtins(config, jails, source), source, jails)
        play([watched], logs, progress)
    found = watched.limits(share / 100)
    close = close_sheet(found, names_for(reveal=reveal), output.rows)
    close = close._replace(beside={**close.beside, "damages": found.replayed.damages})
    says = f"Clients that came to {share}% of a limit or more, and were not banned for it"
    _put(output, says, close, spread_sheet(found))
    return warned(found.replayed)


def _put(output: Output, says: str, close: Sheet, spread: Sheet) -> None:
    if output.html is not None:
        tiles = [("Close to a limit", f"{close.total:,}"), ("Jails", f"{len(spread.rows):,}")]
        put_page(output, Page("Limits", says, tiles, [], [close, spread]))
        return
    put(output, close, Top())
    if not (output.json or output.csv):
        show(spread)


def close_sheet(found: Limits, name: Callable[[Subject], str], limit: int | None) -> Sheet:
    """Return who came close to a limit."""
    items = [
        {
            "jail": one.peak.jail,
            "client": name(one.subject) if one.subject else one.name,
            "count": one.peak.count,
            "limit": one.peak.limit,
            "share": int(one.peak.share * 100),
            "time": one.peak.time,
        }
        for one in found.close[:limit]
    ]
    return _sheet(items, {"tenths": found.tenths, "forgotten": found.forgotten}, len(found.close), _EVER)


def _sheet(items: Sequence[Mapping[str, Any]], beside: Mapping[str, Any], total: int, words: _Words) -> Sheet:
    from privet.cli.output import dated, local  # noqa: PLC0415  as above

    rows = [
        (one["client"], one["jail"], one["count"], one["limit"], f"{one['share']}%", local(one["time"]))
        for one in items
    ]
    return Sheet(
        "limits",
        "Close to a limit",
        [dated(one, "time") for one in items],
        [
            Column("client"),
            Column("jail"),
            Column(words.head, "number"),
            Column("limit", "number"),
            Column("share", "share"),
            Column("when"),
        ],
        rows,
        words.says,
        beside={"tenths": beside["tenths"], "forgotten": beside["forgotten"]},
        notes=[] if rows else [words.none],
        total=total,
    )


def spread_sheet(found: Limits) -> Sheet:
    """Return how many clients came to each tenth of a limit at most."""
    return _spread(found.tenths)


def _spread(tenths: Mapping[str, Sequence[int]]) -> Sheet:
    rows = [(jail, *counts) for jail, counts in tenths.items()]
    columns = [Column("jail"), *(Column(step, "number") for step in _STEPS), Column("reached", "number")]
    says = "Clients by how much of a limit they came to at most, from each tenth to the next."
    return Sheet("tenths", "How close all clients came", [], columns, rows, says)
