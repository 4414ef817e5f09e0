"""Formulas for the length of a repeated ban, as administrators of fail2ban write them.

A formula is an expression of numbers, `ban.Time`, `ban.Count`, `banFactor`, `+ - * / // % ** <<`,
comparisons, `x if y else z`, and the functions `min`, `max`, `int`, `float` and `exp` (or `math.exp`).
It is read into a syntax tree of which only these nodes are accepted; nothing is handed to the interpreter.

All is computed in floating point, so that no formula, however hostile, costs more than its length:
what grows beyond every number is infinite, and the caller cuts it.
"""

from __future__ import annotations

import ast
import math
import operator
import warnings
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

LONGEST = 300  # characters: the longest in use has some 80
DEEPEST = 40  # levels of nesting, so that walking the tree cannot exhaust the stack
_QUOTED = 40  # characters of a refused part that a message shows


class FormulaError(ValueError):
    """A formula that is none, or that cannot be computed."""


class Given(msgspec.Struct, frozen=True):
    """What a formula knows: the bantime of the jail, how many bans there were before, and the factor."""

    time: float
    count: float
    factor: float


@lru_cache(maxsize=64)
def compiled(text: str) -> Callable[[Given], float]:
    """Return what computes a formula, and raises FormulaError where there is no result.

    Raises FormulaError for what is no formula.
    """
    if len(text) > LONGEST:
        raise FormulaError(f"a formula has at most {LONGEST} characters")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the parser, about what is refused below anyway
            tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise FormulaError("not an expression") from None
    value = _Reader(text.strip()).read(tree.body, 0)

    def compute(given: Given) -> float:
        try:
            return value(given)
        except ZeroDivisionError:
            raise FormulaError("division by zero") from None
        except ValueError as error:
            raise FormulaError(str(error)) from None

    return compute


class _Reader:
    """Turns accepted nodes into functions of `Given`."""

    def __init__(self, text: str) -> None:
        self._text = text

    def read(self, node: ast.expr, depth: int) -> Callable[[Given], float]:
        """Return the function of a node. Raises FormulaError for one that is not accepted."""
        if depth > DEEPEST:
            raise FormulaError("nested too deeply")
        inner = partial(self.read, depth=depth + 1)
        leaf, operation = _leaf(node), _operation(node)
        if leaf:
            return leaf
        if operation:
            function, arguments = operation
            return _applied(function, list(map(inner, arguments)))
        if isinstance(node, ast.IfExp):
            return _chosen(inner(node.test), inner(node.body), inner(node.orelse))
        if isinstance(node, ast.Compare) and all(type(op) in _COMPARISONS for op in node.ops):
            sides = list(map(inner, (node.left, *node.comparators)))
            return _compared([_COMPARISONS[type(op)] for op in node.ops], sides)
        raise self._refused(node)

    def _refused(self, node: ast.expr) -> FormulaError:
        part = " ".join((ast.get_source_segment(self._text, node) or "").split())
        short = part if len(part) <= _QUOTED else part[: _QUOTED - 1] + "…"
        return FormulaError(f"{short!r} is not allowed in a formula")


def _leaf(node: ast.expr) -> Callable[[Given], float] | None:
    """Return the function of a number or a name, None for what is neither."""
    match node:
        case ast.Constant(int() | float() as number) if not isinstance(number, bool):
            try:
                value = float(number)
            except OverflowError:
                value = math.inf
            return lambda _given: value
    return _NAMES.get(_dotted(node))


def _operation(node: ast.expr) -> tuple[Callable[..., float], list[ast.expr]] | None:
    """Return what an operator or a call does, and to what; None for what is neither."""
    match node:
        case ast.UnaryOp(op, operand) if type(op) in _SIGNS:
            return _SIGNS[type(op)], [operand]
        case ast.BinOp(left, op, right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)], [left, right]
        case ast.Call(name, arguments, []):
            function, fewest, most = _FUNCTIONS.get(_dotted(name), (None, 0, 0))
            return (function, arguments) if function and fewest <= len(arguments) <= most else None
    return None


def _dotted(node: ast.expr) -> str:
    """Return `name` or `name.name`, nothing for anything else."""
    match node:
        case ast.Name(name):
            return name
        case ast.Attribute(ast.Name(name), attribute):
            return f"{name}.{attribute}"
    return ""


def _applied(function: Callable[..., float], arguments: Sequence[Callable[[Given], float]]) -> Callable[[Given], float]:
    return lambda given: function(*(argument(given) for argument in arguments))


def _compared(
    tests: Sequence[Callable[[float, float], bool]], sides: Sequence[Callable[[Given], float]]
) -> Callable[[Given], float]:
    def compare(given: Given) -> float:
        values = [side(given) for side in sides]
        return float(all(test(a, b) for test, a, b in zip(tests, values, values[1:], strict=False)))

    return compare


def _chosen(
    test: Callable[[Given], float], body: Callable[[Given], float], orelse: Callable[[Given], float]
) -> Callable[[Given], float]:
    return lambda given: body(given) if test(given) else orelse(given)


def _power(base: float, exponent: float) -> float:
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return -math.inf if base < 0 and exponent % 2 else math.inf


def _shifted(number: float, places: float) -> float:
    if places < 0 or (math.isfinite(places) and not places.is_integer()):
        raise ValueError("a shift by other than a whole number")
    return number * _power(2.0, places)


def _exp(number: float) -> float:
    try:
        return math.exp(number)
    except OverflowError:
        return math.inf


def _whole(number: float) -> float:
    return float(math.trunc(number)) if math.isfinite(number) else number


_NAMES: dict[str, Callable[[Given], float]] = {
    "ban.Time": operator.attrgetter("time"),
    "ban.Count": operator.attrgetter("count"),
    "banFactor": operator.attrgetter("factor"),
}
_SIGNS: dict[type[ast.unaryop], Callable[[float], float]] = {ast.USub: operator.neg, ast.UAdd: operator.pos}
ARITHMETIC: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
"""The operators that need no bounds of their own."""

_OPERATORS = {**ARITHMETIC, ast.Pow: _power, ast.LShift: _shifted}
_COMPARISONS: dict[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_FUNCTIONS: dict[str, tuple[Callable[..., float], int, int]] = {
    "min": (min, 2, LONGEST),
    "max": (max, 2, LONGEST),
    "int": (_whole, 1, 1),
    "float": (float, 1, 1),
    "exp": (_exp, 1, 1),
    "math.exp": (_exp, 1, 1),
}
