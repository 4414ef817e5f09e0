"""`privet firewall`: the rules in the kernel."""

from __future__ import annotations

import click

from privet.cli.main import EX_ERROR, Failure


@click.group(name="firewall")
def command() -> None:
    """Show or remove the firewall rules."""


@command.command()
def show() -> None:
    """Print the rules of Privet in the kernel, with the number of bans instead of the banned."""
    from privet.adapters.firewall.nftables import NftablesFirewall  # noqa: PLC0415
    from privet.ports import FirewallError  # noqa: PLC0415

    try:
        click.echo(NftablesFirewall().show(), nl=False)
    except FirewallError as error:
        raise Failure(str(error), EX_ERROR) from None


@command.command()
def remove() -> None:
    """Remove every rule and ban of Privet from the kernel; a running daemon makes them again."""
    from privet.adapters.firewall.nftables import NftablesFirewall  # noqa: PLC0415
    from privet.ports import FirewallError  # noqa: PLC0415

    try:
        NftablesFirewall().remove()
    except FirewallError as error:
        raise Failure(str(error), EX_ERROR) from None
    click.echo("no rule of Privet is left in the kernel")
