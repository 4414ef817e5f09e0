"""Reports that are given no log."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from privet.cli.main import run
from tests.unit.processes import line

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Return a configuration with sources of many kinds."""
    for name, clients in (("a.log", 3), ("b.log", 2), ("masked.log", 1)):
        (tmp_path / name).write_text("".join(f"{line(f'192.0.2.{one}')}\n" for one in range(1, clients + 1)))
    (tmp_path / "own.log").write_text("GET /x 200 192.0.2.1\n")
    path = tmp_path / "privet.toml"
    path.write_text(
        f'[source.web]\npath = "{tmp_path}/[ab].log"\n'
        f'[source.piped]\npipe = true\nformat = "privet"\nlog = "{tmp_path}/masked.log"\n'
        f'[source.ssh]\nformat = "plain"\npath = "{tmp_path}/auth.log"\n'
        f'[source.rare]\npath = "{tmp_path}/rare.log"\noptional = true\n'
    )
    return path


def test_leeches_are_read_from_the_logs_of_the_sources(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["report", "leeches", "--config", str(config), "--json", "--reveal"]) == 0

    out, err = capsys.readouterr()
    hits = {one["client"]: one["hits"] for one in json.loads(out)["items"]}
    assert hits == {"192.0.2.1": 3, "192.0.2.2": 2, "192.0.2.3": 1}
    folder = config.parent
    assert err == f"reading {folder}/a.log, {folder}/b.log, {folder}/masked.log\n"


def test_logs_of_several_formats_are_summed_up_together(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = '"%h %l %u %t \\"%r\\" %>s %b"'
    config.write_text(f'{config.read_text()}[source.own]\nformat = {own}\npath = "{config.parent}/common.log"\n')
    (config.parent / "common.log").write_text(line("192.0.2.9").rpartition(' "-"')[0] + "\n")

    assert run(["report", "leeches", "--config", str(config), "--json", "--html", "-"]) == 64
    assert run(["report", "leeches", "--config", str(config), "--html", "-"]) == 0
    page = capsys.readouterr().out
    assert "from 4 logs" in page
    assert run(["report", "leeches", "--config", str(config), "--json", "--reveal"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["totals"] == {"lines": 7, "parsed": 7, "unparsed": {}}
    assert {"client": "192.0.2.9", "hits": 1}.items() <= answer["items"][-1].items()


def test_one_log_that_is_missing_leaves_the_others(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = f'[source.own]\nformat = "%h %t"\npath = "{config.parent}/missing.log"\n'
    config.write_text(config.read_text() + missing)

    assert run(["report", "leeches", "--config", str(config), "--json"]) == 65
    out, err = capsys.readouterr()
    assert [one["hits"] for one in json.loads(out)["items"]] == [3, 2, 1]
    assert "missing.log: No such file" in err


def test_a_configuration_without_logs_of_requests_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "privet.toml").write_text("[source.web]\npipe = true\n")

    assert run(["report", "leeches", "--config", str(tmp_path / "privet.toml")]) == 64
    assert "names no log of requests" in capsys.readouterr().err


@pytest.mark.parametrize("report", ["hits", "limits", "manners", "networks"])
def test_without_a_daemon_it_is_69(report: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["report", report, "--runtime", str(tmp_path)]) == 69
    assert "the daemon does not run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("hits", "--format", "combined"), "--format is about logs: name one"),
        (("networks", "--table", "x"), "--table is about logs: name one"),
        (("manners", "--robots", "x"), "--robots is about logs: name one"),
        (("limits", "--source", "x"), "--source is about logs: name one"),
        (("leeches", "--format", "combined"), "--format is about logs: name one"),
        (("hits", "--since", "1d", "x"), "--since is about what is reported without LOG"),
        (("limits", "--runtime", "x", "x"), "--runtime is about what is reported without LOG"),
        (("leeches", "--config", "x", "x"), "--config is about what is reported without LOG"),
        (("hits", "--by", "jail", "x"), "privet replay LOG"),
    ],
)
def test_options_that_say_nothing_are_refused(
    arguments: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["report", *arguments]) == 64
    assert says in capsys.readouterr().err
