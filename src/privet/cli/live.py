"""Reports without a log: what the running daemon has counted, or counts now."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from privet.cli.main import EX_USAGE, Failure
from privet.cli.sheet import Column, Output, Sheet, Top, put
from privet.core.plurals import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OWN = "Without LOG, the running daemon is asked."
COUNTED = ("hour", "day", "site", "status-class", "jail")
"""By what the daemon counts requests, or bans."""

_SINCE = {"day": "30d"}
_HOUR = 3600
_NAMED = 5  # logs that are said by name
_INSTEAD = {"status": "; --by status-class needs none"}
_DOES = {
    "heads": "asks by HEAD twice or more before it fetches a page",
    "backoff": "comes back no slower after 429 or 503",
    "robots": "asks for what robots.txt disallows",
    "crawl-delay": "makes shorter pauses than robots.txt asks for",
    "feeds": "fetches a feed too often",
    "whole-feeds": "never asks whether a feed has changed",
    "fake-browser": "calls itself a browser and never loads what belongs to a page",
    "fake-robot": "calls itself a robot that comes from elsewhere",
}

since_option = click.option("--since", metavar="TIME", help="Of the daemon, the last 12h, 7d.  [default: 1d, days 30d]")


def of_logs(logs: Sequence[str], only_logs: Sequence[str], only_daemon: Sequence[str]) -> bool:
    """Tell whether logs are named; fail if an option was given that says nothing about what is read then."""
    context = click.get_current_context()
    for parameter in context.command.params:
        given = context.get_parameter_source(str(parameter.name)) is ParameterSource.COMMANDLINE
        if given and parameter.name in (only_daemon if logs else only_logs):
            about = "what is reported without LOG" if logs else "logs: name one"
            raise Failure(f"{parameter.opts[-1]} is about {about}", EX_USAGE)
    return bool(logs)


def own_logs(config_path: str) -> dict[str, list[str]]:
    """Return the logs of requests that the sources of the configuration have, by their format, and say which."""
    from privet.cli.options import load_config  # noqa: PLC0415  heavy imports wait until the verb is called
    from privet.tasks.reports import logs_of  # noqa: PLC0415  as above

    found = logs_of(load_config(config_path))
    paths = [path for some in found.values() for path in some]
    if not paths:
        why = "its sources are journals, plain lines, or pipes without a `log`"
        raise Failure(f"{config_path} names no log of requests ({why}): name one", EX_USAGE)
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    click.echo(f"reading {', '.join(paths[:_NAMED])}{more}", err=True)
    return found


def hits(runtime: str | None, by: str, since: str | None, output: Output) -> int:
    """Put out the requests that the daemon counted, or by jail the bans."""
    from privet.cli import figures  # noqa: PLC0415  as above
    from privet.cli.client import ask  # noqa: PLC0415  as above
    from privet.cli.subjects import seconds  # noqa: PLC0415  as above

    if by not in COUNTED:
        log = f"name a log, as in: privet report hits --by {by} /var/log/apache2/access.log"
        raise Failure(f"the daemon does not count requests by {by}: {log}{_INSTEAD.get(by, '')}", EX_USAGE)
    wanted = since or _SINCE.get(by, "1d")
    answer = ask(runtime, "history", since=seconds("--since", wanted), step=_HOUR)
    sheet = _jails(answer["jails"], output.rows) if by == "jail" else _requests(answer, by, output.rows)
    if not sheet.rows:
        sheet = sheet._replace(notes=["nothing was counted in this time yet"])
    top = Top()
    if output.html is not None:
        tiles = [("Requests", f"{sum(one['hits'] for one in answer['sites']):,}")]
        tiles.append(("Bans", f"{sum(one['bans'] for one in answer['jails']):,}"))
        what = "Bans" if by == "jail" else "Requests"
        drawn = [one for one in figures.history(answer["items"], _HOUR) if one.title.startswith(what)]
        top = Top(f"What the daemon counted, the last {wanted}", tiles, drawn)
    put(output, sheet, top)
    return 0


def limits(
    runtime: str | None, jails: Sequence[str], share: int, rows: int | None, *, reveal: bool
) -> Mapping[str, Any]:
    """Return who the daemon says is close to a limit now."""
    from privet.cli.client import ask  # noqa: PLC0415  as above

    return ask(runtime, "limits", jails=jails, share=share / 100, limit=rows, reveal=reveal)


def manners(runtime: str | None, output: Output, *, reveal: bool) -> int:
    """Put out who has offences against good manners that the daemon counts now."""
    from privet.cli.client import ask  # noqa: PLC0415  as above
    from privet.cli.output import local, rfc3339  # noqa: PLC0415  as above

    answer = ask(runtime, "manners", limit=output.rows, reveal=reveal)
    found = [(one, [_says(jail) for jail in one["jails"]]) for one in answer["items"]]
    items = [
        {
            "client": one["client"],
            "habits": one["habits"],
            "says": says,
            "jails": [jail["jail"] for jail in one["jails"]],
            "time": rfc3339(one["time"]),
        }
        for one, says in found
    ]
    rows = [(one["client"], local(one["time"]), "; ".join(says)) for one, says in found]
    lines = [
        line
        for one, says in found
        for line in (f"{one['client']}  last {local(one['time'])}", *(f"    {each}" for each in says))
    ]
    columns = [Column("client"), Column("last"), Column("manners", "text")]
    text = "Offences against good manners that jails count now."
    lines = lines or ["nobody has bad manners that count now"]
    put(output, Sheet("manners", "Bad manners", items, columns, rows, text, lines, total=answer["total"]), _now(answer))
    return 0


def networks(runtime: str | None, output: Output, *, reveal: bool) -> int:
    """Put out which networks jails count now."""
    from privet.cli.client import ask  # noqa: PLC0415  as above
    from privet.cli.output import dated, rounded  # noqa: PLC0415  as above

    answer = ask(runtime, "networks", limit=output.rows, reveal=reveal)
    rows = [
        (
            one["network"],
            one["name"],
            one["clients"],
            one["hits"],
            one["jail"],
            f"{one['limit']} from {counted(one['needed'], 'client')}",
            rounded(one["within"]),
        )
        for one in answer["items"]
    ]
    columns = [Column("network"), Column("name", "text"), Column("clients", "number"), Column("hits", "number")]
    columns += [Column("jail"), Column("limit", "text"), Column("within", "text")]
    sheet = Sheet(
        "networks",
        "Networks by what jails count of them",
        [dated(one, "time") for one in answer["items"]],
        columns,
        rows,
        "Failures that count now, as far as the limit, and of how many different clients they are.",
        notes=[] if rows else ["no network has failures that count now"],
        total=answer["total"],
    )
    put(output, sheet, _now(answer))
    return 0


def _requests(answer: Mapping[str, Any], by: str, limit: int | None) -> Sheet:
    """Return the requests that were counted: times newest first, others by their hits."""
    from privet.cli import sheets  # noqa: PLC0415  as above
    from privet.core.reports.hits import HitRow  # noqa: PLC0415  as above

    sums: dict[str, int] = {}
    for name, hits in _counts(answer, by):
        sums[name] = sums.get(name, 0) + hits
    total = sum(sums.values())
    ranked = reversed(sums.items()) if by in ("hour", "day") else sorted(sums.items(), key=lambda item: -item[1])
    found = [HitRow(name, hits, hits * 100 // total) for name, hits in ranked if hits]
    return sheets.hit_rows(found[:limit], by, str, len(found))


def _counts(answer: Mapping[str, Any], by: str) -> list[tuple[str, int]]:
    from privet.core.reports.hits import CLASS_NAMES  # noqa: PLC0415  as above

    if by == "site":
        return [(one["site"], one["hits"]) for one in answer["sites"]]
    if by == "status-class":
        return [(name, one[kind]) for one in answer["sites"] for kind, name in CLASS_NAMES.items()]
    form = "%d/%b/%Y:%H" if by == "hour" else "%d/%b/%Y"
    return [
        (datetime.fromtimestamp(one["time"]).astimezone().strftime(form), one.get("hits", 0)) for one in answer["items"]
    ]


def _jails(found: Sequence[Mapping[str, Any]], limit: int | None) -> Sheet:
    """Return the jails by their bans, and with those that closed nothing."""
    total = sum(one["bans"] for one in found)
    items = [{**one, "share": one["bans"] * 100 // total if total else 0} for one in found[:limit]]
    rows = [(one["jail"], one["bans"], f"{one['share']}%", one["reports"]) for one in items]
    columns = [Column("jail"), Column("bans", "number"), Column("rel.", "share", "bans"), Column("reports", "number")]
    return Sheet("hits", "Jails by bans", items, columns, rows, total=len(found))


def _says(jail: Mapping[str, Any]) -> str:
    from privet.cli.output import rounded  # noqa: PLC0415  as above

    often = f"{counted(jail['count'], 'time')} within {rounded(jail['within'])}"
    return f"{_DOES[jail['signal']]} ({often}, of {jail['limit']} for jail {jail['jail']})"


def _now(answer: Mapping[str, Any]) -> Top:
    return Top("What the daemon counts now", [("Listed", f"{answer['total']:,}")])
