"""`%(name)s`: options of a merged configuration that stand for other options."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from privet.config.fail2ban.ini import Options, RefusedError
from privet.config.fail2ban.text import Place, Text, TooLongError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_DEEPEST = 10
_REFERENCE = re.compile(r"%(?:(%)|\(([^)]+)\)s)?")
_ELSEWHERE = re.compile(r"([\w\-]+)/(.+)", re.DOTALL)


class Merged(msgspec.Struct):
    """What the files of one configuration say together.

    `known` holds what options of a section were before the file that set them last; `lines` where
    each section was opened last; `used` every option that was asked for or referred to.
    """

    defaults: Options
    sections: dict[str, Options]
    known: dict[str, Options] = {}
    lines: dict[str, Place] = {}
    used: set[tuple[str, str]] = set()

    def has(self, section: str, option: str) -> bool:
        """Tell whether a section or DEFAULT sets an option."""
        return option in self.sections.get(section, {}) or option in self.defaults

    def place(self, section: str, option: str) -> Place | None:
        """Return where an option is set, whatever it refers to."""
        value = self.sections.get(section, {}).get(option) or self.defaults.get(option)
        return value.place if value else None

    def get(self, section: str, option: str, given: Mapping[str, Text] | None = None) -> Text:
        """Return an option, interpolated; what is `given` goes before what the files say.

        Raises KeyError if nothing sets it, RefusedError if it cannot be interpolated.
        """
        value = self._find(section, option.lower(), given or {})
        if value is None:
            raise KeyError(option)
        try:
            return Text.join(self._expanded(value, section, given or {}, 1))
        except TooLongError as error:
            raise RefusedError(value.place, str(error)) from None

    def elsewhere(self, section: str, option: str, given: Mapping[str, Text]) -> Text | None:
        """Return what `section/option`, `known/option`, `default/option` or a plain name stands for in a `<tag>`."""
        found = re.fullmatch(r"([\w\-]+)/([^\s>]+)", option)
        places = []
        if found:
            sections = {"known": (f"KNOWN/{section}", section), "default": ("DEFAULT",)}
            places = [(name, found[2]) for name in sections.get(found[1].lower(), (found[1],))]
        for name, word in places:
            try:
                return self.get(name, word)
            except KeyError:
                continue
        try:
            return self.get(section, option, given)
        except KeyError:
            return None

    def _find(self, section: str, option: str, given: Mapping[str, Text]) -> Text | None:
        """Look an option up; KNOWN/X and DEFAULT are sections as well."""
        shadow = section.removeprefix("KNOWN/")
        own = self.sections.get(section) if shadow == section else self.known.get(shadow)
        if own is None and section != "DEFAULT":
            return None
        for options in (given, own or {}, self.defaults):
            if option in options:
                self.used.add((section, option) if options is own else ("DEFAULT", option))
                return options[option]
        return None

    def _expanded(self, value: Text, section: str, given: Mapping[str, Text], depth: int) -> Iterator[Text]:
        """Yield the parts of a value with every reference replaced."""
        if depth > _DEEPEST:
            raise RefusedError(value.place, f"%(…)s is nested more than {_DEEPEST} deep; does it refer to itself?")
        start = 0
        for found in _REFERENCE.finditer(value.text):
            yield value[start : found.start()]
            start = found.end()
            here = value[found.start() : found.start() + 1].place
            if found[1]:
                yield Text.of("%", here)
            elif found[2]:
                yield from self._expanded(self._referred(found[2], section, given, here), section, given, depth + 1)
            else:
                raise RefusedError(here, "after '%' must come '%' or '(name)s'; write '%%' for the character")
        yield value[start:]

    def _referred(self, name: str, section: str, given: Mapping[str, Text], here: Place) -> Text:
        if name.lower() == "__name__":
            return Text.of(section, here)
        found = self._find(section, name.lower(), given)
        if found is None and name == name.lower():  # a section that is written with capitals is never found
            found = self._in_section(name, section)
        if found is None:
            raise RefusedError(here, f"%({name})s refers to an option that nothing sets")
        return found

    def _in_section(self, name: str, section: str) -> Text | None:
        """Look up `section/option`, `known/option` or `default/option`, and else the default of that option."""
        match = _ELSEWHERE.fullmatch(name)
        if match is None:
            return None
        other, option = match.groups()
        if other == "known":
            options = self.known.get(section, {})
        elif other == "default":
            options = {}
        elif other in self.sections:
            options = self.sections[other]
            self.used.add((other, option))
        else:
            return None
        return options.get(option, self.defaults.get(option))
