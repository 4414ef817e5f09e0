"""What each report on logs says, as a sheet: the same for the terminal, for programs and for a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from privet.cli.output import local, rfc3339
from privet.cli.sheet import Column, Sheet
from privet.core.plurals import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from privet.cli.said import Said
    from privet.core.addresses.address import Subject
    from privet.core.manners.habits import Habits
    from privet.core.reports.crowds import CrowdRow
    from privet.core.reports.hits import HitRow, Hits
    from privet.core.reports.leeches import Leeches
    from privet.core.reports.trace import Trace

    Name = Callable[[Subject], str]

CLIENT, HITS, SHARE = Column("client"), Column("hits", "number"), Column("share", "share", "hits")
_SAID = frozenset(("site", "file", "path", "agent"))
TITLES = {
    "hour": "Requests by hour", "day": "Requests by day", "site": "Sites by requests",
    "file": "Requests by file of the log", "path": "Pages by requests", "status": "Answers by status code",
    "status-class": "Answers by class", "agent": "Agents by requests",
}  # fmt: skip


def leeches(found: Leeches, name: Name, limit: int | None) -> Sheet:
    """Return the clients by hits; in a terminal with the columns that administrators know."""
    from privet.core.reports.leeches import HEADER, format_row  # noqa: PLC0415  heavy imports wait until they are needed

    known = [(name(row.subject), row) for row in found.rows(limit)]
    items = [
        {
            "client": who,
            "hits": row.hits,
            "kib": row.kib,
            "share": row.share,
            "interval": row.interval,
            "statuses": dict(row.statuses),
        }
        for who, row in known
    ]
    rows = [
        (
            who,
            row.hits,
            f"{row.share}%",
            f"{row.kib:,} KiB",
            "" if row.interval is None else f"{row.interval:,.1f} s",
            ", ".join(f"{status} ({percent}%)" for status, percent in row.statuses),
        )
        for who, row in known
    ]
    columns = [
        CLIENT,
        HITS,
        SHARE,
        Column("mean size", "number"),
        Column("interval", "number"),
        Column("status codes", "text"),
    ]
    return Sheet(
        "leeches",
        "Clients by requests",
        items,
        columns,
        rows,
        "Mean size of a response, mean time between two requests, and how many of them had which status code.",
        lines=[HEADER, *(format_row(row, who) for who, row in known)],
        total=len(found),
    )


def hits(found: Hits, by: str, said: Said, limit: int | None) -> Sheet:
    """Return the hits by one field."""
    return hit_rows(found.rows(limit), by, said, len(found))


def hit_rows(found: Sequence[HitRow], by: str, said: Said, total: int) -> Sheet:
    """Return hits that were counted by one field, those to be shown of so many."""
    items = [{by: said(row.value), "hits": row.hits, "share": row.share} for row in found]
    rows = [(item[by], item["hits"], f"{item['share']}%") for item in items]
    first = Column(by, "said" if by in _SAID else "name")
    return Sheet("hits", TITLES[by], items, [first, HITS, Column("rel.", "share", "hits")], rows, total=total)


def networks(found: Sequence[CrowdRow], name: Name, limit: int | None) -> Sheet:
    """Return the networks by hits."""
    items: list[dict[str, Any]] = [
        {
            "network": name(row.subject) if row.subject else row.asn,
            "name": row.name,
            "clients": row.clients,
            "hits": row.hits,
            "kib": row.kib,
            "share": row.share,
        }
        for row in found[:limit]
    ]
    rows = [(*list(item.values())[:4], f"{item['kib']}K", f"{item['share']}%") for item in items]
    columns = [Column("network"), Column("name", "text"), Column("clients", "number"), HITS]
    columns += [Column("bandw.", "number"), Column("hits%", "share", "hits")]
    return Sheet("networks", "Networks by requests", items, columns, rows, total=len(found))


def trace(found: Trace, said: Said, limit: int | None) -> Sheet:
    """Return the requests of one client, and its habits."""
    told = [(row.time, said(row.method), said(row.path), row.status, said(row.agent)) for row in found.rows(limit)]
    items = [
        {"time": rfc3339(time), "method": method, "path": path, "status": status, "agent": agent}
        for time, method, path, status, agent in told
    ]
    rows = [(local(time), *rest) for time, *rest in told]
    columns = [
        Column("time"),
        Column("method", "said"),
        Column("path", "said"),
        Column("status"),
        Column("agent", "said", wide=40),
    ]
    habits = found.habits()
    notes = [f"This client {habit}." for habit in habits]
    beside = {"habits": habits}
    title = "Requests of one client"
    lines = None if rows else ["no request of this client was found; a masked log has pseudonyms in place of addresses"]
    return Sheet("trace", title, items, columns, rows, lines=lines, beside=beside, notes=notes, total=found.hits)


def manners(found: Habits, name: Name, limit: int | None) -> Sheet:
    """Return the clients with bad manners, most offences first; in a terminal each habit in a line of its own."""
    everybody = found.rows()
    known = [(name(row.subject), row) for row in everybody[:limit]]
    items = [
        {"client": who, "hits": row.hits, "agent": row.agent, "habits": row.habits, "says": row.says}
        for who, row in known
    ]
    rows = [(who, row.hits, row.agent, "; ".join(row.says)) for who, row in known]
    columns = [CLIENT, HITS, Column("agent", "said"), Column("manners", "said")]
    lines = [
        line
        for who, row in known
        for line in (f"{who}  {counted(row.hits, 'request')}, {row.agent}", *(f"    {says}" for says in row.says))
    ]
    says = "Offences against good manners that were found at least five times; to be somebody else takes one."
    lines = lines or ["nobody has bad manners"]
    return Sheet("manners", "Bad manners", items, columns, rows, says, lines=lines, total=len(everybody))


def offenders(found: Sequence[Mapping[str, Any]], limit: int | None) -> Sheet:
    """Return who was banned how often."""
    from privet.core.reports.offenders import HEADER, format_row  # noqa: PLC0415  as above

    items = found[:limit]
    lines = (format_row(item["client"], item["bans"], item["share"], item["interval"]) for item in items)
    rows = [
        (
            item["client"],
            item["bans"],
            f"{item['share']}%",
            "" if item["interval"] is None else f"{item['interval']:.1f} h",
        )
        for item in items
    ]
    columns = [CLIENT, Column("bans", "number"), Column("share", "share", "bans"), Column("interval", "number")]
    says = "The interval is the mean time between two bans."
    return Sheet("offenders", "Clients by bans", items, columns, rows, says, lines=[HEADER, *lines], total=len(found))
