"""What `privet.toml` says about jails that count the bans of other jails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from privet.config.values import Problem, bad, choice, did_you_mean, each, is_whole, shown, texts, whole
from privet.core.jails import ALL_JAILS, FIELDS, Key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from privet.config.values import Decoder

_LARGEST = (32, 64)  # bits: an IPv6 client is a /64


def _prefixes(value: Any) -> tuple[int, int]:  # noqa: ANN401  anything that TOML can hold
    lengths = value if isinstance(value, list) else []
    if len(lengths) != len(_LARGEST) or not all(
        is_whole(length) and 1 <= length <= largest for length, largest in zip(lengths, _LARGEST, strict=True)
    ):
        raise bad(f"expected two prefix lengths such as [24, 48], up to 32 for IPv4 and 64 for IPv6, got {value}")
    return lengths[0], lengths[1]


SETTINGS: Mapping[str, Decoder] = {"bans_of": texts, "key": choice(Key), "prefixes": _prefixes, "clients": whole(1)}


def watched(jails: Mapping[str, object], value: object) -> tuple[str, ...]:
    """Decode the names of jails that ban for requests, or `*` for all of them; `jails` is what the file holds."""

    def reference(name: str) -> str:
        if name == ALL_JAILS:
            return name
        if name not in jails:
            raise bad(f"there is no jail {shown(name)}", did_you_mean(name, jails))
        if _counts_bans(jails[name]):
            raise bad(f"the jail {shown(name)} counts bans itself")
        if _counts_networks(jails[name]):
            raise bad(f"the jail {shown(name)} bans networks")
        return name

    return each(texts(value), reference)


def kind_problems(settings: Mapping[str, object]) -> list[Problem]:
    """Check that a jail is either on requests or on bans, and has only settings of its kind."""
    if not _counts_bans(settings):
        missing = [] if "source" in settings else [Problem("needs 'source'")]
        if settings.get("counting") == "rate" and _counts_networks(settings):
            missing.append(Problem("a jail on networks counts in a window", key=("counting",)))
        return missing + _prefix_problems(settings)
    problems = [
        Problem("a jail on bans has no conditions on requests", key=(name,)) for name in FIELDS if name in settings
    ]
    if settings.get("counting") == "rate":
        problems.append(Problem("a jail on bans counts in a window", key=("counting",)))
    if "source" in settings:
        problems.append(Problem("a jail has either 'source' or 'bans_of', not both", key=("bans_of",)))
    if "clients" in settings:
        problems.append(Problem("a jail on bans counts each client once", key=("clients",)))
    problems += _prefix_problems({name: value for name, value in settings.items() if name != "clients"})
    if settings.get("overalljails") is True:
        problems.append(Problem("a jail on bans counts no bans but its own", key=("overalljails",)))
    return problems


def table_problems(jails: Mapping[str, object], networks: Mapping[str, object]) -> list[Problem]:
    """Check that there is a table of networks where jails count by AS numbers."""
    return [
        Problem("needs a table of AS numbers", "name one as 'table' in [networks]", key=("jail", name, "key"))
        for name, settings in jails.items()
        if isinstance(settings, dict) and settings.get("key") == "asn" and "table" not in networks
    ]


def _prefix_problems(settings: Mapping[str, object]) -> list[Problem]:
    """Check that settings about networks stand in jails that count these."""
    problems = []
    if "prefixes" in settings and settings.get("key") != "prefix":
        problems.append(Problem("has no effect without 'key = \"prefix\"'", key=("prefixes",)))
    if "clients" in settings and not _counts_networks(settings):
        problems.append(Problem("has no effect without 'key = \"prefix\"' or 'key = \"asn\"'", key=("clients",)))
    return problems


def _counts_networks(settings: object) -> bool:
    return isinstance(settings, dict) and settings.get("key") in ("prefix", "asn")


def _counts_bans(settings: object) -> bool:
    return isinstance(settings, dict) and "bans_of" in settings
