"""Pictures as inline SVG: bars over time, lines over time, the hours of a week.

They are as wide as the page, whatever that is: places along the time are percentages, so that texts and lines keep
their size. Colours are classes, which the style sheet of the page fills in, by day and by night.
"""

from __future__ import annotations

from datetime import datetime
from itertools import groupby
from math import ceil, floor, log10, sqrt
from typing import TYPE_CHECKING, NamedTuple

from privet.cli.markup import Markup, element, join

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

HEIGHT, FOOT, HEAD = 180, 24, 16  # pixels: of the plot, of the times below it, of what is above the highest line
TICKS = 8
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_TICK_STEPS = (300, 900, 1800, 3600, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800, 1_209_600, 2_419_200)
_DAY = 86_400


class Figure(NamedTuple):
    """A picture, what it is called, and in words what it shows; colours by class with what they stand for."""

    title: str
    says: str
    svg: Markup
    colours: Sequence[tuple[str, str]] = ()


class Series(NamedTuple):
    """One kind of what is drawn: its colour, what it is called, and its numbers."""

    colour: str
    name: str
    numbers: Sequence[float]


class Times(NamedTuple):
    """Equal times that follow each other; `begins` are their beginnings, `step` how many seconds they last."""

    begins: Sequence[float]
    step: int


def bars(title: str, unit: str, times: Times, series: Sequence[Series]) -> Figure:
    """Draw bars over time, one series above the other."""
    sums = [sum(column) for column in zip(*(one.numbers for one in series), strict=True)]
    top, grid = _grid(max(sums, default=0), "{:,.0f}".format, least=1)
    wide = 100 / len(times.begins)
    drawn = (
        element(
            "g", element("title", _tip(times, place, series)), *_stack(place, wide, top, series), _hover(place, wide)
        )
        for place in range(len(times.begins))
    )
    highest = max(range(len(sums)), key=sums.__getitem__)
    says = (
        f"{sum(sums):,.0f} {unit} from {moment(times.begins[0])} to {moment(times.begins[-1] + times.step)}; "
        f"the most, {sums[highest]:,.0f}, in the {_width(times.step)} from {moment(times.begins[highest])}"
    )
    return Figure(title, says, _plot(title, says, grid, join(drawn), times), _legend(series))


def lines(title: str, times: Times, series: Sequence[Series], form: str = "{:,.1f}") -> Figure:
    """Draw lines over time, from zero; numbers below zero are not known."""
    unit = "%" if form.endswith("%") else ""
    top, grid = _grid(max(max(one.numbers) for one in series), lambda level: f"{_shortest(level)}{unit}")
    drawn = [_line(one, top) for one in series]
    wide = 100 / len(times.begins)
    hovers = (
        element("g", element("title", _tip(times, place, series, form)), _hover(place, wide))
        for place in range(len(times.begins))
        if series[0].numbers[place] >= 0
    )
    stretched = element(
        "svg", *drawn, viewBox="0 0 1000 1000", preserveAspectRatio="none", width="100%", height=HEIGHT, y=HEAD
    )
    says = "; ".join(f"{one.name} at most {form.format(max(one.numbers))}" for one in series)
    says += f", from {moment(times.begins[0])} to {moment(times.begins[-1] + times.step)}"
    return Figure(title, says, _plot(title, says, grid, join([stretched, *hovers]), times), _legend(series))


def week(title: str, unit: str, hours: Sequence[float | None]) -> Figure:
    """Draw the hours of a week, Monday's first, the more the darker; None where there was no such hour."""
    most = max((value for value in hours if value is not None), default=0) or 1
    wide, high = 100 / 26.5, 20  # per cent for an hour, pixels for a day; two columns and a half for the names of days
    cells, marks = [], []
    for place, value in enumerate(hours):
        day, hour = divmod(place, 24)
        said = "not in this time" if value is None else f"{_shortest(value)} {unit} on average"
        cells.append(
            element(
                "rect",
                element("title", f"{DAYS[day]} {hour:02d}:00: {said}"),
                x=_percent((hour + 2.5) * wide),
                y=HEAD + day * high,
                width=_percent(wide * 0.92),
                height=high - 2,
                rx=2,
                class_="none" if value is None else "heat",
                fill_opacity=None if value is None else f"{0.07 + 0.93 * sqrt(value / most):.3f}",
            )
        )
    marks += [element("text", name, x="0", y=HEAD + day * high + 13) for day, name in enumerate(DAYS)]
    marks += [
        element(
            "text", f"{hour:02d}", x=_percent((hour + 2.5) * wide), y=HEAD - 5, class_="minor" if hour % 6 else None
        )
        for hour in range(0, 24, 3)
    ]
    best = max(range(len(hours)), key=lambda place: hours[place] or 0)
    says = f"most of them on {DAYS[best // 24]} from {best % 24:02d}:00: {_shortest(most)} {unit} an hour on average"
    return Figure(title, says, _svg(title, says, HEAD + 7 * high, [*marks, *cells]))


def moment(seconds: float) -> str:
    """Return a time as pictures name it: local, to the minute."""
    return datetime.fromtimestamp(seconds).astimezone().strftime("%-d %b %Y %H:%M")


