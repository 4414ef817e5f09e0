"""Parse blocks of an access log with numpy: as `core.parsing.parse` does with regular expressions, only faster.

Of all bytes only quotes and line feeds are looked at one by one. What is taken here is certain:
- a line has just the quotes of its format, and none of them is escaped;
- right before the first one stands a time as %t writes it, and nowhere before another bracket;
- between the others stands what the format has there, byte by byte.
What is before the time is the same text whenever the client is: what it means is found out once, by the format's own
expression, and remembered. Every other line goes the exact way, alone; when there are many, the whole block does.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

import numpy as np

from privet.core.parsing.blocks.codes import Codes
from privet.core.parsing.blocks.columns import NONE, Coded, Counts
from privet.core.parsing.blocks.heads import NOBODY, Heads
from privet.core.parsing.blocks.layout import DURATION
from privet.core.parsing.blocks.pieces import Pieces
from privet.core.parsing.parse import Rows, together

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    import numpy.typing as npt

    from privet.core.parsing.blocks.layout import Layout

    Bytes = npt.NDArray[np.uint8]
    Places = npt.NDArray[np.intp]
    Mask = npt.NDArray[np.bool_]
    Columns = dict[str, npt.NDArray[Any]]
    Table = npt.NDArray[Any]

_ODD = 8  # where more than one line of so many is odd, a block goes the other way

_NEWLINE, _QUOTE, _BACKSLASH, _SPACE, _DASH, _ZERO = b'\n"\\ -0'
_STAMP = len("27/Jun/2019:13:46:40 +0000")
_DIGITS = 8  # of a size, at most, to be taken at once
_MOST_DIGITS = 12  # of one that has a place in a column: a sum of them fits, too

_HELD = np.array([(1 << 64) - (1 << 8 * (8 - length)) for length in range(8)] + [(1 << 64) - 1], np.uint64)
"""By length: which bytes of eight are there, if it is the last ones, as a processor with little end first sees them."""

_ZEROS, _SIX, _HIGH = (np.uint64(int(byte * 8, 16)) for byte in ("30", "06", "f0"))
_PAIR = np.uint64(0x000000FF_000000FF)
_PIECE = 1 << 16  # bytes that are looked at together: that fits into the CPU's caches
_LONGEST = 16  # characters of a duration
_OF_DURATIONS = np.isin(np.arange(256), np.frombuffer(DURATION, np.uint8))
_STATUSES = np.array([*(b"%03d" % status for status in range(1000)), b"-"], object)


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
        self._quoted = {name: shape.quoted[name] for name in sorted(want & shape.quoted.keys())}
        self._codes, self._heads = Codes(), Heads(shape.head, shape.named)
        self._timed = {name: place for place, (_, name) in shape.durations.items() if name in want}

    def parse(self, block: bytes) -> Rows | None:
        """Return the rows of a block; None when too many lines do not fit."""
        self._codes.take(block)
        codes = self._codes.all
        places = _marks(codes[: len(block)])
        lines, starts, marks, total = self._lines(codes, places)
        columns, odd = self._numbers(codes, marks)
        fits = ~odd & self._fits(block, codes, starts, marks)
        lines, marks, columns = _chosen(fits, lines, marks, columns)
        if (total - len(lines)) * _ODD > total:
            return None
        stamps = marks[0] - _STAMP - 2
        keys = self._heads.of(self._codes, starts[fits], stamps - 1)
        columns["keys"] = keys.places
        tables = {"keys": keys.table, "stamp": self._times(stamps, columns), "status": _STATUSES}
        good = (keys.places != NOBODY) & ~np.isnan(columns["times"])
        lines, marks, columns = _chosen(good, lines, marks, columns)
        if (total - len(lines)) * _ODD > total:
            return None
        rows, timed = Rows(total), {name: self._between(*self._duration(marks, at)) for name, at in self._timed.items()}
        pieces = Pieces(block, marks, self._quoted, regular=len(places) == len(marks) * len(lines))
        if len(lines) < total and not self._add_odd(block, lines, rows, columns, tables, timed, pieces):
            return None
        rows.columns = {**pieces.columns, **timed, **self._heads.others(columns["keys"])}
        rows.keys, rows.times = Coded(tables["keys"], columns.pop("keys")), array("d", columns.pop("times").tobytes())
        for name, column in columns.items():
            rows.columns[name] = Coded(tables[name], column) if name in tables else Counts(column)
        return rows

    def _between(self, starts: Places, ends: Places) -> list[bytes]:
        block = self._codes.block
        return [block[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]

    def _duration(self, marks: Places, place: int) -> tuple[Places, Places]:
        """Return where durations begin and end."""
        before, after = len(self._shape.durations[place][0]), len(self._shape.gaps[place])
        return marks[2 * place + 1] + (1 + before), marks[2 * place + 2] - after

    def _lines(self, codes: Bytes, places: Places) -> tuple[Places, Places, Places, int]:
        """Return which lines have as many quotes as the format, where they begin, their quotes and line feeds.

        And how many lines there are.
        """
        width, is_end = self._quotes + 1, codes[places] == _NEWLINE
        total = int(np.count_nonzero(is_end))
        if len(places) == total * width and is_end[width - 1 :: width].all():
            marks = places.reshape(total, width).T
            return np.arange(total), np.concatenate(([0], marks[-1][:-1] + 1)), marks, total
        ends = is_end.nonzero()[0]
        lines = np.flatnonzero(np.diff(ends, prepend=-1) == width)
        starts = np.concatenate(([0], places[ends[:-1]] + 1))[lines]
        return lines, starts, places[ends[lines] + np.arange(-self._quotes, 1)[:, None]], total

    def _fits(self, block: bytes, codes: Bytes, starts: Places, marks: Places) -> Mask:
        """Tell which lines have around their quotes what the format has there."""
        first = marks[0]
        fits: Mask = first - _STAMP - 3 > starts
        for back, byte in zip((1, 2, _STAMP + 3), b" ][", strict=True):
            fits &= codes[first - back] == byte
        for number, gap in enumerate(self._shape.gaps):
            before, after = marks[2 * number + 1], marks[2 * number + 2]
            if number in self._shape.durations:
                fits &= self._are_durations(codes, before, *self._duration(marks, number), number)
            elif number != self._shape.numbers:
                fits &= after - before == len(gap) + 1
            for back, byte in enumerate(reversed(gap), 1):
                fits &= codes[after - back] == byte
        if b"\\" in block:
            for mark in marks[:-1]:
                fits &= codes[mark - 1] != _BACKSLASH
        return fits

    def _are_durations(self, codes: Bytes, before: Places, starts: Places, ends: Places, place: int) -> Mask:
        """Tell where nothing but a duration stands behind its text."""
        lengths = ends - starts
        fits: Mask = (lengths > 0) & (lengths <= _LONGEST)
        for number, byte in enumerate(self._shape.durations[place][0], 1):
            fits &= codes[before + number] == byte
        texts = self._codes.before(ends, _LONGEST).view(np.uint8).reshape(-1, _LONGEST)
        within = np.arange(_LONGEST, 0, -1) <= lengths[:, None]
        return fits & (_OF_DURATIONS[texts] | ~within).all(axis=1)

    def _numbers(self, codes: Bytes, marks: Places) -> tuple[Columns, Mask]:
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
        odd |= (length < 1) | (length > _DIGITS) | ((length > 1) & (codes[begin + 6] == _ZERO))
        digits = self._codes.before(end, _DIGITS).view(np.uint64)
        dashes = (length == 1) & (codes[end - 1] == _DASH)
        sizes, is_odd = _values(digits, np.where(dashes, 0, length.clip(0, _DIGITS)))
        sizes[dashes] = NONE
        columns = {"status": status, "size": sizes}
        return {name: column for name, column in columns.items() if name in self._want}, odd | is_odd

    def _times(self, stamps: Places, columns: Columns) -> Table:
        """Add times, NaN where they cannot be read, and stamps, by their places in what is returned."""
        written = self._codes.before(stamps + _STAMP, 32).view(np.uint64)
        written = written.reshape(-1, 4)  # with some bytes before it
        other = written[1:] != written[:-1]
        begins = np.concatenate(([0], np.flatnonzero(other[:, 0] | other[:, 1] | other[:, 2] | other[:, 3]) + 1))
        runs = np.diff(begins, append=len(stamps))
        known = [self._codes.block[start : start + _STAMP] for start in stamps[begins].tolist()]
        seconds = np.array([self._seconds[stamp] for stamp in known], float)
        columns["times"] = np.repeat(seconds, runs)
        columns["stamp"] = np.repeat(np.arange(len(known)), runs)
        return np.array(known, object)

    def _add_odd(  # noqa: PLR0913, PLR0917  what is known of a block
        self,
        block: bytes,
        lines: Places,
        rows: Rows,
        columns: Columns,
        tables: dict[str, Table],
        timed: dict[str, list[bytes]],
        pieces: Pieces,
    ) -> bool:
        """Add the lines that are not among those taken, each at its place; False if a number has no room here."""
        split = block.split(b"\n")
        is_other = np.ones(rows.lines, bool)
        is_other[lines] = False
        others = is_other.nonzero()[0]
        parts = self._parts([split[number] + b"\n" for number in others.tolist()])
        fits = np.repeat([bool(part) for part in parts], [part.lines for part in parts])
        order = np.argsort(np.concatenate((lines, others[fits])))
        odd = together(parts)
        rows.bad, rows.ignored = odd.bad, odd.ignored
        sizes, statuses = _numbers(odd.column("size"), _MOST_DIGITS), _numbers(odd.column("status"), 3)
        if list(Counts(sizes)) != list(odd.column("size")):
            return False
        keys = self._heads.enter(odd)
        more = {
            "keys": keys.places,
            "times": np.array(odd.times, float),
            "stamp": np.arange(len(tables["stamp"]), len(tables["stamp"]) + len(odd)),
            "status": statuses % len(_STATUSES),  # so that none has the last place
            "size": sizes,
        }
        tables["stamp"] = np.concatenate((tables["stamp"], np.array(odd.column("stamp"), object)))
        for name, column in columns.items():
            columns[name] = np.concatenate((column, more[name]))[order]
        for name, values in timed.items():
            both = [*values, *odd.column(name)]
            timed[name] = [both[place] for place in order.tolist()]
        pieces.add({name: odd.column(name) for name in self._quoted}, order)
        return True

    def _parts(self, lines: Sequence[bytes]) -> list[Rows]:
        """Return the rows of lines in parts, of each of which all lines or none have a row."""
        rows = self._exact(b"".join(lines))
        if len(rows) in (0, len(lines)):
            return [rows]
        half = len(lines) // 2
        return [*self._parts(lines[:half]), *self._parts(lines[half:])]


def _marks(codes: Bytes) -> Places:
    """Return where quotes and line feeds stand."""
    found = []
    for start in range(0, len(codes), _PIECE):
        piece = codes[start : start + _PIECE]
        marks = piece == _QUOTE
        marks |= piece == _NEWLINE
        found.append(marks.nonzero()[0] + start)
    return np.concatenate(found)


def _values(digits: npt.NDArray[np.uint64], lengths: Places) -> tuple[Places, Mask]:
    """Return the numbers that the last of eight digits make, so many of each, and which of them are no digits.

    Two digits are put together in each step, as in https://kholdstare.github.io/technical/2020/05/26/faster-integer-parsing.html.
    """
    kept = _HELD[lengths]
    digits = (digits & kept | _ZEROS & ~kept) ^ _ZEROS
    odd = (digits | digits + _SIX) & _HIGH != 0
    digits = digits * np.uint64(10) + (digits >> np.uint64(8))
    high = (digits & _PAIR) * np.uint64(100 + (1_000_000 << 32))
    low = (digits >> np.uint64(16) & _PAIR) * np.uint64(1 + (10_000 << 32))
    return (high + low >> np.uint64(32)).astype(np.intp), odd


def _numbers(texts: Sequence[bytes], digits: int) -> Places:
    """Return the numbers of so many digits, `NONE` for what is none."""
    return np.array([int(text[:digits]) if text.isdigit() else NONE for text in texts], np.intp)


def _chosen(good: Mask, lines: Places, marks: Places, columns: Columns) -> tuple[Places, Places, Columns]:
    """Return what belongs to good lines."""
    if good.all():
        return lines, marks, columns
    return lines[good], marks[:, good], {name: column[good] for name, column in columns.items()}
