"""`privet run`: the daemon in the foreground."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click

from privet.cli.main import EX_ERROR, Failure
from privet.cli.options import config_option, load_config, runtime_dir, runtime_option, state_dir, state_option

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from privet.config.model import Config
    from privet.ports import Firewall

SWITCH = 0.001  # seconds that a busy thread keeps the interpreter from others: the firewall asks for it after each call


@click.command(
    epilog="""\b
Examples:
  privet run
  privet run --config ./privet.toml        (without root: nothing is closed)
Signals: HUP reads the configuration again, TERM ends; the bans in the kernel stay until their time.
"""
)
@config_option
@runtime_option
@state_option
def command(config_path: str, runtime: str | None, state: str | None) -> None:
    """Run the daemon in the foreground, with its log on stderr.

    Without root it watches and decides all the same, but closes nothing.
    """
    import asyncio  # noqa: PLC0415  heavy imports wait until the verb is called

    from privet.adapters.hygiene import keep_from_swap, keep_private, keep_small  # noqa: PLC0415
    from privet.cli.lastdoor import shut_loggers  # noqa: PLC0415
    from privet.daemon.alone import AlreadyRunningError  # noqa: PLC0415
    from privet.daemon.log import make_log  # noqa: PLC0415
    from privet.daemon.loop import Loop  # noqa: PLC0415
    from privet.daemon.service import Daemon  # noqa: PLC0415
    from privet.ports import SourceError  # noqa: PLC0415

    shut_loggers()
    keep_small()
    sys.setswitchinterval(SWITCH)
    config = load_config(config_path)
    log = make_log()
    for complaint in filter(None, (keep_private(), keep_from_swap())):
        log.warning(complaint)

    async def serve() -> None:
        firewall = _firewall(config, log)
        await Daemon(config, runtime_dir(runtime, config), state_dir(state, config), firewall, log).run()

    try:
        with asyncio.Runner(loop_factory=Loop) as runner:
            runner.run(serve())
    except (AlreadyRunningError, SourceError) as error:
        raise Failure(str(error), EX_ERROR) from None


def _firewall(config: Config, log: FilteringBoundLogger) -> Firewall:
    """Return what the configuration names; `auto` is nftables where bans can be enforced, else none, and says so."""
    import time  # noqa: PLC0415

    from privet.adapters.firewall.command import CommandFirewall  # noqa: PLC0415
    from privet.adapters.firewall.nftables import NftablesFirewall  # noqa: PLC0415
    from privet.adapters.firewall.null import NullFirewall  # noqa: PLC0415

    backend = config.firewall.backend
    if backend == "auto":
        backend = "nftables" if os.geteuid() == 0 else "null"
        if backend == "null":
            log.warning("not root: bans are noted, nothing is closed")
    if backend == "command":
        return CommandFirewall(config.firewall.ban, config.firewall.unban, time.monotonic)
    return NftablesFirewall() if backend == "nftables" else NullFirewall(time.monotonic)
