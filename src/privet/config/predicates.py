"""From the conditions of a jail in `privet.toml` to predicates."""

from __future__ import annotations

import re
import warnings
from functools import partial
from math import inf
from typing import Any

from privet.config.values import Decoder, Invalid, as_list, bad, each, is_whole, read, shown, text
from privet.core.jails import NUMBER_FIELDS, Between, Is, Matches, Predicate, Test

_WHOLE_FIELDS = ("method", "host")  # a plain string means the whole field here, a regular expression elsewhere
_LARGEST = {"status": 999, "size": 10**15}
_EXAMPLES = {"status": "404, '4xx', '400-403' or '>=500'", "size": "0, '100-200' or '>=1000000'"}
_NUMBERS = re.compile(
    r"""
      (?P<hundred> [1-9] ) xx
    | (?P<sign> [<>]=? ) \s* (?P<edge> [0-9]{1,16} )
    | (?P<low> [0-9]{1,16} ) (?: \s*-\s* (?P<high> [0-9]{1,16} ) )?
    """,
    re.VERBOSE,
)


def predicates(field: str, value: object) -> tuple[Predicate, ...]:
    """Decode the condition on one field; several predicates must all hold."""
    if not isinstance(value, dict):
        return (Predicate(field, any=_tests(field, value)),)
    parts, problems = read(value, _exact_decoders(field) | {"not": partial(_tests, field)})
    if problems:
        raise Invalid(*problems)
    if not parts:
        raise bad("the table is empty")
    none = parts.pop("not", ())
    # `is` and `regex` together are two conditions, while the tests within one predicate are alternatives.
    first, *more = list(parts.values()) or [()]
    return (Predicate(field, any=first, none=none), *(Predicate(field, any=tests) for tests in more))


def _exact_decoders(field: str) -> dict[str, Decoder]:
    """Return the decoders of the keys that say how a value is compared."""
    if field in NUMBER_FIELDS:
        return {"is": partial(_any_of, partial(_between, field))}
    return {"is": partial(_any_of, partial(_is, field)), "regex": partial(_any_of, _matches)}


def _any_of(decode: Decoder, value: object) -> tuple[Test, ...]:
    if value == []:
        raise bad("the list is empty")
    return each(as_list(value), decode)


def _tests(field: str, value: object) -> tuple[Test, ...]:
    """Decode alternatives: a plain value, a table with one way to compare, or a list of these."""
    if value == []:
        raise bad("the list is empty")
    return tuple(test for tests in each(as_list(value), partial(_alternatives, field)) for test in tests)


def _alternatives(field: str, value: object) -> tuple[Test, ...]:
    if not isinstance(value, dict):
        return (_plain(field, value),)
    parts, problems = read(value, _exact_decoders(field))
    if problems:
        raise Invalid(*problems)
    if len(parts) != 1:
        raise bad(f"expected exactly one of {' and '.join(map(repr, _exact_decoders(field)))} here")
    (tests,) = parts.values()
    return tuple(tests)


def _plain(field: str, value: object) -> Test:
    if field in NUMBER_FIELDS:
        return _between(field, value)
    return _is(field, value) if field in _WHOLE_FIELDS else _matches(value)


def _is(field: str, value: object) -> Is:
    if not isinstance(value, str):
        raise bad(f"expected a string, got {shown(value)}")
    return Is(value.lower() if field == "host" else value)


def _matches(value: object) -> Matches:
    if value == "":
        raise bad("an empty regular expression matches everything", "for an empty field write { is = '' }")
    regex = text(value)
    try:
        # What only warns today ([[:alpha:]] and the like) does not mean what its author thinks.
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)
            re.compile(regex.encode())
    except re.error as error:
        raise bad(f"{shown(regex)} is no regular expression: {error.msg}{_position(regex, error)}") from None
    except FutureWarning as error:
        raise bad(f"{shown(regex)} is ambiguous: {error}", "write '\\[' for a bracket") from None
    except (OverflowError, RecursionError, ValueError) as error:
        raise bad(f"{shown(regex)} is no regular expression: {error}") from None
    return Matches(regex)


def _position(regex: str, error: re.error) -> str:
    """Say where, in characters: the pattern was compiled as bytes."""
    if error.pos is None:
        return ""
    return f" at position {len(regex.encode()[: error.pos].decode(errors='ignore'))}"


def _between(field: str, value: object) -> Between:
    low, high = _bounds(field, value)
    largest = _LARGEST[field]
    if low > high or not all(bound in (-inf, inf) or 0 <= bound <= largest for bound in (low, high)):
        raise bad(f"no {field} is ever {shown(value)}", "" if low > high else f"it is from 0 to {largest}")
    return Between(low, high)


def _bounds(field: str, value: Any) -> tuple[float, float]:  # noqa: ANN401  anything that TOML can hold
    if is_whole(value):
        return (value, value)
    found = _NUMBERS.fullmatch(value.strip().lower()) if isinstance(value, str) else None
    if found is None or (found["hundred"] and field != "status"):
        raise bad(f"expected a number or a range such as {_EXAMPLES[field]}, got {shown(value)}")
    if found["hundred"]:
        first = int(found["hundred"]) * 100
        return (first, first + 99)
    if found["sign"]:
        edge = int(found["edge"])
        return {"<": (-inf, edge - 1), "<=": (-inf, edge), ">": (edge + 1, inf), ">=": (edge, inf)}[found["sign"]]
    return (int(found["low"]), int(found["high"] or found["low"]))
