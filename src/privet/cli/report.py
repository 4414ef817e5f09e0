"""`privet report`: who does what, from any log."""

from __future__ import annotations

import click

from privet.cli.main import EX_DATA, EX_USAGE, EX_WARNING, Failure
from privet.cli.options import json_option, reveal_option
from privet.core.plurals import counted


@click.group(name="report")
def command() -> None:
    """Report who does what, from any log."""


@command.command(
    epilog="""\b
Examples:
  privet report leeches /var/log/apache2/access.log
  privet report leeches --limit 10 access.log.*.gz
  tail -n 10000 access.log | privet report leeches -
"""
)
@click.option("--format", "format_text", metavar="FORMAT", default="auto", help="As `format` of a source.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Show the first N clients only.")
@json_option
@reveal_option
@click.argument("logs", metavar="LOG...", nargs=-1, required=True)
def leeches(logs: tuple[str, ...], format_text: str, limit: int | None, *, as_json: bool, reveal: bool) -> int:
    """List clients by hits: mean size, share of all hits, mean interval, status codes.

    LOG may be plain, .gz, .xz or .zst, or - for standard input. Clients are shown as pseudonyms that mean
    nothing outside of this run, unless --reveal is given; pseudonyms in the log stay as they are.
    """
    from privet.cli.names import Names  # noqa: PLC0415  heavy imports wait until the verb is called
    from privet.cli.output import print_json  # noqa: PLC0415
    from privet.cli.progress import reading  # noqa: PLC0415
    from privet.core.formats import FormatError  # noqa: PLC0415
    from privet.core.leeches import HEADER, format_row  # noqa: PLC0415
    from privet.ports import SourceError  # noqa: PLC0415
    from privet.tasks.leeches import leeches as count  # noqa: PLC0415

    try:
        with reading(logs) as progress:
            found, state = count(logs, format_text, progress)
    except FormatError as error:
        raise Failure(f"--format: {error}", EX_USAGE) from None
    except SourceError as error:
        raise Failure(str(error), EX_DATA) from None
    names, rows = Names(reveal=reveal), found.rows(limit)
    unparsed = dict(state.unparsed.most_common())
    if as_json:
        items = [
            {
                "client": names.of(row.subject),
                "hits": row.hits,
                "kib": row.kib,
                "share": row.share,
                "interval": row.interval,
                "statuses": dict(row.statuses),
            }
            for row in rows
        ]
        print_json("leeches", items, totals={"lines": state.lines, "parsed": state.parsed, "unparsed": unparsed})
    else:
        click.echo("\n".join([HEADER, *(format_row(row, names.of(row.subject)) for row in rows)]))
        for reason, lines in unparsed.items():
            click.secho(f"warning: {counted(lines, 'line')}: {reason}", fg="yellow", err=True)
    return EX_WARNING if unparsed else 0
