"""How reports are put out: as a table, as JSON, as CSV, or as a page with pictures; each report is written once.

A report is a sheet: its items for programs, and the same as columns and rows for people.
"""

from __future__ import annotations

import sys
from functools import wraps
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import click

from privet.cli.main import EX_DATA, EX_USAGE, EX_WARNING, Failure, spoilt
from privet.cli.markup import visible
from privet.core.plurals import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from privet.cli.charts import Figure
    from privet.tasks.reports import Read

ROWS = 50  # of a table on a page, unless more are asked for

_HTML = "Write a page with pictures; - for standard output."


class Column(NamedTuple):
    """A column of a table: a `name` that we gave, `text` of ours, what visitors `said`, a `number`, or a `share`.

    On a page shares get a bar; how long it is says the column `of`, else the share itself. A terminal shows at most
    `wide` characters.
    """

    head: str
    kind: Literal["name", "text", "said", "number", "share"] = "name"
    of: str = ""
    wide: int | None = None


class Sheet(NamedTuple):
    """What a report found. `lines` are what a terminal shows in place of the table, `beside` what JSON has besides.

    `total` is how many rows there would be without a limit, where these are not all.
    """

    kind: str
    title: str
    items: Sequence[Mapping[str, Any]]
    columns: Sequence[Column]
    rows: Sequence[Sequence[Any]]
    says: str = ""
    lines: Sequence[str] | None = None
    beside: Mapping[str, object] = {}
    notes: Sequence[str] = ()
    total: int = 0


class Top(NamedTuple):
    """What stands at the top of a page: what it is about, numbers with their names, and pictures."""

    says: str = ""
    tiles: Sequence[tuple[str, str]] = ()
    figures: Sequence[Figure] = ()


class Page(NamedTuple):
    """A page: a title, what stands at its top, tables, and what else is to be said."""

    title: str
    says: str
    tiles: Sequence[tuple[str, str]]
    figures: Sequence[Figure]
    sheets: Sequence[Sheet]
    notes: Sequence[str] = ()
    limit: int | None = None


class Output(NamedTuple):
    """How a report is wanted, and how many rows of it."""

    json: bool
    csv: bool
    html: str | None
    limit: int | None = None

    @property
    def rows(self) -> int | None:
        """How many rows are made: on a page not more than are shown, None for all."""
        return self.limit or (ROWS if self.html is not None else None)


def output_options(*, csv: bool = True) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that gives a verb --limit, --json, --csv and --html; it gets them as `output`."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def wrapped(
            *, as_json: bool, html: str | None, as_csv: bool = False, limit: int | None, **others: object
        ) -> Any:  # noqa: ANN401  what the verb returns
            if as_json + as_csv + (html is not None) > 1:
                raise Failure("--json, --csv and --html exclude each other", EX_USAGE)
            return function(output=Output(as_json, as_csv, html, limit), **others)

        options = [
            click.option("--limit", type=click.IntRange(1), metavar="N", help="Show the first N rows only."),
            click.option("--json", "as_json", is_flag=True, help="Print JSON, as docs/json.md describes."),
            click.option("--html", metavar="FILE", help=_HTML),
        ]
        if csv:
            options.insert(2, click.option("--csv", "as_csv", is_flag=True, help="Print CSV, with a header."))
        for option in reversed(options):
            wrapped = option(wrapped)
        return wrapped

    return decorate


def put(output: Output, sheet: Sheet, top: Top) -> None:
    """Put out a report as it is wanted; with what stands above it if that is a page."""
    if output.json:
        from privet.cli.output import print_json  # noqa: PLC0415  heavy imports wait until they are needed

        print_json(sheet.kind, sheet.items, **sheet.beside)
    elif output.csv:
        _print_csv(sheet.items)
    elif output.html is not None:
        put_page(output, Page(sheet.title, *top, [sheet], sheet.notes))
    else:
        show(sheet)


def show(sheet: Sheet, limit: int | None = None) -> None:
    """Print a report for a person."""
    from privet.cli.output import print_table  # noqa: PLC0415  as above

    if sheet.lines is not None:
        click.echo("\n".join(map(visible, sheet.lines)))
    else:
        heads = [f"#{one.head}" if one.kind in ("number", "share") else one.head for one in sheet.columns]
        widths = [one.wide for one in sheet.columns]
        rows = [
            [cell if wide is None else str(cell)[:wide] for cell, wide in zip(row, widths, strict=True)]
            for row in sheet.rows[:limit]
        ]
        print_table("", heads, rows)
    for note in sheet.notes:
        click.echo(visible(note))


def put_page(output: Output, page: Page) -> None:
    """Write a page to the file that is wanted, or to standard output."""
    from pathlib import Path  # noqa: PLC0415  as above

    from privet.adapters.pages import write_page  # noqa: PLC0415  as above
    from privet.cli.page import BEGINNING, render  # noqa: PLC0415  as above
    from privet.ports import SinkError  # noqa: PLC0415  as above

    text = render(page._replace(limit=output.limit))
    if output.html == "-":
        click.echo(text, nl=False)
        return
    try:
        write_page(Path(str(output.html)), text, BEGINNING)
    except SinkError as error:
        raise Failure(str(error), EX_DATA) from None
    click.echo(f"written: {output.html}", err=True)


def beside(read: Read) -> dict[str, object]:
    """Return what was read and what could not be, as JSON has it beside the items."""
    totals = {"lines": read.lines, "parsed": read.parsed, "unparsed": dict(read.unparsed.most_common())}
    return {"totals": totals, "damages": read.damages}


def warned(read: Read, **counts: int) -> int:
    """Warn of what was left out and of what could not be read, and return the exit code."""
    for text in left_out(read, **counts):
        click.secho(f"warning: {text}", fg="yellow", err=True)
    return spoilt(read.damages, EX_WARNING if read.unparsed else 0)


def left_out(read: Read, **counts: int) -> list[str]:
    """Return in words what was left out."""
    unparsed = [f"{counted(lines, 'line')}: {reason}" for reason, lines in read.unparsed.most_common()]
    return unparsed + [f"{number} {what}" for what, number in counts.items() if number]


def _print_csv(items: Sequence[Mapping[str, Any]]) -> None:
    import csv  # noqa: PLC0415  as above

    rows = csv.writer(sys.stdout, lineterminator="\n")
    heads = dict.fromkeys(name for item in items for name in item)
    if heads:
        rows.writerow(heads)
    rows.writerows([_cell(item.get(name)) for name in heads] for item in items)


def _cell(value: object) -> object:
    """Return a value as one cell; several in it are joined, and none steers a terminal or becomes a formula."""
    if isinstance(value, dict):
        value = " ".join(f"{name}:{one}" for name, one in value.items())
    elif isinstance(value, list):
        value = " ".join(value)
    if not isinstance(value, str):
        return value
    shown = visible(value)
    return f"'{shown}" if shown.startswith(("=", "+", "-", "@")) else shown
