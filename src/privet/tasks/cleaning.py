"""What lines of archives become: masked as ordered, day by day.

Pseudonyms are made under a key of the run, from which one for each day is made; nothing keeps it, so nothing turns
them back afterwards. Where numpy is there it looks for the addresses.
"""

from __future__ import annotations

import os
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from privet.core.addresses.address import KEPT
from privet.core.masking.mask import Mask
from privet.core.masking.scrub import replaced
from privet.core.parsing.days import Days, all_begin
from privet.core.parsing.lines import line_feeds
from privet.core.unshown import Unshown

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from privet.core.masking.ipcrypt import Variant
    from privet.core.masking.scrub import Replace, Scrubber

MASKS = 3  # days whose words are remembered: lines of two may alternate around midnight

EXPORTS: dict[str, Variant] = {"ipcrypt-ndx": "ndx", "ipcrypt-pfx": "pfx"}
"""What may be ordered beside the masks, for exports only."""


class Order(Unshown, msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done with every file.

    `mask` is a mode, or one of `EXPORTS`; `key` that of the export, or for pseudonyms 32 bytes for this run alone.
    Without `output`, a folder, files are replaced. `force` takes those that somebody may be writing to, `again` those
    that are marked as done.
    """

    mask: str
    kept: tuple[int, int] = KEPT
    key: bytes = b""
    output: str | None = None
    force: bool = False
    again: bool = False
    dry_run: bool = False

    @property
    def name(self) -> str:
        """What is done, as marks say it."""
        return f"truncate/{self.kept[0]}/{self.kept[1]}" if self.mask == "truncate" else self.mask


class Ways(NamedTuple):
    """How lines are looked at: in plain Python, or with numpy."""

    replace: Replace
    all_begin: Callable[[bytes, bytes], bool]
    lines: Callable[[bytes], int]


class Cleaner:
    """Masks lines as ordered, those of each day with pseudonyms of their own."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self._ways = _ways()
        self._masks: dict[str, Scrubber] = {}
        self._found = 0  # by masks that are gone

    @property
    def found(self) -> int:
        """How many words held an address, in all files so far."""
        return self._found + sum(mask.found for mask in self._masks.values())

    def days(self, last: date) -> Days:
        """Return what tells the days of the lines of a log that was written to last on that day."""
        return Days(last, self._ways.all_begin)

    def lines(self, block: bytes) -> int:
        """Return how many lines a block has; the last one need not have its newline."""
        return self._ways.lines(block) + (not block.endswith(b"\n"))

    def clean(self, block: bytes, days: Days) -> bytes:
        """Return lines masked; the last one need not have its newline."""
        if self.order.mask != "pseudonym":
            return self._mask("").scrub(block)
        if not block.endswith(b"\n"):
            return self.clean(block + b"\n", days)[:-1]
        return b"".join(self._mask(day).scrub(lines) for day, lines in days.split(block))

    def _mask(self, day: str) -> Scrubber:
        mask = self._masks.pop(day, None) or self._make(day)
        if len(self._masks) >= MASKS:
            self._found += self._masks.pop(next(iter(self._masks))).found
        self._masks[day] = mask  # the youngest
        return mask

    def _make(self, day: str) -> Scrubber:
        order = self.order
        if order.mask in EXPORTS:
            from privet.core.masking.ipcrypt import Encryption  # noqa: PLC0415  `cryptography` is slow to import

            return Encryption(EXPORTS[order.mask], order.key, os.urandom, self._ways.replace)
        key = blake2b(day.encode(), key=order.key, person=b"privet-scrub", digest_size=32).digest()
        return Mask(order.mask, key, order.kept, self._ways.replace)


def _ways() -> Ways:
    try:
        from privet.core.masking import quick  # noqa: PLC0415  need not be there, and is slow to import
    except ImportError:
        return Ways(replaced, all_begin, line_feeds)
    return Ways(quick.replaced, quick.all_begin, quick.lines)
