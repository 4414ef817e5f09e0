"""`privet audit`, `privet canary` and `privet doctor` as they are typed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from privet.adapters.canary import Result, keep_result
from privet.cli.main import run
from privet.tasks import canary
from privet.tasks.structure import Remark, Structure
from tests.unit.tasks.test_canary import site

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> Structure:
    """Leave the machine that the tests run on out of it."""
    found = Structure()
    monkeypatch.setattr("privet.tasks.structure.structure", lambda *_arguments: found)
    monkeypatch.setattr(canary, "SETTLE", 0.0)
    return found


@pytest.fixture
def log(tmp_path: Path) -> Path:
    log = tmp_path / "log" / "web.log"
    log.parent.mkdir()
    log.write_text("100::5c0e:91a2:7be5:f3d4 - - x\nApache/2.4.7.1 x\n")
    return log


def audit(log: Path, *more: str) -> int:
    return run(["audit", str(log.parent), "--runtime", str(log.parent.parent / "run"), *more])


def test_nothing_found_is_0_and_never_called_clean(capsys: pytest.CaptureFixture[str], log: Path) -> None:
    assert audit(log) == 0
    said = capsys.readouterr().out
    assert "none found in 1 file, 48 bytes; not scanned: nothing below these paths" in said
    assert "doubtful" in said
    assert "clean" not in said


def test_an_address_is_1_and_not_shown(capsys: pytest.CaptureFixture[str], log: Path) -> None:
    log.write_text("one\n203.0.113.7 - - x\n")
    (log.parent / "link").symlink_to(log)

    assert audit(log) == 1
    said = capsys.readouterr().out
    assert f"LEAK     {log}: 1 address" in said
    assert "line 2, plain: 0.0.0.0 - - x" in said
    assert "1 address found in 1 of 1 file, 22 bytes; not scanned: symbolic links (1)" in said
    assert "203.0" not in said

    assert audit(log, "--allow", "203.0.113.0/24") == 0
    assert audit(log, "--accept", str(log)) == 0
    assert "accepted by --accept (1)" in capsys.readouterr().out


def test_what_the_configuration_says_counts(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("privet.tasks.audit.ROOTS", ())
    (tmp_path / "app").mkdir()
    (tmp_path / "app/one.log").write_text("203.0.113.7 - - x\n")
    (tmp_path / "state").mkdir()
    (tmp_path / "state/old").write_text("203.0.113.8\n")
    config = tmp_path / "privet.toml"
    config.write_text(f"""
[daemon]
state = "{tmp_path}/state"
runtime = "{tmp_path}/run"
[source.app]
path = "{tmp_path}/app/*.log"
[action.mail]
ban = "/usr/bin/mail -s <ip> root"
[jail.leech]
source = "app"
findtime = "60s"
maxretry = 3
bantime = "1h"
actions = ["mail"]
ignorecommand = "/usr/bin/is-friend <ip>"
""")

    assert run(["audit", "--config", str(config)]) == 1
    said = capsys.readouterr().out
    assert f"source app\n           reads {tmp_path}/app/*.log, which hold" in said
    assert "action mail: a program of yours gets the addresses" in said
    assert "ignorecommand: a program of yours" in said
    assert f"LEAK     {tmp_path}/app/one.log" in said
    assert f"LEAK     {tmp_path}/state/old" in said

    config.write_text("[source")
    assert run(["audit", "--config", str(config), str(tmp_path / "app")]) == 1


def test_json_is_the_envelope(capsys: pytest.CaptureFixture[str], log: Path) -> None:
    log.write_text("203.0.113.7 - - x\n")

    assert audit(log, "--json") == 1
    said = json.loads(capsys.readouterr().out)
    assert (said["kind"], said["files"], said["bytes"], said["canary"]) == ("audit", 1, 18, None)
    (item,) = said["items"]
    assert (item["path"], item["found"], item["doubtful"]) == (str(log), 1, 0)
    assert item["places"] == [{"where": "line 1", "how": "plain", "sample": "0.0.0.0 - - x", "doubtful": False}]


def test_a_setting_that_leaks_is_1(capsys: pytest.CaptureFixture[str], log: Path, machine: Structure) -> None:
    machine.remarks.append(Remark(level="look", place="/dev/sda2", says="swap"))
    assert audit(log) == 0
    machine.remarks.append(Remark(level="leak", place="/etc/nginx/nginx.conf:2", says="the trap", remedy="mend it"))
    assert audit(log) == 1
    said = capsys.readouterr().out
    assert "LEAK     /etc/nginx/nginx.conf:2\n           the trap\n           remedy: mend it" in said


def test_a_canary_that_failed_is_1(capsys: pytest.CaptureFixture[str], log: Path) -> None:
    runtime = log.parent.parent / "run"
    runtime.mkdir()
    keep_result(runtime, Result(time=1.0, answered=200, seen=False))
    assert audit(log) == 1
    assert "BLIND" in capsys.readouterr().out


def test_what_is_no_address_cannot_be_allowed(capsys: pytest.CaptureFixture[str], log: Path) -> None:
    assert audit(log, "--allow", "203.0.113.300") == 64
    assert "300" not in capsys.readouterr().err


def test_a_canary_names_blindness_and_leaks(capsys: pytest.CaptureFixture[str], log: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with site(lambda address: log.write_text(f"[client {address}:1]")) as url:
        code = run(["canary", "--url", url, "--root", str(log.parent), "--runtime", str(tmp_path / "run")])

    out, err = capsys.readouterr()
    assert code == 1
    assert out.startswith("BLIND: the daemon could not be asked; LEAK: 1 file holds it in 1 file")
    assert f"{log}: plain" in out
    assert "the daemon does not run" in err
    assert "127." not in out
    assert (tmp_path / "run" / "canary.json").exists()


def test_a_canary_without_a_web_server_is_2(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with site(lambda _address: None) as url:
        pass
    arguments = ["canary", "--url", url, "--root", str(tmp_path), "--runtime", str(tmp_path)]

    assert run(arguments) == 2
    assert "not sent: Connection refused" in capsys.readouterr().out
    assert run(["canary", "--url", "ftp://x/"]) == 64


def test_the_doctor_has_a_page(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    arguments = ["doctor", "--config", str(tmp_path / "none.toml"), "--runtime", str(tmp_path)]

    assert run(arguments) == 1
    assert "warning  daemon: does not run: nobody is banned\n         remedy: " in capsys.readouterr().out
    assert run([*arguments, "--json"]) == 1
    items = json.loads(capsys.readouterr().out)["items"]
    assert {item["name"]: item["state"] for item in items}["daemon"] == "warning"
