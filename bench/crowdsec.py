"""Debian's CrowdSec on the same logs: run from where it was unpacked, in namespaces without a network.

Nothing of it is installed, and it has no account: its package would register the machine with its maker. Its rules are
those of the hub that the package brings along.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
from typing import TYPE_CHECKING

from bench.runs import Cost, Failed, Skip, needs_namespaces, run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bench.runs import Settings

PARSERS = (
    "s00-raw/crowdsecurity/syslog-logs",
    "s01-parse/crowdsecurity/sshd-logs",
    "s01-parse/crowdsecurity/apache2-logs",
    "s02-enrich/crowdsecurity/dateparse-enrich",
    "s02-enrich/crowdsecurity/http-logs",
)
CONFIG = """\
common: {{daemonize: false, log_media: stdout, log_level: warning, working_dir: .}}
config_paths:
  config_dir: {own}/etc/
  data_dir: {own}/data/
  simulation_path: {own}/etc/simulation.yaml
  hub_dir: {hub}
  index_path: {hub}/.index.json
  notification_dir: {own}/etc/notifications/
  plugin_dir: {own}/etc/plugins/
crowdsec_service: {{acquisition_path: {own}/etc/acquis.yaml, parser_routines: 1}}
db_config: {{log_level: warning, type: sqlite, use_wal: true, db_path: {own}/data/crowdsec.db}}
api:
  client: {{insecure_skip_verify: false, credentials_path: {own}/etc/account.yaml}}
  server: {{log_level: warning, listen_uri: "127.0.0.1:18080", profiles_path: {own}/etc/profiles.yaml}}
prometheus: {{enabled: false}}
"""


class CrowdSec:
    """One with some scenarios, that reads a log to its end."""

    def __init__(self, settings: Settings, name: str, scenarios: Sequence[str]) -> None:
        needs_namespaces("CrowdSec, which must not reach its maker")
        self._tree = settings.peers / "crowdsec"
        self._own = settings.folder / f"crowdsec-{name}"
        hub = self._tree / "usr/share/crowdsec/hub"
        if not hub.is_dir():
            raise Skip("CrowdSec is not unpacked: scripts/fetch-peer crowdsec")
        etc = self._own / "etc"
        (self._own / "data").mkdir(parents=True)
        for parser in PARSERS:
            _link(hub / f"parsers/{parser}.yaml", etc / "parsers" / parser.partition("/")[0])
        for scenario in scenarios:
            _link(hub / f"scenarios/crowdsecurity/{scenario}.yaml", etc / "scenarios")
        for file in ("patterns", "simulation.yaml", "profiles.yaml"):
            (etc / file).symlink_to(self._tree / "etc/crowdsec" / file)
        (etc / "acquis.yaml").touch()
        self._config = self._own / "config.yaml"
        self._config.write_text(CONFIG.format(own=self._own, hub=hub), encoding="utf-8")
        account = ["machines", "add", "bench", "-p", os.urandom(16).hex(), "-f", str(etc / "account.yaml")]
        command = [str(self._tree / "usr/bin/cscli"), "-c", str(self._config), *account, "-u", "http://127.0.0.1:18080"]
        if subprocess.run(command, capture_output=True, check=False, timeout=60).returncode:
            raise Failed("cscli could not make a local account")

    def read(self, log: Path, kind: str) -> Cost:
        """Let it read a log from start to end."""
        program = str(self._tree / "usr/bin/crowdsec")
        return run([program, "-c", str(self._config), "-no-capi", "-dsn", f"file://{log}", "-type", kind])

    def accused(self) -> set[str]:
        """Return the addresses that it raised an alert about."""
        database = sqlite3.connect(self._own / "data/crowdsec.db")
        try:
            return {address for (address,) in database.execute("SELECT DISTINCT source_ip FROM alerts")}
        finally:
            database.close()


def _link(target: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / target.name).symlink_to(target)
