"""`privet test`, and what `privet jails` tells of the jails that come with Privet."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING
from xml.etree.ElementTree import fromstring

import pytest

from privet.cli.main import run
from privet.config.builtin import builtins

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """[source.web]
path = "/x"
[jail.good]
source = "web"
path = "^/a"
[[jail.good.test]]
hit = ["GET /a 200"]
[jail.bad]
source = "web"
path = "^/b"
[[jail.bad.test]]
name = "b & co"
hit = ["GET /a#1 200", "GET /b 200"]
"""


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "privet.toml"
    path.write_text(TEXT)
    return str(path)


def test_what_failed_is_told_with_its_reason(capsys: pytest.CaptureFixture[str], config: str) -> None:
    assert run(["test", config]) == 1
    out = capsys.readouterr().out
    assert "ok    good: 1 of 1 sample\n" in out
    assert "FAIL  bad: 1 of 2 samples\n        b & co: hit: GET /a#1 200\n          path: '/a#1': wanted is" in out
    assert out.endswith("3 samples: 1 failed\n")

    assert run(["test", config, "--jail", "good"]) == 0
    assert capsys.readouterr().out.endswith("1 sample: all as they should be\n")


def test_other_programs_can_read_it(capsys: pytest.CaptureFixture[str], config: str) -> None:
    assert run(["test", config, "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert (answer["kind"], answer["passed"], answer["failed"]) == ("test", 2, 1)
    assert answer["items"][0] == {
        "jail": "good",
        "case": "test 1",
        "what": "hit",
        "line": "GET /a 200",
        "passed": True,
        "why": "",
    }
    assert run(["test", config, "--format", "tap"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[:4] == [
        *("TAP version 14", "1..3", "ok 1 - good, test 1: hit GET /a 200", "not ok 2 - bad, b & co: hit GET /a\\#1 200")
    ]
    assert run(["test", config, "--format", "junit"]) == 1
    suite = fromstring(capsys.readouterr().out)  # noqa: S314  our own
    assert (suite.get("tests"), suite.get("failures")) == ("3", "1")
    assert [case.get("classname") for case in suite if case.find("failure") is not None] == ["bad"]


def test_those_that_come_with_privet_are_tried_without_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["test", "--jail", "web-proxy"]) == 0
    assert "ok    web-proxy: " in capsys.readouterr().out


def test_nothing_to_try_is_an_error(capsys: pytest.CaptureFixture[str], config: str) -> None:
    assert run(["test", config, "--jail", "none"]) == 64
    assert "no test there" in capsys.readouterr().err


def test_all_that_come_with_privet_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["jails", "--builtin"]) == 0
    out = capsys.readouterr().out
    assert [name for name in builtins() if f"{name} " not in out] == []
    assert "80 different path in 60 s" in out

    assert run(["jails", "--builtin", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["kind"], len(answer["items"])) == ("builtin-jails", len(builtins()))


def test_one_can_be_shown_and_copied(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["jails", "--show", "web-crawl"]) == 0
    shown = capsys.readouterr().out
    assert tomllib.loads(shown)["jail"]["web-crawl"]["distinct"] == "path"

    assert run(["jails", "--show", "web-craw"]) == 64
    assert "no jail web-craw comes with Privet" in capsys.readouterr().err
