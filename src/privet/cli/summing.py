"""What the reports on logs have in common: how logs are read, and what stands at the top of their pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from privet.cli.main import EX_USAGE, Failure
from privet.cli.progress import reading_logs
from privet.cli.sheet import Output, Top

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from privet.core.addresses.address import Subject
    from privet.core.reports.pulse import Pulse
    from privet.tasks.reports import Read

LINES = "LOG may be plain, .gz, .bz2, .xz or .zst, or - for standard input."
NAMES = "Clients are shown as pseudonyms that mean nothing outside of this run, unless --reveal is given."
SAID = "Addresses in what visitors said, such as pages and agents, are masked, unless --reveal is given."

format_option = click.option(
    "--format", "format_text", metavar="FORMAT", default="auto", help="As `format` of a source."
)


def sum_up(
    logs: Sequence[str], format_text: str, want: Iterable[str], make: Callable[[str], Any], output: Output
) -> tuple[Any, Read, Pulse | None]:
    """Sum up logs; for a page, count as well when the requests came."""
    from privet.core.parsing.formats import FormatError  # noqa: PLC0415  heavy imports wait until the verb is called
    from privet.core.reports.pulse import Pulse  # noqa: PLC0415  as above
    from privet.core.reports.sums import Several  # noqa: PLC0415  as above
    from privet.core.rows.select import columns_of  # noqa: PLC0415  as above
    from privet.tasks.reports import summed  # noqa: PLC0415  as above

    timed = output.html is not None
    columns = columns_of({*want, "status"} if timed else set(want))

    def both(path: str) -> Several:
        return Several(make(path), *([Pulse()] if timed else []))

    try:
        with reading_logs(logs) as progress:
            found, read = summed(logs, format_text, columns, both, progress)
    except FormatError as error:
        raise Failure(f"--format: {error}", EX_USAGE) from None
    return found.parts[0], read, found.parts[1] if timed else None


def sum_up_all(
    formats: Mapping[str, Sequence[str]], want: Iterable[str], make: Callable[[str], Any], output: Output
) -> tuple[Any, Read, Pulse | None]:
    """Sum up logs of several formats, as `sum_up` does those of one; one of which nothing can be read is a damage."""
    parts, failures = [], []
    for text, logs in formats.items():
        try:
            parts.append(sum_up(logs, text, want, make, output))
        except Failure as failure:
            failures.append(failure)
    if not parts:
        raise failures[0]
    (found, read, when), *others = parts
    read.damages += [str(failure) for failure in failures]
    for more, other, then in others:
        found.merge(more)
        read.merge(other)
        if when is not None and then is not None:
            when.merge(then)
    return found, read, when


def top_of(when: Pulse | None, logs: Sequence[str], *more: tuple[str, str]) -> Top:
    """Return the top of a page about requests; nothing for what is no page."""
    if when is None:
        return Top()
    from privet.cli import figures  # noqa: PLC0415  as above

    return Top(figures.period(when, len(logs)), figures.tiles(when, *more), figures.requests(when))


def names_for(*, reveal: bool) -> Callable[[Subject], str]:
    """Return what clients are called."""
    from privet.cli.names import Names  # noqa: PLC0415  as above

    return Names(reveal=reveal).of
