"""A first configuration: from what fail2ban has, or from the logs that are there."""

from __future__ import annotations

from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from privet.adapters.fail2ban_db import RunningBan, running_bans
from privet.config.adoption import native_name
from privet.config.fail2ban.jails import read
from privet.config.loader import parse
from privet.config.model import Config
from privet.config.native import text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

LOGS = (
    "/var/log/apache2/*access.log",
    "/var/log/httpd/*access_log",
    "/var/log/nginx/*access.log",
    "/var/log/caddy/*access.log",
)
"""Where Debian and others keep the access logs of web servers."""

_FIRST = """\
# Privet's configuration. Every setting: docs/configuration.md; mistakes in this file: privet check
# What these rules would have done: privet replay {log}

[source.web]
path = {paths}       # with `pipe = true` instead, no address reaches the disk

# Who asks for anything 100 times within a minute is shut out for ten minutes.
[jail.leech]
source   = "web"
findtime = "60s"
maxretry = 100
bantime  = "10m"
dry_run  = true                     # only reports, until you take out this line

# Scanners, exploits, passwords tried on forms, crawlers: privet jails --builtin lists what these jails catch.
[builtin.web]
source  = "web"
dry_run = true

# Clients that are rude though they ask for little, and swarms of those that do little: docs/manners.md, docs/swarms.md
[builtin.manners]
source  = "web"
dry_run = true

[builtin.swarms]
source  = "web"
dry_run = true

# Bans grow for those who come back.
[escalation]
increment = true
maxtime   = "1w"
"""


class Begun(msgspec.Struct, frozen=True):
    """A configuration to be written, and what it was made of."""

    text: str
    config: Config
    logs: tuple[str, ...] = ()


def from_logs(patterns: Sequence[str] = LOGS) -> Begun | None:
    """Return a first configuration for the web server whose logs are here; None if there are none."""
    there = [pattern for pattern in patterns if glob(pattern)]  # noqa: PTH207  patterns are absolute
    if not there:
        return None
    paths = f'"{there[0]}"' if len(there) == 1 else "[" + ", ".join(f'"{one}"' for one in there) + "]"
    text = _FIRST.format(log=there[0], paths=paths)
    return Begun(text, parse(text, "privet.toml"), tuple(there))


def from_fail2ban(folder: str) -> Begun:
    """Return fail2ban's jails as a configuration of their own. Raises ConfigErrors if there is no such folder."""
    config = parse(f"[fail2ban]\nconfig = {_quoted(folder)}\n", "privet.toml")
    text = f"# Made from {folder}. Every setting: docs/configuration.md; mistakes in this file: privet check\n\n"
    return Begun(text + text_of(config), config)


def bans_of_fail2ban(folder: str, now: float) -> tuple[list[RunningBan], int, str]:
    """Return the bans that fail2ban would restore, how many are of no address, and where they stand.

    Raises SourceError.
    """
    path = read(folder).server.dbfile
    if not Path(path).exists():
        return [], 0, path
    found = running_bans(path, now)
    bans = [msgspec.structs.replace(ban, jail=native_name(ban.jail)) for ban in found.bans]
    return bans, found.skipped, path


def _quoted(path: str) -> str:
    return '"' + path.replace("\\", "\\\\").replace('"', '\\"') + '"'
