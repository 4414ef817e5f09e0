"""fail2ban's own reading of a configuration: what its client would tell its server (`fail2ban-client -d`)."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parents[2] / ".cache/peers/fail2ban"
"""Debian's package, unpacked by scripts/fetch-peer and never installed."""

LIBRARY = PACKAGE / "usr/lib/python3/dist-packages"
STOCK = PACKAGE / "etc/fail2ban"

DUMP = """
import sys
from fail2ban.client import fail2banclient, jailreader
jailreader.JailReader._glob = staticmethod(lambda pattern: [pattern])
sys.exit(0 if fail2banclient.exec_command_line(["fail2ban-client", "-c", sys.argv[1], "-d"]) else 1)
"""
"""Log patterns come out as they were read: whether there are such files must not matter."""

State = dict[str, Any]


def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with fail2ban's modules."""
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, *arguments],
        env={**os.environ, "PYTHONPATH": str(LIBRARY), "PYTHONDONTWRITEBYTECODE": "1", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def dump(folder: Path) -> dict[str, State] | None:
    """Return what each jail is told, None if fail2ban refuses the configuration as a whole."""
    done = run(DUMP, str(folder))
    if done.stdout.startswith("ERROR:"):
        return None
    jails: dict[str, State] = {}
    for line in done.stdout.splitlines():
        _apply(jails, ast.literal_eval(line))
    return jails


def _apply(jails: dict[str, State], command: list[Any]) -> None:  # noqa: C901, PLR0912  a table of commands
    """Do to the state of a jail what the server would do."""
    match command:
        case ["add", name, backend]:
            jails[name] = {"backend": backend, "failregex": [], "ignoreregex": [], "logs": [], "ignoreip": []}
            jails[name] |= {"journalmatch": [], "options": {}, "actions": {}, "python": {}}
        case ["set", name, "addlogpath", path, tail]:
            jails[name]["logs"].append((path, tail))
        case ["set", name, "addignoreip", *words]:
            jails[name]["ignoreip"] += words
        case ["set", name, "addjournalmatch", *words]:
            jails[name]["journalmatch"].append(tuple(words))
        case ["set", name, "addaction", action]:
            jails[name]["actions"][action] = {}
        case ["set", name, "addaction", action, file, options]:
            jails[name]["python"][action] = (Path(file).name, ast.literal_eval(options))
        case ["set", name, "action", action, option, value]:
            jails[name]["actions"][action][option] = value
        case ["multi-set", name, "action", action, options]:
            jails[name]["actions"][action] |= dict(options)
        case ["set", name, "addfailregex" | "addignoreregex" as option, regex]:
            jails[name][option.removeprefix("add")].append(regex)
        case ["multi-set", name, "addfailregex" | "addignoreregex" as option, regexes]:
            jails[name][option.removeprefix("add")] += regexes
        case ["set", name, option, value] if name in jails:
            jails[name]["options"][option] = value
        case ["config-error", message]:
            jails[message.split("'")[1]] = {"refused": True}
        case ["start", _] | ["set", _, _]:
            pass
        case _:
            raise AssertionError(f"fail2ban-client says something new: {command}")
