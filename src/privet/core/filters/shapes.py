r"""The shape of what a regular expression matches: for those whose needles are none, or stand in every other line.

A shape is runs of characters, each of one class, that stand in a line in this order: of `\d{3}0[1-9] \S+:` the runs
`[0-9]{3}0[1-9] ` and `:`. As with needles, no run has two characters beside each other that may both be no part of
a word, as a date may have stood between them. Shapes know ASCII only: a line with other bytes has every shape.
"""

from __future__ import annotations

import re
from math import log2
from re import _compiler as compiler  # type: ignore[attr-defined]  # what compiles a part of a parse tree
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import TYPE_CHECKING

import msgspec

from privet.core.filters.trees import Tree, parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_ASCII = [chr(code) for code in range(128)]
_WORDY = frozenset(one for one in _ASCII if one.isalnum() or one == "_")
_MOST = 16  # repetitions of a character that are written out
_TELLING = 3.0  # bits that make a run worth a search in a line, and
_RARE = 20.0  # in a whole block: about three letters

Class = frozenset[str]
Run = list[Class]


class Shape(msgspec.Struct, frozen=True):
    """Runs that stand in this order in every ASCII line that matches; `rarest` is a run for a search in a block."""

    runs: tuple[re.Pattern[bytes], ...]
    rarest: re.Pattern[bytes] | None

    def fits(self, line: bytes) -> bool:
        """Tell whether a line may match. Runs have a fixed length, so the first place of each is as good as any."""
        if not line.isascii():
            return True
        place = 0
        for run in self.runs:
            found = run.search(line, place)
            if found is None:
                return False
            place = found.end()
        return True


def shape_of(pattern: str, flags: int = 0) -> Shape | None:
    """Return the shape of an expression for one line, None if it has none that tells anything."""
    tree = parse(pattern, flags)
    told = [(_bits(run), _compiled(run)) for run in _runs(tree)]
    told = [one for one in told if one[0] >= _TELLING]
    if not told:
        return None
    bits, rarest = max(told, key=lambda one: one[0])
    return Shape(tuple(run for _, run in told), rarest if bits >= _RARE else None)


def _runs(tree: Tree) -> Iterator[Run]:
    """Yield the runs of a parse tree, cut where a date may have stood."""
    run: Run = []
    for one in _classes(tree, tree.state):
        if run and (one is None or not (one <= _WORDY or run[-1] <= _WORDY)):
            yield run
            run = []
        if one is not None:
            run.append(one)
    if run:
        yield run


def _classes(tree: Tree, state: Tree) -> Iterator[Class | None]:
    """Yield the class of each character that matches have in a row; None where there may be any others."""
    for code, value in tree:
        if code in (op.AT, op.ASSERT, op.ASSERT_NOT):
            continue
        if code in (op.LITERAL, op.NOT_LITERAL, op.IN, op.ANY):
            yield _class(parser.SubPattern(state, [(code, value)]))
        elif code is op.SUBPATTERN and not (value[1] or value[2]):
            yield from _classes(value[3], state)
        elif code is op.ATOMIC_GROUP:
            yield from _classes(value, state)
        elif code in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
            part = [*_classes(value[2], state)]
            times = min(value[0], _MOST if len(part) == 1 else 1)
            yield from part * times
            if times < value[1]:
                yield None
        else:
            yield None


def _class(single: Tree) -> Class | None:
    """Return which ASCII an element of one character matches; None if that may be the end of the line, or nothing."""
    matches = compiler.compile(single).match
    found = frozenset(one for one in _ASCII if matches(one))
    return found if found and "\n" not in found else None


def _bits(run: Sequence[Class]) -> float:
    return sum(log2(len(_ASCII) / len(one)) for one in run)


def _compiled(run: Sequence[Class]) -> re.Pattern[bytes]:
    """Return an expression for a run; one literal needs no class, which makes the search much faster."""
    parts = (f"[{''.join(map(re.escape, sorted(one)))}]" if len(one) > 1 else re.escape(*one) for one in run)
    return re.compile("".join(parts).encode())
