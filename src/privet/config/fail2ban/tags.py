"""`<tag>`: options of a filter or an action that stand for other options of it, also inside tags.

A tag that nothing answers stays as it is, since `<HOST>`, `<F-USER>` and `<ip>` mean something later.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from privet.config.fail2ban.ini import RefusedError
from privet.config.fail2ban.text import TooLongError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from privet.config.fail2ban.text import Text

    Lookup = Callable[[str], Text | None]

_TAG = re.compile(r"<([^ <>]+)>")
_MOST = 26
"""Times that one tag may be put into one option: fail2ban's own limit."""


def resolve(options: Mapping[str, Text], *, leave: Collection[str], otherwise: Lookup) -> dict[str, Text]:
    """Return options with their tags replaced by other options, or else by what `otherwise` finds.

    What is in `leave` is neither replaced nor put in. Raises RefusedError for a tag that leads to itself.
    """
    resolved = dict(options)
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def find(tag: str) -> Text | None:
        return resolved[tag] if tag in resolved else otherwise(tag)

    again = True
    while again:
        again = False
        for name in [name for name in options if name not in leave]:
            before = resolved[name]
            try:
                after = _replaced(name, before, leave, counts[name], find)
            except TooLongError as error:
                raise RefusedError(before.place, f"{name}: {error}") from None
            if after.text != before.text:
                resolved[name] = after
                again = again or _TAG.search(after.text) is not None
    return resolved


def _replaced(name: str, value: Text, leave: Collection[str], counts: Counter[str], find: Lookup) -> Text:
    """Replace the tags of one option, from left to right."""
    found = _TAG.search(value.text)
    while found:
        tag, start = found[1], found.end()
        if tag not in leave:
            if tag == name or counts[tag] >= _MOST:
                raise RefusedError(value[found.start() : start].place, f"option {name!r} refers to itself by <{tag}>")
            new = find(tag)
            if new is not None:
                value = value.replaced(f"<{tag}>", new)
                counts[tag] += 1
                start = found.start()
        found = _TAG.search(value.text, start)
    return value
