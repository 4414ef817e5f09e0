"""Which rows of a batch are failures of which jail: all predicates of all jails in one pass.

A mask has one bit for each jail. For each field, what a value means for all jails is found out once and remembered,
so that a row costs a few look-ups however many jails there are. What must stand in a value for a regular expression to
match is sought first, for all of them together. An expression that takes too long is ended (`core.filters.watch`): it
does not match then, and sees no value as long as that one any more.
"""

from __future__ import annotations

import re
import sys
from functools import partial
from operator import and_
from typing import TYPE_CHECKING

from ahocorasick_rs import BytesAhoCorasick, Implementation

from privet.core.arrays import np
from privet.core.cache import Cache
from privet.core.filters.trees import needles_of
from privet.core.filters.watch import Watch, penalty
from privet.core.jails import NUMBER_FIELDS, Between, Is, Matches
from privet.core.parsing.texts import MOST
from privet.core.rows.select import PARTS, REQUEST_PARTS, values_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    import numpy.typing as npt

    from privet.core.jails import Predicate, Test
    from privet.core.parsing.parse import Rows
    from privet.core.parsing.texts import Fact, Texts
    from privet.core.rows.facts import Registry

    Places = npt.NDArray[np.intp]

LONGEST = 8192  # bytes of a value that a regular expression sees: its cost must not grow with the line
REMEMBERED = 8192  # values of a field whose masks are kept: user agents repeat, and an attacker may vary them
REQUESTS = 32_768  # likewise, of whole requests
FEW = 64  # rows: below, a look at each costs less than numpy
WORD = 64
_ALL = (1 << WORD) - 1
_SHORTEST = 3  # characters of a text worth seeking
_WHOLE = frozenset(("request", *REQUEST_PARTS))


class Sieve:
    """Answers which rows fulfil all predicates of each jail; a jail without any takes them all.

    With a registry many rows are looked at with numpy, all at once.
    """

    def __init__(self, wanted: Sequence[Sequence[Predicate]], registry: Registry | None = None) -> None:
        self.watch = Watch()
        self._registry = registry
        self._count = len(wanted)
        self._everybody = everybody = (1 << len(wanted)) - 1
        fields: dict[str, list[tuple[int, Predicate]]] = {}
        for number, predicates in enumerate(wanted):
            for predicate in predicates:
                fields.setdefault(predicate.field, []).append((1 << number, predicate))
        self._fields = {field: _Field(field, some, everybody, self.watch) for field, some in fields.items()}
        self._masks = {field: Cache(one, REMEMBERED) for field, one in self._fields.items()}
        self._parts = [(place, self._masks[field]) for place, field in enumerate(REQUEST_PARTS) if field in self._masks]
        self._requests = Cache(self._of_request, REQUESTS)
        self._numbers: dict[int, list[int]] = {}
        self._facts: dict[tuple[str, int], Fact] = {}

    def __call__(self, rows: Rows) -> Sequence[Sequence[int] | Places]:
        """Return the numbers of the rows that count, ascending, for each jail."""
        return self.by_row(rows) if self._registry is None or len(rows) < FEW else self._at_once(rows, self._registry)

    def _at_once(self, rows: Rows, registry: Registry) -> Sequence[Places]:
        """Do as `by_row`, with numpy: a mask is of several words of 64 bits."""
        facts, nothing = registry.facts(rows), np.empty(0, np.intp)
        chosen = [nothing] * self._count
        columns = [(field, *facts.texts(field)) for field, _ in self._columns(rows)]
        for start in range(0, self._count, WORD):
            masks = np.full(len(rows), self._everybody >> start & _ALL, np.uint64)
            for field, texts, numbers in columns:
                masks &= self._fact(field, start, texts)(numbers)
            some = int(np.bitwise_or.reduce(masks))
            while some:
                bit = some & -some
                some ^= bit
                chosen[start + bit.bit_length() - 1] = (masks & np.uint64(bit) != 0).nonzero()[0]
        return chosen

    def _fact(self, field: str, start: int, texts: Texts) -> Fact:
        """Return the 64 bits from one on of the masks of a field's texts."""
        fact = self._facts.get((field, start))
        if fact is None:
            cache = self._requests if field == "request" else self._masks[field]
            fact = self._facts[field, start] = texts.fact(lambda text: cache[text] >> start & _ALL, np.uint64, MOST)
        return fact

    def by_row(self, rows: Rows) -> list[list[int]]:
        """Return the same, found out one by one: what few rows bring is not worth an array."""
        chosen: list[list[int]] = [[] for _ in range(self._count)]
        everything = range(len(rows))
        masks = [self._everybody] * len(rows)
        for field, cache in self._columns(rows):
            column = rows.column("request") if field == "request" else values_of(rows, field, everything)
            masks = list(map(and_, masks, map(cache.__getitem__, column)))
        numbers = self._numbers
        for row, mask in enumerate(masks):
            if mask:
                for number in numbers.get(mask) or self._numbers_of(mask):
                    chosen[number].append(row)
        return chosen

    @property
    def matches(self) -> bool:
        """Whether there are regular expressions at all."""
        return any(field.expressions for field in self._fields.values())

    @property
    def slow(self) -> list[str]:
        """What took too long, and what that means for it."""
        told = [(field, one) for field, each in self._fields.items() for one in each.expressions]
        return [
            f"{field}: the regular expression {one.text} {penalty(one.longest)}" for field, one in told if one.overruns
        ]

    def _columns(self, rows: Rows) -> list[tuple[str, Cache[int]]]:
        """Return the columns to look at; method, path and query go together where the log has whole requests."""
        others = [(field, cache) for field, cache in self._masks.items() if field not in REQUEST_PARTS]
        if not self._parts:
            return others
        if "request" in rows.columns and len(_WHOLE & rows.columns.keys()) == 1:
            return [("request", self._requests), *others]
        return list(self._masks.items())

    def _of_request(self, request: bytes) -> int:
        parts, mask = PARTS[request[:MOST]], self._everybody
        for place, masks in self._parts:
            mask &= masks[parts[place]]
        return mask

    def _numbers_of(self, mask: int) -> list[int]:
        if len(self._numbers) >= REMEMBERED:
            self._numbers.clear()
        found = self._numbers[mask] = [number for number in range(self._count) if mask >> number & 1]
        return found


