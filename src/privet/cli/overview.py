"""`privet report overview`: everything about some logs at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import click

from privet.cli.main import EX_USAGE, EX_WARNING, Failure
from privet.cli.options import load_config, logs_argument, reveal_option
from privet.cli.replaying import replaying, source_option
from privet.cli.sheet import Output, Page, Sheet, Top, beside, left_out, output_options, put_page, show, warned
from privet.cli.summing import format_option, names_for, sum_up, top_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from privet.cli.charts import Figure
    from privet.cli.said import Said
    from privet.core.addresses.address import Subject
    from privet.core.reports.pulse import Pulse
    from privet.core.verdicts import Verdict
    from privet.tasks.limits import Limits
    from privet.tasks.reports import Read

ROWS = 10  # of each table, unless more are asked for


class _Part(NamedTuple):
    """What the rules of a configuration add: tables, pictures, and numbers at the top."""

    sheets: Sequence[Sheet] = ()
    figures: Sequence[Figure] = ()
    tiles: Sequence[tuple[str, str]] = ()


@click.command(
    epilog="""\b
Examples:
  privet report overview --html overview.html /var/log/apache2/access.log*
  privet report overview --limit 5 access.log
  privet report overview --config /etc/privet/privet.toml --html overview.html access.log
"""
)
@click.option("-c", "--config", "config_path", metavar="FILE", help="Show as well whom these rules would have banned.")
@source_option
@format_option
@output_options(csv=False)
@reveal_option
@logs_argument
def overview(
    config_path: str | None,
    source_name: str | None,
    format_text: str,
    logs: tuple[str, ...],
    *,
    output: Output,
    reveal: bool,
) -> int:
    """Show everything about some logs at once: clients, pages, agents, sites, networks, and whom rules would ban.

    It is made to be looked at with --html: requests over time and by hour of the week, then the tables of the other
    reports, ten rows of each unless --limit says otherwise. With --config the rules run over LOG as in `privet replay`,
    which shows bans over time, who was banned how often, and who hovers below a limit.

    LOG may be plain, .gz, .bz2, .xz or .zst, or - for standard input. Clients are shown as pseudonyms that mean nothing
    outside of this run, and addresses in pages and agents are masked, unless --reveal is given.
    """
    from privet.cli.said import said_for  # noqa: PLC0415  heavy imports wait until they are needed

    if config_path and "-" in logs:
        raise Failure("with --config LOG is read twice, which standard input cannot be: name files", EX_USAGE)
    output = output._replace(limit=output.limit or ROWS)
    name = names_for(reveal=reveal)
    sheets, read, when, top, warnings = _about_requests(logs, format_text, output, name, said_for(reveal=reveal))
    part, code = _Part(), 0
    if config_path:
        found = _by_rules(config_path, source_name, logs)
        part = _about_rules(found, name, output.limit, when)
        code = EX_WARNING if found.replayed.complaints else 0
    sheets = [*sheets, *part.sheets]
    if output.json:
        from privet.cli.output import print_json  # noqa: PLC0415  as above

        items = [{"report": sheet.kind, "title": sheet.title, "items": sheet.items, **sheet.beside} for sheet in sheets]
        print_json("overview", items, **beside(read))
    elif output.html is not None:
        drawn = [*top.figures, *part.figures]
        notes = [*left_out(read, **warnings), *read.damages]
        put_page(output, Page("Overview", top.says, [*top.tiles, *part.tiles], drawn, sheets, notes))
    else:
        for sheet in sheets:
            click.secho(sheet.title, bold=True)
            show(sheet._replace(lines=None))
    return warned(read, **warnings) or code


def _about_requests(
    logs: Sequence[str], format_text: str, output: Output, name: Callable[[Subject], str], said: Said
) -> tuple[list[Sheet], Read, Pulse | None, Top, dict[str, int]]:
    """Read the logs once, for all that can be said of requests."""
    from privet.cli import sheets  # noqa: PLC0415  as above
    from privet.core.reports.crowds import crowds  # noqa: PLC0415  as above
    from privet.core.reports.hits import FIELDS, By, Hits  # noqa: PLC0415  as above
    from privet.core.reports.leeches import COLUMNS, Leeches  # noqa: PLC0415  as above
    from privet.core.reports.sums import Several  # noqa: PLC0415  as above

    fields: tuple[By, ...] = ("path", "agent", "site", "status")
    want = [*COLUMNS, *(FIELDS[by] for by in fields)]
    found, read, when = sum_up(
        logs, format_text, want, lambda path: Several(Leeches(), *(Hits(by, path) for by in fields)), output
    )
    clients, *counts = found.parts
    networks, pseudonyms = crowds(clients, (24, 48))
    tables = [sheets.hits(one, by, said, output.limit) for one, by in zip(counts, fields, strict=True)]
    shown = [sheets.leeches(clients, name, output.limit), *(one for one in tables if one.total > 1)]
    if networks:
        shown.append(sheets.networks(networks, name, output.limit))
    top = top_of(when, logs, ("Clients", f"{len(clients):,}"))
    warnings = {
        "clients with the fewest hits forgotten": clients.evicted,
        "rarest values forgotten": sum(one.evicted for one in counts),
        "clients are pseudonyms, whose network nobody knows": pseudonyms,
    }
    return shown, read, when, top, warnings


def _by_rules(config_path: str, source_name: str | None, logs: Sequence[str]) -> Limits:
    from privet.tasks.limits import Watched  # noqa: PLC0415  as above
    from privet.tasks.replay import play, source_of  # noqa: PLC0415  as above

    config = load_config(config_path)
    with replaying(logs) as progress:
        watched = Watched(config, source_of(config, logs, source_name))
        play([watched], logs, progress)
    for complaint in watched.outcome().complaints:
        click.secho(f"warning: {complaint}", fg="yellow", err=True)
    return watched.limits(0.5)


def _about_rules(found: Limits, name: Callable[[Subject], str], limit: int | None, requests: Pulse | None) -> _Part:
    """Return what rules would have done; pictures of it over the time of the requests."""
    from privet.cli import figures, sheets  # noqa: PLC0415  as above
    from privet.cli.limits import close_sheet, spread_sheet  # noqa: PLC0415  as above
    from privet.core.reports.pulse import Pulse  # noqa: PLC0415  as above
    from privet.core.verdicts import Action, decisions  # noqa: PLC0415  as above

    decided = [verdict for verdict, _ in decisions(found.replayed.verdicts)]
    bans = [verdict for verdict in decided if verdict.action not in (Action.REPORT, Action.SLOW)]
    when = Pulse()
    when.count([one.time for one in bans], [one.jail for one in bans])
    offenders = _offenders(bans, name)
    return _Part(
        [sheets.offenders(offenders, limit), close_sheet(found, name, limit), spread_sheet(found)],
        figures.bans(when, requests.span if requests else None),
        [("Bans", f"{len(bans):,}"), ("Banned clients", f"{len(offenders):,}")],
    )


def _offenders(bans: Sequence[Verdict], name: Callable[[Subject], str]) -> list[dict[str, Any]]:
    """Return who was banned how often, most bans first, as `privet report offenders` has it."""
    from privet.core.reports.offenders import interval  # noqa: PLC0415  as above

    times: dict[str | Subject, list[float]] = {}
    for one in bans:
        times.setdefault(one.group or one.subject, []).append(one.time)
    return [
        {
            "client": who if isinstance(who, str) else name(who),
            "bans": len(mine),
            "share": len(mine) * 100 // len(bans),
            "interval": interval(len(mine), min(mine), max(mine)),
        }
        for who, mine in sorted(times.items(), key=lambda item: -len(item[1]))
    ]
