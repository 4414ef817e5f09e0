"""Lists that others keep: fetched over https, or read from a file, in bounded time and memory."""

from __future__ import annotations

import http.client
import ssl
import time
from typing import TYPE_CHECKING
from urllib.error import HTTPError, URLError
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    Request,
    UnknownHandler,
)

import msgspec

from privet import __version__
from privet.ports import SourceError

if TYPE_CHECKING:
    from pathlib import Path
    from typing import IO

SILENCE = 20.0  # seconds in which the server must say something
PATIENCE = 120.0  # seconds for everything
BYTES_PER_ENTRY = 80  # of an entry with its comment, on average
_PIECE = 1 << 16
_NOT_MODIFIED = 304


class Fetched(msgspec.Struct, frozen=True):
    """A list as it was read; `tag` and `changed` let the server say that nothing is new."""

    text: str
    tag: str | None = None
    changed: str | None = None


def fetch(url: str, most: int, before: Fetched | None = None, context: ssl.SSLContext | None = None) -> Fetched | None:
    """Return the list at an https address, None if it is the one from before. Raises SourceError.

    `most` bounds its entries. Nothing is sent but the address asked for, and Privet's name and version.
    """
    request = Request(url, headers={"User-Agent": f"privet/{__version__}"})  # noqa: S310  the opener knows https only
    if before and before.tag:
        request.add_header("If-None-Match", before.tag)
    elif before and before.changed:
        request.add_header("If-Modified-Since", before.changed)
    try:
        with _opener(context or ssl.create_default_context()).open(request, timeout=SILENCE) as answer:
            data = _bounded(answer, most * BYTES_PER_ENTRY, time.monotonic() + PATIENCE)
            return Fetched(data.decode(), answer.headers["ETag"], answer.headers["Last-Modified"])
    except HTTPError as error:
        error.close()
        if error.code == _NOT_MODIFIED and before:
            return None
        raise SourceError(f"the server answers {error.code}", transient=True) from None
    except (URLError, OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise SourceError(f"it cannot be fetched ({type(reason).__name__})", transient=True) from None
    except UnicodeDecodeError:
        raise SourceError("it is no text", transient=True) from None


def read(path: Path, most: int) -> Fetched:
    """Return the list in a file. Raises SourceError."""
    try:
        with path.open("rb") as file:
            return Fetched(_bounded(file, most * BYTES_PER_ENTRY, time.monotonic() + PATIENCE).decode())
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}", transient=True) from None
    except UnicodeDecodeError:
        raise SourceError(f"{path}: it is no text", transient=True) from None


def _opener(context: ssl.SSLContext) -> OpenerDirector:
    """Return what opens https and nothing else, wherever it is sent, without proxies, cookies or passwords."""
    opener = OpenerDirector()
    for handler in (
        HTTPSHandler(context=context),
        HTTPRedirectHandler(),
        HTTPDefaultErrorHandler(),
        HTTPErrorProcessor(),
        UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _bounded(stream: IO[bytes], most: int, until: float) -> bytes:
    parts, size = [], 0
    while part := stream.read(_PIECE):
        parts.append(part)
        size += len(part)
        if size > most:
            raise SourceError(f"it is larger than {most:,} bytes, see max_entries", transient=True)
        if time.monotonic() > until:
            raise SourceError(f"it takes longer than {PATIENCE:.0f} seconds", transient=True)
    return b"".join(parts)
