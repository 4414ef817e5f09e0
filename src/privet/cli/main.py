"""The entry point: verbs are loaded when they are called, errors become exit codes."""

from __future__ import annotations

import gc
import importlib
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from privet import __version__
from privet.cli import lastdoor

if TYPE_CHECKING:
    from collections.abc import Sequence

VERBS = {
    "status": "what Privet sees and does now",
    "jails": "the rules and how often they matched",
    "bans": "who is banned now",
    "ban": "ban addresses, prefixes and AS numbers by hand",
    "unban": "lift bans",
    "who": "who a pseudonym of today is, for root",
    "why": "why somebody is banned",
    "pause": "all bans off for a while",
    "replay": "what the rules would have done on old logs",
    "tune": "what other limits would have done on old logs",
    "report": "who asks for what, from any log",
    "demo": "one night with attackers, through the real engine",
    "init": "write a first configuration, or one made of fail2ban's",
    "check": "check the configuration",
    "test": "try jails on their own samples",
    "run": "run the daemon in the foreground",
    "pipe": "take a web server's log, mask it, write it, watch it",
    "scrub": "mask the addresses in logs that are on the disk",
    "audit": "look for addresses on this machine's disks",
    "canary": "prove that the detector sees, and that nothing is written",
    "escrow": "open what was sealed for those who must be able to answer",
    "doctor": "what is set up, what is missing, what it means",
    "firewall": "show or remove the firewall rules",
    "explain": "why a line counts in a jail, or why not",
    "regex": "try a filter on a log, as fail2ban-regex does",
    "fail2ban-client": "answer scripts that were written for fail2ban",
    "completion": "print the completion script of a shell",
}
"""Every verb with its one line of help; module `privet.cli.<verb>` holds it as `command`."""

EX_WARNING, EX_ERROR, EX_USAGE, EX_DATA, EX_NOT_RUNNING, EX_PERMISSION, EX_CONFIG = 1, 2, 64, 65, 69, 77, 78
EX_INTERRUPTED = 130


class Failure(click.ClickException):
    """A verb cannot go on: what, where, what to do; `code` is the exit code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class _Verbs(click.Group):
    """Loads a verb's module only when it is called, so that `--help` and pipes start fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in VERBS:
            return None
        command: click.Command = importlib.import_module(f"privet.cli.{cmd_name.replace('-', '_')}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            import difflib  # noqa: PLC0415  only for a typo

            close = difflib.get_close_matches(args[0], VERBS, 1)
            ctx.fail(f"no such verb: {args[0]}" + (f", did you mean '{close[0]}'?" if close else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


@click.command(
    cls=_Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Begin with `privet demo`. Each verb has examples: privet VERB --help",
)
@click.version_option(__version__, prog_name="privet")
def privet() -> None:
    """Protect small servers from abuse while no client address reaches the disk."""


def spoilt(damages: Sequence[str], code: int) -> int:
    """Say which files could not be read, below a report on the others; return the exit code, else this one."""
    for damage in damages:
        click.echo(f"privet: {damage}; this is a report on what could be read", err=True)
    return EX_DATA if damages else code


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one verb and exit with its code; called as fail2ban-client, the verb of that name."""
    lastdoor.shut()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # every verb may have addresses in memory
    gc.set_threshold(100_000, 50, 100)  # rows are many, short-lived and without cycles
    if arguments is None and Path(sys.argv[0]).name == "fail2ban-client":
        arguments = ["fail2ban-client", *sys.argv[1:]]
    code = run(arguments)
    gc.freeze()  # or else Python looks through everything once more before it ends, for 40 ms
    sys.exit(code)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; return its exit code, with errors said on stderr."""
    try:
        code = privet.main(arguments, prog_name="privet", standalone_mode=False)
    except click.UsageError as error:
        error.show()
        return EX_USAGE
    except click.ClickException as error:
        click.echo(f"privet: {error.format_message()}", err=True)
        return error.code if isinstance(error, Failure) else EX_ERROR
    except (click.Abort, KeyboardInterrupt):
        return EX_INTERRUPTED
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        click.echo(f"privet: {place}{error.strerror or error}", err=True)
        return EX_PERMISSION if isinstance(error, PermissionError) else EX_ERROR
    return code if isinstance(code, int) else 0
