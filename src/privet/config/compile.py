"""Build the engine from the configuration: for the daemon, replay, the demo and tests alike."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, cast

from privet.config.model import PLAIN
from privet.core.engine import Engine
from privet.core.filters.plan import FilterPlan
from privet.core.manners.window import COLUMNS as MANNERS
from privet.core.manners.window import NEEDS
from privet.core.parsing.formats import parse_format
from privet.core.parsing.forwarded import Proxies
from privet.core.parsing.parse import Plan, plan_of
from privet.core.parsing.recognise import AutoPlan
from privet.core.rows.select import columns_for, columns_of
from privet.core.swarms.swarm import COLUMNS
from privet.core.verdicts import Action
from privet.core.windows.forms import COLUMNS as FORMS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from datetime import tzinfo

    from privet.config.model import Config, SourceConfig
    from privet.core.addresses.address import Subject
    from privet.core.addresses.networks import Networks
    from privet.core.filters.matching import Failure
    from privet.core.filters.model import FilterSpec
    from privet.core.filters.plan import Found
    from privet.core.guard import Listed
    from privet.core.jails import Jail
    from privet.core.parsing.parse import Rows

Observe = Callable[[str, "FilterSpec", int, "Failure"], None]
"""Who is told of a failure: the source, the filter, the place of the line in its block, and the failure."""

_KINDS = {"swarm": COLUMNS, "form": FORMS}
"""What jails of these kinds read."""

MASKED_COLUMNS = frozenset(
    {"host", "user", "request", "method", "target", "path", "query", "status", "size", "referer", "agent"}
)
"""The unquoted columns that the masked log needs."""


def plan_for(
    source: SourceConfig,
    want: Collection[str] = (),
    zone: tzinfo = UTC,
    proxies: Proxies | None = None,
    *,
    arrays: bool = False,
) -> Plan | AutoPlan:
    """Make the parser of a source; stamps that carry no offset are in `zone`, the word of `proxies` is believed.

    It has no other columns of a text than those of `want`; with `arrays` those of large blocks are arrays.
    """
    if source.format == "auto":
        return AutoPlan(want, zone, proxies, arrays=arrays)
    return plan_of(parse_format(source.format), want, zone, proxies, arrays=arrays)


def is_plain(config: Config, source: SourceConfig) -> bool:
    """Tell whether the lines of a source are no requests: it says so, or nobody wants to see them as such."""
    jails = [jail for jail in config.jails.values() if source.name in jail.sources]
    nobody = source.format == "auto" and bool(jails) and all(jail.filter for jail in jails)
    return source.format == PLAIN or source.journal is not None or nobody


def filters_for(config: Config, zone: tzinfo = UTC, observe: Observe | None = None) -> dict[str, FilterPlan]:
    """Make what looks at whole lines, by source; dates that carry no offset are in `zone`.

    `observe` is told of failures as `FilterPlan` says, after the name of the source: of those that a program of
    their jail wants to know more of, or whose names are to be looked up.
    """
    observed = {
        jail.filter
        for jail in config.jails.values()
        if jail.filter and (jail.actions or jail.ignorecommand or jail.filter.usedns == "yes")
    }
    specs: dict[str, dict[FilterSpec, None]] = {}
    for jail in config.jails.values():
        for name in jail.sources if jail.filter else ():
            specs.setdefault(name, {})[cast("FilterSpec", jail.filter)] = None
    plain = {name: specs.get(name, {}) for name, source in config.sources.items() if is_plain(config, source)}
    return {
        name: FilterPlan(
            list(wanted),
            zone,
            partial(observe, name) if observe else None,
            observed=observed,
            journal=config.sources[name].journal is not None,
        )
        for name, wanted in {**plain, **specs}.items()
    }


def engine_for(  # noqa: PLR0913  each is a thing of its own
    config: Config,
    *,
    zone: tzinfo = UTC,
    want: Collection[str] = (),
    observers: Sequence[Callable[[str, Rows], None]] = (),
    secrets: Sequence[bytes] = (),
    networks: Networks | None = None,
    proxies: Proxies | None = None,
    observe: Observe | None = None,
    found: Callable[[str, Found], None] | None = None,
    today: float = 0.0,
) -> Engine:
    """Build the engine; `want` names columns that the observers read besides those of the jails.

    `secrets` hide the clients whose bans are counted, `networks` tells their AS numbers, see `Engine`. `proxies`
    are those whose word about a client is believed: if none are given, those that stand in the configuration.
    `observe` is for `filters_for`, `found` and `today` for the engine.
    """
    proxies = proxies or Proxies(config.proxies.trusted)
    plans = {}
    for name, source in config.sources.items():
        if is_plain(config, source):
            continue
        jails = [jail for jail in config.jails.values() if name in jail.sources]
        columns = set(want).union(*(_columns_for(jail) for jail in jails))
        plans[name] = plan_for(source, columns, zone, proxies, arrays=any(jail.by_blocks for jail in jails))
    return Engine(
        plans,
        config.jails.values(),
        filters_for(config, zone, observe),
        today=today,
        tolerance=config.engine.tolerance,
        max_clients=config.engine.max_clients,
        observers=observers,
        found=found,
        secrets=secrets,
        ipv6_client=config.engine.ipv6_client,
        networks=networks,
        proxied=[name for name, source in config.sources.items() if source.proxied],
    )


def _columns_for(jail: Jail) -> set[str]:
    """Return the columns that a jail reads."""
    distinct = columns_of({jail.distinct}) if jail.distinct else set()
    manners = MANNERS[jail.signal] if jail.signal else frozenset[str]()
    return columns_for(jail.predicates) | distinct | manners | _KINDS.get(jail.kind, frozenset())


def lists_of(config: Config) -> Iterator[Listed]:
    """Yield every list that tells who is spared or trusted."""
    yield from config.daemon.ignorelists
    yield from config.proxies.trustedlists
    for jail in config.jails.values():
        yield from jail.ignorelists


def trusted_by(config: Config, answers: Mapping[Listed, Iterable[Subject]]) -> list[Subject]:
    """Return the proxies whose word is believed; `answers` tells who is on lists."""
    told = (answers.get(one, ()) for one in config.proxies.trustedlists)
    return [*config.proxies.trusted, *chain.from_iterable(told)]


def blind_to_proxies(config: Config) -> list[str]:
    """Say so where proxies are configured, but no source tells who came through them."""
    if config.proxies.trusted == () == config.proxies.trustedlists:
        return []
    for source in config.sources.values():
        if source.proxied or (source.format != "auto" and parse_format(source.format).fields & {"forwarded", "peer"}):
            return []
    return ["[proxies]: no source tells which client came through them: see docs/proxies.md"]


def places_for(config: Config, name: str) -> tuple[Action, ...]:
    """Return where a ban in the name of a jail has to be made so that it reaches its client.

    Who may or may not have come through a proxy is turned away by the firewall and by the web server. What is
    named after no jail is about all sources.
    """
    jail = config.jails.get(name)
    if jail and jail.action in (Action.DENY, Action.TELL):
        return (jail.action,)
    sources = [config.sources[one] for one in jail.sources] if jail else []
    behind = [_behind(config, source) for source in sources or config.sources.values()]
    if sources and all(source.proxied for source in sources):
        return (Action.DENY,)
    return (Action.BAN, Action.DENY) if any(behind) else (Action.BAN,)


def _behind(config: Config, source: SourceConfig) -> bool:
    """Tell whether a client of a source may have come through a proxy."""
    if source.proxied or is_plain(config, source):
        return source.proxied
    told = source.format != "auto" and bool(set(parse_format(source.format).fields) & {"peer", "forwarded"})
    return told or config.proxies.trusted != () or config.proxies.trustedlists != ()


def missing_fields(config: Config) -> list[str]:
    """Name the predicates that read a field which the declared format of their source does not have."""
    missing = []
    for jail in config.jails.values():
        for name in jail.sources:
            source = config.sources[name]
            if source.format == "auto" or is_plain(config, source):
                continue
            fields = set(parse_format(source.format).fields)
            if fields & {"request", "target"}:
                fields |= {"method", "path", "query", "target"}
            if "request" in fields:
                fields.add("proto")
            if "path" in fields:
                fields.add("target")
            wanted = [p.field for p in jail.predicates] + ([jail.distinct] if jail.distinct else [])
            wanted += sorted(NEEDS[jail.signal]) if jail.signal else []
            missing += [
                f"jail {jail.name}: source {name} has no field {field}"
                for field in dict.fromkeys(wanted)
                if field not in fields
            ]
    return missing


def idle_jails(config: Config) -> list[str]:
    """Name the jails that count bans of jails that ban nobody."""
    return [
        f"jail {jail.name}: none of the jails that it watches bans anybody"
        for jail in config.jails.values()
        if jail.bans_of is not None and all(other.dry_run for other in config.jails.values() if jail.watches(other))
    ]
