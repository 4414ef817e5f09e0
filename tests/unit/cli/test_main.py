"""The entry point: verbs, help, mistakes in usage, exit codes."""

from __future__ import annotations

import array
import fcntl
import os
import re
import signal
import subprocess
import termios
from typing import TYPE_CHECKING

import click
import pytest

from privet import __version__
from privet.cli.main import VERBS, privet, run
from tests.unit.processes import JAIL, PRIVET, config, line, until

if TYPE_CHECKING:
    from pathlib import Path

PATHS = [(verb,) for verb in VERBS] + [("report", "leeches"), ("firewall", "show"), ("firewall", "remove")]


def test_help_lists_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0

    out = capsys.readouterr().out
    for verb, what in VERBS.items():
        assert re.search(rf"^ +{verb} +{re.escape(what)}$", out, re.MULTILINE)


@pytest.mark.parametrize("option", ["--help", "-h"])
@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_every_verb_explains_itself(capsys: pytest.CaptureFixture[str], path: tuple[str, ...], option: str) -> None:
    assert run([*path, option]) == 0

    out, err = capsys.readouterr()
    assert out.startswith(f"Usage: privet {' '.join(path)}")
    assert err == ""
    if path[-1] not in ("report", "firewall", "escrow", "show", "remove"):
        assert re.search(rf"Examples:\n +(privet|CustomLog .*/privet) {' '.join(path)}", out)


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_every_option_says_what_it_does(path: tuple[str, ...]) -> None:
    command: click.Command = privet
    context = click.Context(privet)
    for word in path:
        assert isinstance(command, click.Group)
        found = command.get_command(context, word)
        assert found
        command = found

    assert [p.name for p in command.params if isinstance(p, click.Option) and not p.help] == []


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"privet, version {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "Verbs:"),
        (("stauts",), "no such verb: stauts, did you mean 'status'"),
        (("unbna", "192.0.2.1"), "did you mean 'unban'"),
        (("dance",), "no such verb: dance\n"),
        (("--nix",), "No such option"),
        (("status", "--jsn"), "Did you mean '?--json"),
        (("bans", "--revael"), "Did you mean.*--reveal"),
        (("report", "leehces"), "leehces"),
        (("report",), "leeches"),
        (("firewall", "shwo"), "shwo"),
        (("status", "surplus"), "surplus"),
        (("replay",), "LOG"),
        (("ban",), "SUBJECT"),
        (("unban", "--since", "ever"), "--since ever: give a time such as 90s"),
        (("why",), "SUBJECT"),
        (("pause",), "give a TIME such as 5m, or --end"),
        (("pause", "5m", "--end"), "give a TIME such as 5m, or --end"),
        (("pause", "long"), "TIME long: give a time such as 90s"),
        (("unban",), "say whom"),
        (("ban", "192.0.2.1", "--for", "ever"), "--for ever: give a time such as 90s"),
        (("ban", "192.0.2.1", "--for", "0"), "--for 0: give a time such as 90s"),
        (("completion", "tcsh"), "tcsh"),
        (("report", "leeches", "--limit", "0", "x"), "--limit"),
        (("report", "leeches", "--format", "%Q", "/dev/null"), "--format: "),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_mistakes_in_usage_are_64(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], expected: str
) -> None:
    assert run(arguments) == 64

    out, err = capsys.readouterr()
    assert out == ""
    assert re.search(expected, err)
    assert "Traceback" not in err


def test_what_the_system_refuses_is_said_in_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert run(["status", "--runtime", str(tmp_path / ("x" * 200))]) == 2
    assert run(["status", "--runtime", str(tmp_path / "file")]) in (2, 69)
    assert run(["demo", str(tmp_path / "file" / "below")]) == 2

    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert all(text.startswith("privet: ") for text in lines)
    assert not any("None" in text for text in lines)


@pytest.fixture
def configured(tmp_path: Path) -> Path:
    path = tmp_path / "privet.toml"
    path.write_text(config(tmp_path, f'path = "{tmp_path}/access.log"', JAIL))
    return path


def test_interrupted_is_130(configured: Path) -> None:
    with subprocess.Popen(
        [*PRIVET, "replay", "--config", configured, "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin
        assert process.stderr
        process.stdin.write((line("192.0.2.1") + "\n").encode())
        process.stdin.flush()
        waiting = array.array("i", [1])

        def is_read() -> bool:
            fcntl.ioctl(process.stdin or -1, termios.FIONREAD, waiting)
            return waiting[0] == 0

        until(is_read)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
        assert process.stderr.read().strip() == b""


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("completion", "bash"),
        ("check", "--config", "{config}"),
        ("replay", "--config", "{config}", "--json", "{log}"),
        ("replay", "--config", "{config}", "{log}"),
        ("report", "leeches", "{log}"),
    ],
    ids=" ".join,
)
def test_a_reader_that_went_away_is_no_failure(configured: Path, arguments: tuple[str, ...]) -> None:
    log = configured.with_name("access.log")
    log.write_text("".join(f"{line('192.0.2.1')}\n" for _ in range(100)))
    reading, writing = os.pipe()
    os.close(reading)

    done = subprocess.run(
        [*PRIVET, *(word.format(config=configured, log=log) for word in arguments)],
        stdout=writing,
        stderr=subprocess.PIPE,
        timeout=30,
        check=False,
    )
    os.close(writing)

    assert done.returncode in (0, 1)
    assert done.stderr == b""


def test_a_full_disk_is_said(configured: Path) -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123  a device
        done = subprocess.run(
            [*PRIVET, "check", "--config", configured], stdout=full, stderr=subprocess.PIPE, timeout=30, check=False
        )

    assert done.returncode == 2
    assert b"No space left on device" in done.stderr
    assert b"Traceback" not in done.stderr
