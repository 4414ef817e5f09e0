"""IPv4 addresses out of many texts at once: the same as `core.addresses.address` reads one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Chars = npt.NDArray[np.uint8]
    Places = npt.NDArray[np.intp]

_DOT, _ZERO, _DIGITS = ord("."), ord("0"), 10
_NUMBERS, _LONGEST = 4, 3  # of an address, and digits of one


def read_quads(chars: Chars, lengths: Places) -> tuple[npt.NDArray[np.uint32], Places]:
    """Return the addresses that texts are, and in which rows those stand; 0.0.0.0 is none.

    Each row of `chars` ends with a text of so many characters, with something else before it.
    """
    width = chars.shape[1]
    within = np.arange(width) >= width - lengths[:, None]
    digits = chars - np.uint8(_ZERO)
    dots = (chars == _DOT) & within
    fine = (lengths <= width) & (dots.sum(axis=1) == _NUMBERS - 1) & ((digits < _DIGITS) | dots | ~within).all(axis=1)
    rows = fine.nonzero()[0]
    ends = np.full((len(rows), _NUMBERS + 1), width)
    ends[:, 0] = width - lengths[rows] - 1
    ends[:, 1:-1] = dots[rows].nonzero()[1].reshape(-1, _NUMBERS - 1)
    counts = np.diff(ends) - 1
    right = ((counts > 0) & (counts <= _LONGEST)).all(axis=1)
    rows, ends, counts = rows[right], ends[right], counts[right]
    good, total = np.ones(len(rows), bool), np.zeros(len(rows), np.uint32)
    flat, starts = digits.ravel(), rows * width
    for number in range(_NUMBERS):
        last, count = starts + ends[:, number + 1] - 1, counts[:, number]
        value = flat[last].astype(np.uint32)
        for place, worth in enumerate((10, 100), 1):
            value += np.where(count > place, flat[np.maximum(last - place, 0)], np.uint8(0)) * np.uint32(worth)
        good &= (value < 256) & ((count == 1) | (flat[last - count + 1] != 0))
        total = total << np.uint32(8) | value
    good &= total != 0
    return total[good], rows[good]
