"""A report as one HTML file: no scripts, nothing from elsewhere, nothing that visitors wrote taken for markup."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from privet import __version__
from privet.cli.markup import Markup, clipped, element, visible
from privet.cli.said import masked
from privet.cli.sheet import ROWS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from privet.cli.charts import Figure
    from privet.cli.sheet import Column, Page, Sheet

BEGINNING = "<!DOCTYPE html>\n<!-- A report of Privet -->\n"
"""How each page begins, and nothing else: another report may take its place."""

LONGEST = 200  # characters of what visitors said

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


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
        *([element("aside", *(element("p", masked(note)) for note in page.notes))] if page.notes else []),
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
    sheet = _without_empty(sheet)
    shown = sheet.rows[:limit]
    heads = element("tr", *(element("th", one.head, scope="col", class_=one.kind) for one in sheet.columns))
    bars = {place: _bars(shown, sheet.columns, place) for place, one in enumerate(sheet.columns) if one.kind == "share"}
    rows = (
        element("tr", *(_cell(sheet.columns, row, place, bars, line) for place in range(len(row))))
        for line, row in enumerate(shown)
    )
    table = element(
        "table",
        element("caption", sheet.title, class_="heard"),
        element("thead", heads),
        element("tbody", *rows),
    )
    parts = [element("h2", sheet.title, id=name)]
    if sheet.says:
        parts.append(element("p", sheet.says, class_="says"))
    parts.append(element("div", table, class_="scroll", tabindex="0", role="region", aria_labelledby=name))
    if not sheet.rows:
        parts.append(element("p", "There is nothing to show.", class_="more"))
    total = max(sheet.total, len(sheet.rows))
    if total > len(shown):
        parts.append(element("p", f"And {total - len(shown):,} more, of {total:,}.", class_="more"))
    return element("section", *parts, class_="sheet")


def _without_empty(sheet: Sheet) -> Sheet:
    """Leave out columns in which nothing stands, such as the names of networks without a table of them."""
    kept = [
        place for place in range(len(sheet.columns)) if not sheet.rows or any(row[place] != "" for row in sheet.rows)
    ]
    return sheet._replace(
        columns=[sheet.columns[place] for place in kept], rows=[[row[place] for place in kept] for row in sheet.rows]
    )


def _cell(
    columns: Sequence[Column], row: Sequence[object], place: int, bars: Mapping[int, Sequence[float]], line: int
) -> Markup:
    kind, value = columns[place].kind, row[place]
    inside: object = f"{value:,}" if isinstance(value, int) else value
    if kind == "said":  # a page is a file: what looks like an address does not get there either
        inside = clipped(visible(masked(str(value))), LONGEST)
    if kind == "share":
        inside = element("span", inside, element("i", style=f"width: {bars[place][line]:.1f}%"))
    return element("td" if place else "th", inside, class_=kind, scope=None if place else "row")


def _bars(rows: Sequence[Sequence[object]], columns: Sequence[Column], place: int) -> list[float]:
    """Return how long the bars of a column are, in per cent of the longest."""
    heads = [one.head for one in columns]
    measured = heads.index(columns[place].of) if columns[place].of else place
    lengths = [float(str(row[measured]).rstrip("%").replace(",", "") or 0) for row in rows]
    longest = max(lengths, default=0.0) or 1.0
    return [length / longest * 100 for length in lengths]
