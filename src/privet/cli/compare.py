"""How `privet replay --compare` shows what two rule sets do to the same logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from privet.cli.effects import SAYS, SUMS, as_sums, judge, row
from privet.cli.output import local, print_json, rfc3339, rounded
from privet.cli.sheet import Column, Page, Sheet, put_page, show
from privet.core.plurals import counted
from privet.core.swarms.looks import ANSWERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from privet.cli.names import Names
    from privet.cli.sheet import Output
    from privet.tasks.compare import Banned, Compared, Side
    from privet.tasks.replay import Replayed

SHOWN = 30  # clients in the table that a person reads
_UNKNOWN = len(ANSWERS)
_JAILS = (
    Column("jail"),
    Column("bans only in A", "number"),
    Column("only in B", "number"),
    Column("in both", "number"),
)
_WHOM = ("client or network", "clients and networks")


def put_compared(compared: Compared, files: tuple[str, str], names: Names, output: Output) -> None:
    """Print for programs or for people, or write a page."""
    if output.json:
        _print_json(compared, files, names)
        return
    sides = _sides_sheet(compared, files)
    jails = Sheet("compare", "Bans by jail", [], list(_JAILS), [(jail, *one) for jail, one in compared.bans.items()])
    differing = _differing_sheet(compared, names)
    words = _words(compared)
    if output.html is not None:
        says = f"A is {files[0]}, B is {files[1]}. {' '.join(words)}"
        put_page(output, Page("Two rule sets", says, [], [], [sides, jails, differing]))
        return
    show(sides)
    show(jails)
    if differing.rows:
        show(differing, SHOWN)
    for sentence in words:
        click.echo(sentence)


def _print_json(compared: Compared, files: tuple[str, str], names: Names) -> None:
    print_json(
        "compare",
        [
            {
                "subject": _name(one, names),
                "length": None if one.group else one.subject.length,
                "in": _in(one),
                "later": one.later,
                "innocent": one.look and one.look.innocent,
                "reasons": list(one.look.reasons) if one.look else [],
                "a": _side(one.a),
                "b": _side(one.b),
            }
            for one in compared.banned
        ],
        a=_whole(compared.a, files[0]),
        b=_whole(compared.b, files[1]),
        bans=[
            {"jail": jail, "only_a": only_a, "only_b": only_b, "both": both}
            for jail, (only_a, only_b, both) in compared.bans.items()
        ],
        damages=compared.a.damages,
    )


def _sides_sheet(compared: Compared, files: tuple[str, str]) -> Sheet:
    rows = []
    for letter, one in (("A", compared.a), ("B", compared.b)):
        if one.effects and one.looks:
            judged = judge(one.effects, one.looks)
            rows.append((letter, *row(one.effects, one.effects.whole, judged, judged)))
    notes = [f"A is {files[0]}, B is {files[1]}; {SAYS}"]
    return Sheet("compare", "What the bans do", [], [Column(""), *SUMS], rows, f"{SAYS.capitalize()}.", notes=notes)


def _differing_sheet(compared: Compared, names: Names) -> Sheet:
    differing = sorted((one for one in compared.banned if one.later != 0), key=_order)
    heads = ("client", "banned", "innocent", "first in A", "first in B", "jails of A", "jails of B")
    shown = f", the first {SHOWN} shown; all of them with --json" if len(differing) > SHOWN else ""
    return Sheet(
        "compare",
        "Whom they treat differently",
        [],
        [Column(head, "name" if head == "client" else "text") for head in heads],
        [_row(one, names) for one in differing],
        "Those who look innocent first.",
        notes=[f"{counted(len(differing), 'difference')}{shown}"],
    )


def _words(compared: Compared) -> list[str]:
    """Say what the tables say."""
    banned = compared.banned
    only = {letter: [one for one in banned if _in(one) == letter] for letter in ("a", "b")}
    said = [
        f"Only {letter.upper()} bans {counted(len(some), *_WHOM)}; {_innocent(some)} innocent."
        for letter, some in only.items()
    ]
    both = [one.later for one in banned if one.later is not None]
    sooner, later = [-time for time in both if time < 0], [time for time in both if time > 0]
    said.append(f"Both ban {counted(len(both), *_WHOM)}: {both.count(0)} at the same time{_by(sooner, 'earlier')}")
    said[-1] += f"{_by(later, 'later')}."
    return said


def _by(times: Sequence[float], word: str) -> str:
    if not times:
        return ""
    return f", {len(times)} {word} in B (by {rounded(sorted(times)[len(times) // 2])} in the middle)"


def _innocent(some: Sequence[Banned]) -> str:
    number = sum(one.look is not None and one.look.innocent == "yes" for one in some)
    return f"{number} {'looks' if number == 1 else 'look'}"


def _order(one: Banned) -> tuple[int, float]:
    """Order what differs: the most innocent first, and of these whom only one bans."""
    place = ANSWERS.index(one.look.innocent) if one.look else _UNKNOWN
    return place, -abs(one.later) if one.later is not None else float("-inf")


def _row(one: Banned, names: Names) -> tuple[str, ...]:
    match one.later:
        case None:
            when = f"only in {_in(one).upper()}"
        case later if later > 0:
            when = f"in B {rounded(later)} later"
        case later:
            when = f"in B {rounded(-later)} earlier"
    firsts = (local(side.first) if side else "" for side in (one.a, one.b))
    jails = (", ".join(side.jails) if side else "" for side in (one.a, one.b))
    return (_name(one, names), when, one.look.innocent if one.look else "a network", *firsts, *jails)


def _name(one: Banned, names: Names) -> str:
    return one.group or names.of(one.subject)


def _in(one: Banned) -> str:
    return "both" if one.a and one.b else "a" if one.a else "b"


def _side(side: Side | None) -> dict[str, Any] | None:
    return {"first": rfc3339(side.first), "bans": side.bans, "jails": list(side.jails)} if side else None


def _whole(outcome: Replayed, file: str) -> dict[str, Any]:
    import msgspec  # noqa: PLC0415  only for programs

    effects, looks = outcome.effects, outcome.looks
    return {
        "config": file,
        **(as_sums(effects, judge(effects, looks)) if effects and looks else {}),
        "totals": msgspec.to_builtins(outcome.totals),
        "complaints": outcome.complaints,
    }
