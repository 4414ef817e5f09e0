"""The daemon's log: JSON lines, or readable ones on a terminal; no address passes the last door."""

from __future__ import annotations

import os
import sys
import time
import traceback
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO, cast

import structlog

from privet.core.masking.mask import Mask

if TYPE_CHECKING:
    from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

MOST, LONGEST = 1000, 64  # texts that are known to have no address in them, and their characters

_MASK = Mask("drop")
_CLEAN: set[str] = set()  # the same words come again and again, and looking at them takes most of the time


def stamp(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Add the time, or `then`, that of what is told only now."""
    then = datetime.fromtimestamp(event.pop("then", None) or time.time(), UTC)
    event["timestamp"] = then.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return event


def people_stamp(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Add the time as people want it."""
    event["timestamp"] = time.strftime("%H:%M:%S", time.localtime(event.pop("then", None)))
    return event


def trouble(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Tell of an exception what kind it is and where it arose, not what it says: it may quote a client's key."""
    given = event.pop("exc_info", None)
    error = sys.exception() if given is True else given
    if isinstance(error, BaseException):
        event["error"] = type(error).__name__
        if isinstance(error, OSError) and error.errno:
            event["reason"] = os.strerror(error.errno)
        event["at"] = [
            f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)
        ]
    return event


def scrub(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Mask whatever address an event holds; pseudonyms stay."""
    return cast("EventDict", _clean(dict(event)))


def _clean(value: Any) -> Any:  # noqa: ANN401  whatever somebody logs
    match value:
        case None | bool() | int() | float():
            return value
        case str() if value in _CLEAN:
            return value
        case str() | os.PathLike():
            text = os.fsencode(value) if isinstance(value, os.PathLike) else value.encode("utf-8", "backslashreplace")
            clean = _MASK.scrub(text).decode("utf-8", "replace")
            if clean == value and len(clean) <= LONGEST:
                _remember(clean)
            return clean
        case dict():
            return {_clean(key): _clean(inner) for key, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_clean(inner) for inner in value]
        case _:  # bytes may be a client's key, and objects may hold them
            return f"<{type(value).__name__}>"


def _remember(text: str) -> None:
    if len(_CLEAN) >= MOST:
        _CLEAN.clear()
    _CLEAN.add(text)


class _Stderr:
    """Standard error, which may go away: a daemon that cannot tell anybody guards all the same."""

    def write(self, text: str) -> None:
        """Write, if that is possible."""
        with suppress(OSError):
            sys.stderr.write(text)

    def flush(self) -> None:
        """Flush, if that is possible."""
        with suppress(OSError):
            sys.stderr.flush()


def make_log() -> FilteringBoundLogger:
    """Return the daemon's logger, on stderr."""
    people = sys.stderr.isatty()
    render: Processor = (
        structlog.dev.ConsoleRenderer() if people else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    processors: list[Processor] = [
        structlog.processors.add_log_level,
        trouble,
        scrub,
        people_stamp if people else stamp,  # behind the scrubbing, as it holds no address
        render,
    ]
    factory = structlog.PrintLoggerFactory(cast("TextIO", _Stderr()))
    structlog.configure(processors=processors, logger_factory=factory)
    return cast("FilteringBoundLogger", structlog.get_logger())
