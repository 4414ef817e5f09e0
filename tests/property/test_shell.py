"""Whatever a log holds, a shell never reads it: programs get it as it is, and nothing else happens."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from privet.core.actions.shell import compile_command, variable

SHELLS = [shell for shell in ("dash", "bash") if shutil.which(shell)]
HARMLESS = "Q7xZ"  # harmless wherever it stands

PIECES = ("$(touch PWNED)", "`touch PWNED`", "; touch PWNED;", "\ntouch PWNED\n", "|touch PWNED", "&& touch PWNED #")
SIGNS = ("'", '"', "\\", "`", "$", "${", "}", ")", "((", "))", "*", "?", "~", "!", "#", "<", ">", "&", "|", "E\n", "\t")
HOSTILE = st.lists(
    st.one_of(st.sampled_from((*PIECES, *SIGNS)), st.text(st.characters(exclude_characters="\0", codec="utf-8"))),
    min_size=1,
    max_size=6,
).map(lambda parts: "".join(parts) + ".")  # substitutions take away newlines at the end


def printed(word: str) -> str:
    """Return a command that prints one word."""
    return f"printf %s {word}"


def substituted(word: str) -> str:
    """Print a word by way of another command."""
    return f'"$({printed(word)})"'


def in_back_quotes(word: str) -> str:
    """Do so as the old shell did."""
    inside = printed(word).replace("\\", "\\\\").replace("`", "\\`").replace('"', '\\"').replace("$", "\\$")
    return f'"`{inside}`"'


PLAIN = st.sampled_from(("<matches>", "a<matches>", "<matches>'it'", "\\<matches>"))
SINGLE = st.sampled_from(("'<matches>'", "'a \"<matches>\" $x `'", "'#<matches>)'"))
DOUBLE = st.sampled_from(('"<matches>"', '"it\'s <matches>"', '"\\\\<matches>\\"$((1+1))"', '"a <matches> b)"'))
WORDS = st.recursive(
    st.one_of(PLAIN, SINGLE, DOUBLE),
    lambda inner: st.one_of(inner.map(substituted), inner.map(in_back_quotes)),
    max_leaves=3,
)
COMMANDS = st.one_of(
    WORDS.map(printed),
    WORDS.map(lambda word: f'x={word}; printf %s "$x"'),
    WORDS.map(lambda word: f"if true; then ({printed(word)}) | cat; fi # it's done"),
    WORDS.map(lambda word: f"cat <<E\n'$({printed(word)})' <matches>\nE\n{printed(word)}"),
)


def run(shell: str, text: str, value: str) -> bytes:
    """Run a command where nothing may come into being; return what it prints."""
    script = compile_command(text)
    environment = {"PATH": os.defpath, **{variable(tag): value for tag in script.tags}}
    with tempfile.TemporaryDirectory(dir="/dev/shm") as place:
        done = subprocess.run([shell, "-c", script.text], env=environment, cwd=place, capture_output=True, check=False)
        assert list(Path(place).iterdir()) == []
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout


@pytest.mark.parametrize("shell", SHELLS)
@settings(max_examples=60)
@given(command=COMMANDS, value=HOSTILE)
def test_hostile_text_arrives_as_it_is_and_does_nothing(shell: str, command: str, value: str) -> None:
    harmless = run(shell, command, HARMLESS)

    assert harmless
    assert run(shell, command, value) == harmless.replace(HARMLESS.encode(), value.encode())


@pytest.mark.parametrize("shell", SHELLS)
@settings(max_examples=40)
@given(command=COMMANDS)
def test_harmless_text_gives_what_putting_it_in_would_give(shell: str, command: str) -> None:
    put_in = subprocess.run(
        [shell, "-c", command.replace("<matches>", HARMLESS)], capture_output=True, check=True, env={"PATH": os.defpath}
    )

    assert run(shell, command, HARMLESS) == put_in.stdout
