"""Whom a verb is about: subjects in the command line, and lists from standard input or a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from privet.cli.main import EX_DATA, EX_USAGE, Failure

if TYPE_CHECKING:
    from collections.abc import Iterable

LARGEST = 6 << 20  # bytes of all lists: what the daemon takes in one request
SHOWN = 20  # subjects that are told one by one

file_option = click.option(
    "--file",
    "files",
    metavar="FILE",
    multiple=True,
    help="A list: plain text, what ipset save or fail2ban-client banned print; - for standard input.",
)
dry_run_option = click.option("--dry-run", is_flag=True, help="Change nothing, say what would be.")


def named(subjects: Iterable[str], files: Iterable[str]) -> dict[str, list[str]]:
    """Return the part of a request that says whom it is about. Raises Failure, OSError."""
    words = [word for word in subjects if word != "-"]
    files = dict.fromkeys([*files, *(word for word in subjects if word == "-")])
    lists = [_text(sys.stdin.buffer.read(LARGEST + 1) if file == "-" else _content(file)) for file in files]
    if sum(map(len, lists)) > LARGEST:
        raise Failure(f"a list may have {LARGEST:,} bytes; larger ones can be a feed, see privet.toml", EX_DATA)
    return {"subjects": words, "lists": lists}


def _content(file: str) -> bytes:
    with Path(file).open("rb") as stream:
        return stream.read(LARGEST + 1)


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Failure("the list is no text", EX_DATA) from None


def seconds(option: str, text: str | None) -> float | None:
    """Return the seconds of a duration given with an option. Raises Failure."""
    if text is None:
        return None
    from privet.config.values import Invalid, duration  # noqa: PLC0415  verbs without one start faster

    try:
        return duration(text)
    except Invalid:
        raise Failure(f"{option} {text}: give a time such as 90s, 10m, 1h, 1d or 1w", EX_USAGE) from None
