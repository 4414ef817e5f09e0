"""A progress bar on stderr for work that takes longer than half a second, on a terminal only."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from privet.cli.main import EX_DATA, Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

PATIENCE = 0.5  # seconds before a bar appears


@contextmanager
def reading(paths: Sequence[str]) -> Iterator[Callable[[int], None] | None]:
    """Show how much of some files has been read; yields what takes the number of bytes just read."""
    sizes = (Path(path).stat().st_size for path in paths if path != "-" and Path(path).exists())
    with advancing(lambda: sum(sizes)) as advance:
        yield advance


@contextmanager
def reading_logs(logs: Sequence[str]) -> Iterator[Callable[[int], None] | None]:
    """Show progress likewise; what cannot be read ends the verb."""
    from privet.ports import SourceError  # noqa: PLC0415  verbs that only show progress start faster

    try:
        with reading(logs) as progress:
            yield progress
    except SourceError as error:
        raise Failure(str(error), EX_DATA) from None


@contextmanager
def advancing(size_of: Callable[[], int]) -> Iterator[Callable[[int], None] | None]:
    """Show how much of so many bytes has been read; how many is asked only when somebody looks."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console  # noqa: PLC0415  slow to import
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    bar = Progress(
        TextColumn("reading"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    task = bar.add_task("", total=size_of() or None)
    began = time.monotonic()

    def advance(count: int) -> None:
        bar.advance(task, count)
        if not bar.live.is_started and time.monotonic() - began > PATIENCE:
            bar.start()

    try:
        yield advance
    finally:
        bar.stop()
