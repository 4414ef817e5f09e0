"""How `privet replay --compare` shows what two rule sets do to the same logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from privet.cli.effects import as_effects, whole_row
from privet.cli.output import local, print_json, print_table, rfc3339, rounded
from privet.core.looks import ANSWERS
from privet.core.plurals import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from privet.cli.names import Names
    from privet.tasks.compare import Banned, Compared, Side
    from privet.tasks.replay import Replayed

SHOWN = 30  # clients in the table that a person reads
_UNKNOWN = len(ANSWERS)
_WHOM = ("client or network", "clients and networks")


def print_compared_json(compared: Compared, files: tuple[str, str], names: Names) -> None:
    """Print for programs."""
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
    )


def print_compared(compared: Compared, files: tuple[str, str], names: Names) -> None:
    """Print for people."""
    sides = [("A", compared.a), ("B", compared.b)]
    columns = ("", "#BANS", "#CLIENTS", "#INNOCENT", "#MAYBE", "#NOT", "#SAVED", "#OF ALL", "#MIB SAVED")
    rows = [(letter, *whole_row(one.effects, one.looks)) for letter, one in sides if one.effects and one.looks]
    print_table("", columns, rows, f"A is {files[0]}, B is {files[1]}. SAVED: requests of banned clients in their bans")
    jails = [(jail, *numbers) for jail, numbers in compared.bans.items()]
    print_table("", ("JAIL", "#BANS ONLY IN A", "#ONLY IN B", "#IN BOTH"), jails)
    differing = sorted((one for one in compared.banned if one.later != 0), key=_order)
    if differing:
        print_table(
            "",
            ("CLIENT", "BANNED", "LOOKS INNOCENT", "FIRST IN A", "FIRST IN B", "JAILS OF A", "JAILS OF B"),
            [_row(one, names) for one in differing[:SHOWN]],
            f"{counted(len(differing), 'difference')}"
            + (f", the first {SHOWN} shown; all of them with --json" if len(differing) > SHOWN else ""),
        )
    for sentence in _words(compared):
        click.echo(sentence)


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

    effects = as_effects(outcome.effects, outcome.looks) if outcome.effects and outcome.looks else {}
    return {
        "config": file,
        **effects,
        "totals": msgspec.to_builtins(outcome.totals),
        "complaints": outcome.complaints,
    }
