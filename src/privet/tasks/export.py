"""Exports of encrypted logs: where they may go. What is encrypted can look like the address of somebody else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from privet.config.model import Config

LOGS = Path("/var/log")
_OTHER_SIDE = "programs that act on logs would take what is encrypted for the addresses of others"


def refusal(place: Path, config: Config | None) -> str | None:
    """Say why an export may not go to a folder or a file; None if it may."""
    whole = place.resolve()
    for folder, whose in [(LOGS, "where servers keep their logs"), *_folders(config)]:
        if whole.is_relative_to(folder):
            return f"{place} is {whose}: {_OTHER_SIDE}"
    return None


def _folders(config: Config | None) -> list[tuple[Path, str]]:
    """Return where the sources of a configuration are, up to the first wildcard."""
    sources = config.sources.values() if config else ()
    texts = [text for source in sources for text in (*source.paths, source.log) if text]
    plain = [text[: min([len(text), *(text.find(sign) for sign in "*?[" if sign in text)])] for text in texts]
    folders = {text.rpartition("/")[0] or "." for text in plain}
    return [(Path(folder).resolve(), "where a source of the configuration is") for folder in sorted(folders)]
