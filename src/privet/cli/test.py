"""`privet test`: jails, tried on the samples that they carry."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from privet.cli.main import EX_USAGE, EX_WARNING, Failure
from privet.cli.options import DEFAULT_CONFIG, json_option, load_config
from privet.core.plurals import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from privet.tasks.jailtests import Result


@click.command(
    epilog="""\b
Examples:
  privet test
  privet test --jail web-sqli
  privet test privet.toml --format junit > report.xml
"""
)
@click.option("--jail", "jails", metavar="NAME", multiple=True, help="Try this jail only; may be repeated.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "tap", "junit"]),
    default="text",
    show_default=True,
    help="How to print it.",
)
@json_option
@click.argument("files", metavar="[FILE]...", nargs=-1)
def command(jails: tuple[str, ...], form: str, files: tuple[str, ...], *, as_json: bool) -> int:
    """Try jails on their own samples: lines that must count, lines that must not, sessions with their bans.

    Without FILE these are the jails that come with Privet and those of /etc/privet/privet.toml, if it is there; else
    those of the configurations that are named. Nothing is banned, and no daemon is needed. Samples are written as
    docs/jails.md says. Exit code 1 if one failed.
    """
    found = list(_results(files, jails))
    if not found:
        raise Failure("no test there: docs/jails.md says how to write them", EX_USAGE)
    if as_json:
        _print_json(found)
    else:
        {"text": _print_text, "tap": _print_tap, "junit": _print_junit}[form](found)
    return 0 if all(one.passed for one in found) else EX_WARNING


def _results(files: Sequence[str], jails: Sequence[str]) -> Iterator[Result]:
    from privet.tasks.jailtests import builtin_results, results  # noqa: PLC0415  slow to import

    if not files:
        yield from builtin_results(jails)
        files = [DEFAULT_CONFIG] if Path(DEFAULT_CONFIG).exists() else []
    for path in files:
        yield from results(load_config(path), jails)


def _print_json(found: Sequence[Result]) -> None:
    import msgspec  # noqa: PLC0415

    from privet.cli.output import print_json  # noqa: PLC0415

    failed = sum(not one.passed for one in found)
    print_json("test", [msgspec.to_builtins(one) for one in found], passed=len(found) - failed, failed=failed)


def _title(one: Result) -> str:
    return f"{one.jail}, {one.case}: {one.what} {one.line}"


def _print_text(found: Sequence[Result]) -> None:
    """Print a line for each jail, and everything about what failed."""
    for jail in dict.fromkeys(one.jail for one in found):
        mine = [one for one in found if one.jail == jail]
        failed = [one for one in mine if not one.passed]
        click.echo(
            f"{'FAIL' if failed else 'ok  '}  {jail}: {len(mine) - len(failed)} of {counted(len(mine), 'sample')}"
        )
        for one in failed:
            click.echo(f"        {one.case}: {one.what}: {one.line}\n          {one.why}")
    bad = sum(not one.passed for one in found)
    click.echo(f"{counted(len(found), 'sample')}: " + (f"{bad} failed" if bad else "all as they should be"))


def _print_tap(found: Sequence[Result]) -> None:
    click.echo(f"TAP version 14\n1..{len(found)}")
    for number, one in enumerate(found, 1):
        title = _title(one).replace("\\", "\\\\").replace("#", "\\#")
        click.echo(f"{'ok' if one.passed else 'not ok'} {number} - {title}")
        if one.why:
            click.echo(f"# {one.why}")


def _print_junit(found: Sequence[Result]) -> None:
    from xml.etree.ElementTree import Element, SubElement, tostring  # noqa: PLC0415

    failed = sum(not one.passed for one in found)
    suite = Element("testsuite", name="privet", tests=str(len(found)), failures=str(failed))
    for one in found:
        case = SubElement(suite, "testcase", classname=one.jail, name=f"{one.case}: {one.what} {one.line}")
        if one.why:
            SubElement(case, "failure", message=one.why)
    click.echo(tostring(suite, encoding="unicode", xml_declaration=True))
