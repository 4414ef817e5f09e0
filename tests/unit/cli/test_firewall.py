"""`privet firewall` without a kernel: with programs in the place of nft and of the administrator's own."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from privet.adapters.firewall import nftables
from privet.cli.main import EX_CONFIG, EX_ERROR, run

if TYPE_CHECKING:
    from pathlib import Path

LISTING = """{"nftables": [{"table": {"handle": 3}},
    {"set": {"name": "v4_32", "handle": 5, "elem": ["192.0.2.1", "192.0.2.2"]}},
    {"set": {"name": "v6_64_ports", "handle": 6, "elem": [{"concat": ["2001:db8::", 6, 22]}]}},
    {"rule": {"chain": "bans", "expr": [{"match": {"right": "@v6_64_ports"}},
        {"counter": {"packets": 2, "bytes": 80}}]}},
    {"rule": {"chain": "bans", "expr": [{"match": {"right": "@v4_32"}}, {"counter": {"packets": 3, "bytes": 99}}]}}]}"""


@pytest.fixture
def nft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the file in which a program in place of nft notes what it is told to do; netlink is not there."""

    def forbidden() -> None:
        raise OSError(93, "Protocol not supported")

    monkeypatch.setattr(nftables, "connect", forbidden)
    done = tmp_path / "done"
    (tmp_path / "listing").write_text(LISTING)
    # One set after the other: what `list set` gives is the set that is asked for.
    program = f"""#!/bin/sh
        case "$*" in
            *"-f -") cat >> {done} ;;
            *"list set"*) jq -c ".nftables |= map(select(.set.name == \\"$7\\"))" {tmp_path}/listing ;;
            *-j*) cat {tmp_path}/listing ;;
            *) echo 'table inet privet {{ rules }}' ;;
        esac\n"""
    (tmp_path / "nft").write_text(program)
    (tmp_path / "nft").chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return done


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Give a configuration with programs that carry out bans."""
    for name in ("close", "open"):
        (tmp_path / name).write_text(f"#!/bin/sh\ncat >> {tmp_path}/{name}.lines\n")
        (tmp_path / name).chmod(0o700)
    path = tmp_path / "privet.toml"
    path.write_text(f'[firewall]\nbackend = "command"\nban = "{tmp_path}/close"\nunban = "{tmp_path}/open"\n')
    return path


@pytest.mark.needs("jq")
def test_sets_are_shown_with_what_they_hold_and_dropped(nft: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["firewall", "show", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    v4 = {"set": "v4_32", "version": 4, "length": 32, "services": False, "held": 2, "packets": 3, "bytes": 99}
    v6 = {"set": "v6_64_ports", "version": 6, "length": 64, "services": True, "held": 1, "packets": 2, "bytes": 80}
    assert answer["items"] == [v4, v6]
    assert (answer["kind"], answer["backend"], answer["paused"]) == ("firewall", "nftables", 0)
    assert answer["rules"].startswith("table inet privet")
    assert "192.0.2" not in str(answer)
    assert not nft.exists()


@pytest.mark.needs("jq")
def test_rules_are_shown_as_text(nft: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["firewall", "show"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "table inet privet { rules }",
        "# v4_32: 2 held",
        "# v6_64_ports: 1 held",
    ]
    assert not nft.exists()


@pytest.mark.needs("jq")
def test_a_dry_run_removes_nothing(nft: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["firewall", "remove", "--dry-run"]) == 0
    assert capsys.readouterr().out == "would remove every rule of Privet from the kernel, and 3 bans\n"
    assert not nft.exists()
    assert run(["firewall", "remove"]) == 0
    assert capsys.readouterr().out == "removed every rule of Privet from the kernel, and 3 bans\n"
    assert nft.read_text().endswith("delete table inet privet\n")


@pytest.mark.needs("jq")
def test_remove_is_about_every_backend(nft: Path, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["firewall", "remove", "--json", "--config", str(config)]) == 0
    assert json.loads(capsys.readouterr().out)["items"] == [
        {"backend": "nftables", "held": 3, "removed": True},
        {"backend": "command", "held": 0, "removed": True},
    ]
    assert "delete table" in nft.read_text()
    assert (config.parent / "open.lines").read_text() == '{"all":true}\n'


def test_programs_are_all_there_is_without_nft(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("privet.adapters.firewall.program.found", lambda _: None)
    arguments = ["--config", str(config)]
    assert run(["firewall", "show", *arguments]) == 0
    assert run(["firewall", "remove", *arguments, "--dry-run"]) == 0
    assert not (config.parent / "open.lines").exists()
    assert run(["firewall", "remove", *arguments]) == 0
    shown, would, did = capsys.readouterr().out.splitlines()
    assert shown == f"# bans are carried out by {config.parent}/close, lifted by {config.parent}/open"
    assert (would, did) == (
        "the programs would be asked to open everything",
        "the programs were asked to open everything",
    )


def test_what_fails_is_an_error(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (config.parent / "open").write_text("#!/bin/sh\nexit 1\n")
    assert run(["firewall", "remove", "--config", str(config)]) == EX_ERROR
    assert run(["firewall", "show", "--config", "/nowhere/privet.toml"]) == EX_CONFIG
    assert "failed without naming a line" in capsys.readouterr().err


def test_nothing_to_show_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("privet.adapters.firewall.nftables.listing", lambda *_: "")
    assert run(["firewall", "show"]) == 0
    assert capsys.readouterr() == ("", "no rule of Privet is in the kernel\n")


@pytest.mark.needs("jq")
def test_remove_takes_the_deny_list_along(
    nft: Path, runtime: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PRIVET_RUNTIME", str(runtime))
    (runtime / "deny").mkdir(parents=True)
    (runtime / "deny" / "203.0.113.7").touch()
    os.utime(runtime / "deny" / "203.0.113.7", ns=(0, 2**40 * 1000))
    assert run(["firewall", "remove", "--dry-run"]) == 0
    assert "the web server's deny list would go, with 1 ban" in capsys.readouterr().out
    assert run(["firewall", "remove"]) == 0
    assert "the web server's deny list is gone, with 1 ban" in capsys.readouterr().out
    assert list(runtime.iterdir()) == []
    assert nft.exists()
