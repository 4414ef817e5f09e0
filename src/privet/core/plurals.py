"""Numbers of things, as people write them."""

from __future__ import annotations


def counted(number: int, one: str, many: str = "") -> str:
    """Return `1 ban`, or `1,200 bans`; `many` is the plural if it is more than an s."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
