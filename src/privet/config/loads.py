"""What `privet.toml` says about limits that depend on the load of the machine."""

from __future__ import annotations

from itertools import pairwise
from math import isfinite
from typing import TYPE_CHECKING, Any

from privet.config.values import Invalid, Problem, bad, is_whole, read, shown, whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from privet.config.values import Decoder

MOST = 10  # steps
_EXAMPLE = "[{ load = 0, limit = 500 }, { load = 5, limit = 400 }]"

Steps = tuple[tuple[float, int], ...]
"""Limits, each with the load above which it holds."""


def _load(value: Any) -> float:  # noqa: ANN401  anything that TOML can hold
    if not ((is_whole(value) or isinstance(value, float)) and value >= 0 and isfinite(value)):
        raise bad(f"expected a load average, 0 or more, got {shown(value)}")
    return float(value)


_STEP: Mapping[str, Decoder] = {"load": _load, "limit": whole(1)}


def limits(value: object) -> int | Steps:
    """Decode a limit, or one for each of several loads."""
    if not isinstance(value, list):
        return int(whole(1)(value))
    steps, problems = [], list[Problem]()
    for one in value:
        step, wrong = read(one, _STEP)
        problems += wrong or [Problem("is missing", key=(name,)) for name in _STEP if name not in step]
        steps.append((step.get("load", 0.0), step.get("limit", 1)))
    if problems:
        raise Invalid(*problems)
    if not steps or len(steps) > MOST or steps[0][0] != 0:
        raise bad(f"expected 1 to {MOST} limits, the first one for a load of 0", f"write them as {_EXAMPLE}")
    if any(load >= higher or limit <= lower for (load, limit), (higher, lower) in pairwise(steps)):
        raise bad("expected loads that rise and limits that fall", f"write them as {_EXAMPLE}")
    return tuple(steps)


def load_problems(settings: Mapping[str, object]) -> list[Problem]:
    """Check that a jail whose limits depend on the load counts so that they can."""
    if not isinstance(settings.get("maxretry"), list):
        return []
    others = [name for name in ("bans_of", "distinct") if name in settings]
    others += ["counting"] if settings.get("counting") == "rate" else []
    return [Problem("limits by load are for jails on single requests", key=(name,)) for name in others]


def load_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings as the jail has them."""
    steps = settings.get("maxretry")
    if not isinstance(steps, tuple):
        return settings
    return {**settings, "maxretry": steps[0][1], "by_load": steps}
