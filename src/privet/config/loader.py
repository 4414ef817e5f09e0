"""From the text of `privet.toml` to a `Config`, or to the list of all its mistakes."""

from __future__ import annotations

import re
import tomllib
from functools import partial
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any, NamedTuple

from privet.config import (
    actions,
    builtin,
    cases,
    escalation,
    escrow,
    feeds,
    filters,
    firewall,
    ignore,
    loads,
    manners,
    notify,
    ports,
    recidive,
    sources,
    swarm,
)
from privet.config.adoption import adopted
from privet.config.errors import ConfigError, ConfigErrors, dotted
from privet.config.lines import KeyLines
from privet.config.model import (
    Config,
    DaemonConfig,
    EngineConfig,
    Fail2banConfig,
    FeedConfig,
    MannersConfig,
    NetworksConfig,
    NotifyConfig,
    Persist,
    ProxiesConfig,
    StoreConfig,
)
from privet.config.predicates import predicates
from privet.config.values import (
    Decoder,
    Invalid,
    Problem,
    at_least,
    bad,
    choice,
    did_you_mean,
    duration,
    each,
    flag,
    is_whole,
    read,
    shown,
    table,
    text,
    texts,
    whole,
)
from privet.core.addresses.address import IPV6_CLIENT
from privet.core.bans.escalate import Escalation
from privet.core.jails import FIELDS, Counting, Distinction, Jail

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_LEAST_TOLERANCE = 60.0  # seconds: servers stamp the start of a request and write at its end
_LEAST_CLIENTS = 1000
_LEAST_BANS = 1000
_WIDEST_CLIENT = 32  # bits: what a whole provider has
_BANTIME = Jail(name="", sources=()).bantime


def _ipv6_client(value: Any) -> int:  # noqa: ANN401  anything that TOML can hold
    if not (is_whole(value) and _WIDEST_CLIENT <= value <= IPV6_CLIENT):
        raise bad(f"expected a prefix length from {_WIDEST_CLIENT} to {IPV6_CLIENT}, got {shown(value)}")
    return int(value)


SETTINGS: Mapping[str, Mapping[str, Decoder]] = {
    "daemon": {"runtime": text, "state": text, "user": text, "ignoreip": ignore.ignored},
    "proxies": {"trusted": ignore.ignored, "group": text},
    "firewall": firewall.SETTINGS,
    "store": {"persist": choice(Persist), "max_bans": whole(_LEAST_BANS)},
    "engine": {
        "tolerance": at_least(_LEAST_TOLERANCE, duration),
        "max_clients": whole(_LEAST_CLIENTS),
        "ipv6_client": _ipv6_client,
    },
    "networks": {"table": text, "most_innocent": whole(0)},
    "source": sources.SETTINGS,
    "filter": filters.SETTINGS,
    "action": actions.SETTINGS,
    "fail2ban": {"config": text, "counting": choice(Counting)},
    "jail": {
        "source": texts,
        "builtin": builtin.named,
        "test": cases.cases,
        "filter": partial(filters.jail_filter, {}, ""),
        **{field: partial(predicates, field) for field in FIELDS},
        "findtime": duration,
        "maxretry": loads.limits,
        "bantime": duration,
        "ignoreip": ignore.ignored,
        "ignorecommand": actions.command,
        "counting": choice(Counting),
        "distinct": choice(Distinction),
        "dry_run": flag,
        "close": flag,
        "actions": partial(actions.jail_actions, {}),
        **escalation.SETTINGS,
        **recidive.SETTINGS,
        **swarm.SETTINGS,
        **manners.JAIL_SETTINGS,
        **ports.SETTINGS,
    },
    "builtin": builtin.SETTINGS,
    "escalation": escalation.SETTINGS,
    "feed": feeds.SETTINGS,
    "escrow": escrow.SETTINGS,
    "notify": notify.SETTINGS,
    "manners": manners.SETTINGS,
}
"""Every setting of every table; `source`, `filter`, `jail`, `action` and `feed` hold one table per name."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


def load(path: str | FilePath) -> Config:
    """Read a configuration file.

    Raises ConfigErrors with every mistake; a file that cannot be read is one (its cause is the OSError).
    """
    name = str(path)
    try:
        data = FilePath(path).read_bytes()
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
        raise ConfigErrors([ConfigError(file=name, line=0, message=message)]) from error
    try:
        content = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigErrors([ConfigError(file=name, line=line, message="is not UTF-8")]) from None
    return parse(content, name)


def parse(content: str, name: str) -> Config:
    """Read a configuration from a text; `name` stands for it in messages. Raises ConfigErrors."""
    document, origins = builtin.expanded(_document(content, name))
    try:
        return _config(document, name)
    except Invalid as error:
        lines = KeyLines(content)
        problems = builtin.moved(error.problems, origins)
        raise ConfigErrors(_placed(problem, name, lines) for problem in problems) from None


def _placed(problem: Problem, name: str, lines: KeyLines) -> ConfigError:
    return ConfigError(
        file=name,
        line=lines.of(problem.key),
        key=dotted(problem.key),
        message=problem.message,
        hint=problem.hint,
    )


def _document(content: str, name: str) -> dict[str, Any]:
    """Parse TOML; the place moves from the end of tomllib's message to the front."""
    line = column = 0
    try:
        return tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        found = _PLACE.search(message)
        if found is not None:
            message = message[: found.start()]
            line, column = (int(number) for number in found.groups(0))
            line = line or content.count("\n") + 1
    except ValueError as error:  # a number of more digits than Python converts
        message = str(error)
    except RecursionError:
        message = "lists or tables are nested too deeply"
    raise ConfigErrors([ConfigError(file=name, line=line, column=column, message=message)]) from None


