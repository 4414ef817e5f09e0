"""`privet demo`: one night with attackers, through the real engine."""

from __future__ import annotations

import sys
import tempfile
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from privet.cli.main import EX_DATA, Failure
from privet.cli.options import json_option, reveal_option

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from privet.cli.names import Names
    from privet.tasks.demo import Outcome

LEECHES = 5  # rows of the leech table
MANNERS = 2  # clients whose manners are told


@click.command(
    epilog="""\b
Examples:
  privet demo
  privet demo --seed 7 /tmp/night
"""
)
@click.option("--seed", default=1, show_default=True, help="Another seed, another night.")
@json_option
@reveal_option
@click.argument("directory", metavar="[DIR]", required=False, type=click.Path(file_okay=False, path_type=Path))
def command(seed: int, directory: Path | None, *, as_json: bool, reveal: bool) -> None:
    """Play the night of a small server through the real engine, faster than real time.

    Readers, a leech, a feed fetcher, a comment spammer, a scanner and a swarm visit five wikis; in the end the
    administrator takes the addresses out of the log. Shows who would be banned when, what the log on disk
    looks like, who leeches, who has bad manners, the swarm as one event, and which jails went dead and why.
    Writes the masked log and a page with pictures into DIR. Needs neither root nor network.
    """
    from privet.cli.names import Names  # noqa: PLC0415  heavy imports wait until the verb is called
    from privet.tasks.demo import demo  # noqa: PLC0415

    where = directory or Path(tempfile.mkdtemp(prefix="privet-demo-"))
    with _progress() as progress:
        outcome = demo(where, seed, progress=progress)
    names = Names(reveal=reveal)
    _write_page(outcome, names)
    (_print_json if as_json else print_outcome)(outcome, names)


def _page_of(outcome: Outcome) -> Path:
    return outcome.log.with_name("report.html")


def _write_page(outcome: Outcome, names: Names) -> None:
    """Write the night as a page with pictures."""
    from privet.adapters.pages import write_page  # noqa: PLC0415
    from privet.cli import figures, sheets  # noqa: PLC0415
    from privet.cli.page import BEGINNING, render  # noqa: PLC0415
    from privet.cli.sheet import Column, Page, Sheet  # noqa: PLC0415
    from privet.ports import SinkError  # noqa: PLC0415

    cast = Sheet(
        "cast",
        "Who they were",
        [],
        [Column("visitor"), Column("story", "text"), Column("clients", "number"), Column("banned", "number")],
        [(part.name, part.story, part.clients, part.banned) for part in outcome.cast],
    )
    when, leeches = outcome.requests, sheets.leeches(outcome.leeches, names.of, 2 * LEECHES)
    page = Page(
        "One night of a small server",
        figures.period(when, 1),
        figures.tiles(when, ("Clients", f"{len(outcome.leeches):,}"), ("Kept away", f"{outcome.spared:,}")),
        [*figures.requests(when), *figures.bans(outcome.bans, when.span)],
        [cast, leeches, sheets.manners(outcome.habits, names.of, 2 * LEECHES)],
    )
    try:
        write_page(_page_of(outcome), render(page), BEGINNING)
    except SinkError as error:
        raise Failure(str(error), EX_DATA) from None


@contextmanager
def _progress() -> Iterator[Callable[[float], None] | None]:
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console  # noqa: PLC0415  slow to import
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("the night goes by", total=1.0)
        yield lambda share: bar.update(task, completed=share)


