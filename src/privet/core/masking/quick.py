"""Replace words that have a spot with numpy: as `core.masking.scrub` does with regular expressions, only faster.

Only the rare bytes are looked at: where dots, colons, dashes and percent signs stand, and how far apart. Being a few
too many does no harm, since a word without a spot is never changed. What parts a word from its neighbours becomes a
zero byte for as long as the text is in pieces, because nothing cuts and joins as fast as `split` and `join`. Nothing
imports this module but what has many lines to scrub.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from privet.core.masking.scrub import CLIENT, CLIENTS, CLOSE, IN_WORDS, pieced
from privet.core.masking.scrub import replaced as by_expression

if TYPE_CHECKING:
    import numpy.typing as npt

    from privet.core.masking.scrub import Words

    Codes = npt.NDArray[np.uint8]
    Places = npt.NDArray[np.intp]

_NOWHERE = np.empty(0, np.intp)
_NEWLINE = ord("\n")
FEW = 2048  # bytes: below, starting numpy costs more than it saves

_QUAD = 13  # bytes from the first dot, or dash, to the third, at most 12: .00255.00255.0
_COLONS, _DASHES = 25, 30  # bytes from the first to the sixth colon, or seventh dash, of an IPv6 address, at most
_RUN = 32  # digits of an address without anything between
_LOOKED_AT = np.array((1, 16, 8, 24, 4, 28))  # which of them we look at
_SIDE = 32  # bytes on either side of a spot among which the ends of its word are looked for first
_EDGE = b"\n" * _SIDE  # so that there is something on either side of every spot

_DIGIT, _HEX = np.zeros(256, bool), np.zeros(256, bool)
_DIGIT[list(b"0123456789")] = True
_HEX[list(b"0123456789abcdefABCDEF")] = True
_DIGIT_OR_DOT = _DIGIT.copy()
_DIGIT_OR_DOT[ord(".")] = True
_ENCODING = np.zeros(256, bool)
_ENCODING[list(b"2346")] = True
_OUTSIDE = bytes(not inside for inside in IN_WORDS)


def replaced(data: bytes, masked: Words, few: int = FEW) -> bytes:
    """Return a text, of which `masked` tells what the words become that may have a spot; up to `few` bytes slowly."""
    if len(data) <= few or b"\0" in data:
        return by_expression(data, masked)
    text = b"%b%b%b" % (_EDGE, data, _EDGE)
    codes = np.frombuffer(text, np.uint8)
    places = np.concatenate((_dots(codes), _colons(codes), _dashes(codes), _percents(text, codes)))
    if not places.size:
        return data
    places.sort(kind="stable")  # which makes use of the order that there is
    starts, ends = _words(text, places)
    for number in np.flatnonzero(codes[ends] == CLOSE).tolist():
        if text[starts[number] - 8 : starts[number]] in CLIENTS:
            starts[number] -= CLIENT
    befores = starts - 1
    if np.any(befores[1:] == ends[:-1]):  # one byte parts two words
        return pieced(data, (starts - _SIDE).tolist(), (ends - _SIDE).tolist(), masked)
    return _pieced(codes, befores, ends, masked)


def lines(block: bytes) -> int:
    """Return how many newlines a block has."""
    return int(np.count_nonzero(np.frombuffer(block, np.uint8) == _NEWLINE))


def all_begin(block: bytes, text: bytes) -> bool:
    """Tell whether all of whole lines begin with a text."""
    begins = np.flatnonzero(np.frombuffer(block, np.uint8)[:-1] == _NEWLINE) + 1
    room = len(block) - len(text)
    if not block.startswith(text) or begins[-1:].tolist() > [room]:
        return False
    windows = np.ndarray(room + 1, f"V{len(text)}", block, strides=1)
    return windows[begins].tobytes() == text * len(begins)


def _pieced(codes: Codes, befores: Places, ends: Places, masked: Words) -> bytes:
    marked = codes.copy()
    marked[befores] = marked[ends] = 0
    pieces = marked.tobytes().split(b"\0")
    words = pieces[1::2] = masked(pieces[1::2])
    text = bytearray(b"\0").join(pieces)
    whole = np.frombuffer(text, np.uint8)
    longer = np.fromiter(map(len, words), np.intp, len(words)) - (ends - befores - 1)
    moved = np.cumsum(longer)
    whole[befores + moved - longer], whole[ends + moved] = codes[befores], codes[ends]
    return bytes(memoryview(text)[_SIDE:-_SIDE])


def _words(text: bytes, places: Places) -> tuple[Places, Places]:
    """Return where the words around spots begin and end, each word once."""
    around = np.ndarray(len(text) - 2 * _SIDE + 1, f"V{2 * _SIDE}", text, strides=1)[places - _SIDE]
    outside = np.frombuffer(around.tobytes().translate(_OUTSIDE), bool)
    before, behind = np.packbits(outside, bitorder="little").view("<u4").reshape(-1, 2).T
    # Of a number whose highest bit is 2**n, `frexp` tells n + 1.
    starts = places - _SIDE + np.frexp(before.astype(float))[1]
    ends = places - 1 + np.frexp((behind & (~behind + 1)).astype(float))[1]
    _look_further(text, places, starts, ends, np.flatnonzero((before == 0) | (behind == 0)).tolist())
    last = np.append(np.flatnonzero(ends[1:] != ends[:-1]), len(ends) - 1)  # of the spots of a word
    return starts[last], ends[last]


def _look_further(text: bytes, places: Places, starts: Places, ends: Places, numbers: list[int]) -> None:
    """Find where the words around some spots begin and end, however long they are."""
    words = text.translate(IN_WORDS) if numbers else b""
    start = end = 0
    for number in numbers:
        place = int(places[number])
        if place >= end:
            start, end = words.rfind(0, end, place) + 1, words.find(0, place)
        starts[number], ends[number] = start, end


def _dots(codes: Codes) -> Places:
    at = np.flatnonzero(codes == ord("."))
    quads = at[np.flatnonzero(at[2:] - at[:-2] < _QUAD)]
    quads = quads[_HEX[codes[quads + 1]]]  # in reverse names the nibbles, whichever they are
    quads = quads[_DIGIT_OR_DOT[codes[quads + 2]]]
    return np.concatenate((quads, _behind_runs(codes, at)))


def _behind_runs(codes: Codes, dots: Places) -> Places:
    """Return the dots behind 32 hexadecimal digits, of which a few are looked at."""
    far = dots[1:][dots[1:] - dots[:-1] > _RUN]  # no other dot is among the digits
    dots = np.concatenate((dots[:1], far))
    dots = dots[(codes[dots - _RUN] & 0xFE) == ord("2")]  # an address begins with 2 or 3
    runs: Places = dots[_HEX[codes[dots[:, None] - _LOOKED_AT]].all(axis=1)]
    return runs


def _colons(codes: Codes) -> Places:
    at = np.flatnonzero(codes == ord(":"))
    return np.concatenate((_pairs(at), at[np.flatnonzero(at[5:] - at[:-5] <= _COLONS)]))


def _dashes(codes: Codes) -> Places:
    at = np.flatnonzero(codes == ord("-"))
    quads = at[np.flatnonzero(at[2:] - at[:-2] < _QUAD)]
    quads = quads[_DIGIT[codes[quads + 1]]]
    return np.concatenate((_pairs(at), quads, at[np.flatnonzero(at[6:] - at[:-6] <= _DASHES)]))


def _pairs(at: Places) -> Places:
    first: Places = at[np.flatnonzero(at[1:] - at[:-1] == 1)]
    return first


def _percents(text: bytes, codes: Codes) -> Places:
    if b"%" not in text:  # as in many logs
        return _NOWHERE
    at = np.flatnonzero(codes == ord("%"))
    following = codes[at + 1]
    some: Places = at[_ENCODING[following]]
    return some