def _config(document: dict[str, Any], name: str) -> Config:
    known = _Known(
        _table_or_empty(document.get("source")),
        _table_or_empty(document.get("jail")),
        _escalation_or_default(document.get("escalation", {})),
        _table_or_empty(document.get("filter")),
        _table_or_empty(document.get("action")),
        _table_or_empty(document.get("manners")),
    )
    tables: dict[str, Decoder] = {
        "daemon": partial(_plain, DaemonConfig, SETTINGS["daemon"]),
        "proxies": partial(_plain, ProxiesConfig, SETTINGS["proxies"]),
        "firewall": firewall.firewall,
        "store": partial(_plain, StoreConfig, SETTINGS["store"]),
        "engine": partial(_plain, EngineConfig, SETTINGS["engine"]),
        "source": partial(_named, sources.source),
        "filter": partial(_named, filters.filter_spec),
        "action": partial(_named, actions.action),
        "fail2ban": partial(_plain, Fail2banConfig, SETTINGS["fail2ban"]),
        "jail": partial(_named, partial(_jail, known)),
        "builtin": partial(_named, partial(builtin.group, known.sources)),
        "escalation": escalation.escalation,
        "networks": partial(_plain, NetworksConfig, SETTINGS["networks"]),
        "feed": partial(_named, _feed),
        "escrow": escrow.escrow,
        "notify": partial(_plain, NotifyConfig, SETTINGS["notify"]),
        "manners": partial(_plain, MannersConfig, SETTINGS["manners"]),
    }
    decoded, problems = read(document, tables)
    problems += recidive.table_problems(known.jails, _table_or_empty(document.get("networks")))
    problems += sources.kind_problems(known.sources, known.jails)
    if problems:
        raise Invalid(*problems)
    for kind in ("filter", "builtin"):  # jails hold theirs
        decoded.pop(kind, None)
    decoded["tests"] = {
        jail: cases.cases(settings["test"])
        for jail, settings in known.jails.items()
        if isinstance(settings, dict) and "test" in settings
    }
    named = {f"{table}s": decoded.pop(table, {}) for table in ("source", "jail", "feed", "action")}
    return adopted(Config(path=name, **named, **decoded))


