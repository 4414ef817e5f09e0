"""What bans would have done, as verbs show it: over time, what they saved, whom they hit, how innocent these look."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from privet.cli.output import bars, local, print_table, rfc3339, rounded
from privet.core.address import Subject
from privet.core.looks import ANSWERS, tally
from privet.core.plurals import counted
from privet.core.slots import ruled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from privet.cli.names import Names
    from privet.core.effects import Effect, Effects
    from privet.core.looks import Answer, Look, Looks

SLOTS = 60  # of a picture
CLIENTS = 20  # in the table that a person reads
_STYLES: Mapping[Answer, str] = {"yes": "bold red", "maybe": "yellow", "no": ""}  # who should not be hit stands out


def as_items(effects: Effects, looks: Looks, names: Names) -> dict[str, Any]:
    """Return what JSON says of effects, beside the items."""
    return {
        **as_effects(effects, looks),
        "over_time": _over_time(effects),
        "hit": [
            {
                "subject": names.of(Subject.of_key(key)),
                "jails": effects.jails_of(key),
                "innocent": look.innocent,
                "reasons": list(look.reasons),
                "bans": effects.own.get(key, (0, 0))[0],
                "requests": look.requests,
                "saved": effects.own.get(key, (0, 0))[1],
            }
            for key, look in _judged(effects, looks).items()
        ],
    }


def as_effects(effects: Effects, looks: Looks) -> dict[str, Any]:
    """Return the sums of each jail, and of all together, as JSON has them."""
    judged = _judged(effects, looks)
    return {
        "effects": [
            {"jail": one.jail, **_item(effects, one, tally(judged, effects.hits(number)))}
            for number, one in enumerate(effects.jails)
        ],
        "together": _item(effects, effects.whole, tally(judged, judged)),
    }


def whole_row(effects: Effects, looks: Looks) -> tuple[object, ...]:
    """Return the row of all jails together, without its name."""
    judged = _judged(effects, looks)
    return _row(effects, effects.whole, tally(judged, judged))[1:]


def _item(effects: Effects, one: Effect, innocent: dict[str, int]) -> dict[str, Any]:
    """Return an effect as JSON has it."""
    return {
        "bans": one.bans,
        "clients": one.clients,
        "innocent": innocent,
        "saved": {"requests": one.requests, "bytes": one.bytes, "share": share(one.requests, effects.requests)},
    }


def print_effects(effects: Effects, looks: Looks, names: Names) -> None:
    """Print pictures and tables."""
    _print_pictures(effects)
    judged = _judged(effects, looks)
    rows = [_row(effects, one, tally(judged, effects.hits(number))) for number, one in enumerate(effects.jails)]
    if len(rows) > 1:
        rows.append(_row(effects, effects.whole, tally(judged, judged)))
    columns = ("JAIL", "#BANS", "#CLIENTS", "#INNOCENT", "#MAYBE", "#NOT", "#SAVED", "#OF ALL", "#MIB SAVED")
    print_table("", columns, rows, "SAVED: requests of banned clients within their bans")
    if judged:
        _print_clients(effects, judged, names)
    if looks.forgotten:
        text = f"warning: what {counted(looks.forgotten, 'client')} with the fewest requests did was forgotten"
        click.secho(text, fg="yellow", err=True)


def _print_clients(effects: Effects, judged: Mapping[bytes, Look], names: Names) -> None:
    """Print whom the bans hit; the column of jails only where there are several."""
    from rich.text import Text  # noqa: PLC0415  slow to import

    several = len(effects.jails) > 1
    print_table(
        "",
        ("CLIENT", "INNOCENT", *(("JAILS",) if several else ()), "#BANS", "#REQUESTS", "#SAVED", "WHY"),
        [
            (
                names.of(Subject.of_key(key)),
                Text(look.innocent, style=_STYLES[look.innocent]),
                *((", ".join(effects.jails_of(key)),) if several else ()),
                effects.own.get(key, (0, 0))[0],
                look.requests,
                effects.own.get(key, (0, 0))[1],
                "; ".join(look.reasons),
            )
            for key, look in islice(judged.items(), CLIENTS)
        ],
        summary(judged),
    )


def summary(judged: Mapping[bytes, Look]) -> str:
    """Say in words how innocent the clients look that were hit."""
    sums = tally(judged, judged)
    shown = f", the {CLIENTS} most innocent shown; all of them with --json" if len(judged) > CLIENTS else ""
    return (
        f"{counted(len(judged), 'client')} hit{shown}: {sums['yes']} look innocent, {sums['maybe']} maybe, "
        f"{sums['no']} not"
    )


def share(part: int, whole: int) -> float:
    """Return a share in percent, with one decimal."""
    return round(part * 100 / whole, 1) if whole else 0.0


def _row(effects: Effects, one: Effect, innocent: dict[str, int]) -> tuple[object, ...]:
    saved = f"{share(one.requests, effects.requests):.1f}%", f"{one.bytes / (1 << 20):.1f}"
    answers = (innocent[answer] for answer in ANSWERS)
    return (one.jail or "together", one.bans, one.clients, *answers, one.requests, *saved)


def _judged(effects: Effects, looks: Looks) -> dict[bytes, Look]:
    """Return how the clients look that were hit, the most innocent first."""
    judged = [(key, looks.look(key)) for key in effects.hit]
    judged.sort(key=lambda one: (ANSWERS.index(one[1].innocent), -one[1].requests))
    return dict(judged)


def _over_time(effects: Effects) -> list[dict[str, Any]]:
    begin, width, count = ruled(effects.over, SLOTS)
    requests, saved = (one.within(begin, width, count) for one in (effects.over, effects.whole.saved))
    bans = {one.jail: one.over.within(begin, width, count) for one in effects.jails}
    return [
        {
            "time": rfc3339(begin + slot * width),
            "seconds": width,
            "requests": requests[slot],
            "saved": saved[slot],
            "bans": {jail: counts[slot] for jail, counts in bans.items() if counts[slot]},
        }
        for slot in range(count)
    ]


def _print_pictures(effects: Effects) -> None:
    begin, width, count = ruled(effects.over, SLOTS)
    if not count:
        return
    lines = [("requests", effects.over), ("saved", effects.whole.saved)]
    lines += [(f"bans of {one.jail}", one.over) for one in effects.jails]
    rows = [
        (name, "".join(bars(counts)), max(counts), sum(counts))
        for name, counts in ((name, one.within(begin, width, count)) for name, one in lines)
    ]
    end = local(begin + count * width)[:16]
    footer = f"from {local(begin)[:16]} to {end}, each character is {rounded(width)}"
    print_table("", ("OVER TIME", "", "#MOST", "#SUM"), rows, footer)
