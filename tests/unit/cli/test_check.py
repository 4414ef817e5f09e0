"""`privet check`: every mistake at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from privet.cli.main import run

GOOD = '[source.web]\npipe = true\n[jail.leech]\nsource = "web"\n'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "privet.toml"
    path.write_text(GOOD)
    return path


def test_a_good_configuration_is_0(capsys: pytest.CaptureFixture[str], config: Path) -> None:
    assert run(["check", "--config", str(config)]) == 0
    assert capsys.readouterr() == (f"{config}: 1 source, 1 jail, no mistakes\n", "")

    assert run(["check", "--config", str(config), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer == {"privet": 1, "kind": "check", "items": [], "next": None, "findings": []}


def test_the_place_may_come_from_the_environment(
    capsys: pytest.CaptureFixture[str], config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRIVET_CONFIG", str(config))

    assert run(["check"]) == 0
    assert str(config) in capsys.readouterr().out


def test_every_mistake_is_told_with_its_place(capsys: pytest.CaptureFixture[str], config: Path) -> None:
    config.write_text(GOOD + 'maxrety = 3\nfindtime = "long"\nstatus = "4yy"\n[jail.two]\nsource = "wbe"\n[sorce.x]\n')

    assert run(["check", "--config", str(config)]) == 78

    out, err = capsys.readouterr()
    assert out == ""
    said = [text.removeprefix(f"{config}:") for text in err.splitlines()[1:]]
    assert [text.partition(":")[0] for text in said] == ["5", "6", "7", "9", "10"]
    assert "jail.leech.maxrety: unknown setting, did you mean 'maxretry'?" in said[0]
    assert "did you mean 'web'?" in said[3]
    assert "did you mean 'source'?" in said[4]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[source.web\n", ":1:12: "),
        (b"\xff\n", ":1: is not UTF-8"),
        (GOOD.replace("pipe = true", 'pipe = true\nformat = "%h %Q"'), ":3: source.web.format: "),
        (GOOD.replace("pipe = true", "pipe = true\nformat = '%h %t \"%r'"), ":3: source.web.format: "),
    ],
)
def test_what_cannot_be_read_is_78(
    capsys: pytest.CaptureFixture[str], config: Path, content: str | bytes, message: str
) -> None:
    config.write_bytes(content if isinstance(content, bytes) else content.encode())

    assert run(["check", "--config", str(config)]) == 78
    assert f"{config}{message}" in capsys.readouterr().err


def test_a_jail_that_can_never_match_is_a_warning(capsys: pytest.CaptureFixture[str], config: Path) -> None:
    config.write_text(GOOD.replace("pipe = true", 'pipe = true\nformat = "common"') + "agent = 'bot'\n")
    warning = "jail leech: source web has no field agent"

    assert run(["check", "--config", str(config)]) == 1
    assert capsys.readouterr().err == f"{config}: warning: {warning}\n"

    assert run(["check", "--config", str(config), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["items"] == [warning]


def test_the_example_is_good(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "--config", str(Path(__file__).parents[3] / "examples" / "web.toml")]) == 0
    assert "no mistakes" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("", "warning: [proxies]: no source tells which client came through them"),
        ("proxied = true\n", ""),
        ("format = '%h %{c}a %t'\n", ""),
        ("format = '$remote_addr [$time_local] \"$http_x_forwarded_for\"'\n", ""),
    ],
)
def test_proxies_that_nobody_tells_of_are_a_warning(
    capsys: pytest.CaptureFixture[str], config: Path, source: str, complaint: str
) -> None:
    config.write_text(f"[proxies]\ntrusted = '10.0.0.1'\n{GOOD.replace('pipe', source + 'pipe')}")
    assert run(["check", "--config", str(config)]) == (1 if complaint else 0)
    assert complaint in capsys.readouterr().err
