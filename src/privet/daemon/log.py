"""The daemon's log: JSON lines, or readable ones on a terminal; no address passes the last door."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, cast

import structlog

from privet.core.mask import Mask

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger, Processor, WrappedLogger

_MASK = Mask("drop")


def scrub(_logger: WrappedLogger, _method: str, line: str) -> str:
    """Mask whatever address a finished line of the log holds; pseudonyms stay."""
    return _MASK.scrub(line.encode("utf-8", "backslashreplace")).decode("utf-8", "replace")


def make_log() -> FilteringBoundLogger:
    """Return the daemon's logger, on stderr."""
    people = sys.stderr.isatty()
    render: Processor = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if people
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    processors: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if people else "iso", utc=not people),
        *([] if people else [structlog.processors.dict_tracebacks]),
        render,
        cast("Processor", scrub),
    ]
    structlog.configure(processors=processors, logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    return cast("FilteringBoundLogger", structlog.get_logger())
