"""HTML and SVG, safe by construction: text becomes markup in one place, and all of it is escaped there."""

from __future__ import annotations

import html
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Categories of characters that show nothing, or turn the direction of what follows."""


class Markup(str):
    """What is markup already; any other text is not."""

    __slots__ = ()


def element(name: str, *children: object, **attributes: object) -> Markup:
    """Return an element; texts in it are escaped. Attributes that are None are left out, `_` in names is `-`."""
    inside = "".join(child if isinstance(child, Markup) else text(child) for child in children)
    named = ((key.strip("_").replace("_", "-"), value) for key, value in attributes.items() if value is not None)
    given = "".join(f' {key}="{text(value)}"' for key, value in named)
    return Markup(f"<{name}{given}>{inside}</{name}>")


def join(parts: Iterable[Markup]) -> Markup:
    """Return several pieces of markup as one."""
    return Markup("".join(parts))


def text(value: object) -> Markup:
    """Return a text as markup: escaped, and what is invisible in it shown."""
    return Markup(html.escape(visible(str(value))))


def visible(value: str) -> str:
    """Return a text in which control characters and marks of direction are written out."""
    return value if value.isascii() and value.isprintable() else "".join(map(_visible, value))


def _visible(char: str) -> str:
    if unicodedata.category(char) not in _INVISIBLE:
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def clipped(value: str, most: int) -> str:
    """Return the beginning of a text, and whether there is more."""
    return value if len(value) <= most else f"{value[: most - 1]}…"
