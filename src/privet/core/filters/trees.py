"""What the parse tree of a regular expression tells without running it: needles, anchors and groups.

A needle is text that must stand in a line for the expression to match. Needles are sought in the lines as they
were written, with their date, but expressions see them without it: so no needle has two characters beside each
other that are both no part of a word, between which a date may have stood.
"""

from __future__ import annotations

import re
from functools import lru_cache
from re import _constants as op  # type: ignore[attr-defined]  # no other way to a parse tree
from re import _parser as parser  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_MOST = 128  # needles of one expression: the names of many bots
_STEPS = 64  # texts that a run of alternatives may expand to
_WIDEST = 8  # characters of a class that are worth writing out
_DECENT = 3  # a shorter needle stands in too many lines to save anything
_COMMON = (
    '"get / http/1.1" "post / http/1.0" mozilla/5.0 ( :// .html .php from port for client error user host request info'
)
"""What stands in many lines of many logs: no part of it makes a good needle."""

_NEWLINE = ord("\n")
_ACROSS = re.DOTALL | re.MULTILINE | re.VERBOSE  # flags with which an expression may see more than its line

Tree = Any
"""A parsed pattern of the standard library, which has no types for it."""


class Needles(msgspec.Struct, frozen=True):
    """Any of `texts`, in small letters, stands in whatever matches; `folded`: found in letters of either case."""

    texts: frozenset[str]
    folded: bool = False

    @property
    def worth(self) -> float:
        """How much these needles promise: long ones are rare, common ones are found anywhere, many more often."""
        return min(len(text) / 10 if text in _COMMON else len(text) for text in self.texts) - 0.02 * len(self.texts)


@lru_cache(maxsize=1)  # several things are asked of one expression, one after the other
def parse(pattern: str, flags: int = 0) -> Tree:
    """Parse a regular expression; raises re.error."""
    return parser.parse(pattern, flags)


def needles_of(pattern: str, flags: int = 0) -> list[Needles]:
    """Return the needles of an expression, of each of which one must be there; the best come first."""
    tree = parse(pattern, flags)
    return rated(_Run(bool(tree.state.flags & re.IGNORECASE)).needed(tree))


