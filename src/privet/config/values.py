"""From TOML values to settings.

A decoder takes what `tomllib` found and returns what the model holds, or raises `Invalid` with every
problem it saw, so that one look at the file shows all mistakes.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, get_args

import msgspec

from privet.core.addresses.address import Subject

T = TypeVar("T")
Path = tuple[str, ...]
Decoder = Callable[[Any], Any]

_LONGEST_SHOWN = 60
_HUGE = 10**15  # beyond this a float no longer holds every whole number nearby
_CENTURY = 36525 * 86400
_UNITS = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
_DURATION = re.compile(r"\s*".join(rf"(?:([0-9]{{1,9}})\s*{unit})?" for unit in _UNITS))


class Problem(msgspec.Struct, frozen=True):
    """One mistake; `key` leads from the decoded value to where it lies inside."""

    message: str
    hint: str = ""
    key: Path = ()

    def below(self, key: str) -> Problem:
        """Return the same problem as seen from one table further up."""
        return msgspec.structs.replace(self, key=(key, *self.key))


class Invalid(Exception):  # noqa: N818  says what the value is; never leaves privet.config
    """A value that cannot be used."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__(*problems)
        self.problems = problems


def bad(message: str, hint: str = "") -> Invalid:
    """Return the exception for a single problem."""
    return Invalid(Problem(message, hint))


def shown(value: object) -> str:
    """Return a value as an error message shows it: short, on one line."""
    match value:
        case dict():
            return "a table"
        case list():
            return "a list"
        case bool():
            return str(value).lower()
        case str():
            return repr(value if len(value) <= _LONGEST_SHOWN else value[: _LONGEST_SHOWN - 1] + "…")
        case int() if abs(value) > _HUGE:
            return "a huge number"
        case _:
            return str(value)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a hint that names the known word most like `word`, or nothing."""
    close = difflib.get_close_matches(word.lower(), list(known), n=1)
    return f"did you mean {close[0]!r}?" if close else ""


def table(value: object) -> dict[str, Any]:
    """Decode a table."""
    if not isinstance(value, dict):
        raise bad(f"expected a table, got {shown(value)}")
    return value


def read(value: object, decoders: Mapping[str, Decoder]) -> tuple[dict[str, Any], list[Problem]]:
    """Decode a table setting by setting; return what could be decoded, and the problems."""
    decoded: dict[str, Any] = {}
    problems: list[Problem] = []
    for key, raw in table(value).items():
        if key not in decoders:
            what = "table" if isinstance(raw, dict) else "setting"
            problems.append(Problem(f"unknown {what}", did_you_mean(key, decoders), (key,)))
            continue
        try:
            decoded[key] = decoders[key](raw)
        except Invalid as error:
            problems += [problem.below(key) for problem in error.problems]
    return decoded, problems


def each(values: Iterable[object], decode: Callable[[Any], T]) -> tuple[T, ...]:
    """Decode every value; one that stands there twice counts once."""
    decoded: dict[T, None] = {}
    problems: list[Problem] = []
    for value in values:
        try:
            decoded[decode(value)] = None
        except Invalid as error:
            problems += error.problems
    if problems:
        raise Invalid(*problems)
    return tuple(decoded)


def as_list(value: object) -> list[object]:
    """Return a list as it is, and anything else as the only item of one."""
    return value if isinstance(value, list) else [value]


def text(value: object) -> str:
    """Decode a string that says something."""
    if not isinstance(value, str):
        raise bad(f"expected a string, got {shown(value)}")
    if not value or "\0" in value:
        raise bad("must not contain a NUL character" if value else "must not be empty")
    return value


def texts(value: object) -> tuple[str, ...]:
    """Decode a string or a list of strings."""
    if value == []:
        raise bad("the list is empty")
    return each(as_list(value), text)


def flag(value: object) -> bool:
    """Decode true or false."""
    if not isinstance(value, bool):
        raise bad(f"expected true or false, got {shown(value)}")
    return value


def is_whole(value: object) -> bool:
    """Tell whether a value is a whole number (for Python, true and false are)."""
    return isinstance(value, int) and not isinstance(value, bool)


def whole(minimum: int) -> Decoder:
    """Return the decoder of a whole number that is not below `minimum`."""

    def decode(value: Any) -> int:  # noqa: ANN401  anything that TOML can hold
        if not (is_whole(value) and minimum <= value <= _HUGE):
            raise bad(f"expected a whole number, {minimum} or more, got {shown(value)}")
        return int(value)

    return decode


def choice(literal: object) -> Decoder:
    """Return the decoder of one of the strings of a Literal type."""
    words: tuple[str, ...] = get_args(literal)
    *most, last = map(repr, words)

    def decode(value: object) -> str:
        if value not in words:
            hint = did_you_mean(value, words) if isinstance(value, str) else ""
            raise bad(f"expected {', '.join(most)} or {last}, got {shown(value)}", hint)
        return str(value)

    return decode


def duration(value: Any) -> float:  # noqa: ANN401  anything that TOML can hold
    """Decode a length of time: whole seconds, or numbers with the units w, d, h, m, s."""
    seconds = value if is_whole(value) else _seconds(value)
    if seconds is None:
        hint = f"did you mean '{value}s'?" if isinstance(value, str) and value.isdecimal() else ""
        raise bad(f"expected a duration such as '90s', '10m' or '1h30m', got {shown(value)}", hint)
    if seconds <= 0:
        raise bad(f"a duration must be longer than nothing, got {shown(value)}")
    if seconds > _CENTURY:
        raise bad(f"a duration must not be longer than 100 years, got {shown(value)}")
    return float(seconds)


def _seconds(value: object) -> int | None:
    found = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None or not any(found.groups()):
        return None
    return sum(int(count) * unit for count, unit in zip(found.groups("0"), _UNITS.values(), strict=True))


def at_least(minimum: float, decode: Callable[[Any], float]) -> Decoder:
    """Return the decoder of a duration that is not below `minimum` seconds."""

    def bounded(value: object) -> float:
        seconds = decode(value)
        if seconds < minimum:
            raise bad(f"must be {minimum:g} seconds or more, got {shown(value)}")
        return seconds

    return bounded


def networks(value: object) -> tuple[Subject, ...]:
    """Decode an address, a network, or a list of them."""
    return each(as_list(value), _network)


def _network(value: object) -> Subject:
    word = text(value)
    try:
        return Subject.parse(word)
    except ValueError as error:
        hint = "each needs its own place in the list" if re.search(r"[\s,]", word.strip()) else ""
        raise bad(f"{error}: {shown(word)}", hint) from None
