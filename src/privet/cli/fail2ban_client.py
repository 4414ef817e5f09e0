"""`privet fail2ban-client`: what scripts ask of fail2ban-client, answered in its words."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from privet.cli.main import Failure
from privet.cli.options import runtime_option

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from privet.cli.fail2ban_text import JailText

NAME = "fail2ban-client"
"""By this name the program can be called too, through a link."""

EX_FAILED = 255
"""How fail2ban-client ends when anything is wrong."""


SETTINGS = (
    "findtime",
    "bantime",
    "maxretry",
    "failregex",
    "ignoreregex",
    "actions",
    "datepattern",
    "maxlines",
    "usedns",
)
"""What `get JAIL` tells of how a jail was set."""


class WrongError(Exception):
    """Something that is answered on standard output, as fail2ban-client does, and ends with `EX_FAILED`."""


@click.command(
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    epilog="""\b
Examples:
  privet fail2ban-client status sshd
  privet fail2ban-client --reveal get sshd banip --with-time
  ln -s "$(command -v privet)" /usr/local/bin/fail2ban-client    (for scripts that call it by this name)

Commands: ping · status [JAIL|--all] [short] · banned [IP...] · get JAIL banip [SEPARATOR|--with-time] ·
get JAIL banned [IP...] · get JAIL ignoreip|findtime|bantime|maxretry|logpath|journalmatch|failregex|ignoreregex|
actions|datepattern|maxlines|usedns · set JAIL banip|unbanip|addignoreip|delignoreip IP... · unban IP...|--all ·
reload · stop · version
""",
)
@runtime_option
@click.option("--reveal", is_flag=True, envvar="PRIVET_REVEAL", help="Show addresses.  [env: PRIVET_REVEAL=1]")
@click.option("-c", "-s", "-p", "ignored", multiple=True, hidden=True, help="Where fail2ban is.")
@click.option("-q", "-v", "-x", "-b", "spoken", count=True, hidden=True, help="How much it says.")
@click.option("-t", "--test", is_flag=True, hidden=True, help="Only check the configuration.")
@click.option("-V", "--version", is_flag=True, hidden=True, help="Tell the version whose form answers have.")
@click.argument("words", metavar="COMMAND", nargs=-1, type=click.UNPROCESSED)
def command(
    runtime: str | None,
    words: tuple[str, ...],
    *,
    reveal: bool,
    ignored: tuple[str, ...],  # noqa: ARG001  where fail2ban is: Privet finds its daemon by itself
    spoken: int,  # noqa: ARG001  how much it says
    test: bool,
    version: bool,
) -> int:
    """Answer as fail2ban-client 1.0.2 does, with pseudonyms in place of addresses unless revealed.

    Exit code 0, or 255 when anything is wrong.
    """
    if test:
        return _test()
    words = ("version",) if version else words
    if not words:
        raise click.UsageError("which command? See privet fail2ban-client --help")
    try:
        click.echo(_Client(runtime, reveal=reveal).answer(words))
    except WrongError as error:
        click.echo(str(error))
        return EX_FAILED
    except Failure as failure:
        raise Failure(failure.message, EX_FAILED) from None
    return 0


class _Client:
    """Asks the daemon, and puts the answers into fail2ban's words."""

    def __init__(self, runtime: str | None, *, reveal: bool) -> None:
        self._runtime, self._reveal = runtime, reveal

    def answer(self, words: Sequence[str]) -> str:
        """Carry out a command; return what it prints."""
        commands: dict[str, Callable[[Sequence[str]], str]] = {
            "ping": self._ping,
            "status": self._status,
            "banned": self._banned,
            "get": self._get,
            "set": self._set,
            "unban": self._unban,
            "reload": self._reload,
            "stop": self._stop,
            "version": self._version,
        }
        if words[0] not in commands:
            raise _unknown(commands)
        return commands[words[0]](words[1:])

    def _ask(self, verb: str, **request: object) -> dict[str, Any]:
        from privet.cli.client import ask  # noqa: PLC0415

        return ask(self._runtime, verb, reveal=self._reveal, **request)

    def _ping(self, _words: Sequence[str]) -> str:
        self._names()
        return "Server replied: pong"

    def _version(self, _words: Sequence[str]) -> str:
        from privet.cli.fail2ban_text import VERSION  # noqa: PLC0415

        return VERSION

    def _names(self) -> list[str]:
        return [item["jail"] for item in self._ask("jails")["items"]]

    def _jail(self, name: str) -> dict[str, Any]:
        from privet.cli.fail2ban_text import no_such_jail  # noqa: PLC0415

        answer = self._ask("jail", jail=name)
        if answer["jail"] is None:
            raise WrongError(no_such_jail(name))
        return answer

    def _status(self, words: Sequence[str]) -> str:
        from privet.cli.fail2ban_text import all_status, jail_status, status  # noqa: PLC0415

        short = "short" in words[1:]
        if not words:
            return status(self._names())
        if words[0] == "--all":
            return all_status([self._told(name) for name in self._names()], short=short)
        return jail_status(self._told(words[0]), short=short)

    def _told(self, name: str) -> JailText:
        from privet.cli.fail2ban_text import JailText  # noqa: PLC0415

        jail = self._jail(name)
        return JailText(
            jail["jail"],
            jail["failing"],
            jail["failures"],
            tuple(jail["files"]),
            None if jail["matches"] is None else tuple(jail["matches"]),
            tuple(item["subject"] for item in jail["items"]),
            jail["verdicts"],
        )

    def _banned(self, words: Sequence[str]) -> str:
        from privet.cli.fail2ban_text import banned  # noqa: PLC0415

        if words:
            found = [self._ask("why", subject=word)["items"] for word in words]
            return repr([[item["jail"] for item in items] for items in found])
        jails: dict[str, list[str]] = {name: [] for name in self._names()}
        for item in self._ask("bans")["items"]:
            if item["jail"] in jails:
                jails[item["jail"]].append(item["subject"])
        return banned(jails)

    def _get(self, words: Sequence[str]) -> str:
        from privet.cli.fail2ban_text import ban_with_time, ignored, setting  # noqa: PLC0415

        match words:
            case (name, "banip", *rest):
                items = self._jail(name)["items"]
                if rest == ["--with-time"]:
                    return "\n".join(ban_with_time(item["subject"], item["since"], item["until"]) for item in items)
                return (rest[0] if rest else " ").join(item["subject"] for item in items)
            case (name, "banned", *wanted):
                return self._is_banned(name, wanted)
            case (name, "ignoreip"):
                self._jail(name)
                return ignored(self._ask("spare", jail=name)["items"])
            case (name, option):
                jail = self._jail(name)
                told = setting(name, option, jail["settings"].get(option), jail)
                if told is not None:
                    return told
        raise _unknown(("banip", "banned", "ignoreip", "logpath", "journalmatch", *SETTINGS))

    def _is_banned(self, jail: str, wanted: Sequence[str]) -> str:
        """Return who is banned by a jail, or for each of some whether it is: 1 or 0."""
        if not wanted:
            return repr([item["subject"] for item in self._jail(jail)["items"]])
        self._jail(jail)
        found = [self._ask("why", subject=word)["items"] for word in wanted]
        held = [int(any(item["jail"] == jail for item in items)) for items in found]
        return str(held[0] if len(held) == 1 else held)

    def _set(self, words: Sequence[str]) -> str:
        from privet.cli.fail2ban_text import ignored  # noqa: PLC0415

        match words:
            case (name, "banip", first, *rest):
                self._jail(name)
                return str(self._ban(name, [first, *rest]))
            case (name, "unbanip", *subjects) if subjects not in ([], ["--report-absent"]):
                self._jail(name)
                return self._unban_from(name, subjects)
            case (name, ("addignoreip" | "delignoreip") as change, first, *rest):
                self._jail(name)
                wanted = {"add" if change == "addignoreip" else "drop": [first, *rest]}
                return ignored(self._ask("spare", jail=name, **wanted)["items"])
        raise _unknown(("banip", "unbanip", "addignoreip", "delignoreip"))

    def _ban(self, jail: str, subjects: Sequence[str]) -> int:
        """Ban, and return for how many that is new; why others were not is said on standard error."""
        items = self._ask("ban", jail=jail, subjects=list(subjects), agreed=True, why=f"by {NAME}")["items"]
        for item in items:
            if item["result"] == "refused":
                click.echo(f"{item['subject']}: {item['reason']}", err=True)
        return sum(item["result"] != "refused" and item["was"] is None for item in items)

    def _unban_from(self, jail: str, words: Sequence[str]) -> str:
        subjects = [word for word in words if word != "--report-absent"]
        absent = []
        lifted = 0
        for subject in subjects:
            items = self._ask("unban", jail=jail, subjects=[subject])["items"]
            lifted += len(items)
            absent += [] if items else [subject]
        if absent and "--report-absent" in words:
            raise WrongError(f"not banned: {absent!r}")
        return str(lifted)

    def _unban(self, words: Sequence[str]) -> str:
        if not words:
            raise _unknown(("unban --all", "unban IP"))
        wanted = {"all": True} if list(words) == ["--all"] else {"subjects": list(words)}
        return str(len(self._ask("unban", **wanted)["items"]))

    def _reload(self, words: Sequence[str]) -> str:
        for name in [word for word in words if not word.startswith("-")]:
            self._jail(name)
        problem = self._ask("reload")["problem"]
        if problem:
            raise WrongError(problem)
        return "OK"

    def _stop(self, words: Sequence[str]) -> str:
        if words:
            raise _unknown(("stop",))
        self._ask("stop")
        return "Shutdown successful"


def _test() -> int:
    """Check the configuration; say how that went as `fail2ban-client -t` does."""
    from privet.cli.options import DEFAULT_CONFIG, load_config  # noqa: PLC0415

    try:
        load_config(os.environ.get("PRIVET_CONFIG", DEFAULT_CONFIG))
    except Failure as failure:
        click.echo(failure.message, err=True)
        click.echo("ERROR: test configuration failed")
        return EX_FAILED
    click.echo("OK: configuration test is successful")
    return 0


def _unknown(known: Sequence[str] | dict[str, Any]) -> WrongError:
    """Return what is said of a command that is not known here; the way on is told on standard error."""
    click.echo(f"privet {NAME} knows {', '.join(known)}; see privet {NAME} --help", err=True)
    return WrongError("Invalid command")
