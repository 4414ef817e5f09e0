"""Longer bans and bans for bans in the running daemon: what it says of them, and how an unban undoes them."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from tests.unit.processes import ask, config, daemon, line, until

if TYPE_CHECKING:
    from pathlib import Path

JAILS = """
[jail.hasty]
source = "web"
maxretry = 1
bantime = "1m"
increment = true
maxtime = "1h"
[jail.neighbours]
bans_of = "*"
key = "prefix"
findtime = "1d"
maxretry = 3
bantime = "1w"
"""


def test_bans_grow_a_network_follows_and_an_unban_forgets(tmp_path: Path, runtime: Path) -> None:
    log, file = tmp_path / "access.log", tmp_path / "p.toml"
    log.touch()
    file.write_text(config(runtime, f'path = "{log}"', JAILS))
    now = time.time()
    with daemon(file, runtime) as verb, log.open("a") as written:

        def visit(client: str, seconds: float) -> None:
            written.write(line(client, at=now + seconds) + "\n")
            written.flush()

        def verdicts(jail: str) -> int:
            found: int = next(item["verdicts"] for item in ask(runtime, "jails")["items"] if item["jail"] == jail)
            return found

        def lasts(subject: str) -> list[int]:
            items = ask(runtime, "bans", reveal=True)["items"]
            return [round(item["until"] - item["since"]) for item in items if item["subject"] == subject]

        for number in range(4):
            visit("198.51.100.1", number * 600 - 3600)
        until(lambda: verdicts("hasty") == 4)
        assert lasts("198.51.100.1") == []
        visit("198.51.100.1", 0)
        until(lambda: verdicts("hasty") == 5)
        assert lasts("198.51.100.1") == [16 * 60], "doubled for each of four bans"
        verb.process.send_signal(signal.SIGHUP)
        until(lambda: "configuration reloaded" in verb.said)

        visit("198.51.100.2", 0)
        visit("198.51.100.3", 0)
        until(lambda: verdicts("neighbours") == 1)
        assert lasts("198.51.100.0/24") == [604_800]
        (hidden,) = [item["subject"] for item in ask(runtime, "bans")["items"] if item["jail"] == "neighbours"]
        assert hidden.startswith("100::")

        jails = {item["jail"]: item for item in ask(runtime, "jails")["items"]}
        assert (jails["neighbours"]["sources"], jails["neighbours"]["bans_of"]) == ([], ["*"])
        assert (jails["hasty"]["bans_of"], jails["hasty"]["increment"]) == (None, True)
        assert jails["neighbours"]["failures"] == 7

        lifted = ask(runtime, "unban", subjects=[hidden, "198.51.100.1"], reveal=True)["items"]
        inside = [f"198.51.100.{number}" for number in (1, 2, 3)]
        assert sorted(item["subject"] for item in lifted) == ["198.51.100.0/24", *inside], "with whom it covers"
        visit("198.51.100.1", 1)
        until(lambda: verdicts("hasty") == 8)
        assert lasts("198.51.100.1") == [60]
        assert "198.51.100" not in verb.said