def halved(needles: Needles) -> Needles:
    """Return the halves of needles: one of the two stays whole wherever a date stands in the middle."""
    halves = {half for text in needles.texts for half in (text[: len(text) // 2], text[len(text) // 2 :])}
    return Needles(frozenset(halves), needles.folded)


def rated(needles: Iterable[Needles]) -> list[Needles]:
    """Return the needles that are long enough, those that promise most first."""
    long = [one for one in needles if min(map(len, one.texts)) >= _DECENT]
    return sorted(long, key=lambda one: (-one.worth, sorted(one.texts)))


def starts_at_beginning(pattern: str, flags: int = 0) -> bool:
    """Tell whether an expression can match at the beginning of a text only."""
    return not flags & re.MULTILINE and _anchored(parse(pattern, flags))


def _anchored(tree: Tree) -> bool:
    for code, value in tree:
        if code is op.AT:
            if value in (op.AT_BEGINNING, op.AT_BEGINNING_STRING):
                return True
            continue
        if code is op.SUBPATTERN:
            return _anchored(value[3])
        if code is op.BRANCH:
            return all(map(_anchored, value[1]))
        if code not in (op.ASSERT, op.ASSERT_NOT):
            return False
    return False


def within_lines(pattern: str) -> bool:
    """Tell whether an expression matches at the beginning of a line only, and takes in no newline.

    It then matches a line among others, with `re.MULTILINE`, just as it matches that line alone.
    """
    tree = parse(pattern)
    return _anchored(tree) and not tree.state.flags & _ACROSS and _within(tree)


def _within(tree: Tree) -> bool:
    return all(_keeps_within(code, value) for code, value in tree)


def _keeps_within(code: object, value: Tree) -> bool:
    if code is op.LITERAL:
        return bool(value != _NEWLINE)
    if code is op.NOT_LITERAL:
        return bool(value == _NEWLINE)
    if code is op.IN:
        return (value[0][0] is op.NEGATE) == any(_takes_newline(*item) for item in value)
    if code is op.AT:
        return value in (op.AT_BEGINNING, op.AT_END, op.AT_BOUNDARY, op.AT_NON_BOUNDARY)
    if code is op.SUBPATTERN and value[1] & _ACROSS:
        return False
    parts = _parts(code, value)
    return all(map(_within, parts)) if parts else code in (op.ANY, op.GROUPREF)


def _takes_newline(code: object, value: Tree) -> bool:
    """Tell whether an item of a class stands for a newline."""
    if code is op.LITERAL:
        return bool(value == _NEWLINE)
    if code is op.RANGE:
        return bool(value[0] <= _NEWLINE <= value[1])
    return code is op.CATEGORY and value in (op.CATEGORY_SPACE, op.CATEGORY_NOT_DIGIT, op.CATEGORY_NOT_WORD)


def names_inside_first(pattern: str, flags: int = 0) -> bool:
    """Tell whether every named group lies inside the first group."""
    tree = parse(pattern, flags)
    inside = {number for number, first in _groups(tree) if first}
    return all(number in inside for number in tree.state.groupdict.values())


def _groups(tree: Tree, *, first: bool = False) -> list[tuple[int, bool]]:
    """Return every group with whether it is the first one or lies in it."""
    found = []
    for code, value in tree:
        for part in _parts(code, value):
            inside = first or (code is op.SUBPATTERN and value[0] == 1)
            if code is op.SUBPATTERN and value[0]:
                found.append((value[0], inside))
            found += _groups(part, first=inside)
    return found


def _parts(code: object, value: Tree) -> list[Tree]:
    """Return the trees inside of an element."""
    if code is op.SUBPATTERN:
        return [value[3]]
    if code is op.BRANCH:
        return list(value[1])
    if code in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
        return [value[2]]
    if code in (op.ASSERT, op.ASSERT_NOT):
        return [value[1]]
    if code is op.GROUPREF_EXISTS:
        return [part for part in value[1:] if part is not None]
    return [value] if code is op.ATOMIC_GROUP else []


def surely_filled(pattern: str, name: str, flags: int = 0) -> bool:
    """Tell whether a named group takes part in every match, with some text."""
    tree = parse(pattern, flags)
    number = tree.state.groupdict.get(name)
    return number is not None and _surely(tree, number)


def _surely(tree: Tree, number: int) -> bool:
    for code, value in tree:
        if code is op.SUBPATTERN:
            if value[0] == number:
                return bool(value[3].getwidth()[0] > 0)
            if _surely(value[3], number):
                return True
        elif code is op.BRANCH:
            if all(_surely(part, number) for part in value[1]):
                return True
        elif code in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
            if value[0] > 0 and _surely(value[2], number):
                return True
        elif code is op.ATOMIC_GROUP and _surely(value, number):
            return True
    return False


def _needles(texts: frozenset[str], *, folded: bool) -> Needles | None:
    """Make needles of texts, without those that hold another; None if they are too many."""
    if len(texts) > _MOST:
        return None
    least = frozenset(text for text in texts if not any(other in text for other in texts - {text}))
    return Needles(least, folded)


class _Exact(msgspec.Struct, frozen=True):
    """All texts that a part of an expression can match, in small letters."""

    texts: frozenset[str]
    folded: bool = False

    def then(self, other: _Exact) -> _Exact | None:
        """Return the texts of both in a row, None if they are too many or a date may stand between them."""
        if len(self.texts) * len(other.texts) > _STEPS:
            return None
        if self is _NOTHING:
            return other
        if any(one and two and not (_wordy(one[-1]) or _wordy(two[0])) for one in self.texts for two in other.texts):
            return None
        texts = frozenset(one + two for one in self.texts for two in other.texts)
        return _Exact(texts, self.folded or other.folded)

    def needles(self) -> Needles | None:
        return _needles(self.texts, folded=self.folded) if "" not in self.texts else None


_NOTHING = _Exact(frozenset([""]))


def _joined(sets: Sequence[_Exact | Needles | None]) -> _Exact | None:
    """Return the texts of all sets, None if one is unknown."""
    known = [one for one in sets if one is not None]
    if len(known) < len(sets):
        return None
    texts = frozenset[str]().union(*(one.texts for one in known))
    return _Exact(texts, any(one.folded for one in known))


def _wordy(character: str) -> bool:
    return character.isalnum() or character == "_"


@lru_cache(maxsize=256)  # of a thousand in a row most are single letters
def _letters(codes: frozenset[int], folded: bool) -> _Exact | None:  # noqa: FBT001  said once
    letters = {chr(code) for code in codes}
    if "\n" in letters or (folded and not all(letter.isascii() for letter in letters)):
        return None
    small = frozenset(letter.lower() if letter.isascii() else letter for letter in letters)
    return _Exact(small, folded and any(letter.isalpha() for letter in small))


class _Run:
    """Walks a tree; `folded` says that letters match in either case."""

    def __init__(self, folded: bool) -> None:  # noqa: FBT001  said once
        self._folded = folded

    def needed(self, tree: Tree) -> list[Needles]:
        """Return the needles of a sequence: one of each is in whatever matches."""
        found: list[Needles | None] = []
        run = _NOTHING
        for code, value in tree:
            exact = self._exact(code, value)
            longer = run.then(exact) if exact else None
            if longer is None:
                found.append(run.needles())
                run = exact or _NOTHING
                found += [] if exact else self._needed_by(code, value)
            else:
                run = longer
        return [one for one in (*found, run.needles()) if one is not None]

    def _needed_by(self, code: object, value: Tree) -> list[Needles]:
        if code is op.SUBPATTERN:
            return self._within(value).needed(value[3])
        if code is op.ATOMIC_GROUP:
            return self.needed(value)
        if code in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT):
            return self.needed(value[2]) if value[0] > 0 else []
        parts: list[Tree] = []
        if code is op.BRANCH:
            parts = value[1]
        elif code is op.GROUPREF_EXISTS and value[2] is not None:
            parts = list(value[1:])
        either = self._any([next(iter(rated(self.needed(part))), None) for part in parts]) if parts else None
        return [either] if either else []

    @staticmethod
    def _any(sets: list[Needles | None]) -> Needles | None:
        """Return needles of which one is there whichever alternative it was."""
        joined = _joined(sets)
        return _needles(joined.texts, folded=joined.folded) if joined else None

    def _exact(self, code: object, value: Tree) -> _Exact | None:
        """Return every text that an element can match, None if they are unknown or too many."""
        found: _Exact | None = None
        if code is op.LITERAL:
            found = self._characters([value])
        elif code is op.IN:
            found = self._class(value)
        elif code in (op.AT, op.ASSERT, op.ASSERT_NOT):
            found = _NOTHING
        elif code is op.SUBPATTERN:
            found = self._within(value).sequence(value[3])
        elif code is op.ATOMIC_GROUP:
            found = self.sequence(value)
        elif code is op.BRANCH:
            found = self._union([self.sequence(part) for part in value[1]])
        elif code in (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT) and value[1] <= _WIDEST:
            found = self._repeated(self.sequence(value[2]), int(value[0]), int(value[1]))
        return found

    def sequence(self, tree: Tree) -> _Exact | None:
        """Return every text that a sequence can match."""
        run: _Exact | None = _NOTHING
        for code, value in tree:
            exact = self._exact(code, value)
            run = run.then(exact) if run and exact else None
            if run is None:
                return None
        return run

    def _within(self, subpattern: Tree) -> _Run:
        _, add, remove, _ = subpattern
        folded = bool(add & re.IGNORECASE) or (self._folded and not remove & re.IGNORECASE)
        return self if folded == self._folded else _Run(folded)

    def _class(self, members: Tree) -> _Exact | None:
        codes: list[int] = []
        for code, value in members:
            if code is op.LITERAL:
                codes.append(value)
            elif code is op.RANGE and value[1] - value[0] < _WIDEST:
                codes += range(value[0], value[1] + 1)
            else:
                return None
        return self._characters(codes) if len(codes) <= 2 * _WIDEST else None

    def _characters(self, codes: list[int]) -> _Exact | None:
        return _letters(frozenset(codes), self._folded)

    @staticmethod
    def _union(sets: list[_Exact | None]) -> _Exact | None:
        joined = _joined(sets)
        return joined if joined and len(joined.texts) <= _MOST else None

    @staticmethod
    def _repeated(once: _Exact | None, least: int, most: int) -> _Exact | None:
        if once is None:
            return None
        run: _Exact | None = _NOTHING
        runs: list[_Exact | None] = []
        for times in range(most + 1):
            if times >= least:
                runs.append(run)
            run = run.then(once) if run else None
        return _Run._union(runs)
