"""Find spots with numpy: the same as the regular expressions of `core.scrub`, and a few more.

Only the rare bytes are looked at: where dots, colons, dashes and percent signs stand, and how far apart. Being a few
too many does no harm, since a word without a spot is never changed. Needs the extra `fast`; nothing imports this
module but what has many lines to scrub.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from privet.core.scrub import spots as by_expression

if TYPE_CHECKING:
    import numpy.typing as npt

    Codes = npt.NDArray[np.uint8]
    Places = npt.NDArray[np.intp]

FEW = 2048  # bytes: below, starting numpy costs more than it saves

_QUAD = 13  # bytes from the first dot, or dash, to the third, at most 12: .00255.00255.0
_COLONS, _DASHES = 25, 30  # bytes from the first to the sixth colon, or seventh dash, of an IPv6 address, at most
_RUN, _LOOKED_AT = 32, (1, 16, 8, 24, 4, 28)  # digits of an address without anything between, and which we look at

_DIGIT, _HEX = np.zeros(256, bool), np.zeros(256, bool)
_DIGIT[list(b"0123456789")] = True
_HEX[list(b"0123456789abcdefABCDEF")] = True
_DIGIT_OR_DOT = _DIGIT.copy()
_DIGIT_OR_DOT[ord(".")] = True
_ENCODING = np.zeros(256, bool)
_ENCODING[list(b"2346")] = True


def spots(data: bytes, few: int = FEW) -> list[int]:
    """Return where spots may be, in order; up to `few` bytes with regular expressions."""
    if len(data) <= few:
        return by_expression(data)
    codes = np.frombuffer(data + b"\n\n", np.uint8)  # there is something behind every spot
    places = np.concatenate((_dots(codes), _colons(codes), _dashes(codes), _percents(codes)))
    places.sort()
    found: list[int] = places.tolist()
    return found


def _dots(codes: Codes) -> Places:
    at = np.flatnonzero(codes == ord("."))
    quads = at[:-2][(at[2:] - at[:-2]) < _QUAD]
    quads = quads[_HEX[codes[quads + 1]]]  # in reverse names the nibbles, whichever they are
    quads = quads[_DIGIT_OR_DOT[codes[quads + 2]]]
    return np.concatenate((quads, _behind_runs(codes, at)))


def _behind_runs(codes: Codes, dots: Places) -> Places:
    """Return the dots behind 32 hexadecimal digits, of which a few are looked at, one after the other."""
    dots = dots[np.diff(dots, prepend=-1) > _RUN]  # no other dot is among the digits
    dots = dots[(codes[dots - _RUN] & 0xFE) == ord("2")]  # an address begins with 2 or 3
    for back in _LOOKED_AT:
        dots = dots[_HEX[codes[dots - back]]]
    return dots


def _colons(codes: Codes) -> Places:
    at = np.flatnonzero(codes == ord(":"))
    return np.concatenate((_pairs(at), at[:-5][at[5:] - at[:-5] <= _COLONS]))


def _dashes(codes: Codes) -> Places:
    at = np.flatnonzero(codes == ord("-"))
    quads = at[:-2][at[2:] - at[:-2] < _QUAD]
    quads = quads[_DIGIT[codes[quads + 1]]]
    return np.concatenate((_pairs(at), quads, at[:-6][at[6:] - at[:-6] <= _DASHES]))


def _pairs(at: Places) -> Places:
    first: Places = at[:-1][at[1:] - at[:-1] == 1]
    return first


def _percents(codes: Codes) -> Places:
    at = np.flatnonzero(codes == ord("%"))
    following = codes[at + 1]
    some: Places = at[_ENCODING[following]]
    return some
