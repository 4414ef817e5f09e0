"""`privet scrub` as people and programs see it."""

from __future__ import annotations

import gzip
import json
import stat
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from privet.cli.main import run
from privet.core.masking.scrub import DROPPED_V4
from privet.tasks import export
from tests.privacy.search import leaks
from tests.unit.processes import PATIENCE, PRIVET, line

if TYPE_CHECKING:
    from pathlib import Path

CLIENTS = ["192.0.2.1", "2001:db8:a:b::7"]
AT = 1_795_345_200.0
TEXT = "".join(f"{line(client, at=AT)}\n" for client in CLIENTS * 3)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "access.log.1"
    path.write_text(TEXT)
    return path


def filtered(text: bytes, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*PRIVET, "scrub", *arguments, "-"], input=text, capture_output=True, timeout=PATIENCE, check=False
    )


def listed(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    envelope: dict[str, Any] = json.loads(capsys.readouterr().out)
    return envelope


def test_json(log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["scrub", "--json", str(log), str(tmp_path / "missing")]) == 1
    assert listed(capsys) == {
        "privet": 1,
        "kind": "scrub",
        "items": [
            {"file": str(log), "result": "masked", "reason": None, "lines": 6, "found": 6},
            {
                "file": str(tmp_path / "missing"),
                "result": "left",
                "reason": "No such file or directory",
                "lines": 0,
                "found": 0,
            },
        ],
        "next": None,
        "mask": "pseudonym",
        "dry_run": False,
    }
    assert leaks([log], CLIENTS) == []


def test_the_table_says_what_was_left_and_why(log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "link").symlink_to(log)
    assert run(["scrub", "--dry-run", str(log), str(tmp_path / "link")]) == 1
    out, err = capsys.readouterr()
    assert "1 masked, 1 left; nothing was written" in out
    assert "link: is a symbolic link" in err
    assert log.read_text() == TEXT
    assert run(["scrub", "--mask", "truncate", "--truncate", "16/32", str(log)]) == 0
    assert {text.partition(" ")[0] for text in log.read_text().splitlines()} == {"192.0.0.0", "2001:db8::"}


@pytest.fixture
def place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, pytest.CaptureFixture[str]]:
    """Return a folder of which `logs` is where servers have their logs, and what is said."""
    monkeypatch.setattr(export, "LOGS", tmp_path / "logs")
    return tmp_path, capsys


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-", "{log}"], "- is all of the input"),
        (["--output", "{folder}/out", "-"], "- is all of the input"),
        (["{log}", "{log}"], "named twice"),
        (["--output", "{folder}/out", "{log}", "{folder}/x/access.log.1"], "the same name"),
        (["--output", "{folder}", "{log}"], "leave --output out"),
        (["--truncate", "16/32", "{log}"], "goes with --mask truncate"),
        (["--mask", "truncate", "--truncate", "32/64", "{log}"], "8 to 24"),
        (["--mask", "truncate", "--truncate", "16", "{log}"], "8 to 24"),
        (["--encrypt", "ndx", "{log}"], "needs --key"),
        (["--encrypt", "ndx", "--key", "{folder}/k", "{log}"], "is for exports"),
        (["--encrypt", "pfx", "--key", "{folder}/out/k", "--output", "{folder}/out", "{log}"], "keep it elsewhere"),
        (["--encrypt", "pfx", "--key", "{folder}/k", "--output", "{folder}/logs/here", "{log}"], "would take"),
        (["--mask", "encrypt", "{log}"], "'encrypt' is not one of"),
        ([], "Missing argument"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    arguments: list[str], said: str, log: Path, place: tuple[Path, pytest.CaptureFixture[str]]
) -> None:
    folder, said_so = place
    words = [word.replace("{log}", str(log)).replace("{folder}", str(folder)) for word in arguments]
    assert run(["scrub", *words]) == 64
    assert said in said_so.readouterr().err
    assert log.read_text() == TEXT
    assert not (folder / "k").exists()


def test_copies_go_to_a_directory_that_is_made(log: Path, tmp_path: Path) -> None:
    assert run(["scrub", "--output", str(tmp_path / "new" / "out"), str(log)]) == 0
    assert leaks([tmp_path / "new"], CLIENTS) == []
    assert log.read_text() == TEXT
    assert stat.S_IMODE((tmp_path / "new" / "out").stat().st_mode) == 0o700


@pytest.mark.parametrize("variant", ["ndx", "pfx"])
def test_an_export_says_where_its_key_is(
    variant: str, log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key, output = tmp_path / "export.key", tmp_path / "out"
    words = ["scrub", "--encrypt", variant, "--key", str(key), "--output", str(output)]
    assert run([*words, "--dry-run", str(log)]) == 0
    assert not key.exists()
    capsys.readouterr()
    assert run([*words, "--json", str(log)]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["mask"] == f"ipcrypt-{variant}"
    assert f"The key was made in {key}" in err
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert leaks([output], CLIENTS) == []
    assert len({text.partition(" ")[0] for text in (output / log.name).read_text().splitlines()}) == (
        6 if variant == "ndx" else 2
    )
    assert run(["scrub", "--encrypt", {"ndx": "pfx", "pfx": "ndx"}[variant], *words[3:], str(log)]) == 65
    assert "each variant needs a key of its own" in capsys.readouterr().err


def test_standard_input_is_masked_to_standard_output() -> None:
    done = filtered(TEXT.encode() + b"\xff 192.0.2.1", "--mask", "drop")
    assert (done.returncode, done.stderr) == (0, b"")
    expected = TEXT.encode().replace(CLIENTS[0].encode(), DROPPED_V4).replace(CLIENTS[1].encode(), b"::")
    assert done.stdout == expected + b"\xff " + DROPPED_V4
    assert filtered(gzip.compress(TEXT.encode()), "--mask", "drop").stdout == done.stdout[:-9]
    assert filtered(b"").stdout == b""


def test_standard_input_in_doubt_ends_with_an_error() -> None:
    done = filtered(b"192.0.2.1\n" + bytes(9))
    assert done.returncode == 65
    assert b"NUL" in done.stderr
    assert done.stdout == b""


def test_a_dry_run_of_standard_input_counts() -> None:
    assert filtered(TEXT.encode(), "--dry-run").stdout == b"6 lines, 6 addresses\n"


def test_an_encrypted_stream_is_not_written_where_logs_are_read(tmp_path: Path) -> None:
    config = tmp_path / "privet.toml"
    (tmp_path / "web").mkdir()
    config.write_text(f'[source.web]\npath = "{tmp_path}/web/*.log"\n')
    command = [*PRIVET, "scrub", "--config", str(config), "--encrypt", "pfx", "--key", str(tmp_path / "k"), "-"]
    for folder, code in ((tmp_path / "web", 64), (tmp_path, 0)):
        with (folder / "out").open("wb") as out:
            done = subprocess.run(command, input=TEXT.encode(), stdout=out, stderr=subprocess.PIPE, check=False)
        assert done.returncode == code, done.stderr
        assert bool((folder / "out").stat().st_size) == (code == 0)
