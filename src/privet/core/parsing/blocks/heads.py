"""What stands in a log line before its time, and whose it is: the same text whenever the client is.

What a text means is found out once, by the format's own expression. Then it is known again without making anything of
it that Python would have to look at: its bytes are six numbers, which are sought in a hash table of arrays, for all
lines of a block at once. Its hash is of this process alone. Few texts are longer than that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from privet.core.addresses.address import client_key
from privet.core.cache import LONGEST, SIZE
from privet.core.parsing.blocks.columns import Coded, Numbers
from privet.core.parsing.blocks.quads import read_quads

if TYPE_CHECKING:
    import re
    from collections.abc import Sequence

    import numpy.typing as npt

    from privet.core.parsing.blocks.codes import Codes
    from privet.core.parsing.parse import Rows

    Places = npt.NDArray[np.intp]
    Words = npt.NDArray[np.uint64]

NOBODY = 0
"""The place of those who cannot be told here."""

MOST = 2 * SIZE
"""Texts that are remembered, but for those of the last block."""

SHORT = 48
"""Bytes of a text that are six numbers."""

HELD = 8 << 20
"""Bytes of values of another field that are remembered: the name of a site may be what a visitor says."""

TOGETHER = 2048
"""Texts that are looked at together: what is made of more is larger than the CPU's caches, and new memory each time."""

QUAD = len("255.255.255.255")

MOST_RESTS = 1000
"""Texts behind clients that are remembered: most often there is one."""

_WORDS = SHORT // 8
_MASKS = [b"\0" * (SHORT - length) + b"\xff" * length for length in range(SHORT + 1)]
_KEPT = np.frombuffer(b"".join(_MASKS), np.uint64).reshape(-1, _WORDS)
"""By the length of a text: which of the bytes up to its end are its own."""

_MIX = np.array([hash(f"half {place}") for place in range(2 * _WORDS)]).astype(np.uint64)
"""By the halves of words: of sums of these products nobody can tell the upper bits, whatever the halves are."""


