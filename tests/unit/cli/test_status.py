"""`privet status` and `privet jails` before a real daemon."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from privet.core.source import BLIND_AFTER
from tests.unit.processes import ask, config, daemon, line, privet, running, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.conftest import Asked

RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
V4 = "203.0.113.78"


def test_status_shows_sources_and_both_sums(asked: Asked) -> None:
    lines = asked.json("status")["items"][0]["lines"]
    with asked.log.open("a") as file:
        file.write(f"{line(V4)}\n{line(V4)}\ngarbage of {V4}\n")
    until(lambda: asked.json("status")["items"][0]["lines"] == lines + 3)
    code, out, err = asked("status")

    assert (code, err) == (1, "")  # there is no firewall
    assert re.search(
        rf"^ web +files +auto \(combined\) +{lines + 3} +\d+ +0 +\d+ +addresses at rest", out, re.MULTILINE
    )
    assert re.search(r"^bans: \d+ ordered = 0 in kernel", out, re.MULTILINE)
    assert "web: not in the format, for example: garbage of 0.0.0.0" in out
    assert "warning: no firewall: bans are noted, nothing is closed" in out
    assert V4 not in out


def test_refusals_are_shown_by_reason(asked: Asked) -> None:
    asked("ban", "127.0.0.1")

    assert re.search(r"^  \d+ refused: this machine's own address$", asked("status")[1], re.MULTILINE)


def test_times_for_programs_are_rfc_3339_or_null(asked: Asked) -> None:
    with asked.log.open("a") as file:
        file.write(f"{line(V4)}\n")
    until(lambda: asked.json("jails")["items"][0]["last_failure"])
    status = asked.json("status")

    assert RFC3339.fullmatch(status["since"])
    assert status["items"][0]["windows_filling_until"] is None
    assert RFC3339.fullmatch(asked.json("jails")["items"][0]["last_failure"])


def test_jails_are_listed_with_their_limits(asked: Asked) -> None:
    code, out, _ = asked("jails")

    assert code == 0
    assert re.search(r"^ leech +web +3 in 60 s +10 min +\d+ ", out, re.MULTILINE)


def test_what_a_pipe_is_missing_is_shown_and_a_blind_source_is_an_exit_code(tmp_path: Path, runtime: Path) -> None:
    path = tmp_path / "privet.toml"
    path.write_text(config(runtime, 'pipe = true\nmask = "drop"\n', '[jail.slow]\nsource = "web"\ndry_run = true\n'))
    with daemon(path, runtime), running(tmp_path / "pipe.log", "pipe", "--config", path) as pipe:
        jails = privet("jails", "--runtime", runtime).stdout
        assert re.search(r"^ slow +web +5 in 10 min +10 min \(dry run\) +0 +never +0 +0", jails, re.MULTILINE)
        pipe.write(f"{line('-')}\n" * BLIND_AFTER)
        until(lambda: ask(runtime, "status")["items"][0]["lines"] == BLIND_AFTER)
        until(lambda: "no log to write to" in str(ask(runtime, "status")["warnings"]))
        done = privet("status", "--runtime", runtime)
        shown = privet("status", "--runtime", runtime, "--json").stdout

    assert done.returncode == 1
    assert "warning: source web: no line carries a client address; no jail on it can ever match" in done.stdout
    assert "warning: source web: no log to write to" in done.stdout
    assert re.search(r"^ web +pipe .* 1 pipe", done.stdout, re.MULTILINE)
    assert f"pipe {pipe.process.pid} for web: mask drop, {BLIND_AFTER} lines taken, 0 not handed on" in done.stdout
    assert re.search(r"^web: windows began empty, full at \d{4}-", done.stdout, re.MULTILINE)
    assert re.search(r'"windows_filling_until": "\d{4}-\d\d-\d\dT[\d:.]+Z"', shown)
