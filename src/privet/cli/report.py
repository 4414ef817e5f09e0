"""`privet report`: who asks for what, from any logs."""

from __future__ import annotations

import sys
from itertools import chain
from typing import TYPE_CHECKING, Any

import click

from privet.cli import live
from privet.cli.history import history
from privet.cli.limits import limits
from privet.cli.main import EX_DATA, EX_USAGE, Failure, spoilt
from privet.cli.options import config_option, logs_argument, optional_logs, reveal_option, runtime_option
from privet.cli.overview import overview
from privet.cli.progress import reading_logs
from privet.cli.sheet import Output, Top, beside, output_options, put, warned
from privet.cli.summing import LINES, NAMES, SAID, format_option, names_for, sum_up, sum_up_all, top_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from privet.core.reports.pulse import Pulse


@click.group(name="report")
def command() -> None:
    """Report who asks for what, from any logs; and what the daemon counted."""


command.add_command(history)
command.add_command(limits)
command.add_command(overview)


@command.command(
    epilog="""\b
Examples:
  privet report leeches
  privet report leeches /var/log/apache2/access.log
  privet report leeches --limit 10 access.log.*.gz
  privet report leeches --html leeches.html access.log
  tail -n 10000 access.log | privet report leeches -
""",
    help="List clients by hits: mean size, share of all hits, mean interval, status codes.\n\n"
    f"Without LOG, the logs of the sources in the configuration are read. {LINES} {NAMES}",
)
@config_option
@format_option
@output_options()
@reveal_option
@optional_logs
def leeches(logs: tuple[str, ...], config_path: str, format_text: str, output: Output, *, reveal: bool) -> int:
    """List clients by hits; the columns are those that administrators know."""
    from privet.cli import sheets  # noqa: PLC0415  heavy imports wait until the verb is called
    from privet.core.reports.leeches import COLUMNS, Leeches  # noqa: PLC0415  as above

    formats: Mapping[str, Sequence[str]] = {format_text: logs}
    if not live.of_logs(logs, ["format_text"], ["config_path"]):
        formats = live.own_logs(config_path)
        logs = tuple(chain.from_iterable(formats.values()))
    found, read, when = sum_up_all(formats, COLUMNS, lambda _path: Leeches(), output)
    sheet = sheets.leeches(found, names_for(reveal=reveal), output.rows)
    put(output, sheet._replace(beside=beside(read)), top_of(when, logs, ("Clients", f"{len(found):,}")))
    return warned(read, **{"clients with the fewest hits forgotten": found.evicted})


@command.command(
    epilog="""\b
Examples:
  privet report hits --by site --since 7d
  privet report hits /var/log/apache2/access.log
  privet report hits --by path --limit 20 access.log*
  privet report hits --by agent --html agents.html access.log
  privet report hits --by file /var/log/apache2/*.log
""",
    help="Count hits by hour, day, site, file, path, status, class of status or agent.\n\n"
    f"{live.OWN} It counts by hour, day, site and class of status, and bans by jail. {LINES} {SAID}",
)
@click.option(
    "--by",
    type=click.Choice(["hour", "day", "site", "file", "path", "status", "status-class", "agent", "jail"]),
    default="hour",
    show_default=True,
    help="What is counted.",
)
@live.since_option
@runtime_option
@format_option
@output_options()
@reveal_option
@optional_logs
def hits(
    logs: tuple[str, ...],
    *,
    by: Any,  # noqa: ANN401  checked by click
    since: str | None,
    runtime: str | None,
    format_text: str,
    output: Output,
    reveal: bool,
) -> int:
    """Count hits by one field."""
    if not live.of_logs(logs, ["format_text"], ["since", "runtime"]):
        return live.hits(runtime, by, since, output)
    if by == "jail":
        raise Failure("what jails would have done to a log, says: privet replay LOG", EX_USAGE)
    from privet.cli import sheets  # noqa: PLC0415  as above
    from privet.cli.said import said_for  # noqa: PLC0415  as above
    from privet.core.reports.hits import FIELDS, Hits  # noqa: PLC0415  as above

    want = [FIELDS[by]] if by in FIELDS else []
    found, read, when = sum_up(logs, format_text, want, lambda path: Hits(by, path), output)
    sheet = sheets.hits(found, by, said_for(reveal=reveal), output.rows)
    put(output, sheet._replace(beside=beside(read)), top_of(when, logs))
    return warned(read, **{"rarest values forgotten": found.evicted})