class Other:
    """What else than the client stands in texts, by their places: few values, most often."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.held: int  # bytes, or somewhat more
        self._numbers: Numbers
        self._table: npt.NDArray[Any]
        self._of: npt.NDArray[np.int32]  # the number of the value at each place

    def put(self, place: int, value: bytes) -> None:
        """Note the value at a place."""
        self._of[place] = self._numbers[value]
        self.held += len(value)

    def at(self, places: Places) -> Coded:
        """Return the column of the values at some places."""
        if len(self._table) < len(self._numbers):
            self._table = np.array(list(self._numbers), object)
        return Coded(self._table, self._of[places].astype(np.intp))

    def forget(self, size: int) -> None:
        """Begin anew, with so many places."""
        self.held, self._numbers, self._table = 0, Numbers(), np.empty(0, object)
        self._of = np.zeros(size, np.int32)


class _Found:
    """The places of texts, and the rows of those that have none: their words, and which of them are short."""

    def __init__(self, places: Places, rows: Places, words: Words, short: npt.NDArray[np.bool_]) -> None:
        self.places, self.rows, self.words, self.short = places, rows, words, short

    def drop_known(self) -> None:
        """Leave the rows that have no place still."""
        left = (self.places[self.rows] == NOBODY).nonzero()[0]
        self.rows, self.words, self.short = self.rows[left], self.words[left], self.short[left]


class Heads:
    """The clients of texts, and what else stands there, by their places in tables, valid until the next block.

    `head` has a group for each of the fields `named`, of which one is `client`.
    """

    def __init__(self, head: re.Pattern[bytes], named: Sequence[str]) -> None:
        self._head, self._client = head, named.index("client")
        self._groups = [number for number, name in enumerate(named, 1) if name != "client"]
        self._others = [Other(name) for name in named if name != "client"]
        self._rests: set[bytes]  # what may stand behind a client
        self._usual: bytes  # the first of these
        self._known: dict[bytes, int]
        self._keys: npt.NDArray[Any]
        self._words: Words
        self._slots: npt.NDArray[np.int32]
        self._count: int
        self._forget()

    def of(self, codes: Codes, starts: Places, ends: Places) -> Coded:
        """Return the column of the clients' keys of what stands at some places of a block."""
        room = 2 * len(starts)  # for the lines that do not fit, too
        full = self._count >= MOST or self._count + room > len(self._keys)
        if full or any(other.held > HELD for other in self._others):
            self._forget(room)
        if not len(starts):
            return Coded(self._keys, np.empty(0, np.intp))
        found = self._find(codes, starts, ends)
        self._meet(codes, starts, ends, found)
        return Coded(self._keys, found.places)

    def _find(self, codes: Codes, starts: Places, ends: Places) -> _Found:
        """Return the places of short texts, and what is to be known of those that have none yet."""
        places, left = np.zeros(len(starts), np.intp), []
        for start in range(0, len(starts), TOGETHER):
            part = slice(start, start + TOGETHER)
            lengths = ends[part] - starts[part]
            words = codes.before(ends[part], SHORT).view(np.uint64)
            words = words.reshape(-1, _WORDS) & _KEPT.take(np.minimum(lengths, SHORT), axis=0)
            short = (lengths <= SHORT) & (codes.all[starts[part]] != 0)  # as words have zeros before their text, too
            slots = self._slots_of(words)
            same, there = self._are_same(words, slots)
            same &= short
            places[part] = np.where(same, there, NOBODY)
            rest = (~same).nonzero()[0]
            left.append((rest + start, words[rest], slots[rest], short[rest]))
        rows, words, slots, short = (np.concatenate(column) for column in zip(*left, strict=True))
        found = _Found(places, rows, words, short)
        sought = (short & (self._slots[slots] != NOBODY)).nonzero()[0]
        while len(sought):  # in the next slots
            slots = slots[sought] + 1 & len(self._slots) - 1
            words, rows = words[sought], rows[sought]
            same, there = self._are_same(words, slots)
            places[rows[same]] = there[same]
            sought = (~same & (there != NOBODY)).nonzero()[0]
        found.drop_known()
        return found

    def _are_same(self, words: Words, slots: Places) -> tuple[npt.NDArray[np.bool_], Places]:
        """Tell which texts have the places that are in some slots, and return these."""
        there = self._slots[slots].astype(np.intp)
        equal = self._words.take(there, axis=0) == words
        same = equal[:, 0]
        for place in range(1, _WORDS):  # which takes a third of the time of `all`
            same &= equal[:, place]
        return same, there

    def _meet(self, codes: Codes, starts: Places, ends: Places, found: _Found) -> None:
        """Give places to the texts that have none."""
        if not len(found.rows):
            return
        first = self._count
        self._enter_quads(ends[found.rows] - starts[found.rows], found)
        fresh, places = dict[bytes, int](), found.places
        left = (places[found.rows] == NOBODY).nonzero()[0]
        rows = found.rows[left]
        known = (fresh if one else self._known for one in found.short[left].tolist())
        between = zip(known, starts[rows].tolist(), ends[rows].tolist(), strict=True)
        places[rows] = [self._place(there, codes.block[start:end]) for there, start, end in between]
        new = (found.short & (places[found.rows] >= first)).nonzero()[0]
        there = places[found.rows[new]]
        self._words[there] = found.words[new]
        is_new = np.zeros(self._count - first, bool)
        is_new[there - first] = True
        self._remember(is_new.nonzero()[0] + first)

    def _enter_quads(self, lengths: Places, found: _Found) -> None:
        """Give places to IPv4 addresses with nothing but the usual behind them, all at once."""
        size = len(self._usual)
        if not size or size > SHORT - QUAD:
            return
        chars = found.words.view(np.uint8)
        usual = (chars[:, SHORT - size :] == np.frombuffer(self._usual, np.uint8)).all(axis=1)
        some = (found.short & usual & (lengths > size)).nonzero()[0]
        numbers, rows = read_quads(chars[some, SHORT - size - QUAD : SHORT - size], lengths[some] - size)
        each, places = np.unique(numbers, return_inverse=True)
        keys, first = each.astype(">u4").tobytes(), self._count
        self._count += len(each)
        self._keys[first : self._count] = [keys[start : start + 4] for start in range(0, len(keys), 4)]
        found.places[found.rows[some[rows]]] = places + first

    def others(self, places: Places) -> dict[str, Coded]:
        """Return the columns of the other fields at some places."""
        return {one.name: one.at(places) for one in self._others}

    def enter(self, rows: Rows) -> Coded:
        """Return the column of clients of rows that were parsed elsewhere."""
        places = []
        for key, *told in zip(rows.keys, *(rows.column(one.name) for one in self._others), strict=True):
            text = b"\n".join([b"", *told, key])  # as no other text begins
            places.append(self._known.get(text) or self._add(self._known, text, key, told))
        return Coded(self._keys, np.array(places, np.intp))

    def _remember(self, places: Places) -> None:
        """Let places be found by their words."""
        slots = self._slots_of(self._words[places])
        while len(places):
            free = self._slots[slots] == NOBODY
            self._slots[slots[free]] = places[free]
            left = self._slots[slots] != places
            places, slots = places[left], slots[left] + 1 & len(self._slots) - 1

    def _slots_of(self, words: Words) -> Places:
        """Return where texts are sought first."""
        mixed: Words = words.view(np.uint32) @ _MIX
        slots: Places = (mixed >> np.uint64(40)).astype(np.intp)
        return slots & (len(self._slots) - 1)

    def _place(self, known: dict[bytes, int], text: bytes) -> int:
        place = known.get(text)
        if place is not None:
            return place
        client = text.partition(b" ")[0]
        rest, told = text[len(client) :], list[bytes]()
        if rest not in self._rests or b"[" in client:  # behind a client that is first the same may stand whoever it is
            found = self._head.fullmatch(text) if b"[" not in text else None
            if found is None:
                return NOBODY
            told = [found[number] for number in self._groups]
            alone = not told and found.span(1) == (0, len(client))
            if alone and len(self._rests) < MOST_RESTS and len(rest) <= LONGEST:
                self._rests.add(rest)
                self._usual = self._usual or rest
            client = found[self._client + 1]
        key = client_key(client)
        return NOBODY if key is None else self._add(known, text, key, told)

    def _add(self, known: dict[bytes, int], text: bytes, key: bytes, told: Sequence[bytes]) -> int:
        place = self._count
        self._keys[place] = key
        for other, value in zip(self._others, told, strict=True):
            other.put(place, value)
        self._count += 1
        if len(text) <= LONGEST:
            known[text] = place
        return place

    def _forget(self, lines: int = 0) -> None:
        """Begin anew, with room for so many lines; what is not used takes no memory."""
        self._known, self._rests, self._usual = {}, set(), b""
        self._keys = np.empty(MOST + lines, object)
        self._keys[NOBODY], self._count = b"", 1
        for other in self._others:
            other.forget(MOST + lines)
        self._words = np.zeros((MOST + lines, _WORDS), np.uint64)
        self._slots = np.zeros(1 << (3 * (MOST + lines) // 2).bit_length(), np.int32)  # a third of them stay free
