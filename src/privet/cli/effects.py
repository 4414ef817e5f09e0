"""What bans would have done, as verbs show it: over time, what they saved, whom they hit, how innocent these look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from privet.adapters.localtime import local_zone
from privet.cli.output import bars, local, print_table, rfc3339, rounded
from privet.cli.sheet import Column, Sheet, Top, show
from privet.core.addresses.address import Subject
from privet.core.plurals import counted
from privet.core.reports.effects import REQUESTS, SAVED, banned
from privet.core.swarms.looks import ANSWERS, tally

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from privet.cli.names import Names
    from privet.core.reports.effects import Effect, Effects
    from privet.core.swarms.looks import Look, Looks

    Judged = Mapping[bytes, Look]

SLOTS = 60  # of a picture in the terminal
CLIENTS = 20  # in the table that a person reads
SUMS = (
    Column("bans", "number"),
    Column("clients", "number"),
    Column("innocent", "number"),
    Column("maybe", "number"),
    Column("not", "number"),
    Column("saved", "number"),
    Column("of all", "share"),
    Column("MiB saved", "number"),
)
"""What is said of an effect."""

SAYS = "saved: requests of banned clients within their bans"


def judge(effects: Effects, looks: Looks) -> Judged:
    """Return how the clients look that were hit, the most innocent first."""
    judged = [(key, looks.look(key)) for key in effects.hit]
    judged.sort(key=lambda one: (ANSWERS.index(one[1].innocent), -one[1].requests))
    return dict(judged)


def as_items(effects: Effects, looks: Looks, names: Names) -> dict[str, Any]:
    """Return what JSON says of effects, beside the items."""
    judged = judge(effects, looks)
    return {**as_sums(effects, judged), "over_time": _over_time(effects), "hit": _hit(effects, judged, names)}


def as_sums(effects: Effects, judged: Judged) -> dict[str, Any]:
    """Return the sums of each jail, and of all together, as JSON has them."""
    jails = enumerate(effects.jails)
    return {
        "effects": [{"jail": one.jail, **_sums(effects, one, judged, effects.hits(place))} for place, one in jails],
        "together": _sums(effects, effects.whole, judged, judged),
    }


def print_effects(effects: Effects, looks: Looks, names: Names) -> None:
    """Print pictures and tables."""
    _print_pictures(effects)
    judged = judge(effects, looks)
    show(jail_sheet(effects, judged))
    if judged:
        show(client_sheet(effects, judged, names), CLIENTS)
    if looks.forgotten:
        text = f"warning: what {counted(looks.forgotten, 'client')} with the fewest requests did was forgotten"
        click.secho(text, fg="yellow", err=True)


def jail_sheet(effects: Effects, judged: Judged) -> Sheet:
    """Return what each jail did."""
    rows = [(one.jail, *row(effects, one, judged, effects.hits(place))) for place, one in enumerate(effects.jails)]
    if len(rows) > 1:
        rows.append(("together", *row(effects, effects.whole, judged, judged)))
    items = as_sums(effects, judged)["effects"]
    says = f"{SAYS[:1].upper()}{SAYS[1:]}. A replay keeps nobody away, so that they are in the log."
    return Sheet("effects", "What the bans do", items, [Column("jail"), *SUMS], rows, says, notes=[SAYS])


def client_sheet(effects: Effects, judged: Judged, names: Names) -> Sheet:
    """Return whom the bans hit; the jails only where there are several."""
    several = len(effects.jails) > 1
    items = _hit(effects, judged, names)
    rows = [
        (
            *(item["subject"], item["innocent"]),
            *((", ".join(item["jails"]),) if several else ()),
            *(item["bans"], item["requests"], item["saved"], "; ".join(item["reasons"])),
        )
        for item in items
    ]
    columns = [
        *(Column("client"), Column("innocent")),
        *((Column("jails"),) if several else ()),
        *(Column("bans", "number"), Column("requests", "number"), Column("saved", "number"), Column("why", "text")),
    ]
    notes = [_summary(judged)]
    return Sheet("hit", "Clients hit", items, columns, rows, "The most innocent first, and why.", notes=notes)


def effect_top(effects: Effects, judged: Judged, says: str) -> Top:
    """Return what stands at the top of a page about effects."""
    from privet.cli import charts  # noqa: PLC0415  only for pages
    from privet.cli.figures import MOST, by_jail  # noqa: PLC0415  as above

    counts, whole = tally(judged, judged), effects.whole
    tiles = [
        ("Requests", f"{effects.requests:,}"),
        ("Saved", f"{whole.requests:,} ({share(whole.requests, effects.requests):.1f}%)"),
        ("Bans", f"{whole.bans:,}"),
        ("Clients hit", f"{whole.clients:,}"),
        ("Look innocent", f"{counts['yes']:,}"),
    ]
    if not effects.when:
        return Top(says, tiles)
    bins = effects.when.bins(local_zone(), MOST)
    times = charts.Times([bins.start + place * bins.step for place in range(len(bins.counts[REQUESTS]))], bins.step)
    saved = bins.counts.get(SAVED, [0] * len(times.begins))
    passed = [number - less for number, less in zip(bins.counts[REQUESTS], saved, strict=True)]
    series = [charts.Series("ok", "let through", passed), charts.Series("refused", "saved", saved)]
    figures = [charts.bars("Requests over time", "requests", times, series)]
    bans = {one.jail: bins.counts[banned(one.jail)] for one in effects.jails if one.bans}
    if bans:
        figures.append(charts.bars("Bans over time", "bans", times, by_jail(bans)))
    return Top(says, tiles, figures)


def row(effects: Effects, one: Effect, judged: Judged, hit: Sequence[bytes] | Judged) -> tuple[object, ...]:
    """Return the cells of `SUMS`."""
    counts = tally(judged, hit)
    saved = f"{share(one.requests, effects.requests):.1f}%", f"{one.bytes / (1 << 20):.1f}"
    return (one.bans, one.clients, *(counts[answer] for answer in ANSWERS), one.requests, *saved)


def share(part: int, whole: int) -> float:
    """Return a share in percent, with one decimal."""
    return round(part * 100 / whole, 1) if whole else 0.0


def _sums(effects: Effects, one: Effect, judged: Judged, hit: Sequence[bytes] | Judged) -> dict[str, Any]:
    return {
        "bans": one.bans,
        "clients": one.clients,
        "innocent": tally(judged, hit),
        "saved": {"requests": one.requests, "bytes": one.bytes, "share": share(one.requests, effects.requests)},
    }


def _hit(effects: Effects, judged: Judged, names: Names) -> list[dict[str, Any]]:
    found = []
    for key, look in judged.items():
        bans, saved = effects.own.get(key, (0, 0))
        found.append(
            {
                "subject": names.of(Subject.of_key(key)),
                "jails": effects.jails_of(key),
                "innocent": look.innocent,
                "reasons": list(look.reasons),
                "bans": bans,
                "requests": look.requests,
                "saved": saved,
            }
        )
    return found


def _summary(judged: Judged) -> str:
    """Say in words how innocent the clients look that were hit."""
    sums = tally(judged, judged)
    shown = f", the {CLIENTS} most innocent shown; all of them with --json" if len(judged) > CLIENTS else ""
    answers = f"{sums['yes']} look innocent, {sums['maybe']} maybe, {sums['no']} not"
    return f"{counted(len(judged), 'client')} hit{shown}: {answers}"


def _over_time(effects: Effects) -> list[dict[str, Any]]:
    if not effects.when:
        return []
    bins = effects.when.bins(local_zone(), SLOTS)
    jails = {one.jail: bins.counts[banned(one.jail)] for one in effects.jails if one.bans}
    return [
        {
            "time": rfc3339(bins.start + slot * bins.step),
            "seconds": bins.step,
            "requests": requests,
            "saved": bins.counts[SAVED][slot] if SAVED in bins.counts else 0,
            "bans": {jail: counts[slot] for jail, counts in jails.items() if counts[slot]},
        }
        for slot, requests in enumerate(bins.counts[REQUESTS])
    ]


def _print_pictures(effects: Effects) -> None:
    if not effects.when:
        return
    kinds = [REQUESTS, SAVED, *(banned(one.jail) for one in effects.jails)]
    bins = effects.when.bins(local_zone(), SLOTS)
    rows = [(kind, "".join(bars(bins.counts[kind])), max(bins.counts[kind])) for kind in kinds if kind in bins.counts]
    end = bins.start + len(bins.counts[REQUESTS]) * bins.step
    footer = f"from {local(bins.start)[:16]} to {local(end)[:16]}, each character is {rounded(bins.step)}"
    print_table("", ("over time", "", "#most"), rows, footer)
