"""How verbs print: tables for people, one JSON envelope for programs. Data on stdout, talk on stderr."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.console import Console

LONG = 1000  # rows beyond which a table is not drawn any more: that would take minutes for a hundred thousand
_BARS = "▁▂▃▄▅▆▇█"
WIDEST = 10_000  # columns of what is not read by a person: nothing is folded


def print_json(kind: str, items: Sequence[object], **more: object) -> None:
    """Print the envelope: `{"privet": 1, "kind": …, "items": […], "next": null}` and what the kind adds."""
    envelope = {"privet": 1, "kind": kind, "items": items, "next": None, **more}
    click.echo(json.dumps(envelope, ensure_ascii=False))


def rfc3339(seconds: float) -> str:
    """Return a time as RFC 3339 in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def dated(item: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Return an item with the times of these names as RFC 3339, null where there is none."""
    return {**item, **{name: None if item[name] is None else rfc3339(item[name]) for name in names}}


def local(seconds: float) -> str:
    """Return a time as tables show it: local, to the second."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def rounded(seconds: float) -> str:
    """Return a duration as people say it: `58 min`."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 1.995 * size:  # two hours that began a moment ago are still two
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def bars(numbers: Sequence[int]) -> list[str]:
    """Return one character for each number, the higher the larger; a blank for nothing."""
    most = max(numbers, default=0)
    return [_BARS[(number * len(_BARS) - 1) // most] if number > 0 else " " for number in numbers]


def console(*, stderr: bool = False) -> Console:
    """Return a console that neither colours nor folds what is not read by a person."""
    from rich.console import Console  # noqa: PLC0415  slow to import

    stream = sys.stderr if stderr else sys.stdout
    return Console(
        stderr=stderr, width=None if stream.isatty() else WIDEST, highlight=False, soft_wrap=not stream.isatty()
    )


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], footer: str = "") -> None:
    """Print a table; columns whose name begins with `#` are numbers. What visitors wrote cannot steer the terminal."""
    from rich.text import Text  # noqa: PLC0415  slow to import

    from privet.cli.markup import visible  # noqa: PLC0415  nobody else needs it

    rows = [[cell if isinstance(cell, Text) else visible(str(cell)) for cell in row] for row in rows]
    if len(rows) > LONG:
        _print_plain(columns, rows)
        click.echo(footer)
        return
    from rich import box  # noqa: PLC0415  slow to import
    from rich.table import Table  # noqa: PLC0415

    table = Table(title=title or None, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        numeric = column.startswith("#")
        table.add_column(column.removeprefix("#"), justify="right" if numeric else "left", no_wrap=numeric)
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in row))
    screen = console()
    screen.print(table)
    if footer:
        screen.print(Text(footer))


def _print_plain(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print the columns of a table one below the other, and nothing around them."""
    lines = [[column.removeprefix("#") for column in columns], *([str(cell) for cell in row] for row in rows)]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    fit = [str.rjust if column.startswith("#") else str.ljust for column in columns]
    for line in lines:
        cells = (put(cell, width) for put, cell, width in zip(fit, line, widths, strict=True))
        click.echo("   ".join(cells).rstrip())
