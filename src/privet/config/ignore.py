"""What `privet.toml` says about those who are never banned: addresses, and where more of them are told."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from privet.config.values import Invalid, as_list, bad, each, networks, shown, table, text
from privet.core.guard import Listed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from privet.core.addresses.address import Subject

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
_NAME = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)*(?!\d+\.?\Z){_LABEL}\.?")
_FILE = "file:"
_LISTS = {"ignoreip": "ignorelists", "trusted": "trustedlists"}


def ignored(value: object) -> tuple[Subject | Listed, ...]:
    """Decode addresses, networks, names, `file:/path` and `{ command = […] }`."""
    return each(as_list(value), _one)


def sorted_out(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Keep what is known apart from what must be asked, as the model does."""
    done = dict(settings)
    for name, lists in _LISTS.items():
        if name in settings:
            done[name] = tuple(one for one in settings[name] if not isinstance(one, Listed))
            done[lists] = tuple(one for one in settings[name] if isinstance(one, Listed))
    return done


def _one(value: object) -> Subject | Listed:
    if isinstance(value, dict):
        return _command(table(value))
    word = text(value).strip()
    if word.startswith(_FILE):
        return Listed("file", (_absolute(word.removeprefix(_FILE)),))
    try:
        (subject,) = networks(word)
    except Invalid:
        if _NAME.fullmatch(word):
            return Listed("name", (word.lower().rstrip("."),))
        raise
    return subject


def _command(settings: Mapping[str, object]) -> Listed:
    if settings.keys() != {"command"}:
        raise bad("a table here has just one setting: command")
    words = [text(word) for word in as_list(settings["command"])]
    if not words:
        raise bad("the command has no words")
    return Listed("command", (_absolute(words[0]), *words[1:]))


def _absolute(path: str) -> str:
    if not path.startswith("/"):
        raise bad(f"expected an absolute path, got {shown(path)}")
    return path
