"""Parse blocks of an access log with numpy: the same as `core.parse` does with regular expressions, only faster.

Of all bytes only quotes and line feeds are looked at one by one. What is taken here is certain:
- a line has just the quotes of its format, and none of them is escaped;
- right before the first one stands a time as %t writes it, and nowhere before another bracket;
- between the others stands what the format has there, byte by byte.
What is before the time is the same text whenever the client is: what it means is found out once, by the format's own
expression, and remembered. Every other line goes the exact way, alone; when there are many, the whole block does.
"""

from __future__ import annotations

from array import array
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from privet.core.address import client_key
from privet.core.cache import LONGEST, SIZE
from privet.core.coded import Coded
from privet.core.leeches import numbers
from privet.core.parse import Rows

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    import numpy.typing as npt

    from privet.core.layout import Layout

    Codes = npt.NDArray[np.uint8]
    Places = npt.NDArray[np.intp]
    Mask = npt.NDArray[np.bool_]
    Columns = dict[str, npt.NDArray[Any]]

_ODD = 8  # where more than one line of so many is odd, a block goes the other way

_NEWLINE, _QUOTE, _BACKSLASH, _SPACE, _DASH, _ZERO = b'\n"\\ -0'
_STAMP = len("27/Jun/2019:13:46:40 +0000")
_DIGITS = 10  # of a size, at most
_PAD = b" " * 64  # so that there is something on either side of every quote
_NOBODY, _ROOM = 0, 4096
_FREED = 1 << 24  # bytes, never touched: see M_MMAP_THRESHOLD in mallopt(3)

_HELD = np.arange(_DIGITS) >= _DIGITS - np.arange(_DIGITS + 1)[:, None]  # by length: which of the digits are there
_WORTH = 10.0 ** np.arange(_DIGITS - 1, -1, -1)
_STATUSES = np.array([b"%03d" % status for status in range(1000)], object)