class _Known(NamedTuple):
    """What a jail may refer to, mistakes in it aside: tables as they are written, and the default of bans that grow."""

    sources: Mapping[str, object]
    jails: Mapping[str, object]
    escalation: Escalation
    filters: Mapping[str, object]
    actions: Mapping[str, object]
    manners: Mapping[str, object]


def _table_or_empty(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _escalation_or_default(value: object) -> Escalation:
    try:
        return escalation.escalation(value)
    except Invalid:  # told where the table itself is read
        return Escalation()


def _plain(build: Callable[..., Any], decoders: Mapping[str, Decoder], value: object) -> object:
    """Decode a table of which there is one."""
    settings, problems = read(value, decoders)
    if problems:
        raise Invalid(*problems)
    return build(**ignore.sorted_out(settings))


def _named(decode: Callable[[str, Any], Any], value: object) -> dict[str, Any]:
    """Decode a table of named tables."""
    problems = [problem.below(name) for name in table(value) for problem in _name_problems(name)]
    decoded, more = read(value, {name: partial(decode, name) for name in table(value)})
    problems += more
    if problems:
        raise Invalid(*problems)
    return decoded


def _jail(known: _Known, name: str, value: object) -> Jail:
    references: dict[str, Decoder] = {
        "source": partial(_references, known.sources),
        "bans_of": partial(recidive.watched, known.jails),
        "filter": partial(filters.jail_filter, known.filters, name),
        "actions": partial(actions.jail_actions, known.actions),
    }
    settings, problems = read(value, {**SETTINGS["jail"], **references})
    grown, more = escalation.jail_escalation(known.escalation, settings, settings.get("bantime", _BANTIME))
    scope, wrong = ports.jail_scope(settings)
    problems += [*recidive.kind_problems(table(value)), *more, *wrong]
    problems += [*filters.jail_problems(table(value)), *actions.jail_problems(table(value))]
    problems += [*swarm.swarm_problems(table(value)), *_distinct_problems(table(value))]
    problems += [*manners.patience_problems(table(value)), *manners.manners_problems(table(value), known.manners)]
    problems += loads.load_problems(table(value))
    if problems:
        raise Invalid(*problems)
    # In the order of FIELDS, so that jails that ask the same are equal however they are written.
    for word in ("builtin", "test"):
        settings.pop(word, None)
    conditions = tuple(one for field in FIELDS for one in settings.pop(field, ()))
    sources = settings.pop("source", ())
    settings = loads.load_settings(swarm.swarm_settings(ignore.sorted_out(settings)))
    return Jail(name=name, sources=sources, predicates=conditions, escalation=grown, scope=scope, **settings)


def _distinct_problems(settings: Mapping[str, object]) -> list[Problem]:
    """Check that a jail that counts different values has requests of clients to take them from."""
    others = [name for name in ("filter", "bans_of") if name in settings]
    others += [
        name for name, usual in (("key", "address"), ("counting", "window")) if settings.get(name, usual) != usual
    ]
    if "distinct" not in settings or not others:
        return []
    return [Problem(f"a jail has either this or '{others[0]}'", key=("distinct",))]


def _feed(name: str, value: object) -> FeedConfig:
    settings, problems = read(value, SETTINGS["feed"])
    problems += feeds.feed_problems(table(value))
    if problems:
        raise Invalid(*problems)
    return FeedConfig(name=name, **settings)


def _references(known: Mapping[str, object], value: object) -> tuple[str, ...]:
    """Decode the names of sources that exist."""

    def reference(name: str) -> str:
        if name not in known:
            raise bad(f"there is no source {shown(name)}", did_you_mean(name, known))
        return name

    return each(texts(value), reference)


def _name_problems(name: str) -> list[Problem]:
    if _NAME.fullmatch(name):
        return []
    return [Problem("a name consists of letters, digits, '-' and '_' and does not begin with '-'")]