def _plot(title: str, says: str, grid: Sequence[tuple[float, str]], drawn: Markup, times: Times) -> Markup:
    """Put what is drawn between lines that tell how much, and times."""
    levels, labels = [], []
    for share, name in grid:
        y = round(HEAD + HEIGHT * (1 - share), 1)
        levels.append(element("line", x1="0", x2="100%", y1=y, y2=y, class_="grid" if share else "base"))
        if share:
            labels.append(element("text", name, x="0", y=y - 4, class_="level"))
    return _svg(title, says, HEAD + HEIGHT + FOOT, [*levels, drawn, *labels, *_ticks(times)])


def _svg(title: str, says: str, height: int, inside: Sequence[Markup]) -> Markup:
    # The caption says the same to those who hear the page, hence no title here: it would be shown as a tip over all.
    return element("svg", *inside, width="100%", height=height, role="img", aria_label=f"{title}: {says}")


def _stack(place: int, wide: float, top: float, series: Sequence[Series]) -> Iterator[Markup]:
    foot = float(HEAD + HEIGHT)
    for one in series:
        high = one.numbers[place] / top * HEIGHT
        if high:
            high = max(high, 1.0)  # what is rare shows all the same
            foot -= high
            x, width = _percent(place * wide + wide * 0.06), _percent(wide * 0.88)
            yield element("rect", x=x, y=f"{foot:.1f}", width=width, height=f"{high:.1f}", class_=one.colour)


def _hover(place: int, wide: float) -> Markup:
    return element("rect", x=_percent(place * wide), y=HEAD, width=_percent(wide), height=HEIGHT, class_="hover")


def _line(one: Series, top: float) -> Markup:
    """Draw a line, with gaps where a number is not known."""
    step = 1000 / len(one.numbers)
    path = []
    for known, places in groupby(range(len(one.numbers)), key=lambda place: one.numbers[place] >= 0):
        run = list(places)
        if known:
            points = [f"{(place + 0.5) * step:.1f},{1000 - one.numbers[place] / top * 1000:.1f}" for place in run]
            if len(run) == 1:  # a point alone would not be seen
                points.append(f"{(run[0] + 0.5) * step + 1:.1f},{points[0].partition(',')[2]}")
            path.append("M" + "L".join(points))
    return element("path", d="".join(path), class_=f"line {one.colour}", vector_effect="non-scaling-stroke")


def _ticks(times: Times) -> Iterator[Markup]:
    """Name some of the times below a plot; on narrow pages only every other one."""
    start, span = times.begins[0], len(times.begins) * times.step
    step = next((one for one in _TICK_STEPS if span / one <= TICKS), ceil(span / TICKS / _DAY) * _DAY)
    offset = datetime.fromtimestamp(start).astimezone().utcoffset()
    shift = offset.total_seconds() if offset else 0.0
    first = ceil((start + shift) / step) * step - shift
    for number in range(TICKS + 1):
        at = first + number * step
        share = (at - start) / span * 100
        if share > 96:
            return
        name = datetime.fromtimestamp(at).astimezone()
        shown = name.strftime("%-d %b" if step >= _DAY or (name.hour, name.minute) == (0, 0) else "%H:%M")
        foot = HEAD + HEIGHT
        minor = "minor" if number % 2 else None
        yield element("line", x1=_percent(share), x2=_percent(share), y1=foot, y2=foot + 4, class_="base")
        anchor = "start" if share < 4 else "middle"
        yield element("text", shown, x=_percent(share), y=foot + 18, text_anchor=anchor, class_=minor)


def _grid(most: float, name: Callable[[float], str], least: float = 0.0) -> tuple[float, list[tuple[float, str]]]:
    """Return the height of a plot, and its lines: the share of the height, and what they are called."""
    unit = max(_nice((most or 1) / 3), least)
    top = unit * max(1, ceil((most or 1) / unit - 1e-9))
    return top, [(unit * number / top, name(unit * number)) for number in range(round(top / unit) + 1)]


def _nice(number: float) -> float:
    """Return the next number like 1, 2 or 5."""
    power = 10.0 ** floor(log10(number))
    return next(one * power for one in (1, 2, 5, 10) if one * power >= number * 0.9999)


def _tip(times: Times, place: int, series: Sequence[Series], form: str = "{:,.0f}") -> str:
    parts = ", ".join(f"{form.format(one.numbers[place])} {one.name}" for one in series if one.numbers[place])
    return f"{moment(times.begins[place])}: {parts or 'nothing'}"


def _legend(series: Sequence[Series]) -> list[tuple[str, str]]:
    return [(one.colour, one.name) for one in series]


def _width(step: int) -> str:
    names: Mapping[int, str] = {60: "minute", 3600: "hour", _DAY: "day", 7 * _DAY: "week"}
    for size, name in ((_DAY, "days"), (3600, "hours"), (60, "minutes")):
        if step in names:
            return names[step]
        if step % size == 0:
            return f"{step // size} {name}"
    return f"{step} seconds"


def _percent(number: float) -> str:
    return f"{number:.2f}%"


def _shortest(number: float) -> str:
    return f"{number:,.1f}".removesuffix(".0") if number < 100 else f"{number:,.0f}"
