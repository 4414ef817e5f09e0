"""`privet escrow`: open batches of pseudonyms and addresses, on the machine that has the key."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from privet.cli.main import EX_DATA, EX_ERROR, EX_PERMISSION, EX_USAGE, EX_WARNING, Failure
from privet.cli.options import json_option

if TYPE_CHECKING:
    from pyrage.x25519 import Identity

    from privet.core.masking.escrow import Batch


@click.group(name="escrow")
def command() -> None:
    """Open the batches that a daemon with `[escrow]` has sealed."""


@command.command(
    name="open",
    epilog="""\b
Examples:
  privet escrow open --identity key.txt 2026-11-22T16Z-*.age
  privet escrow open --identity key.txt *.age 100::2ffc:7803:c709:609c
  privet escrow open --identity - --json batch.age < key.txt
""",
)
@click.option(
    "--identity",
    metavar="KEY",
    required=True,
    help="The file of the secret key, as age-keygen writes it; - for standard input.",
)
@json_option
@click.argument("words", metavar="FILE… [PSEUDONYM…]", nargs=-1, required=True)
def open_(words: tuple[str, ...], identity: str, *, as_json: bool) -> int:
    """Print the pseudonyms in sealed batches with their addresses: all, or those that are asked for.

    Needs neither a daemon nor a configuration, only the extra privet[escrow] and the secret key, which should never
    be on the server. Exit code 1: a pseudonym is in none of the files. 65: a file cannot be opened with this key.
    """
    from privet.cli.output import print_json  # noqa: PLC0415
    from privet.core.plurals import counted  # noqa: PLC0415

    wanted = [name for word in words if (name := _pseudonym(word))]
    files = [Path(word) for word in words if not _pseudonym(word)]
    if not files:
        raise Failure("name the files of the batches", EX_USAGE)
    found = _read(files, identity)
    rows = [
        {"pseudonym": name, "address": address, "from": batch.begin, "to": batch.end, "file": str(path)}
        for path, batch in found
        for name, address in batch.pairs.items()
        if not wanted or name in wanted
    ]
    missing = sorted(set(wanted) - {row["pseudonym"] for row in rows})
    if as_json:
        print_json("escrow", rows, missing=missing)
    else:
        for row in rows:
            click.echo(f"{row['pseudonym']} {row['address']} {row['from']} {row['to']}")
        for name in missing:
            click.echo(f"{name} is in none of {counted(len(files), 'file')}", err=True)
    return EX_WARNING if missing else 0


def _pseudonym(word: str) -> str | None:
    """Return a pseudonym as logs write it, None for anything else."""
    from privet.core.addresses.address import Subject  # noqa: PLC0415

    try:
        subject = Subject.parse(word)
    except ValueError:
        return None
    return subject.reveal() if subject.is_pseudonym and subject.length == 128 else None


def _read(files: list[Path], identity: str) -> list[tuple[Path, Batch]]:
    """Return what the files hold; no part of it if one of them cannot be opened. Raises Failure, OSError."""
    from privet.core.masking.escrow import read_text  # noqa: PLC0415
    from privet.ports import SealError  # noqa: PLC0415

    try:
        from privet.adapters.escrow import opened  # noqa: PLC0415
    except ImportError:
        raise Failure("this needs the library pyrage: pip install 'privet[escrow]'", EX_ERROR) from None
    keys, batches = _identities(identity), []
    for path in files:
        try:
            batches.append((path, read_text(opened(path, keys))))
        except SealError as error:
            raise Failure(str(error), EX_DATA) from None
        except ValueError as error:
            raise Failure(f"{path}: {error}", EX_DATA) from None
    return batches


def _identities(place: str) -> list[Identity]:
    from privet.adapters.escrow import identities_in, is_private  # noqa: PLC0415
    from privet.ports import SealError  # noqa: PLC0415

    if place != "-" and not is_private(Path(place)):
        raise Failure(f"{place}: others can read this key; chmod 600", EX_PERMISSION)
    text = sys.stdin.read(1 << 16) if place == "-" else Path(place).read_text(encoding="utf-8", errors="replace")
    try:
        return identities_in(text)
    except SealError as error:
        raise Failure(f"{'standard input' if place == '-' else place}: {error}", EX_DATA) from None
