"""`privet scrub`: mask the addresses in logs that are already on the disk."""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from privet.cli.main import EX_DATA, EX_USAGE, EX_WARNING, Failure
from privet.cli.options import config_option, json_option

if TYPE_CHECKING:
    from privet.config.model import Config
    from privet.tasks.cleaning import Order
    from privet.tasks.scrub import Outcome

MODES, VARIANTS = ("drop", "truncate", "pseudonym"), ("ndx", "pfx")
STDOUT = 1


@click.command(
    epilog="""\b
Examples:
  privet scrub --dry-run /var/log/apache2/*.gz
  privet scrub /var/log/apache2/access.log.*  /var/log/auth.log.*
  zcat access.log.2.gz | privet scrub --mask drop - | goaccess -
  privet scrub --encrypt ndx --key /root/export.key --output /srv/export access.log.1
"""
)
@config_option
@click.option("--mask", type=click.Choice(MODES), default="pseudonym", show_default=True, help="What stands instead.")
@click.option("--truncate", metavar="BITS/BITS", help="What --mask truncate keeps of IPv4/IPv6.  [default: 24/48]")
@click.option("--output", metavar="DIR", help="Write masked copies there, instead of replacing the files.")
@click.option("--encrypt", type=click.Choice(VARIANTS), help="Encrypt with ipcrypt instead, for an export.")
@click.option("--key", "key_path", metavar="FILE", help="The key of the export; made if it is not there.")
@click.option("--force", is_flag=True, help="Take files that somebody may be writing to.")
@click.option("--again", is_flag=True, help="Take files that are marked as done.")
@click.option("--dry-run", is_flag=True, help="Count only.")
@json_option
@click.argument("files", metavar="FILE...|-", nargs=-1, required=True)
def command(
    *,
    config_path: str,
    mask: str,
    truncate: str | None,
    output: str | None,
    encrypt: str | None,
    key_path: str | None,
    files: tuple[str, ...],
    force: bool,
    again: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Mask every address in finished logs, for good.

    FILE may be plain, .gz, .bz2, .xz or .zst, and stays so. Each is replaced whole or not at all, with its times,
    mode, owner and attributes; what is done is not done again by the next run. With - standard input is
    masked to standard output (and unpacked, if it is compressed). A client has one pseudonym per day
    within one run; the key is forgotten at its end, so nothing can turn it back.

    A file that is no text, that is open for writing, or that has several names is left as it is.

    Exit code 1 means that files were left: they still hold addresses.
    """
    from privet.tasks.cleaning import Order  # noqa: PLC0415  heavy imports wait until the verb is called

    _check(files, output, dry_run=dry_run)
    kept = _kept(truncate, mask)
    if encrypt:
        order = Order(mask=f"ipcrypt-{encrypt}", output=output, force=force, again=again, dry_run=dry_run)
        order = _with_key(order, encrypt, key_path, _config(config_path), streamed=files == ("-",))
    else:
        order = Order(
            mask=mask, kept=kept, key=os.urandom(32), output=output, force=force, again=again, dry_run=dry_run
        )
    if files == ("-",):
        return _stream(order)
    outcomes = _run(files, order)
    (_print_json if as_json else _print_table)(outcomes, order)
    return EX_WARNING if any(outcome.result == "left" for outcome in outcomes) else 0


def _check(files: tuple[str, ...], output: str | None, *, dry_run: bool) -> None:
    """Refuse what cannot be meant, before anything is done."""
    if "-" in files and (len(files) > 1 or output):
        raise Failure("- is all of the input, and goes to standard output", EX_USAGE)
    if len({Path(file).absolute() for file in files}) < len(files):
        raise Failure("a file is named twice", EX_USAGE)
    if not output:
        return
    if len({Path(file).name for file in files}) < len(files):
        raise Failure("two files have the same name, and can not both go to one directory", EX_USAGE)
    if any(Path(file).parent.resolve() == Path(output).resolve() for file in files):
        raise Failure(f"{output} is where the files are; leave --output out to replace them", EX_USAGE)
    if not dry_run:
        Path(output).mkdir(mode=0o700, parents=True, exist_ok=True)


def _kept(text: str | None, mask: str) -> tuple[int, int]:
    from privet.core.addresses.address import KEPT  # noqa: PLC0415

    if text is None:
        return KEPT
    from privet.config.masks import BITS, in_bounds  # noqa: PLC0415

    found = re.fullmatch(r"(\d{1,3})/(\d{1,3})", text)
    if mask != "truncate" or not found or not in_bounds(int(found[1]), int(found[2])):
        (least4, most4), (least6, most6) = BITS
        raise Failure(f"--truncate goes with --mask truncate: {least4} to {most4}, /, {least6} to {most6}", EX_USAGE)
    return int(found[1]), int(found[2])


def _config(path: str) -> Config | None:
    """Return the configuration if there is a good one: it says which directories belong to servers."""
    from privet.config.errors import ConfigErrors  # noqa: PLC0415
    from privet.config.loader import load  # noqa: PLC0415

    with suppress(ConfigErrors):
        return load(path)
    return None


def _with_key(order: Order, variant: str, key_path: str | None, config: Config | None, *, streamed: bool) -> Order:
    """Return the order for an export with its key, if it may go where it goes."""
    import msgspec  # noqa: PLC0415

    from privet.adapters.keyfile import key_in  # noqa: PLC0415
    from privet.ports import SourceError  # noqa: PLC0415
    from privet.tasks.export import refusal  # noqa: PLC0415

    if not key_path:
        raise Failure("--encrypt needs --key FILE; the key is made there if there is none", EX_USAGE)
    if not order.output and not streamed:
        raise Failure("--encrypt is for exports: it needs --output DIR, or - for standard input", EX_USAGE)
    place = Path(order.output) if order.output else Path(f"/proc/self/fd/{STDOUT}")
    if reason := refusal(place, config):
        raise Failure(reason, EX_USAGE)
    if order.output and Path(key_path).resolve().is_relative_to(Path(order.output).resolve()):
        raise Failure("the key must not go with what it opens: keep it elsewhere", EX_USAGE)
    if order.dry_run:
        return msgspec.structs.replace(order, key=os.urandom(32))
    try:
        key, made = key_in(Path(key_path), variant)
    except SourceError as error:
        raise Failure(str(error), EX_DATA) from None
    click.echo(f"The key {'was made' if made else 'is'} in {key_path}: whoever has it can turn this back.", err=True)
    return msgspec.structs.replace(order, key=key)


def _stream(order: Order) -> int:
    from privet.ports import SourceError  # noqa: PLC0415
    from privet.tasks.scrub import stream  # noqa: PLC0415

    output = sys.stdout.buffer
    try:
        outcome = stream(order, len if order.dry_run else output.write)
        output.flush()
    except SourceError as error:
        output.flush()
        raise Failure(str(error), EX_DATA) from None
    if order.dry_run:
        from privet.core.plurals import counted  # noqa: PLC0415

        click.echo(f"{counted(outcome.lines, 'line')}, {counted(outcome.found, 'address', 'addresses')}")
    return 0


def _run(files: tuple[str, ...], order: Order) -> list[Outcome]:
    from privet.cli.progress import reading  # noqa: PLC0415
    from privet.tasks.scrub import scrub  # noqa: PLC0415
    from privet.tasks.together import jobs_for  # noqa: PLC0415

    with reading(files) as progress:
        return list(scrub(files, order, progress, jobs_for(files)))


def _print_json(outcomes: list[Outcome], order: Order) -> None:
    import msgspec  # noqa: PLC0415

    from privet.cli.output import print_json  # noqa: PLC0415

    print_json("scrub", msgspec.to_builtins(outcomes), mask=order.mask, dry_run=order.dry_run)


def _print_table(outcomes: list[Outcome], order: Order) -> None:
    from privet.cli.output import print_table  # noqa: PLC0415
    from privet.tasks.scrub import Result  # noqa: PLC0415

    rows = [(one.file, one.result, one.lines, one.found) for one in outcomes]
    counts = {word: sum(one.result == word for one in outcomes) for word in get_args(Result)}
    footer = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    if order.dry_run:
        footer += "; nothing was written"
    print_table("", ("FILE", "RESULT", "#LINES", "#ADDRESSES"), rows, footer)
    for one in outcomes:
        if one.result == "left":
            click.secho(f"left as it is: {one.file}: {one.reason}", fg="yellow", err=True)
