"""Tests of core.actions.shell_words: which words a command may have when text of the log is among them."""

from __future__ import annotations

import pytest

from privet.core.actions.shell_words import Found, UnsafeError, Word, judge


def words(*texts: str) -> list[Word]:
    """Make words; those with a question mark hold text of the log."""
    return [Word(text.replace("?", "\0"), foreign="F-USER" if "?" in text else "") for text in texts]


@pytest.mark.parametrize(
    ("command", "interpreter"),
    [
        (("mail", "-s", "?"), ""),
        (("echo", "sh"), ""),
        (("sh", "/usr/local/bin/x", "?"), ""),
        (("sh",), "sh"),
        (("sh", "-c", "x"), "sh"),
        (("sh", "?"), "sh"),
        (("sudo", "-u", "x", "bash", "-c", "x"), "bash"),
        (("sudo", "bash", "/x"), ""),
        (("eval", "x"), "eval"),
        (("/usr/bin/ssh", "x"), "ssh"),
        (("source", "x"), "source"),
        (("find", "."), ""),
    ],
)
def test_programs_that_would_take_anything_for_code_are_found(command: tuple[str, ...], interpreter: str) -> None:
    found = Found()

    judge(words(*command), found)

    assert found.interpreter == interpreter


@pytest.mark.parametrize(
    "command",
    [("?",), ("?x", "y"), ("awk", "?"), ("perl", "-ne", "?"), ("ruby", "-e?"), ("env", "sed", "-i", "s/?//")],
)
def test_text_of_the_log_is_no_code(command: tuple[str, ...]) -> None:
    with pytest.raises(UnsafeError):
        judge(words(*command), Found())


@pytest.mark.parametrize(("text", "leads"), [("if", True), ("x=1", True), ("LC_ALL=", True), ("echo", False)])
def test_words_that_only_lead_to_a_command(text: str, leads: bool) -> None:  # noqa: FBT001  a case
    assert Word(text).leads is leads
