"""Completion scripts of the shells."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from privet.cli.completion import SHELLS
from privet.cli.main import VERBS, run
from tests.unit.processes import privet


def script(capsys: pytest.CaptureFixture[str], shell: str) -> str:
    assert run(["completion", shell]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_is_for_privet(capsys: pytest.CaptureFixture[str], shell: str) -> None:
    text = script(capsys, shell)

    assert f"_PRIVET_COMPLETE={shell}_complete" in text
    assert {"bash": "complete -o nosort -F", "zsh": "#compdef privet", "fish": "complete --no-files"}[shell] in text


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_can_be_read_by_its_shell(capsys: pytest.CaptureFixture[str], shell: str, tmp_path: Path) -> None:
    (tmp_path / "script").write_text(script(capsys, shell))
    program = shutil.which(shell)
    if program is None and shell != "bash":
        return  # its outline was looked at above

    subprocess.run([program or "bash", "-n", tmp_path / "script"], check=True, timeout=30)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("privet ", set(VERBS)),
        ("privet un", {"unban"}),
        (
            "privet report ",
            {"leeches", "hits", "networks", "trace", "offenders", "history", "limits", "manners", "overview"},
        ),
        ("privet status --", {"--runtime", "--json", "--help"}),
        ("privet completion ", set(SHELLS)),
    ],
)
def test_words_are_completed(words: str, expected: set[str]) -> None:
    count = len(words.split(" ")) - 1
    done = privet(_PRIVET_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=str(count))

    assert {entry.partition(",")[2] for entry in done.stdout.split()} == expected


@pytest.mark.needs("bash")
def test_bash_completes_with_the_script(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "script").write_text(script(capsys, "bash"))
    ask = (
        "source ./script; COMP_WORDS=(privet unb); COMP_CWORD=1; "
        '_privet_completion privet unb privet; echo "${COMPREPLY[@]}"'
    )
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    done = subprocess.run(
        ["bash", "-c", ask], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=30, check=True
    )

    assert done.stdout.strip() == "unban"
