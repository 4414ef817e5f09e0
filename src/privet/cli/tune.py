"""`privet tune`: what other limits of a jail would have done on old logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from privet.cli.main import EX_USAGE, Failure
from privet.cli.options import config_option, json_option, load_config, members_option
from privet.cli.replaying import known, logs_argument, replaying, source_option, warned
from privet.core.plurals import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.text import Text

    from privet.tasks.tune import Cell, Tuned

_SHADES = "·░▒▓█"
_WORDS = "none, a quarter, half, three quarters, the most"


@click.command(
    epilog="""\b
Examples:
  privet tune leech /var/log/apache2/access.log*
  privet tune leech --maxretry 10,20,40 --findtime 30s,1m,5m access.log
  privet tune scanner --config examples/web.toml --csv access.log.*.gz
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
) -> int:
    """Try limits of a jail on old logs: whom they would have hit, and what they would have saved.

    All limits are tried in one pass over LOG, which may be plain, .gz, .bz2, .xz or .zst, or - for standard input. The
    limit that the jail has is always among them. docs/tuning.md says how it is judged who looks innocent.

    Exit code 1 means that something deserves a look: unparsed lines, or a source that jails cannot work on.
    """
    from privet.core.looks import Looks  # noqa: PLC0415  heavy imports wait until the verb is called
    from privet.tasks.replay import source_of  # noqa: PLC0415  as above
    from privet.tasks.tune import grid, tune  # noqa: PLC0415  as above

    config = load_config(config_path)
    known(config.jails, [jail])
    maxretries, findtimes = grid(config.jails[jail])
    limits = _numbers(maxretry) or maxretries, _times(findtime) or findtimes
    with replaying(logs) as progress:
        source = source_of(config, logs, source_name)
        looks = Looks(config.engine.max_clients, members)
        tuned = tune(config, config.jails[jail], logs, source, limits, looks=looks, progress=progress)
    if as_json:
        _print_json(tuned)
    elif as_csv:
        _print_csv(tuned)
    else:
        _print_pictures(tuned)
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
    )


def _print_csv(tuned: Tuned) -> None:
    import csv  # noqa: PLC0415  as above
    import sys  # noqa: PLC0415  as above

    rows = csv.writer(sys.stdout, lineterminator="\n")
    names = ("maxretry", "findtime", "present", "bans", "clients", "yes", "maybe", "no", "requests", "bytes")
    rows.writerow(names)
    rows.writerows([getattr(cell, name) for name in names] for cell in tuned.cells)


def _print_pictures(tuned: Tuned) -> None:
    from privet.cli.effects import share  # noqa: PLC0415  as above
    from privet.cli.output import print_table  # noqa: PLC0415  as above

    _print_map(tuned, "requests saved", lambda cell: cell.requests, "green")
    _print_map(tuned, "clients hit who look innocent", lambda cell: cell.yes, "red")
    print_table(
        "",
        ("#MAXRETRY", "#FINDTIME", "", "#BANS", "#CLIENTS", "#INNOCENT", "#MAYBE", "#NOT", "#SAVED", "#OF ALL"),
        [
            (
                cell.maxretry,
                _written(cell.findtime),
                "now" if cell.present else "",
                *(cell.bans, cell.clients, cell.yes, cell.maybe, cell.no, cell.requests),
                f"{share(cell.requests, tuned.requests):.1f}%",
            )
            for cell in tuned.cells
        ],
        "SAVED: requests of banned clients within their bans",
    )
    for sentence in _advice(tuned):
        click.echo(sentence)


def _print_map(tuned: Tuned, what: str, value: Callable[[Cell], int], colour: str) -> None:
    """Print a heat map: a character and a number for each limit, and colour where there may be some."""
    from rich.text import Text  # noqa: PLC0415  as above

    from privet.cli.output import print_table  # noqa: PLC0415  as above

    cells = {(cell.maxretry, cell.findtime): value(cell) for cell in tuned.cells}
    most = max(cells.values())

    def drawn(number: int | None) -> Text:
        if number is None:
            return Text("")
        level = -(-number * (len(_SHADES) - 1) // most) if most else 0
        style = (("", "dim ", "", "bold ", "bold reverse ")[level] + colour) if level else ""
        return Text(f"{number:,} {_SHADES[level] * 2}", style=style)

    rows = [
        (f"maxretry {maxretry:,}", *(drawn(cells.get((maxretry, time))) for time in tuned.findtimes))
        for maxretry in tuned.maxretries
    ]
    heads = [f"#{_written(time)}" for time in tuned.findtimes]
    print_table("", (what, *heads), rows, f"{_SHADES}: {_WORDS}")


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
