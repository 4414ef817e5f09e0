"""`privet tune`: what other limits of a jail would have done on old logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from privet.cli.main import EX_USAGE, Failure
from privet.cli.options import config_option, json_option, logs_argument, members_option
from privet.cli.replaying import config_for, html_option, one_form, replaying, source_option, warned
from privet.core.plurals import counted

if TYPE_CHECKING:
    from privet.cli.heat import Heat
    from privet.cli.sheet import Sheet
    from privet.tasks.tune import Cell, Tuned


@click.command(
    epilog="""\b
Examples:
  privet tune leech /var/log/apache2/access.log*
  privet tune leech --maxretry 10,20,40 --findtime 30s,1m,5m access.log
  privet tune leech --html limits.html access.log.*.gz
  privet tune web-crawl --csv access.log.*.gz
"""
)
@click.argument("jail")
@config_option
@source_option
@click.option("--maxretry", metavar="N,N,...", help="Values to try.  [default: around the present one]")
@click.option("--findtime", metavar="TIME,TIME,...", help="Values to try.  [default: around the present one]")
@members_option
@json_option
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, with a header.")
@html_option
@logs_argument
def command(
    jail: str,
    config_path: str,
    logs: tuple[str, ...],
    *,
    source_name: str | None,
    maxretry: str | None,
    findtime: str | None,
    members: str | None,
    as_json: bool,
    as_csv: bool,
    html: str | None,
) -> int:
    """Try limits of a jail on old logs: whom they would have hit, and what they would have saved.

    All limits are tried in one pass over LOG, which may be plain, .gz, .bz2, .xz or .zst, or - for standard input. The
    limit that the jail has is always among them. JAIL may be one that comes with Privet. docs/tuning.md says how it is
    judged who looks innocent.

    Exit code 1 means that something deserves a look: unparsed lines, or a source that jails cannot work on.
    """
    from privet.core.swarms.looks import Looks  # noqa: PLC0415  heavy imports wait until the verb is called
    from privet.tasks.borrowed import with_builtins  # noqa: PLC0415  as above
    from privet.tasks.replay import source_of  # noqa: PLC0415  as above
    from privet.tasks.tune import grid, tune  # noqa: PLC0415  as above

    one_form(as_json, as_csv, html is not None)
    config = config_for(config_path, [jail])
    with replaying(logs) as progress:
        source = source_of(config, logs, source_name)
        config = with_builtins(config, [jail], source)
        maxretries, findtimes = grid(config.jails[jail])
        limits = _numbers(maxretry) or maxretries, _times(findtime) or findtimes
        looks = Looks(config.engine.max_clients, members)
        tuned = tune(config, config.jails[jail], logs, source, limits, looks=looks, progress=progress)
    if as_json:
        _print_json(tuned)
    elif as_csv:
        _print_csv(tuned)
    elif html is not None:
        _write_page(tuned, html, len(logs))
    else:
        _print_all(tuned)
    return warned(tuned.replayed)


def _numbers(text: str | None) -> list[int]:
    if text is None:
        return []
    words = [word.strip() for word in text.split(",")]
    if not all(word.isascii() and word.isdigit() and 0 < int(word) <= 1_000_000 for word in words):
        raise Failure(f"--maxretry {text}: give whole numbers from 1 to 1000000, such as 5,10,20", EX_USAGE)
    return [int(word) for word in words]


def _times(text: str | None) -> list[float]:
    from privet.cli.subjects import seconds  # noqa: PLC0415  as above

    return [seconds("--findtime", word.strip()) or 0.0 for word in text.split(",")] if text is not None else []


def _item(tuned: Tuned, cell: Cell) -> dict[str, Any]:
    from privet.cli.effects import share  # noqa: PLC0415  as above

    return {
        "maxretry": cell.maxretry,
        "findtime": cell.findtime,
        "present": cell.present,
        "bans": cell.bans,
        "clients": cell.clients,
        "innocent": {"yes": cell.yes, "maybe": cell.maybe, "no": cell.no},
        "saved": {"requests": cell.requests, "bytes": cell.bytes, "share": share(cell.requests, tuned.requests)},
    }


def _print_json(tuned: Tuned) -> None:
    import msgspec  # noqa: PLC0415  as above

    from privet.cli.output import print_json  # noqa: PLC0415  as above

    best = tuned.best
    print_json(
        "tune",
        [_item(tuned, cell) for cell in tuned.cells],
        jail=tuned.jail.name,
        recommended=best and {"maxretry": best.maxretry, "findtime": best.findtime},
        advice=_advice(tuned),
        totals=msgspec.to_builtins(tuned.replayed.totals),
        complaints=tuned.replayed.complaints,
        damages=tuned.replayed.damages,
    )


def _print_csv(tuned: Tuned) -> None:
    import csv  # noqa: PLC0415  as above
    import sys  # noqa: PLC0415  as above

    rows = csv.writer(sys.stdout, lineterminator="\n")
    names = ("maxretry", "findtime", "present", "bans", "clients", "yes", "maybe", "no", "requests", "bytes")
    rows.writerow(names)
    rows.writerows([getattr(cell, name) for name in names] for cell in tuned.cells)


def _print_all(tuned: Tuned) -> None:
    from privet.cli.heat import print_heat  # noqa: PLC0415  as above
    from privet.cli.sheet import show  # noqa: PLC0415  as above

    for heat in _heats(tuned):
        print_heat(heat)
    show(_sheet(tuned))


def _write_page(tuned: Tuned, file: str, logs: int) -> None:
    from privet.cli.effects import share  # noqa: PLC0415  as above
    from privet.cli.heat import heat_figure  # noqa: PLC0415  as above
    from privet.cli.sheet import Output, Page, put_page  # noqa: PLC0415  as above

    tiles = [("Requests", f"{tuned.requests:,}"), ("Now", _short(next(cell for cell in tuned.cells if cell.present)))]
    if best := tuned.best:
        saved = ("It saves", f"{share(best.requests, tuned.requests):.1f}%")
        tiles += [("Recommended", _short(best)), ("It hits", counted(best.clients, "client")), saved]
    tried = f"{counted(len(tuned.cells), 'limit')} on {counted(tuned.requests, 'request')} in {counted(logs, 'log')}"
    sheet = _sheet(tuned)
    sheet = sheet._replace(says=f"Tried {tried}. {sheet.says}")
    figures = [heat_figure(heat) for heat in _heats(tuned)]
    says = " ".join(_advice(tuned))
    page = Page(f"Limits of the jail {tuned.jail.name}", says, tiles, figures, [sheet], limit=len(tuned.cells))
    put_page(Output(json=False, csv=False, html=file), page)


def _heats(tuned: Tuned) -> list[Heat]:
    from privet.cli.heat import Heat  # noqa: PLC0415  as above

    rows, columns = tuned.maxretries, tuned.findtimes
    places = {(rows.index(cell.maxretry), columns.index(cell.findtime)): cell for cell in tuned.cells}
    names = [f"{number:,}" for number in rows], [_written(time) for time in columns]
    saved = {place: cell.requests for place, cell in places.items()}
    innocent = {place: cell.yes for place, cell in places.items()}
    return [
        Heat("Requests saved", "maxretry", *names, saved, "green", "ok"),
        Heat("Clients hit who look innocent", "maxretry", *names, innocent, "red", "failed"),
    ]


def _sheet(tuned: Tuned) -> Sheet:
    from privet.cli.effects import SAYS, share  # noqa: PLC0415  as above
    from privet.cli.sheet import Column, Sheet  # noqa: PLC0415  as above

    heads = ("bans", "clients", "innocent", "maybe", "not", "saved")
    columns = [Column("maxretry", "number"), Column("findtime", "number"), Column("")]
    columns += [*(Column(head, "number") for head in heads), Column("of all", "share")]
    rows = [
        (
            *(cell.maxretry, _written(cell.findtime), "now" if cell.present else ""),
            *(cell.bans, cell.clients, cell.yes, cell.maybe, cell.no, cell.requests),
            f"{share(cell.requests, tuned.requests):.1f}%",
        )
        for cell in tuned.cells
    ]
    items = [_item(tuned, cell) for cell in tuned.cells]
    says = "Innocent, maybe, not: how the clients look that it hits."
    return Sheet("tune", "Limits", items, columns, rows, f"{says} {SAYS.capitalize()}.", notes=[SAYS, *_advice(tuned)])


def _advice(tuned: Tuned) -> list[str]:
    """Say in words what the table says."""
    present = next(cell for cell in tuned.cells if cell.present)
    now = f"The present limit, {_limit(present)}, {_hits(present, tuned)}."
    if not any(cell.bans for cell in tuned.cells):
        return [now, "None of these limits bans anybody in this log: try lower ones."]
    best = tuned.best
    if best is None:
        least = tuned.gentlest
        return [
            now,
            f"Each limit that bans anybody hits somebody who looks innocent, the fewest ({least.yes}) {_limit(least)}.",
            "Try a larger --maxretry, or a condition that leaves them out.",
        ]
    if best.present:
        return [f"The present limit is the smallest that hits nobody innocent in this log: it {_hits(best, tuned)}."]
    return [
        now,
        f"The smallest limit that hits nobody innocent in this log: {_limit(best)}. It {_hits(best, tuned)}.",
    ]


def _short(cell: Cell) -> str:
    return f"{cell.maxretry} in {_written(cell.findtime)}"


def _limit(cell: Cell) -> str:
    return f'maxretry = {cell.maxretry}, findtime = "{_written(cell.findtime)}"'


def _hits(cell: Cell, tuned: Tuned) -> str:
    from privet.cli.effects import share  # noqa: PLC0415  as above

    if not cell.bans:
        return "bans nobody"
    innocent = f"{cell.yes} {'looks' if cell.yes == 1 else 'look'} innocent and {cell.maybe} may be"
    saved = f"{counted(cell.requests, 'request')} ({share(cell.requests, tuned.requests):.1f}%)"
    return f"hits {counted(cell.clients, 'client')}, of whom {innocent}, and saves {saved}"


def _written(seconds: float) -> str:
    from privet.config.native import units  # noqa: PLC0415  as above

    return units(int(seconds)).strip('"') if seconds == int(seconds) else f"{seconds:g}s"
