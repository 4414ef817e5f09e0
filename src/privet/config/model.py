"""`privet.toml` as typed data. Every setting has a paragraph in `docs/configuration.md`."""

from __future__ import annotations

from typing import Literal

import msgspec

from privet.config.cases import Case
from privet.config.fail2ban.report import Finding
from privet.config.fail2ban.text import Place
from privet.core.addresses.address import IPV6_CLIENT, KEPT, Subject
from privet.core.bans.escalate import Escalation
from privet.core.guard import Listed
from privet.core.jails import Counting, Jail

MaskMode = Literal["drop", "truncate", "pseudonym"]
Backend = Literal["auto", "nftables", "command", "null"]
Persist = Literal["sealed", "on-sight", "none"]

PLAIN = "plain"
"""The format of lines that are no requests: only filters look at them."""


class DaemonConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[daemon]`: where sockets and day keys live, and what outlasts a restart."""

    runtime: str | None = None  # None: /run/privet as root, else $XDG_RUNTIME_DIR/privet
    state: str | None = None  # None: /var/lib/privet as root, else $XDG_STATE_HOME/privet
    user: str = "privet"
    ignoreip: tuple[Subject, ...] = ()
    ignorelists: tuple[Listed, ...] = ()


class ProxiesConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[proxies]`: whose word about a client is believed, and which group the web server belongs to."""

    trusted: tuple[Subject, ...] = ()
    trustedlists: tuple[Listed, ...] = ()
    group: str = "www-data"


class FirewallConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[firewall]`: where bans are enforced; for `command` the programs that do it, with their arguments."""

    backend: Backend = "auto"
    ban: tuple[str, ...] = ()
    unban: tuple[str, ...] = ()


class StoreConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[store]`: how bans outlast a restart."""

    persist: Persist = "sealed"
    max_bans: int = 200_000


class EngineConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[engine]`: bounds of the detector. Tolerance in seconds; an IPv6 client has `ipv6_client` bits."""

    tolerance: float = 60.0
    max_clients: int = 200_000
    ipv6_client: int = IPV6_CLIENT


class NetworksConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[networks]`: the table of AS numbers, and what bans of ranges may cost.

    `most_innocent` is how many clients who did nothing wrong a range may close out.
    """

    table: str | None = None
    most_innocent: int = 1000


class FeedConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[feed.NAME]`: a list that others keep, at `url` or in the file `path`, read again `every` so many seconds."""

    name: str
    url: str | None = None
    path: str | None = None
    every: float = 86_400.0
    max_entries: int = 200_000


class SourceConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[source.NAME]`: files (globs in `paths`) or an intake (`pipe`), and how lines look.

    `log` is where the intake writes the masked log, `truncate` how many bits the mask of that name keeps. With
    `journal`, lines come from systemd's journal: those that fit one of these matches (each of several words), or all;
    from that of a `namespace` if one is named.
    `tail` leaves out what was written before the start; an `optional` log may be missing.
    """

    name: str
    paths: tuple[str, ...] = ()
    pipe: bool = False
    format: str = "auto"
    log: str | None = None
    mask: MaskMode = "pseudonym"
    proxied: bool = False
    truncate: tuple[int, int] = KEPT
    journal: tuple[tuple[str, ...], ...] | None = None
    namespace: str | None = None
    tail: bool = False
    optional: bool = False


class EscrowConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[escrow]`: the age key to which pseudonyms are sealed with their addresses; batches are kept so many seconds."""

    recipient: str | None = None
    keep: float = 604_800.0


class MannersConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[manners]`: where `robots.txt` is, by site, and files with the networks of robots, by a word of their agent."""

    robots: dict[str, str] = {}
    crawlers: dict[str, str] = {}


class ActionConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[action.NAME]`: commands that are told of bans, by what they are told and by family ("" for both).

    Times in seconds. With `on_demand`, `start` waits for the first ban; unless `restored`, bans from before a restart
    are not told.
    """

    name: str
    commands: dict[str, dict[str, str]] = {}
    on_demand: bool = False
    restored: bool = True
    timeout: float = 60.0


class NotifyConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[notify]`: the program that is handed messages, with its arguments, and the seconds between two of them."""

    command: tuple[str, ...] = ()
    every: float = 600.0


class Fail2banConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[fail2ban]`: the folder whose jails run beside those of this file, and how they count."""

    config: str | None = None
    counting: Counting = "window"


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """The whole file. `path` is where it was read from.

    `escalation` is what `[escalation]` says; jails hold their own, made of it already. `findings` is the report on
    what was adopted from fail2ban, `places` tells where adopted jails are written, `tests` how jails are tested.
    """

    path: str = ""
    daemon: DaemonConfig = DaemonConfig()
    firewall: FirewallConfig = FirewallConfig()
    proxies: ProxiesConfig = ProxiesConfig()
    store: StoreConfig = StoreConfig()
    engine: EngineConfig = EngineConfig()
    escalation: Escalation = Escalation()
    networks: NetworksConfig = NetworksConfig()
    sources: dict[str, SourceConfig] = {}
    jails: dict[str, Jail] = {}
    feeds: dict[str, FeedConfig] = {}
    actions: dict[str, ActionConfig] = {}
    fail2ban: Fail2banConfig = Fail2banConfig()
    escrow: EscrowConfig = EscrowConfig()
    notify: NotifyConfig = NotifyConfig()
    manners: MannersConfig = MannersConfig()
    findings: tuple[Finding, ...] = ()
    places: dict[str, Place] = {}
    tests: dict[str, tuple[Case, ...]] = {}
