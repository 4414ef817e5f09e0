"""`privet completion`: the completion script of a shell."""

from __future__ import annotations

import click

SHELLS = ("bash", "zsh", "fish")


@click.command(
    epilog="""\b
Examples:
  privet completion bash > /etc/bash_completion.d/privet
  privet completion fish > ~/.config/fish/completions/privet.fish
"""
)
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print the completion script of a shell."""
    from click.shell_completion import get_completion_class  # noqa: PLC0415

    from privet.cli.main import privet  # noqa: PLC0415

    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"no completion for {shell}")
    click.echo(found(privet, {}, "privet", "_PRIVET_COMPLETE").source())
