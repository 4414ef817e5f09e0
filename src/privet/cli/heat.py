"""Heat maps of two settings: in the terminal as characters, numbers and colours, on a page as a picture."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, NamedTuple

from privet.cli.charts import Figure
from privet.cli.markup import element
from privet.cli.output import print_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.text import Text

SHADES = "·░▒▓█"
WORDS = "none, up to a quarter of the most, half, three quarters, more"
_STYLES = ("", "dim ", "", "bold ", "bold reverse ")
_HIGH, _HEAD, _SIDE = 30, 22, 16  # pixels of a row and of the heads; per cent of the names of rows


class Heat(NamedTuple):
    """Numbers by row and column, what they are, and the colour of many: of a terminal, and the class on a page.

    `side` is what the names of rows are.
    """

    title: str
    side: str
    rows: Sequence[str]
    columns: Sequence[str]
    numbers: Mapping[tuple[int, int], int]
    colour: str
    kind: str

    @property
    def most(self) -> int:
        """The highest number."""
        return max(self.numbers.values(), default=0)

    def level(self, number: int) -> int:
        """Return from 0 to 4 how much a number is, beside the highest."""
        return -(-number * (len(SHADES) - 1) // self.most) if number else 0


def print_heat(heat: Heat) -> None:
    """Print a map. What colours say is said by numbers and characters too."""
    from rich.text import Text  # noqa: PLC0415  slow to import

    def cell(place: tuple[int, int]) -> Text:
        if place not in heat.numbers:
            return Text("")
        number = heat.numbers[place]
        level = heat.level(number)
        return Text(f"{number:,} {SHADES[level] * 2}", style=_STYLES[level] + heat.colour if level else "")

    rows = [
        (f"{heat.side} {name}", *(cell((row, column)) for column in range(len(heat.columns))))
        for row, name in enumerate(heat.rows)
    ]
    print_table("", (heat.title.lower(), *(f"#{name}" for name in heat.columns)), rows, f"{SHADES}: {WORDS}")


def heat_figure(heat: Heat) -> Figure:
    """Draw a map, the more the darker, with the number in each field."""
    wide = (100 - _SIDE) / max(len(heat.columns), 1)
    marks = [element("text", heat.side, x="0", y=14)]
    marks += [element("text", name, x="0", y=_HEAD + row * _HIGH + 19) for row, name in enumerate(heat.rows)]
    marks += [
        element("text", name, x=f"{_SIDE + (place + 0.5) * wide:.2f}%", y=14, text_anchor="middle")
        for place, name in enumerate(heat.columns)
    ]
    for (row, column), number in heat.numbers.items():
        x, y = _SIDE + column * wide, _HEAD + row * _HIGH
        opacity = f"{0.07 + 0.63 * sqrt(number / (heat.most or 1)):.3f}"
        said = f"{heat.side} {heat.rows[row]}, {heat.columns[column]}: {number:,}"
        fields = {"width": f"{wide * 0.96:.2f}%", "height": _HIGH - 3, "rx": 3}
        marks.append(
            element(
                "rect", element("title", said), x=f"{x:.2f}%", y=y, class_=heat.kind, fill_opacity=opacity, **fields
            )
        )
        marks.append(
            element("text", f"{number:,}", x=f"{x + wide * 0.48:.2f}%", y=y + 18, text_anchor="middle", class_="on")
        )
    says = f"from {min(heat.numbers.values(), default=0):,} to {heat.most:,}"
    high = _HEAD + len(heat.rows) * _HIGH
    svg = element("svg", *marks, width="100%", height=high, role="img", aria_label=f"{heat.title}: {says}")
    return Figure(heat.title, says, svg)
