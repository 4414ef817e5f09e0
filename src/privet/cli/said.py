"""What visitors said, as output has it: what looks like an address in it is masked, unless that is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from privet.core.masking.mask import Mask

if TYPE_CHECKING:
    from collections.abc import Callable

    Said = Callable[[str], str]

_MASK = Mask("drop")


def masked(said: str) -> str:
    """Return a text without what looks like an address."""
    return _MASK.scrub(said.encode(errors="replace")).decode(errors="replace")


def said_for(*, reveal: bool) -> Said:
    """Return what becomes of the words of visitors."""
    return str if reveal else masked
