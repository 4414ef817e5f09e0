"""`privet report limits`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from privet.cli import replaying
from privet.cli.main import run
from tests.privacy.search import leaks
from tests.unit.cli.test_markup import Seen
from tests.unit.processes import line

if TYPE_CHECKING:
    from pathlib import Path

BEGIN = 1_795_345_200.0
CLOSE, BANNED, FAR, OWN = "192.0.2.1", "192.0.2.2", "192.0.2.3", "198.51.100.7"
CONFIG = """
[source.web]
path = "access.log"
[jail.leech]
source = "web"
findtime = "60s"
maxretry = 10
bantime = "10m"
ignoreip = ["198.51.100.0/24"]
[jail.missing]
source = "web"
status = 404
findtime = "60s"
maxretry = 4
bantime = "1m"
[jail.again]
bans_of = ["missing"]
findtime = "1h"
maxretry = 3
bantime = "1d"
"""


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    """Return a command line with a configuration, before the log."""
    lines = [line(CLOSE, at=BEGIN + n) for n in range(7)] + [line(OWN, at=BEGIN + n) for n in range(8)]
    lines += [line(BANNED, at=BEGIN + n) for n in range(10)] + [line(FAR, at=BEGIN + n) for n in range(2)]
    lines += [line(FAR, "/no", 404, at=BEGIN + 600 * round + n) for round in range(2) for n in range(4)]  # noqa: A001
    (tmp_path / "access.log").write_text("".join(f"{one}\n" for one in lines))
    (tmp_path / "privet.toml").write_text(CONFIG)
    return ["report", "limits", "--config", str(tmp_path / "privet.toml"), str(tmp_path / "access.log")]


def test_who_hovers_below_a_limit_is_listed(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*command, "--json", "--reveal"]) == 0

    answer = json.loads(capsys.readouterr().out)
    assert answer["kind"] == "limits"
    assert [(one["jail"], one["client"], one["count"], one["limit"], one["share"]) for one in answer["items"]] == [
        ("leech", CLOSE, 7, 10, 70),
        ("again", FAR, 2, 3, 66),
        ("leech", FAR, 6, 10, 60),
    ]
    assert answer["items"][0]["time"] == "2026-11-22T11:00:06Z"
    assert answer["tenths"] == {
        "leech": [0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 1],
        "missing": [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
        "again": [0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0],
    }


def test_one_jail_and_a_share_can_be_asked_for(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*command, "--json", "--reveal", "--jail", "leech", "--share", "65"]) == 0

    answer = json.loads(capsys.readouterr().out)
    assert [one["client"] for one in answer["items"]] == [CLOSE]
    assert list(answer["tenths"]) == ["leech"]
    assert run([*command, "--jail", "nothing"]) == 64


def test_every_form_says_the_same_and_no_address(
    command: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    assert run([*command, "--html", str(tmp_path / "out" / "page.html")]) == 0
    assert run(command) == 0
    table = capsys.readouterr().out
    assert run([*command, "--csv"]) == 0
    rows = capsys.readouterr().out.splitlines()
    (tmp_path / "out" / "put").write_text(table + "\n".join(rows))

    assert leaks([tmp_path / "out"], [CLOSE, BANNED, FAR, OWN]) == []
    assert rows[0] == "jail,client,count,limit,share,time"
    assert len(rows) == 4
    assert "70%" in table
    assert "reached" in table
    seen = Seen((tmp_path / "out" / "page.html").read_text())
    assert [tag for tag, _ in seen.tags].count("table") == 2
    assert "Close to a limit3" in seen.text


def test_nobody_close_is_said(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*command, "--share", "99"]) == 0
    assert "Nobody came that close" in capsys.readouterr().out


def test_a_jail_that_comes_with_privet_needs_no_configuration(
    command: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(replaying, "DEFAULT_CONFIG", f"{tmp_path}/none")

    assert run([*command[:2], "--config", f"{tmp_path}/none", "--jail", "web-crawl", "--json", command[-1]]) == 0
    assert list(json.loads(capsys.readouterr().out)["tenths"]) == ["web-crawl"]
