"""What the verbs that replay logs have in common."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from privet.cli.main import EX_CONFIG, EX_USAGE, EX_WARNING, Failure, spoilt
from privet.cli.options import DEFAULT_CONFIG, load_config
from privet.cli.progress import reading_logs
from privet.core.plurals import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from privet.config.model import Config
    from privet.tasks.replay import Replayed

source_option = click.option("--source", "source_name", metavar="NAME", help="The source that the files stand for.")
html_option = click.option("--html", metavar="FILE", help="Write a page with pictures; - for standard output.")


def one_form(*wanted: bool) -> None:
    """Fail if more than one form of output is wanted."""
    if sum(wanted) > 1:
        raise Failure("--json, --csv and --html exclude each other", EX_USAGE)


@contextmanager
def replaying(logs: Sequence[str]) -> Iterator[Callable[[int], None] | None]:
    """Show progress; what cannot be read, or is not said well, ends the verb."""
    try:
        with reading_logs(logs) as progress:
            yield progress
    except LookupError as error:
        raise Failure(str(error.args[0]), EX_USAGE) from None


def config_for(path: str, jails: Sequence[str]) -> Config:
    """Load the configuration; who has none yet may try jails that come with Privet all the same."""
    from privet.tasks.borrowed import are_builtin, bare  # noqa: PLC0415  heavy imports wait until the verb is called

    if path == DEFAULT_CONFIG and not Path(path).exists():
        if are_builtin(jails):
            return bare()
        ways = "name one with --config, or ask for a jail that comes with Privet (privet jails --builtin)"
        raise Failure(f"there is no configuration {path}: {ways}", EX_CONFIG)
    config = load_config(path)
    known(config.jails, [name for name in jails if not are_builtin([name])])
    return config


def known(jails: Iterable[str], wanted: Iterable[str]) -> None:
    """Fail if one of those wanted is no jail there."""
    from privet.tasks.borrowed import are_builtin  # noqa: PLC0415  as above

    there = list(dict.fromkeys(jails))
    for name in wanted:
        if name not in there:
            more = "privet jails --builtin lists those that come with Privet"
            if are_builtin([name]):
                more = "it comes with Privet, but is asked only where a configuration has it"
            raise Failure(f"no jail {name}; there are: {', '.join(there) or 'none'}; {more}", EX_USAGE)


def warned(outcome: Replayed) -> int:
    """Warn of what a source suffers from, of lines that do not parse and of damaged files; return the exit code."""
    for reason, lines in outcome.totals.unparsed.items():
        click.secho(f"warning: {counted(lines, 'line')}: {reason}", fg="yellow", err=True)
    for complaint in outcome.complaints:
        click.secho(f"warning: {complaint}", fg="yellow", err=True)
    return spoilt(outcome.damages, EX_WARNING if outcome.totals.unparsed or outcome.complaints else 0)
