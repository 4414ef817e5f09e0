"""What `privet.toml` says about bans of those who come back: `[escalation]`, and the same settings in jails."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

import msgspec

from privet.config.values import Decoder, Invalid, Problem, as_list, bad, duration, flag, is_whole, read, shown, text
from privet.core.bans.escalate import Escalation
from privet.core.bans.formula import FormulaError, compiled

if TYPE_CHECKING:
    from collections.abc import Mapping

_LARGEST = 10**9


def _factor(value: Any) -> float:  # noqa: ANN401  anything that TOML can hold
    if not ((is_whole(value) or isinstance(value, float)) and 0 < value <= _LARGEST and isfinite(value)):
        raise bad(f"expected a number above 0, got {shown(value)}")
    return float(value)


def _multipliers(value: object) -> tuple[float, ...]:
    return tuple(_factor(one) for one in as_list(value))


def _formula(value: object) -> str:
    word = text(value)
    try:
        compiled(word)
    except FormulaError as error:
        raise bad(f"{shown(word)} is no formula: {error}") from None
    return word


def _duration_or_none(value: object) -> float:
    """Decode a length of time that may be nothing."""
    return 0.0 if value == "0s" or (is_whole(value) and value == 0) else duration(value)


SETTINGS: Mapping[str, Decoder] = {
    "increment": flag,
    "factor": _factor,
    "multipliers": _multipliers,
    "maxtime": duration,
    "rndtime": _duration_or_none,
    "overalljails": flag,
    "formula": _formula,
    "forget": duration,
}
"""The settings of `[escalation]`, each of which a jail may have for itself."""


def escalation(value: object) -> Escalation:
    """Decode `[escalation]`, the default of all jails."""
    settings, problems = read(value, SETTINGS)
    problems += _contradictions(settings)
    if problems:
        raise Invalid(*problems)
    return Escalation(**settings)


def jail_escalation(default: Escalation, settings: dict[str, Any], bantime: float) -> tuple[Escalation, list[Problem]]:
    """Take what is about escalation out of the settings of a jail; return it over the default, and what is wrong."""
    own = {name: settings.pop(name) for name in SETTINGS if name in settings}
    problems = _contradictions(own)
    if own.get("multipliers"):  # the jail's way to grow replaces that of the default
        default = msgspec.structs.replace(default, formula=None)
    elif "formula" in own:
        default = msgspec.structs.replace(default, multipliers=())
    merged = msgspec.structs.replace(default, **own)
    if own and not merged.increment and "increment" not in own:
        problems.append(Problem("has no effect without 'increment = true'", key=(next(iter(own)),)))
    if own.get("maxtime", bantime) < bantime:
        problems.append(Problem("is shorter than 'bantime'", key=("maxtime",)))
    try:
        merged.check(bantime)
    except FormulaError as error:
        problems.append(Problem(f"cannot be computed: {error}", key=("formula",)))
    return merged, problems


def _contradictions(settings: Mapping[str, Any]) -> list[Problem]:
    if settings.get("multipliers") and "formula" in settings:
        return [Problem("a ban grows either by 'formula' or by 'multipliers', not both", key=("formula",))]
    return []
