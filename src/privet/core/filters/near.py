"""How far a regular expression gets in a line that it does not match, and what it would have needed there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from privet.core.filters.tags import expand

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ADDRESSES = frozenset({"<HOST>", "<ADDR>", "<IP4>", "<IP6>", "<DNS>", "<SUBNET>", "<CIDR>"}) | frozenset(
    f"<F-{name}/>" for name in ("ADDR", "IP4", "IP6", "DNS", "SUBNET", "CIDR")
)
"""Pieces that stand for an address."""

LEAST = 3
"""Letters and digits that an expression must have found for a line to be near it."""

_LONGEST = 2000  # characters of an expression, and
_MOST = 400  # places in it that are tried
_SHOWN = 30  # characters
_HOST_NAME = re.compile(r"(?:[\w-]+\.)+[a-zA-Z]{2,}")
_PIECE = re.compile(
    r"""
    (?P<close>\)|</F-[A-Z0-9_\-]+>)
    | (?P<whole><(?:HOST|ADDR|IP4|IP6|DNS|CIDR|SUBNET|SKIPLINES|F-[A-Z0-9_\-]+/)>
        | \\. | \[\^?\]?(?:\\.|[^\]\\])*\] | \(\?[aiLmsux]+\) | \(\?\#[^)]*\) | \(\?P=\w+\))
    | (?P<open><F-[A-Z0-9_\-]+>|\((?:\?(?:P?<\w+>|\(\w+\)|[a-zA-Z\-]*:|[=!>]|<[=!]))?)
    | (?P<more>[*+?]|\{\d*,?\d*\})
    | (?P<plain>.)
    """,
    re.VERBOSE | re.DOTALL,
)


class Near(msgspec.Struct, frozen=True):
    """What an expression found (`matched`), what follows in the line (`rest`), and what it `wanted` there.

    With `masked`, everything fits but that something else stands in the place of an address.
    """

    matched: str
    rest: str
    wanted: str
    masked: bool = False

    @property
    def no_address(self) -> bool:
        """Whether an address was wanted."""
        return any(self.wanted.startswith(tag) for tag in ADDRESSES)

    def __str__(self) -> str:
        """Say it in one line."""
        there = f"there is {_shown(self.rest)}" if self.rest.strip() else "there is nothing"
        before = _shown(self.matched, end=True)
        if self.masked:
            why = "names are not looked up" if _HOST_NAME.fullmatch(self.rest) else "the log is masked"
            return f"matched up to {before}, but no address follows: {there}, everything else fits: {why}"
        if self.no_address:
            return f"matched up to {before}, but no address follows: {there}"
        return f"matched up to {before}, then wanted {_shown(self.wanted)}, but {there}"


def near(expression: str, text: str, *, names: bool = True, flags: int = 0) -> Near | None:
    """Return how far an expression gets in a text that it does not match; None if it is not even near."""
    other = _without_address(expression[:_LONGEST], text, names=names, flags=flags)
    if other:
        return other
    cuts = list(_cuts(expression[:_LONGEST]))[-_MOST:]
    letters = 0
    for place, depth, letters in reversed(cuts):
        if letters < LEAST:
            return None
        regex = _compiled(expression[:place], depth, names=names, flags=flags)
        found = regex.search(text) if regex else None
        if found and found.end() > found.start():
            return Near(found[0], text[found.end() :].rstrip("\n"), expression[place:])
    return None


def _without_address(expression: str, text: str, *, names: bool, flags: int) -> Near | None:
    """Match an expression that takes any word for its first address."""
    pieces = (found for found in _PIECE.finditer(expression) if found[0] in ADDRESSES)
    tag = next(pieces, None)
    if tag is None:
        return None
    instead = f'{expression[: tag.start()]}(?P<f2b_instead>[^\\s"]*){expression[tag.end() :]}'
    regex = _compiled(instead, 0, names=names, flags=flags)
    found = regex.search(text) if regex else None
    if found is None or found.start("f2b_instead") < 0:
        return None
    place = found.start("f2b_instead")
    rest = text[place:].partition("\n")[0]
    return Near(text[:place], rest[: found.end("f2b_instead") - place], tag[0], masked=True)


def head(expression: str) -> str:
    """Return the beginning of an expression before its first letter: what it asks of any line, whatever it tells."""
    place = 0
    for cut, _, letters in _cuts(expression[:_LONGEST]):
        if letters:
            break
        place = cut
    return expression[:place]


def fits(expression: str, texts: Iterable[str], *, names: bool = True) -> bool:
    """Tell whether the beginning of an expression, as `head` returns it, matches any of the texts, or may."""
    depth = next((depth for place, depth, _ in _cuts(expression) if place == len(expression)), 0)
    regex = _compiled(expression, depth, names=names, flags=0)
    return regex is None or any(map(regex.search, texts))


def _cuts(expression: str) -> Iterator[tuple[int, int, int]]:
    """Yield where an expression can be cut: the place, how many groups are open there, and the letters before it."""
    depth = letters = 0
    pending: tuple[int, int, int] | None = None
    for found in _PIECE.finditer(expression):
        if found["more"] is None and pending:
            yield pending
        depth += (found["open"] is not None) - (found["close"] is not None)
        letters += found["plain"] is not None and found[0].isalnum()
        pending = None if found["open"] or found[0] == "|" else (found.end(), max(depth, 0), letters)
    if pending:
        yield pending


def _compiled(beginning: str, depth: int, *, names: bool, flags: int) -> re.Pattern[str] | None:
    try:
        return re.compile(expand(beginning, names=names).pattern + ")" * depth, flags)
    except (re.error, OverflowError, RecursionError):
        return None


def _shown(text: str, *, end: bool = False) -> str:
    if len(text) <= _SHOWN:
        return f"`{text}`"
    return f"`…{text[-_SHOWN:]}`" if end else f"`{text[:_SHOWN]}…`"
