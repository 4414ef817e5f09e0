"""The last door of what nobody caught: it says what kind of error arose and where, never what it was about.

An exception may quote a log line or a client's key, and a web server writes what its log program says on standard
error into its own error log.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from logging import LogRecord
    from types import TracebackType

_STDERR = 2


def shut() -> None:
    """Let no uncaught exception of this process print more than its kind and place."""
    sys.excepthook = _uncaught
    sys.unraisablehook = lambda given: _say(given.exc_type, given.exc_traceback)
    threading.excepthook = lambda given: _say(given.exc_type, given.exc_traceback)


def shut_loggers() -> None:
    """Let no logger of a library, asyncio's above all, print more than that."""
    import logging  # noqa: PLC0415  most verbs do not need it

    class Door(logging.Handler):
        """Prints of a record its logger, its level, and the kind and place of its exception."""

        def emit(self, record: LogRecord) -> None:
            kind, _, trace = record.exc_info or (None, None, None)
            _write(f"privet: {record.levelname.lower()} from {record.name}\n")
            if kind:
                _say(kind, trace)

    logging.basicConfig(handlers=[Door()], level=logging.WARNING, force=True)
    logging.captureWarnings(capture=True)


def _uncaught(kind: type[BaseException], _error: BaseException, trace: TracebackType | None) -> None:
    _say(kind, trace)


def _say(kind: type[BaseException], trace: TracebackType | None) -> None:
    frames = " < ".join(
        f"{frame.filename}:{frame.lineno} {frame.name}" for frame in reversed(traceback.extract_tb(trace))
    )
    _write(f"privet: {kind.__name__} at {frames or 'no place'}\n")


def _write(text: str) -> None:
    with suppress(OSError):
        os.write(_STDERR, text.encode("utf-8", "replace"))
