"""`privet report`: who asks for what, from any logs."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from privet.cli.history import history
from privet.cli.main import EX_DATA, EX_USAGE, EX_WARNING, Failure
from privet.cli.options import json_option, reveal_option, runtime_option
from privet.core.plurals import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from privet.core.address import Subject
    from privet.core.leeches import Leeches
    from privet.tasks.reports import Read

_LINES = "LOG may be plain, .gz, .bz2, .xz or .zst, or - for standard input."
_NAMES = "Clients are shown as pseudonyms that mean nothing outside of this run, unless --reveal is given."

format_option = click.option(
    "--format", "format_text", metavar="FORMAT", default="auto", help="As `format` of a source."
)
limit_option = click.option("--limit", type=click.IntRange(1), metavar="N", help="Show the first N rows only.")
csv_option = click.option("--csv", "as_csv", is_flag=True, help="Print CSV, with a header.")
logs_argument = click.argument("logs", metavar="LOG...", nargs=-1, required=True)


@click.group(name="report")
def command() -> None:
    """Report who asks for what, from any logs; and what the daemon counted."""


command.add_command(history)


@command.command(
    epilog="""\b
Examples:
  privet report leeches /var/log/apache2/access.log
  privet report leeches --limit 10 access.log.*.gz
  tail -n 10000 access.log | privet report leeches -
""",
    help=f"List clients by hits: mean size, share of all hits, mean interval, status codes.\n\n{_LINES} {_NAMES}",
)
@format_option
@limit_option
@json_option
@csv_option
@reveal_option
@logs_argument
def leeches(
    logs: tuple[str, ...], format_text: str, limit: int | None, *, as_json: bool, as_csv: bool, reveal: bool
) -> int:
    """List clients by hits; the columns are those that administrators know."""
    from privet.core.leeches import HEADER, format_row  # noqa: PLC0415  heavy imports wait until the verb is called

    found, read = _leeches(logs, format_text)
    name = _names(reveal=reveal)
    rows = found.rows(limit)
    items = [
        {
            "client": name(row.subject),
            "hits": row.hits,
            "kib": row.kib,
            "share": row.share,
            "interval": row.interval,
            "statuses": dict(row.statuses),
        }
        for row in rows
    ]
    if not _print("leeches", items, read, as_json=as_json, as_csv=as_csv):
        click.echo("\n".join([HEADER, *(format_row(row, name(row.subject)) for row in rows)]))
    return _warned(read, **{"clients with the fewest hits forgotten": found.evicted})


@command.command(
    epilog="""\b
