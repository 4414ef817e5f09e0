"""`privet.toml` as typed data. Every setting has a paragraph in `docs/configuration.md`."""

from __future__ import annotations

from typing import Literal

import msgspec

from privet.core.address import KEPT
from privet.core.jails import Jail

MaskMode = Literal["drop", "truncate", "pseudonym"]
Backend = Literal["auto", "nftables", "null"]


class DaemonConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[daemon]`: where sockets and day keys live."""

    runtime: str | None = None  # None: /run/privet as root, else $XDG_RUNTIME_DIR/privet
    user: str = "privet"


class FirewallConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[firewall]`: where bans are enforced."""

    backend: Backend = "auto"


class EngineConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[engine]`: bounds of the detector. Tolerance in seconds."""

    tolerance: float = 60.0
    max_clients: int = 200_000


class SourceConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[source.NAME]`: files (globs in `paths`) or an intake (`pipe`), and how lines look.

    `log` is where the intake writes the masked log, `truncate` how many bits the mask of that name keeps.
    """

    name: str
    paths: tuple[str, ...] = ()
    pipe: bool = False
    format: str = "auto"
    log: str | None = None
    mask: MaskMode = "pseudonym"
    truncate: tuple[int, int] = KEPT


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """The whole file. `path` is where it was read from."""

    path: str = ""
    daemon: DaemonConfig = DaemonConfig()
    firewall: FirewallConfig = FirewallConfig()
    engine: EngineConfig = EngineConfig()
    sources: dict[str, SourceConfig] = {}
    jails: dict[str, Jail] = {}