class Blockwise:
    """Takes columns out of blocks; `exact` parses what does not fit, `seconds` knows what time a stamp is."""

    def __init__(
        self,
        shape: Layout,
        want: frozenset[str],
        seconds: Mapping[bytes, float | None],
        exact: Callable[[bytes], Rows],
    ) -> None:
        self._shape, self._want, self._seconds, self._exact = shape, want, seconds, exact
        self._quotes = 2 * len(shape.gaps)
        self._clients = _Clients(shape.head)
        self._room = np.empty((2, 0), bool)
        np.empty(
            _FREED, bool
        )  # glibc learns by it to keep what is freed: the kernel need not hand it out for each block

    def parse(self, block: bytes) -> Rows | None:
        """Return the rows of a block; None when too many lines do not fit."""
        text = b"%b%b%b" % (_PAD, block, _PAD)
        codes = np.frombuffer(text, np.uint8)
        places, total = self._places(codes)
        lines, starts, marks = self._lines(codes, places, total)
        columns, odd = self._numbers(text, codes, marks)
        odd |= ~self._fits(text, codes, starts, marks)
        lines, marks, columns = _chosen(~odd, lines, marks, columns)
        if (total - len(lines)) * _ODD > total:
            return None
        stamps = marks[0] - _STAMP - 2
        keys = self._clients.of(_heads(codes, stamps, lines, total))
        columns["keys"] = keys.places
        known = self._times(text, stamps, columns)
        good = (keys.places != _NOBODY) & ~np.isnan(columns["times"])
        lines, marks, columns = _chosen(good, lines, marks, columns)
        if (total - len(lines)) * _ODD > total:
            return None
        rows = self._rows(text, marks, columns, {"keys": keys.table, "stamp": known, "status": _STATUSES})
        rows.lines = total
        if len(lines) < total:
            self._add_odd(block, lines, rows)
        return rows

    def _rows(self, text: bytes, marks: Places, columns: Columns, tables: Mapping[str, npt.NDArray[Any]]) -> Rows:
        rows = Rows(len(marks[0]))
        kinds = {"size": "q", "times": "d"}
        made: dict[str, Any] = {
            name: Coded(tables[name], column) if name in tables else array(kinds[name], column.tobytes())
            for name, column in columns.items()
        }
        rows.keys, rows.times = made.pop("keys"), made.pop("times")
        for name in self._want & self._shape.quoted.keys():
            first, last = 2 * self._shape.quoted[name], 2 * self._shape.quoted[name] + 1
            between = zip((marks[first] + 1).tolist(), marks[last].tolist(), strict=True)
            made[name] = [text[start:end] for start, end in between]
        rows.columns = made
        return rows

    def _places(self, codes: Codes) -> tuple[Places, int]:
        """Return where quotes and line feeds stand, and how many lines these end."""
        if len(codes) > self._room.shape[1]:
            self._room = np.empty((2, 2 * len(codes)), bool)
        quotes, feeds = self._room[:, : len(codes)]
        np.equal(codes, _QUOTE, out=quotes)
        np.equal(codes, _NEWLINE, out=feeds)
        lines = int(np.count_nonzero(feeds))
        np.logical_or(quotes, feeds, out=quotes)
        return np.flatnonzero(quotes), lines

    def _lines(self, codes: Codes, places: Places, total: int) -> tuple[Places, Places, Places]:
        """Return which lines have as many quotes as the format, where they begin, and their quotes and line feeds."""
        width = self._quotes + 1
        if len(places) == total * width and np.all(codes[places[width - 1 :: width]] == _NEWLINE):
            marks = places.reshape(total, width).T
            return np.arange(total), np.concatenate(([len(_PAD)], marks[-1][:-1] + 1)), marks
        ends = np.flatnonzero(codes[places] == _NEWLINE)
        lines = np.flatnonzero(np.diff(ends, prepend=-1) == width)
        starts = np.concatenate(([len(_PAD)], places[ends[:-1]] + 1))[lines]
        return lines, starts, places[ends[lines] + np.arange(-self._quotes, 1)[:, None]]

    def _fits(self, text: bytes, codes: Codes, starts: Places, marks: Places) -> Mask:
        """Tell which lines have around their quotes what the format has there."""
        first = marks[0]
        fits: Mask = first - _STAMP - 3 > starts
        for back, byte in zip((1, 2, _STAMP + 3), b" ][", strict=True):
            fits &= codes[first - back] == byte
        for number, gap in enumerate(self._shape.gaps):
            before, after = marks[2 * number + 1], marks[2 * number + 2]
            if number != self._shape.numbers:
                fits &= after - before == len(gap) + 1
            for back, byte in enumerate(reversed(gap), 1):
                fits &= codes[after - back] == byte
        if b"\\" in text:
            for mark in marks[:-1]:
                fits &= codes[mark - 1] != _BACKSLASH
        return fits

    def _numbers(self, text: bytes, codes: Codes, marks: Places) -> tuple[Columns, Mask]:
        """Return the columns of status and size, and which lines have no such numbers."""
        if self._shape.numbers is None:
            return {}, np.zeros(len(marks[0]), bool)
        place = self._shape.numbers
        begin, end = marks[2 * place + 1], marks[2 * place + 2] - len(self._shape.gaps[place])
        odd = (codes[begin + 1] != _SPACE) | (codes[begin + 5] != _SPACE)
        status = np.zeros(len(begin), np.intp)
        for digit in (codes[begin + place] - np.uint8(_ZERO) for place in (2, 3, 4)):
            odd |= digit > 9
            status = status * 10 + digit
        length = end - begin - 6
        odd |= (length < 1) | (length > _DIGITS)
        digits = np.ndarray(len(text) - _DIGITS + 1, f"V{_DIGITS}", text, strides=1)[end - _DIGITS]
        values = digits.view(np.uint8).reshape(-1, _DIGITS) - np.uint8(_ZERO)
        values *= _HELD[length.clip(0, _DIGITS)]
        values[(length == 1) & (codes[end - 1] == _DASH)] = 0
        if (values > 9).any():
            odd |= (values > 9).any(axis=1)
        columns = {"status": status, "size": (values @ _WORTH).astype(np.int64)}
        return {name: column for name, column in columns.items() if name in self._want}, odd

    def _times(self, text: bytes, stamps: Places, columns: Columns) -> npt.NDArray[Any]:
        """Add times, NaN where they cannot be read, and stamps, by their places in what is returned."""
        written = np.ndarray(len(text) - _STAMP + 1, f"S{_STAMP}", text, strides=1)[stamps]
        begins = np.concatenate(([0], np.flatnonzero(written[1:] != written[:-1]) + 1))
        runs = np.diff(begins, append=len(stamps))
        known = [text[start : start + _STAMP] for start in stamps[begins].tolist()]
        seconds = np.array([self._seconds[stamp] for stamp in known], float)
        columns["times"] = np.repeat(seconds, runs)
        columns["stamp"] = np.repeat(np.arange(len(known)), runs)
        return np.array(known, object)

    def _add_odd(self, block: bytes, lines: Places, rows: Rows) -> None:
        """Add the lines that are not among those taken, each at its place."""
        texts = block.split(b"\n")
        others = np.setdiff1d(np.arange(rows.lines), lines)
        parts = self._parts([texts[number] + b"\n" for number in others.tolist()])
        fits = np.repeat([bool(part) for part in parts], [part.lines for part in parts])
        order = np.argsort(np.concatenate((lines, others[fits]))).tolist()
        for part in parts:
            rows.bad += part.bad
            rows.ignored += part.ignored
        rows.keys = _put(order, rows.keys, *(part.keys for part in parts))
        rows.times = _put(order, rows.times, *(part.times for part in parts))
        for name, column in rows.columns.items():
            rows.columns[name] = _put(order, column, *(_like(name, part) for part in parts))

    def _parts(self, lines: Sequence[bytes]) -> list[Rows]:
        """Return the rows of lines in parts, of each of which all lines or none have a row."""
        rows = self._exact(b"".join(lines))
        if len(rows) in (0, len(lines)):
            return [rows]
        half = len(lines) // 2
        return [*self._parts(lines[:half]), *self._parts(lines[half:])]