@command.command(
    epilog="""\b
Examples:
  privet report networks
  privet report networks /var/log/apache2/access.log
  privet report networks --lengths 16 32 access.log.*.gz
  privet report networks --table /var/lib/iptoasn/ip2asn-combined.tsv.gz access.log
""",
    help="List networks by hits: distinct clients, mean size, share of all hits.\n\n"
    f"A network is a prefix or, with --table, an AS number. {live.OWN} It knows those networks that its jails count. "
    f"{LINES} {NAMES}",
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
@runtime_option
@format_option
@output_options()
@reveal_option
@optional_logs
def networks(
    logs: tuple[str, ...],
    *,
    lengths: tuple[int, int],
    table: str | None,
    runtime: str | None,
    format_text: str,
    output: Output,
    reveal: bool,
) -> int:
    """List networks by hits."""
    if not live.of_logs(logs, ["lengths", "table", "format_text"], ["runtime"]):
        return live.networks(runtime, output, reveal=reveal)
    from privet.cli import sheets  # noqa: PLC0415  as above
    from privet.core.reports.crowds import crowds  # noqa: PLC0415  as above
    from privet.core.reports.leeches import COLUMNS, Leeches  # noqa: PLC0415  as above

    known = _table_of(table) if table else None
    found, read, when = sum_up(logs, format_text, COLUMNS, lambda _path: Leeches(), output)
    rows, pseudonyms = crowds(found, lengths, known)
    sheet = sheets.networks(rows, names_for(reveal=reveal), output.rows)
    more = ("Networks", f"{len(rows):,}"), ("Clients", f"{len(found):,}")
    put(output, sheet._replace(beside=beside(read)), top_of(when, logs, *more))
    return warned(read, **{"clients are pseudonyms, whose network nobody knows": pseudonyms})


@command.command(
    epilog="""\b
Examples:
  privet report trace 192.0.2.7 /var/log/apache2/access.log
  privet report trace 100::8b73:4ceb:995a:39c0 access.log.masked
  echo 192.0.2.7 | privet report trace - access.log
""",
    help="List the requests of one client, the last N with --limit, and the habits that they show.\n\n"
    f"CLIENT is an address, or a pseudonym as the log has it, or - to read it from standard input. {LINES} {SAID}",
)
@format_option
@output_options()
@reveal_option
@click.argument("client")
@logs_argument
def trace(client: str, logs: tuple[str, ...], format_text: str, output: Output, *, reveal: bool) -> int:
    """List the requests of one client."""
    from privet.cli import sheets  # noqa: PLC0415  as above
    from privet.cli.said import said_for  # noqa: PLC0415  as above
    from privet.core.addresses.address import client_key  # noqa: PLC0415  as above
    from privet.core.reports.trace import FIELDS, Trace  # noqa: PLC0415  as above

    if client == "-":
        client = sys.stdin.readline()
    key = client_key(client.strip().encode())
    if key is None:
        raise Failure("CLIENT is neither an address nor a pseudonym", EX_USAGE)
    found, read, _ = sum_up(logs, format_text, FIELDS, lambda _path: Trace(key), output._replace(html=None))
    sheet = sheets.trace(found, said_for(reveal=reveal), output.rows)
    when = found.pulse() if output.html is not None else None
    put(output, sheet._replace(beside={**beside(read), **sheet.beside}), top_of(when, logs))
    return warned(read, **{"oldest requests left out": found.dropped})


@command.command(
    epilog="""\b
Examples:
  privet report manners
  privet report manners /var/log/apache2/access.log*
  privet report manners --robots /var/www/html/robots.txt access.log
  privet report manners --crawler googlebot=/etc/privet/googlebot.json access.log
""",
    help="List clients with bad manners: HEAD twice before each page, no slower after 429 or 503, feeds too often "
    "or always whole, browsers that load no asset; what robots.txt asks for, and robots from elsewhere.\n\n"
    f"{live.OWN} It says what its jails for manners count now. {LINES} {NAMES}",
)
@click.option("--robots", metavar="PLACE", help="robots.txt: a file, or its address on your own server.")
@click.option("--crawler", "crawlers", metavar="WORD=FILE", multiple=True, help="Networks of a robot, as `crawlers`.")
@runtime_option
@format_option
@output_options()
@reveal_option
@optional_logs
def manners(
    logs: tuple[str, ...],
    *,
    robots: str | None,
    crawlers: tuple[str, ...],
    runtime: str | None,
    format_text: str,
    output: Output,
    reveal: bool,
) -> int:
    """List clients with bad manners."""
    if not live.of_logs(logs, ["robots", "crawlers", "format_text"], ["runtime"]):
        return live.manners(runtime, output, reveal=reveal)
    from privet.cli import sheets  # noqa: PLC0415  as above
    from privet.core.manners.habits import FIELDS, Habits  # noqa: PLC0415  as above

    known = _known(robots, crawlers)
    found, read, when = sum_up(logs, format_text, sorted(FIELDS), lambda _path: Habits(known), output)
    sheet = sheets.manners(found, names_for(reveal=reveal), output.rows)
    put(output, sheet._replace(beside=beside(read)), top_of(when, logs))
    return warned(read, **{"clients with the fewest offences forgotten": found.evicted})


@command.command(
    epilog="""\b
Examples:
  privet report offenders
  privet report offenders --since 7d --limit 10
  privet report offenders --html offenders.html /var/log/fail2ban.log*
""",
    help="List who was banned how often, by the daemon or, with LOG, in fail2ban's own logs.\n\n"
    "The interval is the mean number of hours between two bans. The daemon remembers 92 days and knows offenders by "
    f"pseudonyms only, which last an epoch (30 days or longer). {LINES} {NAMES}",
)
@click.option("--since", metavar="TIME", default="92d", show_default=True, help="Of the daemon, the last 12h, 7d.")
@runtime_option
@output_options()
@reveal_option
@optional_logs
def offenders(logs: tuple[str, ...], since: str, runtime: str | None, output: Output, *, reveal: bool) -> int:
    """List who was banned how often."""
    from privet.cli import sheets  # noqa: PLC0415  as above

    damages, more = list[str](), dict[str, object]()
    if logs:
        from privet.tasks.reports import offenders as count  # noqa: PLC0415  as above

        with reading_logs(logs) as progress:
            found, damages = count(logs, progress)
        more = {"damages": damages}
        name = names_for(reveal=reveal)
        told = [
            {"client": name(row.subject), "bans": row.bans, "share": row.share, "interval": row.interval}
            for row in found.rows()
        ]
        top = _banned(found.when, found.bans, len(told)) if output.html is not None else Top()
    else:
        told = _of_the_daemon(runtime, since)
        top = _past(runtime, since, told) if output.html is not None else Top()
    put(output, sheets.offenders(told, output.rows)._replace(beside=more), top)
    return spoilt(damages, 0)


def _of_the_daemon(runtime: str | None, since: str) -> list[dict[str, Any]]:
    from privet.cli.client import ask  # noqa: PLC0415  as above
    from privet.cli.subjects import seconds  # noqa: PLC0415  as above
    from privet.core.reports.offenders import interval  # noqa: PLC0415  as above

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


def _banned(when: Pulse, bans: int, clients: int) -> Top:
    """Return the top of a page about bans in logs."""
    from privet.cli import figures  # noqa: PLC0415  as above

    return Top("Bans in logs of fail2ban", [("Bans", f"{bans:,}"), ("Clients", f"{clients:,}")], figures.bans(when))


def _past(runtime: str | None, since: str, told: Sequence[dict[str, Any]]) -> Top:
    """Return the top of a page about the daemon's bans."""
    from privet.cli import figures  # noqa: PLC0415  as above
    from privet.cli.client import ask  # noqa: PLC0415  as above
    from privet.cli.subjects import seconds  # noqa: PLC0415  as above

    answer = ask(runtime, "history", since=seconds("--since", since), step=3600)
    numbers = [("Bans", f"{sum(one['bans'] for one in told):,}"), ("Clients", f"{len(told):,}")]
    drawn = [one for one in figures.history(answer["items"], 3600) if one.title.startswith("Bans")]
    return Top(f"Bans by the daemon, the last {since}", numbers, drawn)


def _table_of(path: str) -> Any:  # noqa: ANN401  its type would have to be imported
    from pathlib import Path  # noqa: PLC0415  as above

    from privet.adapters.networks import Networks  # noqa: PLC0415  as above

    known = Networks(Path(path))
    known.refresh()
    if known.problem:
        raise Failure(known.problem, EX_DATA)
    return known


def _known(robots: str | None, crawlers: Sequence[str]) -> Any:  # noqa: ANN401  its type would have to be imported
    """Read what `[manners]` would name."""
    from pathlib import Path  # noqa: PLC0415  as above

    from privet.adapters.manners import MannersFiles  # noqa: PLC0415  as above
    from privet.config.manners import SETTINGS  # noqa: PLC0415  as above
    from privet.config.values import Invalid  # noqa: PLC0415  as above

    named = dict(one.partition("=")[::2] for one in crawlers)
    try:
        places = SETTINGS["robots"](robots if "://" in robots else str(Path(robots).absolute())) if robots else {}
        networks = SETTINGS["crawlers"]({word: path and str(Path(path).absolute()) for word, path in named.items()})
    except Invalid as error:
        raise Failure("; ".join(problem.message for problem in error.problems), EX_USAGE) from None
    files = MannersFiles(places, networks)
    files.refresh()
    if files.problems:
        raise Failure("; ".join(files.problems), EX_DATA)
    return files.known()
