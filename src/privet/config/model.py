"""`privet.toml` as typed data. Every setting has a paragraph in `docs/configuration.md`."""

from __future__ import annotations

from typing import Literal

import msgspec

from privet.core.address import IPV6_CLIENT, Subject
from privet.core.escalate import Escalation
from privet.core.guard import Listed
from privet.core.jails import Jail

MaskMode = Literal["drop", "truncate", "pseudonym"]
Backend = Literal["auto", "nftables", "command", "null"]
StoreBackend = Literal["sqlite", "memory"]


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

    backend: StoreBackend = "sqlite"
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

    `log` is where the intake writes the masked log.
    """

    name: str
    paths: tuple[str, ...] = ()
    pipe: bool = False
    format: str = "auto"
    log: str | None = None
    mask: MaskMode = "pseudonym"
    proxied: bool = False


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """The whole file. `path` is where it was read from.

    `escalation` is what `[escalation]` says; jails hold their own, made of it already.
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
