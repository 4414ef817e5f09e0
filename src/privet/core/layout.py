"""How the lines of a format are laid out around their double quotes, for `core.blockwise`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from privet.core.formats import Field, Format, Literal
from privet.core.segments import NUMBERS, expression, split_at_quotes

if TYPE_CHECKING:
    from collections.abc import Sequence

_LONGEST_GAP = 32
_NUMBERS = [Literal(b" "), Field("status"), Literal(b" "), Field("size")]


class Layout(msgspec.Struct, frozen=True):
    """How a format is laid out: what stands before the time, between the quotes, and which fields are inside of them.

    Of `gaps` the first follows the second quote, and so on; the last ends with its line. `numbers` is the place of the
    one that has status and size in front of its text, None if there is none.
    """

    head: re.Pattern[bytes]
    gaps: tuple[bytes, ...]
    numbers: int | None
    quoted: dict[str, int]


def layout(fmt: Format, want: frozenset[str]) -> Layout | None:
    """Return how a format is laid out, None when that or a column wanted is not for this module."""
    head, *parts = split_at_quotes(fmt)
    match head:
        case [*before, Literal(opening), Field("time", "clf"), Literal(b"] ")] if opening.endswith(b"["):
            prefix = [*before, Literal(opening[:-1])] if opening != b"[" else before
        case _:
            return None
    inside, outside = parts[::2], parts[1::2]
    gaps = [_gap(part) for part in outside]
    fields = [part[0].name for part in inside if len(part) == 1 and isinstance(part[0], Field)]
    told = [place for place, part in enumerate(outside) if part[: len(_NUMBERS)] == _NUMBERS]
    quoted = {name: place for place, name in reversed(list(enumerate(fields))) if name}
    known = {"client", "time", *quoted, *(("status", "size") if told else ())}
    names = [element.name for element in prefix if isinstance(element, Field)]
    if (
        None in gaps
        or len(fields) != len(inside)
        or NUMBERS & set(fields)
        or len(told) > 1
        or "client" not in names
        or {"forwarded", "peer", "time", *NUMBERS, *quoted} & set(names)
        or not want & fmt.fields <= known
    ):
        return None
    return Layout(re.compile(expression(prefix)), tuple(gap or b"" for gap in gaps), told[0] if told else None, quoted)


def _gap(part: Sequence[Literal | Field]) -> bytes | None:
    """Return the text between two quotes, that behind the numbers where there are some; None for another field."""
    rest = part[len(_NUMBERS) :] if part[: len(_NUMBERS)] == _NUMBERS else part
    match rest:
        case []:
            return b""
        case [Literal(text)] if len(text) <= _LONGEST_GAP:
            return text
    return None
