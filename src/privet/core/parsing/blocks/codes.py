"""The bytes of a block as numbers, with room on either side, in memory that is used again for the next one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Places = npt.NDArray[np.intp]

PAD = 64
"""Blanks on either side of a block: what is looked at around a place is there."""


class Codes:
    """A block of bytes. Its places begin with 0, those before it are of no meaning but exist."""

    def __init__(self) -> None:
        self.block = b""
        self._room = np.empty(0, np.uint8)

    def take(self, block: bytes) -> None:
        """Go on to another block."""
        end = PAD + len(block)
        if end + PAD > len(self._room):
            self._room = np.empty(end + end // 4 + PAD, np.uint8)
            self._room[:PAD] = ord(" ")
            np.empty(2 * end, np.uint8)  # by which glibc learns to keep as much that is freed (see M_MMAP_THRESHOLD)
        self.block = block
        self._room[PAD:end] = np.frombuffer(block, np.uint8)
        self._room[end : end + PAD] = ord(" ")
        self.all = self._room[PAD : end + PAD]

    def before(self, ends: Places, length: int) -> npt.NDArray[Any]:
        """Return so many bytes before some places, as one value for each."""
        starts = np.ndarray(len(self._room) - length + 1, f"V{length}", self._room, strides=1)
        return starts[ends + (PAD - length)]