Examples:
  privet report hits /var/log/apache2/access.log
  privet report hits --by path --limit 20 access.log*
  privet report hits --by file /var/log/apache2/*.log
""",
    help=f"Count hits by hour, site, file, path, status or agent.\n\n{_LINES}",
)
@click.option(
    "--by",
    type=click.Choice(["hour", "site", "file", "path", "status", "agent"]),
    default="hour",
    show_default=True,
    help="What is counted.",
)
@format_option
@limit_option
@json_option
@csv_option
@logs_argument
def hits(logs: tuple[str, ...], by: Any, format_text: str, limit: int | None, *, as_json: bool, as_csv: bool) -> int:  # noqa: ANN401  checked by click
    """Count hits by one field."""
    from privet.core.hits import FIELDS, Hits  # noqa: PLC0415  as above

    want = [FIELDS[by]] if by in FIELDS else []
    found, read = _summed(logs, format_text, want, lambda path: Hits(by, path))
    items = [{by: row.value, "hits": row.hits, "share": row.share} for row in found.rows(limit)]
    if not _print("hits", items, read, as_json=as_json, as_csv=as_csv):
        _table([by, "#hits", "#rel."], [(row[by], row["hits"], f"{row['share']}%") for row in items])
    return _warned(read, **{"rarest values forgotten": found.evicted})


@command.command(
    epilog="""\b
Examples:
  privet report networks /var/log/apache2/access.log
  privet report networks --lengths 16 32 access.log.*.gz
  privet report networks --table /var/lib/iptoasn/ip2asn-combined.tsv.gz access.log
""",
    help="List networks by hits: distinct clients, mean size, share of all hits.\n\n"
    f"A network is a prefix or, with --table, an AS number. {_LINES} {_NAMES}",
)
@click.option(
    "--lengths",
    type=(click.IntRange(8, 32), click.IntRange(16, 64)),
    metavar="V4 V6",
    default=(24, 48),
    show_default=True,
    help="Bits of a prefix.",
)
@click.option("--table", metavar="FILE", help="AS numbers, as `table` in [networks].")
@format_option
@limit_option
@json_option
@csv_option
@reveal_option
@logs_argument
def networks(
    logs: tuple[str, ...],
    lengths: tuple[int, int],
    table: str | None,
    format_text: str,
    limit: int | None,
    *,
    as_json: bool,
    as_csv: bool,
    reveal: bool,
) -> int:
    """List networks by hits."""
    from privet.core.crowds import crowds  # noqa: PLC0415  as above

    known = _table_of(table) if table else None
    found, read = _leeches(logs, format_text)
    name = _names(reveal=reveal)
    rows, pseudonyms = crowds(found, lengths, known)
    items = [
        {
            "network": name(row.subject) if row.subject else row.asn,
            "name": row.name,
            "clients": row.clients,
            "hits": row.hits,
            "kib": row.kib,
            "share": row.share,
        }
        for row in rows[:limit]
    ]
    if not _print("networks", items, read, as_json=as_json, as_csv=as_csv):
        columns = ["network", "name", "#clients", "#hits", "#bandw.", "#hits%"]
        cells = [(*list(row.values())[:4], f"{row['kib']}K", f"{row['share']}%") for row in items]
        _table(columns, cells)
    return _warned(read, **{"clients are pseudonyms, whose network nobody knows": pseudonyms})


@command.command(
    epilog="""\b
Examples:
  privet report trace 192.0.2.7 /var/log/apache2/access.log
  privet report trace 100::8b73:4ceb:995a:39c0 access.log.masked
  echo 192.0.2.7 | privet report trace - access.log
""",
    help="List the requests of one client, and the habits that they show.\n\n"
    f"CLIENT is an address, or a pseudonym as the log has it, or - to read it from standard input. {_LINES}",
)
@format_option
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Show the last N requests only.")
@json_option
@csv_option
@click.argument("client")
@logs_argument
def trace(
    client: str, logs: tuple[str, ...], format_text: str, limit: int | None, *, as_json: bool, as_csv: bool
) -> int:
    """List the requests of one client."""
    from privet.cli.output import local, rfc3339  # noqa: PLC0415  as above
    from privet.core.address import client_key  # noqa: PLC0415  as above
    from privet.core.trace import FIELDS, Trace  # noqa: PLC0415  as above

    if client == "-":
        client = sys.stdin.readline()
    key = client_key(client.strip().encode())
    if key is None:
        raise Failure("CLIENT is neither an address nor a pseudonym", EX_USAGE)
    found, read = _summed(logs, format_text, FIELDS, lambda _path: Trace(key))
    rows, habits = found.rows(limit), found.habits()
    items = [
        {"time": rfc3339(row.time), "method": row.method, "path": row.path, "status": row.status, "agent": row.agent}
        for row in rows
    ]
    if not _print("trace", items, read, as_json=as_json, as_csv=as_csv, habits=habits):
        cells = [(local(row.time), row.method, row.path, row.status, row.agent[:40]) for row in rows]
        _table(["time", "method", "path", "status", "agent"], cells)
        for habit in habits:
            click.echo(f"This client {habit}.")
    return _warned(read, **{"oldest requests left out": found.dropped})


@command.command(
    epilog="""\b
Examples:
  privet report offenders
  privet report offenders --since 7d --limit 10
  privet report offenders /var/log/fail2ban.log*
""",
    help="List who was banned how often, by the daemon or, with LOG, in fail2ban's own logs.\n\n"
    "The interval is the mean number of hours between two bans. The daemon remembers 92 days and knows offenders by "
    f"pseudonyms only, which last an epoch (30 days or longer). {_LINES} {_NAMES}",
)
@click.option("--since", metavar="TIME", default="92d", show_default=True, help="Of the daemon, the last 12h, 7d.")
@limit_option
@runtime_option
@json_option
@csv_option
@reveal_option
@click.argument("logs", metavar="[LOG]...", nargs=-1)
def offenders(
    logs: tuple[str, ...],
    since: str,
    limit: int | None,
    runtime: str | None,
    *,
    as_json: bool,
    as_csv: bool,
    reveal: bool,
) -> int:
    """List who was banned how often."""
    from privet.core.offenders import HEADER, format_row  # noqa: PLC0415  as above

    items = _in_logs(logs, reveal=reveal) if logs else _of_the_daemon(runtime, since)
    items = items[:limit]
    if as_json:
        from privet.cli.output import print_json  # noqa: PLC0415  as above

        print_json("offenders", items)
    elif as_csv:
        _print_csv(items)
    else:
        rows = (format_row(item["client"], item["bans"], item["share"], item["interval"]) for item in items)
        click.echo("\n".join([HEADER, *rows]))
    return 0


def _in_logs(logs: Sequence[str], *, reveal: bool) -> list[dict[str, Any]]:
    from privet.tasks.reports import offenders as count  # noqa: PLC0415  as above

    with _reading(logs) as progress:
        found = count(logs, progress)
    name = _names(reveal=reveal)
    return [
        {"client": name(row.subject), "bans": row.bans, "share": row.share, "interval": row.interval}
        for row in found.rows()
    ]


def _of_the_daemon(runtime: str | None, since: str) -> list[dict[str, Any]]:
    from privet.cli.client import ask  # noqa: PLC0415  as above
    from privet.cli.subjects import seconds  # noqa: PLC0415  as above
    from privet.core.offenders import interval  # noqa: PLC0415  as above

    found = ask(runtime, "offenders", since=seconds("--since", since))["items"]
    total = sum(one["bans"] for one in found)
    return [
        {
            "client": one["client"],
            "bans": one["bans"],
            "share": one["bans"] * 100 // total,
            "interval": interval(one["bans"], one["first"], one["last"]),
            "jails": one["jails"],
        }
        for one in found
    ]


@contextmanager
def _reading(logs: Sequence[str]) -> Iterator[Callable[[int], None] | None]:
    """Show progress; what cannot be read, or is no format, ends the verb."""
    from privet.cli.progress import reading  # noqa: PLC0415  as above
    from privet.core.formats import FormatError  # noqa: PLC0415  as above
    from privet.ports import SourceError  # noqa: PLC0415  as above

    try:
        with reading(logs) as progress:
            yield progress
    except FormatError as error:
        raise Failure(f"--format: {error}", EX_USAGE) from None
    except SourceError as error:
        raise Failure(str(error), EX_DATA) from None


def _summed(logs: Sequence[str], format_text: str, want: Sequence[str], make: Callable[[str], Any]) -> tuple[Any, Read]:
    from privet.core.select import columns_of  # noqa: PLC0415  as above
    from privet.tasks.reports import summed  # noqa: PLC0415  as above

    with _reading(logs) as progress:
        return summed(logs, format_text, columns_of(set(want)), make, progress)


def _leeches(logs: Sequence[str], format_text: str) -> tuple[Leeches, Read]:
    from privet.core.leeches import COLUMNS, Leeches  # noqa: PLC0415  as above

    return _summed(logs, format_text, COLUMNS, lambda _path: Leeches())


def _table_of(path: str) -> Any:  # noqa: ANN401  its type would have to be imported
    from pathlib import Path  # noqa: PLC0415  as above

    from privet.adapters.networks import Networks  # noqa: PLC0415  as above

    known = Networks(Path(path))
    known.refresh()
    if known.problem:
        raise Failure(known.problem, EX_DATA)
    return known


def _names(*, reveal: bool) -> Callable[[Subject], str]:
    from privet.cli.names import Names  # noqa: PLC0415  as above

    return Names(reveal=reveal).of


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    from privet.cli.output import print_table  # noqa: PLC0415  as above

    print_table("", columns, rows)


def _print(
    kind: str, items: Sequence[dict[str, Any]], read: Read, *, as_json: bool, as_csv: bool, **more: object
) -> bool:
    """Print for programs, if they asked for it; tell whether they did."""
    if as_json:
        from privet.cli.output import print_json  # noqa: PLC0415  as above

        totals = {"lines": read.lines, "parsed": read.parsed, "unparsed": dict(read.unparsed.most_common())}
        print_json(kind, items, totals=totals, **more)
    elif as_csv:
        _print_csv(items)
    return as_json or as_csv


def _print_csv(items: Sequence[dict[str, Any]]) -> None:
    import csv  # noqa: PLC0415  as above

    rows = csv.writer(sys.stdout, lineterminator="\n")
    if items:
        rows.writerow(items[0])
    rows.writerows([_cell(value) for value in item.values()] for item in items)


def _cell(value: object) -> object:
    """Return a value as one cell; several in it are joined, and none becomes a formula of a spreadsheet."""
    if isinstance(value, dict):
        return " ".join(f"{name}:{one}" for name, one in value.items())
    if isinstance(value, list):
        return " ".join(value)
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" and value else value


def _warned(read: Read, **counts: int) -> int:
    """Warn of what was left out, and return the exit code."""
    for reason, lines in read.unparsed.most_common():
        click.secho(f"warning: {counted(lines, 'line')}: {reason}", fg="yellow", err=True)
    for what, number in counts.items():
        if number:
            click.secho(f"warning: {number} {what}", fg="yellow", err=True)
    return EX_WARNING if read.unparsed else 0
