"""A report as one HTML file: no scripts, nothing from elsewhere, nothing that visitors wrote taken for markup."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from privet import __version__
from privet.cli.markup import Markup, clipped, element, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from privet.cli.charts import Figure
    from privet.cli.sheet import Column, Page, Sheet

BEGINNING = "<!DOCTYPE html>\n<!-- A report of Privet -->\n"
"""How each page begins, and nothing else: another report may take its place."""

ROWS = 50  # of a table, unless more are asked for

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_FREE = ("said",)


def render(page: Page) -> str:
    """Return a page as HTML."""
    head = element(
        "head",
        Markup('<meta charset="utf-8">'),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'),
        Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Markup('<meta name="referrer" content="no-referrer"><meta name="robots" content="noindex">'),
        element("title", page.title),
        element("style", Markup(Path(__file__).with_name("page.css").read_text("utf-8"))),
    )
    body = element(
        "main",
        element("header", element("h1", page.title), *([element("p", page.says)] if page.says else [])),
        _tiles(page.tiles),
        *(_figure(number, figure) for number, figure in enumerate(page.figures)),
        *(_sheet(number, sheet, page.limit or ROWS) for number, sheet in enumerate(page.sheets)),
        *([element("aside", *(element("p", note) for note in page.notes))] if page.notes else []),
        element("footer", f"Written by Privet {__version__}, {_today()}. Times are local to where it was written."),
    )
    return f"{BEGINNING}{element('html', head, element('body', body), lang='en')}\n"


def _today() -> str:
    return datetime.now().astimezone().strftime("%-d %B %Y, %H:%M %Z")


def _tiles(tiles: Sequence[tuple[str, str]]) -> Markup:
    if not tiles:
        return Markup()
    return element(
        "dl", *(element("div", element("dt", name), element("dd", value)) for name, value in tiles), class_="tiles"
    )


def _figure(number: int, figure: Figure) -> Markup:
    name = f"figure-{number}"
    legend = [
        element("li", element("i", class_=colour), said) for colour, said in figure.colours if len(figure.colours) > 1
    ]
    return element(
        "figure",
        element("figcaption", element("b", figure.title, id=name), f"{figure.says[:1].upper()}{figure.says[1:]}."),
        figure.svg,
        *([element("ul", *legend, class_="legend")] if legend else []),
        aria_labelledby=name,
    )


def _sheet(number: int, sheet: Sheet, limit: int) -> Markup:
    """Show a table; what does not fit in a narrow page is scrolled in it."""
    name = f"table-{number}"
    shown = sheet.rows[:limit]
    scales = [
        max((_amount(row[place]) for row in shown), default=0.0) if column.kind == "share" else 0.0
        for place, column in enumerate(sheet.columns)
    ]
    table = element(
        "table",
        element("caption", element("b", sheet.title, id=name), sheet.says),
        element(
            "thead", element("tr", *(element("th", one.head, scope="col", class_=_side(one)) for one in sheet.columns))
        ),
        element("tbody", *(_row(row, sheet.columns, scales) for row in shown)),
    )
    parts = [element("div", table, class_="scroll", tabindex="0", role="region", aria_labelledby=name)]
    if not sheet.rows:
        parts.append(element("p", "There is nothing to show.", class_="more"))
    if len(sheet.rows) > limit:
        parts.append(element("p", f"And {len(sheet.rows) - limit:,} more, of {len(sheet.rows):,}.", class_="more"))
    return element("section", *parts, class_="sheet")


def _row(row: Sequence[object], columns: Sequence[Column], scales: Sequence[float]) -> Markup:
    cells = []
    for place, (value, column, scale) in enumerate(zip(row, columns, scales, strict=True)):
        tag, scope = ("td", None) if place else ("th", "row")
        inside: object = clipped(visible(str(value))) if column.kind in _FREE else _grouped(value)
        if column.kind == "share":
            wide = f"width: {_amount(value) / scale * 100 if scale else 0:.1f}%"
            inside = element("span", inside, element("i", style=wide))
        cells.append(element(tag, inside, class_=column.kind, scope=scope))
    return element("tr", *cells)


def _side(column: Column) -> str | None:
    return column.kind if column.kind in ("number", "share") else None


def _grouped(value: object) -> object:
    return f"{value:,}" if isinstance(value, int) else value


def _amount(value: object) -> float:
    """Return the number at the beginning of a share."""
    return float(str(value).rstrip("%").replace(",", "") or 0)
