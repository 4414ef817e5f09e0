"""`privet canary`: one request from an address nobody else has; who saw it, what holds it."""

from __future__ import annotations

from pathlib import Path

import click

from privet.cli.main import EX_ERROR, EX_USAGE, EX_WARNING, Failure
from privet.cli.options import json_option, runtime_dir, runtime_option

URL = "http://127.0.0.1/"


@click.command(
    epilog="""\b
Examples:
  privet canary
  privet canary --url https://127.0.0.1/ --host www.example.org
  privet canary --root /var/log --root /srv/app/data --json
"""
)
@runtime_option
@click.option("--url", default=URL, show_default=True, help="What to ask for, of this machine's own web server.")
@click.option("--host", metavar="NAME", help="The site to ask for.  [default: as in the URL]")
@click.option("--root", "roots", metavar="PATH", multiple=True, help="What to search.  [default: as privet audit]")
@json_option
def command(runtime: str | None, url: str, host: str | None, roots: tuple[str, ...], *, as_json: bool) -> int:
    """Ask this machine's web server for a page, from a random address in 127.0.0.0/8, and look for that address.

    Exit code 0: the detector saw the request, and no file on a disk that changed since holds the address, in any
    spelling. 1: the detector is blind, or something leaks; which of them is said. 2: the web server cannot be asked.
    """
    from privet.adapters.canary import keep_result  # noqa: PLC0415
    from privet.adapters.tree import Tree  # noqa: PLC0415  heavy imports wait until the verb is called
    from privet.cli.client import ask  # noqa: PLC0415
    from privet.cli.output import print_json  # noqa: PLC0415
    from privet.core.masking.leaks import Finder  # noqa: PLC0415
    from privet.tasks.audit import places  # noqa: PLC0415
    from privet.tasks.canary import Canary  # noqa: PLC0415
    from privet.tasks.structure import structure  # noqa: PLC0415

    if not url.startswith(("http://", "https://")):
        raise Failure("--url: begins with http:// or https://", EX_USAGE)
    where = runtime_dir(runtime)
    complaints: list[str] = []

    def saw(address: str) -> bool | None:
        try:
            return bool(ask(runtime, "canary", subject=address)["seen"])
        except Failure as failure:
            complaints.append(failure.format_message())
            return None

    searched = [Path(root) for root in roots] or places(where, structure(Finder()).written)
    result = Canary(url, host, saw, Tree(searched)).send()
    keep_result(where, result)
    if as_json:
        print_json("canary", [result.as_json()])
    else:
        click.echo(result.says())
        for held in result.held:
            where_to = "in memory only" if held.in_memory else "on a disk"
            click.echo(f"  {held.path}: {held.spelling}, {where_to}")
        for complaint in dict.fromkeys(complaints):
            click.echo(f"  {complaint}", err=True)
    if result.answered is None:
        return EX_ERROR
    return 0 if result.passed else EX_WARNING
