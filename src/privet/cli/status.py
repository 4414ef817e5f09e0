"""`privet status`: what Privet sees and does now."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from privet.cli.main import EX_WARNING
from privet.cli.options import json_option, runtime_option
from privet.core.plurals import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

SWARM_TIMES = ("began", "seen", "last", "ended")
ACCOUNT = ("in_kernel", "waiting", "expired", "unbanned", "superseded", "refused", "failed")


@click.command(
    epilog="""\b
Examples:
  privet status
  privet status --json
  privet status > /dev/null || mail -s "privet" root     (exit code 1: something deserves a look)
"""
)
@runtime_option
@json_option
def command(runtime: str | None, *, as_json: bool) -> int:
    """Show sources, bans and whatever deserves a look.

    Exit code 0: all is well. 1: there are warnings. 69: the daemon does not run.
    """
    from privet.cli.client import ask  # noqa: PLC0415
    from privet.cli.output import dated, print_json  # noqa: PLC0415

    state = ask(runtime, "status")
    if as_json:
        items = [dated(item, "windows_filling_until") for item in state.pop("items")]
        for place in ("firewall", "web", "slow"):
            state[place] = dated(state[place], "last_loss")
        state["actions"] = [dated(one, "last_failure_at") for one in state["actions"]]
        state["alarms"] = [dated(alarm, "since") for alarm in state["alarms"]]
        state["swarms"] = [dated(swarm, *SWARM_TIMES) for swarm in state["swarms"]]
        state["feeds"] = [dated(feed, "read") for feed in state["feeds"]]
        print_json("status", items, **dated(state, "since", "paused_until"))
    else:
        _print(state)
    return EX_WARNING if state["warnings"] else 0


def _print(state: dict[str, Any]) -> None:
    from privet.cli.output import local, print_table, rounded  # noqa: PLC0415

    up = rounded(time.time() - state["since"])
    click.echo(
        f"privet {state['version']}, up {up}, firewall {state['firewall']['name']}, configuration {state['config']}"
    )
    print_table(
        "",
        ("SOURCE", "KIND", "FORMAT", "#LINES", "#PARSED", "#IGNORED", "#UNPARSED", "NOTE"),
        map(_row, state["items"]),
    )
    _print_account("bans", state["bans"])
    for title, more in (
        ("bans in the web server", state["web"]["bans"]),
        ("told by the web server to come back later", state["slow"]["bans"]),
        ("bans only told of", state["told"]),
    ):
        if more["ordered"]:
            _print_account(title, more)
    for line in (*_events(state), *_swarms(state), *_helpers(state)):
        click.echo(line)
    for source in state["items"]:
        for pipe in source["pipes"]:
            click.echo(
                f"pipe {pipe['pid']} for {source['source']}: mask {pipe['mask']}, "
                f"{counted(pipe['taken'], 'line')} taken, "
                f"{pipe['dropped']} not handed on, {pipe['unwritten']} not written"
            )
        for reason, lines in source["samples"].items():
            click.echo(f"{source['source']}: {reason}, for example: {lines[0]}")
        if source["windows_filling_until"]:
            click.echo(f"{source['source']}: windows began empty, full at {local(source['windows_filling_until'])}")
    for warning in state["warnings"]:
        click.secho(f"warning: {warning}", fg="yellow")


def _print_account(title: str, bans: dict[str, Any]) -> None:
    parts = ", ".join(f"{bans[name]} {name.replace('_', ' ')}" for name in ACCOUNT if bans[name] or name == "in_kernel")
    click.echo(f"{title}: {bans['ordered']} ordered = {parts}")
    for kind in ("refused_by", "failed_by"):
        for reason, count in bans[kind].items():
            click.echo(f"  {count} {kind.partition('_')[0]}: {reason}")


def _events(state: dict[str, Any]) -> Iterator[str]:
    """Yield what happened to the firewall, the store and the clock, and was mended."""
    from privet.cli.output import local  # noqa: PLC0415

    firewall, store, clock = state["firewall"], state["store"], state["clock"]
    if firewall["losses"]:
        yield (
            f"firewall: somebody changed rules or bans {counted(firewall['losses'], 'time')}, last at "
            f"{local(firewall['last_loss'])}; made again: {counted(firewall['brought_back'], 'entry', 'entries')}"
        )
    if store["losses"]:
        yield f"store: was lost and made again {counted(store['losses'], 'time')}"
    if clock["set"] or clock["suspensions"]:
        yield f"clock: set {counted(clock['set'], 'time')}, {counted(clock['suspensions'], 'suspension')}"


def _swarms(state: dict[str, Any]) -> Iterator[str]:
    """Yield the swarms that are over, with their last request; those that are there are warnings."""
    from privet.cli.output import local, rounded  # noqa: PLC0415

    for one in state["swarms"]:
        if one["ended"] is not None:
            yield (
                f"swarm on the {one['level']} {one['what']}: {one['members']} clients at {local(one['began'])}, over "
                f"after {rounded(one['last'] - one['began'])}"
            )


def _helpers(state: dict[str, Any]) -> Iterator[str]:
    """Yield what there is to know of programs, of fail2ban's configuration, of clients, feeds and networks."""
    from privet.cli.output import local  # noqa: PLC0415

    for one in state["actions"]:
        yield (
            f"action {one['action']} of jail {one['jail']}: {counted(one['runs'], 'command')} run, "
            f"{one['failures']} failed, {one['waiting']} waiting; told of {counted(one['banned'], 'ban')}"
        )
    adopted, clients = state["fail2ban"], state["clients"]
    if adopted["config"]:
        rest = ", ".join(f"{count} {fate}" for fate, count in adopted["findings"].items() if fate != "adopted")
        see = f"; {rest}: see privet check" if rest else ""
        yield f"{counted(adopted['jails'], 'jail')} from {adopted['config']}{see}"
    yield f"clients: {clients['tracked']} tracked, {clients['evicted']} forgotten to stay within the cap"
    for feed in state["feeds"]:
        read = f"read at {local(feed['read'])}" if feed["read"] else "not read yet"
        yield f"feed {feed['feed']}: {counted(feed['entries'], 'entry', 'entries')}, {read}"
    if state["networks"]["rows"]:
        yield f"networks: {counted(state['networks']['rows'], 'row')}"


def _row(source: dict[str, Any]) -> tuple[object, ...]:
    note = "addresses at rest" if source["addresses_at_rest"] else ""
    if source["kind"] == "pipe":
        note = counted(len(source["pipes"]), "pipe") if source["pipes"] else "no pipe connected"
    unparsed = sum(source["unparsed"].values())
    return (
        *(source[name] for name in ("source", "kind", "format", "lines", "parsed", "ignored")),
        unparsed,
        note,
    )
