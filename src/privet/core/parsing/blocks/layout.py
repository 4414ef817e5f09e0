"""How the lines of a format are laid out around their double quotes, for `core.parsing.blocks.blockwise`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from privet.core.parsing.durations import DURATIONS
from privet.core.parsing.formats import Field, Format, Literal
from privet.core.parsing.segments import NUMBERS, expression, split_at_quotes

if TYPE_CHECKING:
    from collections.abc import Sequence

DURATION = b"0123456789.-"
"""What a duration is made of."""

_LONGEST_GAP = 32
_NUMBERS = [Literal(b" "), Field("status"), Literal(b" "), Field("size")]


class Layout(msgspec.Struct, frozen=True):
    """How a format is laid out: what stands before the time, between the quotes, and which fields are inside of them.

    `head` has a group for each of the fields `named`. Of `gaps` the first follows the second quote, and so on; the last
    ends with its line. `numbers` is the place of the one that has status and size in front of its text, None if no gap
    has. Those in `durations` have another text and a duration in front of theirs.
    """

    head: re.Pattern[bytes]
    named: tuple[str, ...]
    gaps: tuple[bytes, ...]
    numbers: int | None
    durations: dict[int, tuple[bytes, str]]
    quoted: dict[str, int]


def layout(fmt: Format, want: frozenset[str]) -> Layout | None:
    """Return how a format is laid out, None when that or a column wanted is not for this module."""
    head, *parts = split_at_quotes(fmt)
    match head:
        case [*first, Literal(opening), Field("time", "clf"), Literal(b"] ")] if opening.endswith(b"["):
            prefix = [*first, Literal(opening[:-1])] if opening != b"[" else first
        case _:
            return None
    inside, outside = parts[::2], parts[1::2]
    gaps = [_gap(part) for part in outside]
    fields = [part[0].name for part in inside if len(part) == 1 and isinstance(part[0], Field)]
    told = [place for place, part in enumerate(outside) if part[: len(_NUMBERS)] == _NUMBERS]
    quoted = {name: place for place, name in reversed(list(enumerate(fields))) if name}
    durations = {place: found for place, part in enumerate(outside) if (found := _duration(part))}
    timed = [name for _, name in durations.values()]
    before, named = expression(prefix, want | {"client"})
    known = {"time", *named, *quoted, *timed, *(("status", "size") if told else ())}
    if (
        None in gaps
        or len(fields) != len(inside)
        or NUMBERS & set(fields)
        or len(told) > 1
        or "client" not in named
        or len({*named, *quoted, *timed}) < len(named) + len(quoted) + len(timed)
        or {"forwarded", "peer", "time", *NUMBERS} & {element.name for element in prefix if isinstance(element, Field)}
        or not want & fmt.fields <= known
    ):
        return None
    texts = tuple(gap or b"" for gap in gaps)
    return Layout(re.compile(before), tuple(named), texts, told[0] if told else None, durations, quoted)


def _gap(part: Sequence[Literal | Field]) -> bytes | None:
    """Return the text between two quotes, that behind the numbers or a duration; None for another field."""
    rest = part[len(_NUMBERS) :] if part[: len(_NUMBERS)] == _NUMBERS else part[2:] if _duration(part) else part
    match rest:
        case []:
            return b""
        case [Literal(text)] if len(text) <= _LONGEST_GAP:
            return text
    return None


def _duration(part: Sequence[Literal | Field]) -> tuple[bytes, str] | None:
    """Return the text before a duration between two quotes, and its field."""
    match part:
        case [Literal(before), Field(name), *rest] if name in DURATIONS and len(before) <= _LONGEST_GAP:
            stop = rest[0].text[:1] if rest and isinstance(rest[0], Literal) else b""
            return None if stop and stop in DURATION else (before, name)
    return None
