"""Small files of what was learnt, so that it outlasts a restart: JSON, for the owner alone, and never an address."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")

LARGEST = 16 << 20  # bytes that such a file may have


def read_learnt(path: Path | None, kind: type[T]) -> T | None:
    """Return what an earlier daemon learnt, None if there is nothing that can be used."""
    if path is None:
        return None
    try:
        if path.stat().st_size > LARGEST:
            return None
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError):
        return None


def write_learnt(path: Path | None, data: Any) -> None:  # noqa: ANN401  whatever msgspec can encode
    """Write down what was learnt, whole or not at all; where that fails it is learnt anew after a restart."""
    if path is None:
        return
    draft = path.with_suffix(".new")
    with suppress(OSError):
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(msgspec.json.encode(data))
        draft.replace(path)
