"""What became of fail2ban's configuration, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from privet.config.fail2ban.report import Finding

_COLOURS = {"changed on purpose": "cyan", "not understood": "yellow"}


def print_report(findings: Sequence[Finding], *, stderr: bool = False) -> None:
    """Print findings in three lists."""
    from privet.config.fail2ban.report import Fate  # noqa: PLC0415  heavy imports wait until they are needed

    for fate in Fate:
        chosen = [one for one in findings if one.fate is fate]
        if chosen:
            click.secho(f"{fate.value}:", bold=True, fg=_COLOURS.get(fate.value), err=stderr)
            for one in chosen:
                click.echo(f"  {one}", err=stderr)


def summary(findings: Iterable[Finding]) -> str:
    """Return how many findings there are of each kind."""
    fates = [one.fate.value for one in findings]
    return ", ".join(f"{fates.count(fate)} {fate}" for fate in dict.fromkeys(fates))


def not_understood(findings: Iterable[Finding]) -> bool:
    """Tell whether something was not understood."""
    return any(one.fate.value == "not understood" for one in findings)
