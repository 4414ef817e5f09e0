"""What stands in a log line before its time, and whose it is: the same text whenever the client is.

What a text means is found out once, by the format's own expression. Then it is known again without making anything of
it that Python would have to look at: its bytes are six numbers, which are sought in a hash table of arrays, for all
lines of a block at once. Its hash is of this process alone. Few texts are longer than that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from privet.core.address import client_key
from privet.core.cache import LONGEST, SIZE
from privet.core.columns import Coded, Numbers

if TYPE_CHECKING:
    import re
    from collections.abc import Sequence

    import numpy.typing as npt

    from privet.core.codes import Codes
    from privet.core.parse import Rows

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


class Heads:
    """The clients of texts, and what else stands there, by their places in tables, valid until the next block.

    `head` has a group for each of the fields `named`, of which one is `client`.
    """

    def __init__(self, head: re.Pattern[bytes], named: Sequence[str]) -> None:
        self._head, self._client = head, named.index("client")
        self._groups = [number for number, name in enumerate(named, 1) if name != "client"]
        self._others = [Other(name) for name in named if name != "client"]
        self._rests: set[bytes]  # what may stand behind a client
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
        parts = [slice(start, start + TOGETHER) for start in range(0, len(starts), TOGETHER)]
        places = [self._of(codes, starts[part], ends[part]) for part in parts]
        return Coded(self._keys, np.concatenate(places) if places else np.empty(0, np.intp))

    def _of(self, codes: Codes, starts: Places, ends: Places) -> Places:
        lengths = ends - starts
        words = codes.before(ends, SHORT).view(np.uint64)
        words = words.reshape(-1, _WORDS) & _KEPT.take(np.minimum(lengths, SHORT), axis=0)
        places = self._find(words)
        short = (lengths <= SHORT) & (codes.all[starts] != 0)  # as the words have nothing but zeros before their text
        places[~short] = NOBODY
        unknown = np.flatnonzero(places == NOBODY)
        if len(unknown):
            first, fresh = self._count, dict[bytes, int]()
            known = (fresh if one else self._known for one in short[unknown].tolist())
            between = zip(known, starts[unknown].tolist(), ends[unknown].tolist(), strict=True)
            places[unknown] = [self._place(there, codes.block[start:end]) for there, start, end in between]
            unknown = unknown[(places[unknown] >= first) & short[unknown]]
            self._words[places[unknown]] = words[unknown]
            self._remember(np.unique(places[unknown]))
        return places

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

    def _find(self, words: Words) -> Places:
        """Return the places of short texts."""
        places = np.zeros(len(words), np.intp)
        rows, slots = np.arange(len(words)), self._slots_of(words)
        while len(rows):
            found = self._slots[slots]
            equal = self._words.take(found, axis=0) == words
            same = equal[:, 0]
            for place in range(1, _WORDS):  # which takes a third of the time of `all`
                same &= equal[:, place]
            places[rows[same]] = found[same]
            left = np.flatnonzero(~same & (found != NOBODY))
            rows, words, slots = rows[left], words.take(left, axis=0), slots[left] + 1 & len(self._slots) - 1
        return places

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
        self._known, self._rests = {}, set()
        self._keys = np.empty(MOST + lines, object)
        self._keys[NOBODY], self._count = b"", 1
        for other in self._others:
            other.forget(MOST + lines)
        self._words = np.zeros((MOST + lines, _WORDS), np.uint64)
        self._slots = np.zeros(1 << (3 * (MOST + lines) // 2).bit_length(), np.int32)  # a third of them stay free