def _clock(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%H:%M:%S")


def print_outcome(outcome: Outcome, names: Names) -> None:
    """Print a night for a person."""
    from privet.cli.output import print_table  # noqa: PLC0415
    from privet.cli.sheets import manners  # noqa: PLC0415
    from privet.core.plurals import counted  # noqa: PLC0415
    from privet.core.reports.leeches import HEADER, format_row  # noqa: PLC0415

    faster = outcome.night / outcome.seconds
    click.secho(
        f"One night, {counted(outcome.lines, 'request')}, "
        f"played in {outcome.seconds:.1f} s ({faster:,.0f} times faster)",
        bold=True,
    )
    rows = [(_clock(ban.first), ban.jail, names.of(ban.subject), ban.failures, ban.times) for ban in outcome.banned]
    footer = f"A firewall would have kept {outcome.spared:,} of these requests away; here none was closed."
    print_table("\nWho would be banned", ("FIRST AT", "JAIL", "CLIENT", "#FAILURES", "#BANS"), rows, footer)
    cast = [(part.name, part.story, part.clients, part.banned) for part in outcome.cast]
    print_table("\nWho they were", ("VISITOR", "STORY", "#CLIENTS", "#BANNED"), cast)
    click.secho("Who takes most (privet report leeches)", bold=True)
    click.echo(HEADER)
    for row in outcome.leeches.rows(LEECHES):
        click.echo(format_row(row, names.of(row.subject)))
    click.secho("\nWho has bad manners (privet report manners)", bold=True)
    for told in manners(outcome.habits, names.of, MANNERS).lines or ():
        click.echo(told)
    click.secho("\nWhat the log on disk holds", bold=True)
    for line in outcome.excerpt:
        click.echo(line)
    click.echo(
        f"{outcome.log}: {counted(outcome.log_lines, 'line')}, {outcome.log_bytes / 1e6:.1f} MB; "
        f"{outcome.leaked} of the {outcome.addresses:,} addresses used stand in it"
    )
    if outcome.swarms:
        click.secho("\nMany with one aim, seen as one event", bold=True)
    for one in outcome.swarms:
        click.echo(
            f"{_clock(one.seen)} swarm on the {one.level} {one.what}: "
            f"{counted(one.members, 'client')} since {_clock(one.began)}, the last at {_clock(one.last)}"
        )
    if outcome.dead:
        click.secho("\nThe jails went dead, and it was noticed", bold=True)
        click.secho(f"{_clock(outcome.dead.at)} warning: {outcome.dead.cause}", fg="yellow")
        last = (f"{jail} ({_clock(time) if time else 'never'})" for jail, time in outcome.dead.jails.items())
        click.echo(f"So these match nothing any more, since (last match): {', '.join(last)}")
    click.secho("\nNext", bold=True)
    for what, how in (
        ("the same night with pictures, in a browser", str(_page_of(outcome))),
        ("such a page of your own log", "privet report overview --html FILE YOUR-ACCESS-LOG"),
        ("what these rules would do to you", "privet replay --config examples/web.toml YOUR-ACCESS-LOG"),
        ("guard a real server", "docs/apache.md, docs/nginx.md"),
    ):
        click.echo(f"  {what + ':':44} {how}")


def _print_json(outcome: Outcome, names: Names) -> None:
    from privet.cli.output import dated, print_json, rfc3339  # noqa: PLC0415
    from privet.cli.sheets import manners  # noqa: PLC0415

    items = [
        {
            "time": rfc3339(ban.first),
            "jail": ban.jail,
            "subject": names.of(ban.subject),
            "failures": ban.failures,
            "bans": ban.times,
        }
        for ban in outcome.banned
    ]
    print_json(
        "demo",
        items,
        totals={
            "lines": outcome.lines,
            "parsed": outcome.parsed,
            "unparsed": outcome.unparsed,
            "spared": outcome.spared,
        },
        page=str(_page_of(outcome)),
        cast=[{"name": p.name, "clients": p.clients, "banned": p.banned} for p in outcome.cast],
        log={"path": str(outcome.log), "lines": outcome.log_lines, "leaked": outcome.leaked},
        manners=manners(outcome.habits, names.of, None).items,
        swarms=[dated(msgspec.to_builtins(one), "began", "seen", "last", "ended") for one in outcome.swarms],
        dead=outcome.dead
        and {
            "time": rfc3339(outcome.dead.at),
            "cause": outcome.dead.cause,
            "jails": {jail: rfc3339(time) if time else None for jail, time in outcome.dead.jails.items()},
        },
    )
