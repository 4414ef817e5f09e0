"""What `privet.toml` says about jails for manners, and about the files that they need."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from privet.config.values import Problem, bad, choice, duration, read, shown, table, text
from privet.core.jails import Signal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from privet.config.values import Decoder

JAIL_SETTINGS: Mapping[str, Decoder] = {
    "signal": choice(Signal),
    "wait": duration,
    "every": duration,
    "patience": duration,
}

_ONLY = {"wait": "backoff", "every": "feeds"}
"""Settings of one signal."""

NEEDS = {"robots": "robots", "crawl-delay": "robots", "fake-robot": "crawlers"}
"""Which setting of `[manners]` a signal needs."""

_NOT = ("counting", "distinct", "filter", "bans_of", "key", "prefixes", "clients")
_LOOPBACK = re.compile(r"localhost|127\.[0-9.]+|::1", re.IGNORECASE)
_WORD = re.compile(r"[a-z0-9][a-z0-9._-]{2,31}")


def _place(value: object) -> str:
    """Decode where a file is: its absolute path, or its address on a server."""
    place = text(value)
    if place.startswith("/"):
        return place
    try:
        parts = urlsplit(place)
        if parts.hostname and (
            parts.scheme == "https" or (parts.scheme == "http" and _LOOPBACK.fullmatch(parts.hostname))
        ):
            return place
    except ValueError:  # a port that is no number, say
        pass
    raise bad(f"expected an absolute path, an https address, or an http address of this machine, got {shown(place)}")


def _robots(value: object) -> dict[str, str]:
    """Decode one place for all sites, or a table of them."""
    if not isinstance(value, dict):
        return {"*": _place(value)}
    return _all({name.lower(): place for name, place in value.items()}, _place)


def _crawlers(value: object) -> dict[str, str]:
    """Decode a table of files by the word that the agent of a robot has in it."""
    words = {word.lower(): place for word, place in table(value).items()}
    wrong = [word for word in words if not _WORD.fullmatch(word)]
    if wrong:
        raise bad(f"a robot is named by a word of its agent, three letters or longer, got {shown(wrong[0])}")
    return _all(words, _path)


def _path(value: object) -> str:
    path = text(value)
    if not path.startswith("/"):
        raise bad(f"expected an absolute path, got {shown(path)}")
    return path


def _all(values: dict[str, Any], decode: Decoder) -> dict[str, str]:
    decoded, problems = read(values, dict.fromkeys(values, decode))
    if problems:
        raise bad("; ".join(f"{problem.key[0]}: {problem.message}" for problem in problems))
    return decoded


SETTINGS: Mapping[str, Decoder] = {"robots": _robots, "crawlers": _crawlers}


def manners_problems(settings: Mapping[str, object], files: Mapping[str, object]) -> list[Problem]:
    """Check that a jail has the settings of its kind; `files` is what stands in `[manners]`."""
    signal = settings.get("signal")
    if settings.get("kind") != "manners":
        return [
            Problem("only a jail with 'kind = \"manners\"' has this", key=(name,))
            for name in ("signal", *_ONLY)
            if name in settings
        ]
    problems = [Problem("a jail for manners does not have this", key=(name,)) for name in _NOT if name in settings]
    problems += [
        Problem(f"only the signal '{owner}' has this", key=(name,))
        for name, owner in _ONLY.items()
        if name in settings and signal != owner
    ]
    if signal is None:
        problems.append(Problem("needs 'signal'"))
    if signal in ("robots", "crawl-delay") and "robots" not in files:
        problems.append(
            Problem("this signal needs to know where robots.txt is: 'robots' in [manners]", key=("signal",))
        )
    if signal == "fake-robot" and "crawlers" not in files:
        problems.append(Problem("this signal needs files with networks: 'crawlers' in [manners]", key=("signal",)))
    return problems


def patience_problems(settings: Mapping[str, object]) -> list[Problem]:
    """Check that there is somebody to be patient with."""
    if "patience" in settings and (
        "bans_of" in settings or settings.get("kind") == "swarm" or settings.get("key", "address") != "address"
    ):
        return [Problem("only a jail that bans single clients for what they do has this", key=("patience",))]
    return []
