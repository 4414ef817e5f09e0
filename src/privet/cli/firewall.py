"""`privet firewall`: the rules that bans are enforced by."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from privet.cli.main import EX_ERROR, Failure
from privet.cli.options import DEFAULT_CONFIG, config_option, json_option, load_config, runtime_dir
from privet.core.plurals import counted

if TYPE_CHECKING:
    from privet.ports import Firewall


@click.group(name="firewall")
def command() -> None:
    """Show or remove the firewall rules."""


@command.command(
    epilog="""\b
Examples:
  privet firewall show
  privet firewall show --json
"""
)
@config_option
@json_option
def show(config_path: str, *, as_json: bool) -> None:
    """Print the rules of Privet with what they have counted, and the number of bans instead of the banned."""
    from privet.cli.output import print_json  # noqa: PLC0415
    from privet.ports import FirewallError  # noqa: PLC0415

    *_, firewall = _firewalls(config_path)
    try:
        rules = firewall.show()
        if as_json:
            print_json("firewall", _sets(firewall), backend=firewall.name, rules=rules, paused=firewall.paused())
        elif rules:
            click.echo(rules, nl=False)
        else:
            click.echo("no rule of Privet is in the kernel", err=True)
    except FirewallError as error:
        raise Failure(str(error), EX_ERROR) from None
    finally:
        firewall.close()


@command.command(
    epilog="""\b
Examples:
  privet firewall remove
  privet firewall remove --dry-run
"""
)
@config_option
@click.option("--dry-run", is_flag=True, help="Say what would go, and leave it.")
@json_option
def remove(config_path: str, *, dry_run: bool, as_json: bool) -> None:
    """Remove every rule and ban of Privet; a running daemon makes them again at once.

    With `backend = "command"` the programs are asked to open everything; what nftables holds from before goes too,
    and so does the web server's deny list.
    """
    from privet.cli.client import runs  # noqa: PLC0415
    from privet.cli.output import print_json  # noqa: PLC0415
    from privet.ports import FirewallError  # noqa: PLC0415

    items: list[dict[str, Any]] = []
    for firewall in [*_firewalls(config_path), *_deny_lists(config_path)]:
        try:
            held = sum(1 for _ in firewall.held())
            if not dry_run:
                firewall.remove()
        except FirewallError as error:
            raise Failure(str(error), EX_ERROR) from None
        finally:
            firewall.close()
        items.append({"backend": firewall.name, "held": held, "removed": not dry_run})
    if as_json:
        print_json("firewall", items)
        return
    for item in items:
        bans = counted(item["held"], "ban")
        if item["backend"] == "command":
            click.echo(f"the programs {'would be' if dry_run else 'were'} asked to open everything")
        elif item["backend"] == "deny list":
            click.echo(f"the web server's deny list {'would go' if dry_run else 'is gone'}, with {bans}")
        elif dry_run:
            click.echo(f"would remove every rule of Privet from the kernel, and {bans}")
        else:
            click.echo(f"removed every rule of Privet from the kernel, and {bans}")
    if not dry_run and runs(_runtime(config_path)):
        click.echo("the daemon runs and makes them again at once: stop it first to leave nothing behind", err=True)


def _firewalls(config_path: str) -> list[Firewall]:
    """Return nftables where it can be there, and last the backend that the configuration names."""
    import time  # noqa: PLC0415

    from privet.adapters.firewall.command import CommandFirewall  # noqa: PLC0415
    from privet.adapters.firewall.nftables import NftablesFirewall  # noqa: PLC0415
    from privet.adapters.firewall.program import found  # noqa: PLC0415

    if config_path == DEFAULT_CONFIG and not Path(config_path).exists():
        return [NftablesFirewall()]
    settings = load_config(config_path).firewall
    if settings.backend != "command":
        return [NftablesFirewall()]
    programs = CommandFirewall(settings.ban, settings.unban, time.monotonic)
    return [NftablesFirewall(), programs] if found("nft") else [programs]


def _deny_lists(config_path: str) -> list[Firewall]:
    """Return the web server's deny lists that there are."""
    import time  # noqa: PLC0415

    from privet.adapters.daykeys import filesystem_of  # noqa: PLC0415
    from privet.adapters.denylist import FOLDER, SLOW, DenyList  # noqa: PLC0415

    there: list[Firewall] = []
    for folder in (_runtime(config_path) / name for name in (FOLDER, SLOW)):
        if folder.exists() or folder.with_name(f"{folder.name}.paused").exists():
            there.append(DenyList(folder, "", lambda: time.clock_gettime(time.CLOCK_BOOTTIME), filesystem_of))
            there[-1].open()
    return there


def _runtime(config_path: str) -> Path:
    config = None if config_path == DEFAULT_CONFIG and not Path(config_path).exists() else load_config(config_path)
    return runtime_dir(os.environ.get("PRIVET_RUNTIME"), config)


def _sets(firewall: Firewall) -> list[dict[str, Any]]:
    """Return what each set of bans is for, how many it holds, and what it has dropped."""
    from collections import Counter  # noqa: PLC0415

    from privet.adapters.firewall.layout import name_of, shape  # noqa: PLC0415

    held = Counter(name_of(len(ban.subject.packed), ban.subject.length, bool(ban.service)) for ban in firewall.held())
    return [
        {
            "set": name,
            "version": 4 if kind.width == 4 else 6,
            "length": kind.length,
            "services": kind.scoped,
            "held": held[name],
            "packets": packets,
            "bytes": octets,
        }
        for name, (packets, octets) in sorted(firewall.counters().items())
        if (kind := shape(name))
    ]