class _Expression:
    """A regular expression on values of a field, matched under watch."""

    def __init__(self, text: str, watch: Watch) -> None:
        self.text, self.longest, self.overruns = text, sys.maxsize, 0
        self._search, self._watch = re.compile(text.encode()).search, watch

    def __call__(self, value: bytes) -> object:
        """Tell whether it is found."""
        return self._watch.look(self, self._search, value)


class _Field:
    """What a value of one field means for all jails: the mask of those whose predicates on it hold.

    Tests have bits of their own; one that several predicates share is asked once.
    """

    def __init__(self, field: str, predicates: Sequence[tuple[int, Predicate]], everybody: int, watch: Watch) -> None:
        self._lower = field == "host"
        self._everybody = everybody
        self._masks: dict[int, int] = {}  # by the bits of the tests that hold
        convert = _number if field in NUMBER_FIELDS else partial(_text, watch)
        tests = dict.fromkeys(test for _, one in predicates for test in one.any + one.none)
        bits = {test: 1 << place for place, test in enumerate(tests)}
        self._tests = {bits[test]: convert(test) for test in tests}
        self.expressions = [one for one in self._tests.values() if isinstance(one, _Expression)]
        self._wanted = [
            (bit, sum(bits[test] for test in set(one.any)), sum(bits[test] for test in set(one.none)))
            for bit, one in predicates
        ]
        needed = {test: _needed(test) for test in tests}
        self._always = [(bits[test], self._tests[bits[test]]) for test in tests if not needed[test]]
        needles: dict[bytes, int] = {}
        for test in tests:
            for text in needed[test]:
                needles[text] = needles.get(text, 0) | bits[test]
        self._needles = list(needles.values())
        self._search = BytesAhoCorasick(list(needles), implementation=Implementation.DFA) if needles else None

    def __call__(self, value: bytes) -> int:
        held = self._held(value[:LONGEST].lower() if self._lower else value[:LONGEST])
        mask = self._masks.get(held)
        return self._mask_of(held) if mask is None else mask

    def _mask_of(self, held: int) -> int:
        mask = self._everybody
        for bit, some, none in self._wanted:
            if held & none or (some and not held & some):
                mask &= ~bit
        if len(self._masks) >= REMEMBERED:
            self._masks.clear()
        self._masks[held] = mask
        return mask

    def _held(self, text: bytes) -> int:
        """Return the bits of the tests that hold."""
        held = due = 0
        if self._search is not None:
            for number, _, _ in self._search.find_matches_as_indexes(text.lower(), overlapping=True):
                due |= self._needles[number]
        for bit, test in self._always:
            if test(text):
                held |= bit
        while due:
            bit = due & -due
            due ^= bit
            if self._tests[bit](text):
                held |= bit
        return held


def _needed(test: Test) -> Collection[bytes]:
    """Return texts, in small letters, of which one is in every value for which a test holds; none: unknown."""
    found: Collection[str] = ()
    if isinstance(test, Is) and len(test.text) >= _SHORTEST:
        found = (test.text,)
    elif isinstance(test, Matches) and test.regex.isascii():
        found = next((needles.texts for needles in needles_of(test.regex)), ())
    return [text.encode().lower() for text in found]


def _text(watch: Watch, test: Test) -> Callable[[bytes], object]:
    if isinstance(test, Is):
        return test.text.encode().__eq__
    if isinstance(test, Matches):
        return _Expression(test.regex, watch)
    raise TypeError("a text is not between numbers")


def _number(test: Test) -> Callable[[bytes], object]:
    if not isinstance(test, Between):
        raise TypeError("a number is compared with numbers")
    low, high = test.low, test.high
    return lambda value: value.isdigit() and low <= int(value[:20]) <= high
