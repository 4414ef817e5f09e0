"""`privet report overview`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from privet.cli.main import run
from tests.privacy.search import leaks
from tests.unit.cli.test_markup import Seen
from tests.unit.processes import line

if TYPE_CHECKING:
    from pathlib import Path

BEGIN = 1_795_345_200.0
LEECH, CLOSE, READER = "192.0.2.1", "198.51.100.2", "2001:db8:a:b::7"
CONFIG = """
[source.web]
path = "access.log"
[jail.leech]
source = "web"
findtime = "60s"
maxretry = 10
bantime = "10m"
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "access.log"
    lines = [line(LEECH, f"/{n % 12}", at=BEGIN + 900 * day + n) for day in range(3) for n in range(15)]
    lines += [line(CLOSE, at=BEGIN + n) for n in range(8)] + [line(READER, status=404, at=BEGIN + 86_400)]
    path.write_text("".join(f"{one}\n" for one in lines))
    (tmp_path / "privet.toml").write_text(CONFIG)
    return path


def test_everything_is_said_in_one_answer(log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["report", "overview", "--json", "--reveal", "-c", str(tmp_path / "privet.toml"), str(log)]) == 0

    answer = json.loads(capsys.readouterr().out)
    parts = {(part["report"], part["title"]): part["items"] for part in answer["items"]}
    assert list(parts) == [
        ("leeches", "Clients by requests"),
        ("hits", "Pages by requests"),
        ("hits", "Answers by status code"),
        ("networks", "Networks by requests"),
        ("offenders", "Clients by bans"),
        ("limits", "Close to a limit"),
        ("tenths", "How close all clients came"),
    ]
    assert len(parts["hits", "Pages by requests"]) == 10
    assert [(one["client"], one["bans"], one["interval"]) for one in parts["offenders", "Clients by bans"]] == [
        (LEECH, 3, 0.25)
    ]
    assert [one["client"] for one in parts["limits", "Close to a limit"]] == [CLOSE]
    assert answer["totals"] == {"lines": 54, "parsed": 54, "unparsed": {}}


def test_a_page_shows_all_of_it_and_no_address(log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").mkdir()
    page = tmp_path / "out" / "page.html"
    assert run(["report", "overview", "--html", str(page), "-c", str(tmp_path / "privet.toml"), str(log)]) == 0
    assert run(["report", "overview", "--limit", "1", str(log)]) == 0
    table = capsys.readouterr().out
    (tmp_path / "out" / "put").write_text(table)

    seen = Seen(page.read_text())
    tags = [tag for tag, _ in seen.tags]
    assert (tags.count("figure"), tags.count("table")) == (3, 7)
    assert "3 bans" in seen.text
    assert "And 3 more, of 13." in seen.text
    assert leaks([tmp_path / "out"], [LEECH, CLOSE, READER]) == []
    assert "Pages by requests" in table
    assert "bans" not in table


def test_pictures_of_bans_and_requests_cover_the_same_time(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["report", "overview", "--html", "-", "-c", str(tmp_path / "privet.toml"), str(log)]) == 0

    pictures = capsys.readouterr().out.split("<figure")
    requests, bans = (next(one for one in pictures if f"{what} over time" in one) for what in ("Requests", "Bans"))
    assert requests.count('class="hover"') == bans.count('class="hover"') > 24


def test_standard_input_is_read_once_only(tmp_path: Path, log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["report", "overview", "-c", str(tmp_path / "privet.toml"), str(log), "-"]) == 64
    assert "read twice" in capsys.readouterr().err


def test_unparsed_lines_are_a_warning_everywhere(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log.write_text(log.read_text() + "garbage\n")

    assert run(["report", "overview", "--html", "-", str(log)]) == 1

    out, err = capsys.readouterr()
    assert "1 line: not in the format" in Seen(out).text
    assert err == "warning: 1 line: not in the format\n"