def _put(order: Sequence[int], *columns: Sequence[Any]) -> list[Any]:
    """Return the values of columns that follow one another, in an order."""
    values = list(chain(*columns))
    return [values[place] for place in order]


class _Clients(dict[bytes, int]):
    """Numbers of the texts before the time, valid until the next block, and the keys of their clients."""

    def __init__(self, head: re.Pattern[bytes]) -> None:
        super().__init__()
        self._head, self._count = head, 1
        self._keys = _no_keys()

    def of(self, texts: Sequence[bytes]) -> Coded:
        """Return the column of the clients' keys; at `_NOBODY` is the one of those who cannot be told here."""
        if self._count >= SIZE:
            self.clear()
            self._keys, self._count = _no_keys(), 1
        places = np.fromiter(map(self.__getitem__, texts), np.intp, len(texts))
        return Coded(self._keys, places)

    def __missing__(self, text: bytes) -> int:
        found = self._head.fullmatch(text) if b"[" not in text else None
        key = (found and client_key(found[1])) or None
        if key is None:
            return _NOBODY
        number = self._count
        if number == len(self._keys):
            self._keys = np.concatenate((self._keys, np.full(number, None)))
        self._keys[number] = key
        self._count += 1
        if len(text) <= LONGEST:
            self[text] = number
        return number


def _no_keys() -> npt.NDArray[Any]:
    keys = np.full(_ROOM, None)
    keys[_NOBODY] = b""
    return keys


def _like(name: str, one: Rows) -> Sequence[Any]:
    """Return a column of odd lines as that of the others is: sizes are numbers."""
    return numbers(one.column(name)) if name == "size" else one.column(name)


def _chosen(good: Mask, lines: Places, marks: Places, columns: Columns) -> tuple[Places, Places, Columns]:
    """Return what belongs to good lines."""
    if good.all():
        return lines, marks, columns
    return lines[good], marks[:, good], {name: column[good] for name, column in columns.items()}


def _heads(codes: Codes, stamps: Places, lines: Places, total: int) -> list[bytes]:
    """Return what stands before the bracket of the times of some lines: nothing cuts text as fast as `split`."""
    cut = codes.copy()
    cut[stamps - 1] = _NEWLINE
    pieces = cut[len(_PAD) : -len(_PAD)].tobytes().split(b"\n")
    if len(lines) == total:
        return pieces[:-1:2]
    return [pieces[place] for place in (lines + np.arange(len(lines))).tolist()]
