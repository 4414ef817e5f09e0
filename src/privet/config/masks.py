"""What is said about masks in the configuration beside their mode."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from privet.config.values import Problem, bad, is_whole, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

BITS = ((8, 24), (16, 56))
"""The least and the most bits that `truncate` may keep, of IPv4 and of IPv6: with fewer `drop` says what is meant,
and with more nothing is masked, since an IPv6 network of 56 bits is what one household gets."""


def kept(value: Any) -> tuple[int, int]:  # noqa: ANN401  anything that TOML can hold
    """Decode the bits that `truncate` keeps: a list of two numbers, for IPv4 and for IPv6."""
    if isinstance(value, list) and len(value) == 2 and all(map(is_whole, value)) and in_bounds(*value):
        return value[0], value[1]
    (least4, most4), (least6, most6) = BITS
    raise bad(f"expected [{least4} to {most4}, {least6} to {most6}], bits of IPv4 and of IPv6, got {shown(value)}")


def in_bounds(v4: int, v6: int) -> bool:
    """Tell whether so many bits may be kept."""
    (least4, most4), (least6, most6) = BITS
    return least4 <= v4 <= most4 and least6 <= v6 <= most6


def problems(settings: Mapping[str, object]) -> list[Problem]:
    """Check what the settings of a source say together."""
    if "truncate" in settings and settings.get("mask") != "truncate":
        return [Problem("is for mask = 'truncate' only", key=("truncate",))]
    return []
