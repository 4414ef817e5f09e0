"""Small languages inside values: `name[option="value", …]`, lists of words, truth, and lengths of time."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from privet.config.fail2ban.ini import RefusedError
from privet.config.fail2ban.text import Text
from privet.core.bans.formula import ARITHMETIC

if TYPE_CHECKING:
    from collections.abc import Iterator

_OPTION_NAME = r"[\w.-]+(?:\?[\w.-]+=[\w.-]+)?"
_OPTION = re.compile(rf"\s*({_OPTION_NAME})=(?:\"([^\"]*)\"|'([^']*)'|([^,\]]*))")
_BETWEEN = re.compile(r",|\]\s*\[|\n?\Z")
_REST = re.compile(r",?\s*\Z")
_SOLID = re.compile(r"\S+")
_NAME = re.compile(r"[^\[\s]+")
_OPENING = re.compile(r"\s*\[")
_SEPARATOR = re.compile(r"\s*(?:,|\]\s*\[)")
_CLOSING = re.compile(r"\s*\]")
_QUOTED = 30


def named(value: Text) -> tuple[str, dict[str, Text]]:
    """Read `name[option=value, …]`. Raises RefusedError."""
    name, bracket, rest = value.text.partition("[")
    body = rest.rstrip()
    if not name or (bracket and not body.endswith("]")):
        raise RefusedError(value.place, f"expected name[option=value, …], got {_short(value.text)}")
    start = len(name) + 1
    return name, dict(_options(value[start : start + len(body) - 1])) if bracket else {}


def _options(body: Text) -> Iterator[tuple[str, Text]]:
    """Yield the options between the brackets."""
    position = 0
    while not _REST.match(body.text, position):
        found = _OPTION.match(body.text, position)
        if found is None:
            rest = body[position:].stripped()
            raise RefusedError(rest.place, f"expected option=value, got {_short(rest.text)}")
        between = _BETWEEN.match(body.text, found.end())
        if between is None:
            rest = body[found.end() :].stripped()
            raise RefusedError(rest.place, f"after option {found[1]!r} comes {_short(rest.text)}")
        group = found.lastindex or 0
        yield found[1], body[found.start(group) : found.end(group)].stripped()
        position = between.end()


def several(value: Text) -> list[Text]:
    """Split `name[…] name[…]` at white space outside of brackets."""
    found, position = list[Text](), 0
    while solid := _SOLID.search(value.text, position):
        position = _end(value.text, solid.start()) or solid.end()
        found.append(value[solid.start() : position])
    return found


def _end(text: str, start: int) -> int | None:
    """Return where `name` or `name[…]` ends, None if neither begins at `start`."""
    word = _NAME.match(text, start)
    if word is None:
        return None
    opening = _OPENING.match(text, word.end())
    closings = _closings(text, opening.end()) if opening else []
    return next((end for end in (*reversed(closings), word.end()) if not text[end : end + 1].strip()), None)


def _closings(text: str, position: int) -> list[int]:
    """Return where brackets that were opened before `position` can end, for one group or several."""
    ends = list[int]()
    while True:
        end = _CLOSING.match(text, position)
        ends += [end.end()] if end else []
        found = _OPTION.match(text, position)
        if found is None:
            return ends
        end, between = _CLOSING.match(text, found.end()), _SEPARATOR.match(text, found.end())
        ends += [end.end()] if end else []
        position = between.end() if between else found.end()


def words(value: Text) -> list[Text]:
    """Split at white space and commas."""
    found = (value[match.start() : match.end()].stripped() for match in re.finditer(r"[^ ,\n]+", value.text))
    return [word for word in found if word.text]


def truth(text: str) -> bool:
    """Tell whether a word means yes."""
    return text.lower() in {"1", "on", "true", "yes"}


_MONTH = 365.25 * 86400 / 12
_SECONDS: dict[str, float] = {
    **dict.fromkeys(("s", "ss", "se", "sec", "second", "seconds"), 1),
    **dict.fromkeys(("m", "mm", "mi", "min", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hh", "ho", "hou", "hour", "hours"), 3600),
    **dict.fromkeys(("d", "dd", "da", "day", "days"), 86400),
    **dict.fromkeys(("w", "ww", "we", "wee", "week", "weeks"), 604800),
    **dict.fromkeys(("mo", "mon", "month", "months"), _MONTH),
    **dict.fromkeys(("y", "yy", "ye", "yea", "year", "years"), _MONTH * 12),
}
_UNIT = re.compile(r"(?<=[\d\s])[a-z]+\b", re.IGNORECASE)
_LONGEST_TIME = 200  # characters: enough for any, and few enough that nesting cannot exhaust the stack


def seconds(text: str) -> float:
    """Read a length of time as fail2ban writes it: `1h`, `1d12h`, `1w 2d`, `1year-6mo`, `2*(1h+30)`, `-1`.

    Numbers side by side are added. Raises ValueError.
    """
    if len(text) > _LONGEST_TIME:
        raise ValueError("is too long")
    spaced = re.sub(r"(?<=[a-zA-Z])(?=\d)", " ", text)
    product = _UNIT.sub(lambda found: f"*{_SECONDS[found[0].lower()]}" if found[0].lower() in _SECONDS else "?", spaced)
    summed = re.sub(r"(\d)\s+(\d)", r"\1+\2", product)
    return number(summed)


def number(text: str) -> float:
    """Compute numbers, signs and brackets. Raises ValueError."""
    try:
        return float(_value(ast.parse(text.strip(), mode="eval").body))
    except (SyntaxError, ArithmeticError, ValueError, RecursionError, MemoryError):
        raise ValueError("cannot be computed") from None


def _value(node: ast.expr) -> float:
    """Compute what a tree of numbers and signs says; the text is never run."""
    match node:
        case ast.Constant(int() | float() as number) if not isinstance(number, bool):
            return number
        case ast.UnaryOp(ast.USub(), operand):
            return -_value(operand)
        case ast.UnaryOp(ast.UAdd(), operand):
            return _value(operand)
        case ast.BinOp(left, sign, right) if type(sign) in ARITHMETIC:
            return ARITHMETIC[type(sign)](_value(left), _value(right))
    raise ValueError


def _short(text: str) -> str:
    return repr(text if len(text) <= _QUOTED else text[: _QUOTED - 1] + "…")
