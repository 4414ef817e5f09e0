"""`privet audit`: look for addresses on this machine's disks, and say what was not looked at."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from privet.cli.main import EX_USAGE, EX_WARNING, Failure
from privet.cli.options import config_option, json_option, runtime_dir, runtime_option, state_dir
from privet.core.plurals import counted

if TYPE_CHECKING:
    from privet.adapters.canary import Result
    from privet.config.model import Config
    from privet.core.addresses.address import Subject
    from privet.tasks.audit import Leaky, Scan
    from privet.tasks.structure import Remark, Structure

WORDS = {"leak": "LEAK", "look": "look", "unknown": "not told"}


@click.command(
    epilog="""\b
Examples:
  privet audit
  privet audit /var/log /srv/app/log --accept '/var/log/btmp*' --accept '/var/log/wtmp*'
  privet audit --allow 192.0.2.53 --json
  privet audit > /root/audit.txt || mail -s "addresses at rest" root < /root/audit.txt
"""
)
@config_option
@runtime_option
@click.option(
    "--accept", metavar="GLOB", multiple=True, help="Leave out files whose path is like that; they are counted."
)
@click.option(
    "--allow", metavar="SUBJECT", multiple=True, help="An address or prefix that may stand anywhere, - for stdin."
)
@json_option
@click.argument("roots", metavar="[PATH]...", nargs=-1)
def command(
    config_path: str,
    runtime: str | None,
    accept: tuple[str, ...],
    allow: tuple[str, ...],
    roots: tuple[str, ...],
    *,
    as_json: bool,
) -> int:
    """Look for addresses: in the configuration of web servers, in what processes hold open, in files.

    Without PATH, files are those in the directories of logs, state and run-time data, those that the configuration
    names, and whatever servers were found to write. No address is ever shown. Exit code 0: none was found. 1: some
    were, or a log is about to hold some. Doubtful ones (version numbers, mostly) change nothing.
    """
    from privet.adapters.canary import last_result  # noqa: PLC0415
    from privet.adapters.machine import own_addresses  # noqa: PLC0415  heavy imports wait until the verb is called
    from privet.adapters.tree import Tree  # noqa: PLC0415
    from privet.cli.progress import advancing  # noqa: PLC0415
    from privet.core.masking.leaks import Finder  # noqa: PLC0415
    from privet.tasks.audit import places, scan  # noqa: PLC0415
    from privet.tasks.structure import of_privet, structure  # noqa: PLC0415

    config = _config(config_path)
    finder = Finder([*own_addresses(), *_subjects(allow)])
    rules = structure(finder)
    where = runtime_dir(runtime, config)
    if config:
        own = of_privet(config)
        rules.remarks += own.remarks
        rules.written += [state_dir(None, config), *own.written]
    chosen = [Path(root) for root in roots] or places(where, rules.written)
    tree = Tree(chosen, accept)
    with advancing(lambda: sum(file.size for file in tree.files())) as progress:
        found = scan(tree, finder, progress)
    canary = last_result(where)
    if as_json:
        _print_json(rules, found, canary)
    else:
        _print(rules, found, canary)
    return EX_WARNING if rules.leaks or found.at_rest or (canary and not canary.passed) else 0


def _config(path: str) -> Config | None:
    """Return Privet's own configuration, None if there is none; one with mistakes is `privet doctor`'s business."""
    from privet.config.errors import ConfigErrors  # noqa: PLC0415
    from privet.config.loader import load  # noqa: PLC0415

    with suppress(ConfigErrors):
        return load(path)
    return None


def _subjects(words: tuple[str, ...]) -> list[Subject]:
    from privet.core.addresses.address import Subject  # noqa: PLC0415

    texts: list[str] = []
    for word in words:
        texts += sys.stdin.read().split() if word == "-" else [word]
    try:
        return [Subject.parse(text) for text in texts]
    except ValueError as error:
        raise Failure(f"--allow: {error}", EX_USAGE) from None


def _print(rules: Structure, found: Scan, canary: Result | None) -> None:
    click.secho(f"Configuration and processes ({rules.rules} log directives)", bold=True)
    for remark in rules.remarks:
        _print_remark(remark)
    click.secho("\nFiles", bold=True)
    for file in sorted(found.leaky, key=lambda file: (file.in_memory, -file.found, -file.doubtful)):
        _print_file(file)
    if found.unlisted:
        click.echo(f"  and {found.unlisted} more files with findings")
    click.echo(_verdict(found))
    click.secho("\nCanary", bold=True)
    click.echo("  never sent since the machine was started: privet canary" if canary is None else f"  {canary.says()}")


def _print_remark(remark: Remark) -> None:
    click.secho(f"  {WORDS[remark.level]:8} {remark.place}", fg="red" if remark.level == "leak" else None)
    click.echo(f"           {remark.says}" + (f"\n           remedy: {remark.remedy}" if remark.remedy else ""))


def _print_file(file: Leaky) -> None:
    level = "memory" if file.in_memory else "LEAK" if file.found else "doubtful"
    counts = [_addresses(file.found)] * bool(file.found) + [f"{file.doubtful} doubtful"] * bool(file.doubtful)
    click.secho(f"  {level:8} {file.path}: {', '.join(counts)}", fg="red" if level == "LEAK" else None)
    for place in file.places:
        click.echo(f"           {place.where}, {place.how}{', doubtful' * place.doubtful}: {place.sample}")


def _addresses(number: int) -> str:
    return counted(number, "address", "addresses")


def _verdict(found: Scan) -> str:
    files = sum(bool(file.found) and not file.in_memory for file in found.leaky)
    says = f"{_addresses(found.at_rest)} found in {files} of" if found.at_rest else "none found in"
    missed = (
        "; ".join(f"{reason} ({count})" for reason, count in sorted(found.not_scanned.items()))
        or "nothing below these paths"
    )
    return f"  {says} {counted(found.files, 'file')}, {counted(found.bytes, 'byte')}; not scanned: {missed}"


def _print_json(rules: Structure, found: Scan, canary: Result | None) -> None:
    import msgspec  # noqa: PLC0415

    from privet.cli.output import print_json  # noqa: PLC0415

    print_json(
        "audit",
        msgspec.to_builtins(found.leaky),
        structure=msgspec.to_builtins(rules.remarks),
        directives=rules.rules,
        files=found.files,
        bytes=found.bytes,
        unlisted=found.unlisted,
        not_scanned=found.not_scanned,
        canary=None if canary is None else canary.as_json(),
    )
