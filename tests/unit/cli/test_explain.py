"""`privet explain` as it is called."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from privet.cli.main import run

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """
[source.auth]
path = "/var/log/auth.log"
[jail.app]
source = "auth"
filter = { failregex = "refused <HOST>$" }
[jail.other]
source = "auth"
filter = { failregex = "denied <HOST>$" }
"""


@pytest.fixture
def config(tmp_path: Path) -> str:
    """Return a configuration."""
    path = tmp_path / "privet.toml"
    path.write_text(CONFIG)
    return str(path)


def test_every_jail_is_shown(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = run(["explain", "-c", config, "refused 192.0.2.7"])

    out = capsys.readouterr().out
    assert code == 0
    assert "jail app: a failure\n  ok source       auth (/var/log/auth.log), read as whole lines\n" in out
    assert "\n  ok failregex 1  matches: refused <HOST>$\n" in out
    assert "jail other: nothing\n" in out


def test_one_jail_only_and_an_exit_code_for_nothing(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = run(["explain", "-c", config, "--jail", "other", "refused 192.0.2.7"])

    assert code == 1
    assert "jail app" not in capsys.readouterr().out


def test_json(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    run(["explain", "-c", config, "--json", "--jail", "app", "refused 192.0.2.7"])

    envelope = json.loads(capsys.readouterr().out)
    assert (envelope["privet"], envelope["kind"]) == (1, "explain")
    (item,) = envelope["items"]
    assert (item["jail"], item["source"], item["result"]) == ("app", "auth", "a failure")
    assert item["steps"][0] == {"name": "source", "text": "auth (/var/log/auth.log), read as whole lines", "good": True}


def test_a_jail_that_is_not_there(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "-c", config, "--jail", "what", "x"]) == 64
    assert "there are app, other" in capsys.readouterr().err
