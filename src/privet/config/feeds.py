"""What `privet.toml` says about lists that others keep: `[feed.NAME]`."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from privet.config.values import Problem, at_least, bad, duration, shown, text, whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from privet.config.values import Decoder

_MOST_OFTEN = 300.0  # seconds: who keeps a list for others asks not to be asked all the time
_LARGEST = 1_000_000  # entries: what the firewall takes in some seconds


def _url(value: object) -> str:
    word = text(value)
    try:
        parts = urlsplit(word)
        good = parts.scheme == "https" and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or not word.isascii() or not word.isprintable() or " " in word:
        raise bad(f"expected an address that begins with https://, got {shown(word)}")
    return word


def _entries(value: object) -> int:
    count: int = whole(1)(value)
    if count > _LARGEST:
        raise bad(f"must be {_LARGEST:,} or less, got {shown(value)}")
    return count


SETTINGS: Mapping[str, Decoder] = {
    "url": _url,
    "path": text,
    "every": at_least(_MOST_OFTEN, duration),
    "max_entries": _entries,
}


def feed_problems(settings: Mapping[str, object]) -> list[Problem]:
    """Check what the settings of a feed say together."""
    if "url" in settings and "path" in settings:
        return [Problem("a feed has either 'url' or 'path', not both", key=("path",))]
    if "url" not in settings and "path" not in settings:
        return [Problem("needs 'url' or 'path'")]
    return []
