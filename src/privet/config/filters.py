"""What `privet.toml` says about filters in fail2ban's language: `[filter.NAME]`, and `filter` in jails."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

from privet.config.values import Invalid, Problem, as_list, bad, choice, did_you_mean, read, shown, text, whole
from privet.core.filters.errors import FilterError
from privet.core.filters.model import FilterSpec, UseDns
from privet.core.filters.plan import FilterPlan
from privet.core.jails import FIELDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from privet.config.values import Decoder


def _regexes(value: object) -> tuple[str, ...]:
    """Decode regular expressions in their order; which of them matched is told by its number."""
    return tuple(text(one) for one in as_list(value))


SETTINGS: Mapping[str, Decoder] = {
    "failregex": _regexes,
    "ignoreregex": _regexes,
    "prefregex": text,
    "datepattern": text,
    "maxlines": whole(1),
    "usedns": choice(UseDns),
    "logtimezone": text,
    "logencoding": text,
}


def filter_spec(name: str, value: object) -> FilterSpec:
    """Decode a filter, and try it: the code of the engine says whether it can be used."""
    settings, problems = read(value, SETTINGS)
    if "failregex" not in settings and not problems:
        problems.append(Problem("needs 'failregex'"))
    if problems:
        raise Invalid(*problems)
    spec = FilterSpec(name=name, **settings)
    if wrong := filter_problem(spec):
        raise Invalid(Problem(_message(spec, wrong), key=(wrong.option,)))
    return spec


def filter_problem(spec: FilterSpec) -> FilterError | None:
    """Return why a filter cannot be used, None if it can."""
    try:
        FilterPlan([spec], UTC)
    except FilterError as error:
        return error
    return None


def _message(spec: FilterSpec, error: FilterError) -> str:
    several = isinstance(found := getattr(spec, error.option), tuple) and len(found) > 1
    return f"number {error.number + 1}: {error.message}" if several else error.message


def jail_filter(known: Mapping[str, object], jail: str, value: Any) -> FilterSpec:  # noqa: ANN401  anything that TOML can hold
    """Decode the filter of a jail: the name of one of those in the file, or a filter of its own."""
    if isinstance(value, dict):
        return filter_spec(jail, value)
    name = text(value)
    if name not in known:
        raise bad(f"there is no filter {shown(name)}", did_you_mean(name, known))
    try:
        return filter_spec(name, known[name])
    except Invalid:
        raise bad(f"the filter {shown(name)} cannot be used") from None


def jail_problems(settings: Mapping[str, object]) -> list[Problem]:
    """Check that what makes a failure is said in one way."""
    if "filter" not in settings:
        return []
    problems = [
        Problem("a jail with a filter has no conditions on requests", key=(name,))
        for name in FIELDS
        if name in settings
    ]
    if "bans_of" in settings:
        problems.append(Problem("a jail on bans has no filter", key=("filter",)))
    return problems
