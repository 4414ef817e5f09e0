"""`privet replay`: what the rules would have done on old logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from privet.cli.main import EX_WARNING, spoilt
from privet.cli.options import (
    config_option,
    json_option,
    load_config,
    logs_argument,
    members_option,
    reveal_option,
)
from privet.cli.replaying import (
    config_for,
    html_option,
    known,
    one_form,
    replaying,
    source_option,
    warned,
)
from privet.core.plurals import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from privet.cli.names import Names
    from privet.cli.sheet import Output
    from privet.core.swarms.swarm import Event
    from privet.core.verdicts import Verdict
    from privet.tasks.replay import Replayed

SHOWN = 50  # bans in the table that a person reads


@click.command(
    epilog="""\b
Examples:
  privet replay --config examples/web.toml access.log
  privet replay --jail leech /var/log/apache2/access.log*
  privet replay --compare privet.toml new.toml access.log.*.gz
  privet replay --jail web-crawl --html crawl.html access.log
  zcat old.gz | privet replay --source web --json -
"""
)
@config_option
@source_option
@click.option(
    "--jail",
    "jails",
    metavar="NAME",
    multiple=True,
    help="Ask this jail, or one that comes with Privet; repeatable.",
)
@click.option(
    "--compare", "pair", metavar="A.toml B.toml", nargs=2, help="Say in what the verdicts of two configurations differ."
)
@members_option
@json_option
@html_option
@reveal_option
@logs_argument
def command(
    config_path: str,
    source_name: str | None,
    jails: tuple[str, ...],
    logs: tuple[str, ...],
    *,
    members: str | None,
    pair: tuple[str, str] | None,
    as_json: bool,
    html: str | None,
    reveal: bool,
) -> int:
    """Run the rules over old logs and list every ban that they would have made.

    With --jail it also shows the bans over time, which requests they would have saved, and how innocent the clients
    look whom they hit: docs/tuning.md says what that means; --html makes a page of it. With --compare it shows in what
    two configurations differ.

    LOG may be plain, .gz, .bz2, .xz or .zst, or - for standard input; several are read in order of time. The path is
    the daemon's own, with the log's time as the clock and no firewall. Clients are shown as pseudonyms that mean
    nothing outside of this run, unless --reveal is given.

    Exit code 1 means that something deserves a look: unparsed lines, or a source that jails cannot work on.
    """
    from privet.cli.names import Names  # noqa: PLC0415  heavy imports wait until the verb is called
    from privet.cli.sheet import Output  # noqa: PLC0415
    from privet.core.swarms.looks import Looks  # noqa: PLC0415
    from privet.tasks.borrowed import with_builtins  # noqa: PLC0415
    from privet.tasks.replay import replay, source_of  # noqa: PLC0415

    output, names = Output(as_json, csv=False, html=html), Names(reveal=reveal)
    one_form(as_json, html is not None)
    if pair:
        return _compare(pair, logs, names, output, source=source_name, jails=jails, members=members)
    config = config_for(config_path, jails)
    with replaying(logs) as progress:
        source = source_of(config, logs, source_name)
        config = with_builtins(config, jails, source)
        looks = Looks(config.engine.max_clients, members) if jails or html is not None else None
        outcome = replay(config, logs, source, jails=jails, progress=progress, looks=looks)
    if as_json:
        _print_json(outcome, names)
    elif html is not None:
        _write_page(outcome, output, names, len(logs))
    else:
        _print_tables(outcome, names)
    return spoilt(outcome.damages, EX_WARNING if outcome.totals.unparsed or outcome.complaints else 0)


def _compare(
    pair: tuple[str, str],
    logs: Sequence[str],
    names: Names,
    output: Output,
    *,
    source: str | None,
    jails: Sequence[str],
    members: str | None,
) -> int:
    """Show in what two configurations differ."""
    from privet.cli.compare import put_compared  # noqa: PLC0415
    from privet.tasks.compare import compare  # noqa: PLC0415

    first, second = load_config(pair[0]), load_config(pair[1])
    known([*first.jails, *second.jails], jails)
    with replaying(logs) as progress:
        found = compare((first, second), logs, source, jails=jails, members=members, progress=progress)
    put_compared(found, pair, names, output)
    told = [(one.totals.unparsed, one.complaints) for one in (found.a, found.b)]
    return max(warned(found.a), warned(found.b) if told[0] != told[1] else 0)


def _print_json(outcome: Replayed, names: Names) -> None:
    import msgspec  # noqa: PLC0415

    from privet.cli.effects import as_items  # noqa: PLC0415
    from privet.cli.output import dated, print_json  # noqa: PLC0415

    print_json(
        "replay",
        names.verdicts(outcome.verdicts),
        totals=msgspec.to_builtins(outcome.totals),
        samples=outcome.samples,
        complaints=outcome.complaints,
        damages=outcome.damages,
        **(as_items(outcome.effects, outcome.looks, names) if outcome.effects and outcome.looks else {}),
        swarms=[dated(msgspec.to_builtins(swarm), "began", "seen", "last", "ended") for swarm in outcome.swarms],
    )


def _write_page(outcome: Replayed, output: Output, names: Names, logs: int) -> None:
    import msgspec  # noqa: PLC0415

    from privet.cli.effects import client_sheet, effect_top, jail_sheet, judge  # noqa: PLC0415
    from privet.cli.sheet import Column, Page, Sheet, put_page  # noqa: PLC0415
    from privet.core.verdicts import decisions  # noqa: PLC0415

    effects, looks = outcome.effects, outcome.looks
    assert effects is not None  # noqa: S101  pages are made of them
    assert looks is not None  # noqa: S101  as above
    judged = judge(effects, looks)
    verdicts = decisions(outcome.verdicts)
    columns = [Column("time"), Column("jail", "text"), Column("subject"), Column("failures", "number")]
    columns += [Column("for", "number"), Column("action", "text")]
    rows = _rows(verdicts, names)
    says = f"What the rules would have done to {counted(outcome.totals.lines, 'line')} in {counted(logs, 'log')}"
    sheets = [
        jail_sheet(effects, judged),
        client_sheet(effects, judged, names),
        Sheet("replay", "Verdicts", names.verdicts(outcome.verdicts), columns, rows, "In the order of the log."),
    ]
    if outcome.swarms:
        heads = [Column("began"), Column("seen after", "number"), Column("for", "number"), Column("jail", "text")]
        heads += [Column("clients", "number"), Column("aim", "text")]
        items = [msgspec.to_builtins(swarm) for swarm in outcome.swarms]
        says = "Many clients with one aim that fetch no assets"
        sheets.insert(0, Sheet("swarms", "Swarms", items, heads, _swarm_rows(outcome.swarms), f"{says}."))
    left_out = [f"{counted(lines, 'line')}: {reason}" for reason, lines in outcome.totals.unparsed.items()]
    notes = [*left_out, *outcome.complaints, *outcome.damages]
    put_page(output, Page("Replay", *effect_top(effects, judged, says), sheets, notes))


def _rows(verdicts: Sequence[tuple[Verdict, int]], names: Names) -> list[tuple[object, ...]]:
    """Return verdicts as rows of a table."""
    from privet.cli.output import local, rounded  # noqa: PLC0415

    return [
        (local(v.time), v.jail, names.shown(v, prefixes), v.failures, rounded(v.until - v.time), v.action)
        for v, prefixes in verdicts
    ]


def _swarm_rows(swarms: Sequence[Event]) -> list[tuple[object, ...]]:
    """Return swarms as rows of a table. They end with the last of their requests, whenever that was noticed."""
    from privet.cli.output import local, rounded  # noqa: PLC0415

    return [
        (
            local(one.began),
            f"{one.seen - one.began:.0f} s",
            rounded(one.last - one.began),
            one.jail,
            one.members,
            f"{one.level} {one.what}",
        )
        for one in swarms
    ]


def _print_tables(outcome: Replayed, names: Names) -> None:
    from privet.cli.effects import print_effects  # noqa: PLC0415
    from privet.cli.output import print_table  # noqa: PLC0415
    from privet.core.verdicts import decisions  # noqa: PLC0415

    verdicts, totals = decisions(outcome.verdicts), outcome.totals
    rows = _rows(verdicts[:SHOWN], names)
    hint = f", the first {SHOWN} shown; all of them with --json" if len(verdicts) > SHOWN else ""
    print_table(
        "",
        ("TIME", "JAIL", "SUBJECT", "#FAILURES", "FOR", "ACTION"),
        rows,
        f"{counted(len(verdicts), 'verdict')}{hint}",
    )
    print_table("", ("JAIL", "#VERDICTS", "#CLIENTS"), _by_jail([v for v, _ in verdicts]))
    if outcome.swarms:
        print_table(
            "",
            ("BEGAN", "SEEN AFTER", "FOR", "JAIL", "#CLIENTS", "AIM"),
            _swarm_rows(outcome.swarms),
            f"{counted(len(outcome.swarms), 'swarm')}: many clients with one aim that fetch no assets",
        )
    if outcome.effects and outcome.looks:
        print_effects(outcome.effects, outcome.looks, names)
    unparsed = ", ".join(f"{count} {reason}" for reason, count in totals.unparsed.items()) or "0"
    click.echo(
        f"{counted(totals.lines, 'line')}: {totals.parsed} parsed, {totals.ignored} ignored, unparsed: {unparsed}; "
        f"{counted(totals.clients, 'client')}; {counted(totals.late, 'line')} later than the tolerance"
    )
    for reason, lines in outcome.samples.items():
        click.echo(f"{reason}, for example:")
        for line in lines:
            click.echo(f"  {line}")
    for complaint in outcome.complaints:
        click.secho(f"warning: {complaint}", fg="yellow", err=True)


def _by_jail(verdicts: Sequence[Verdict]) -> list[tuple[str, int, int]]:
    jails = sorted({v.jail for v in verdicts})
    return [
        (jail, sum(v.jail == jail for v in verdicts), len({v.group or v.subject for v in verdicts if v.jail == jail}))
        for jail in jails
    ]
