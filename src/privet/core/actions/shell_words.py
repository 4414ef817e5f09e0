"""Words of shell commands, and whether text of a log may stand in them: never where somebody takes it for code."""

from __future__ import annotations

import re
from itertools import pairwise

import msgspec

_ASSIGNMENT = re.compile(r"\w+=")
_OPENING = frozenset({"!", "do", "elif", "else", "if", "then", "time", "until", "while", "{"})
_SHELLS = frozenset({"ash", "bash", "busybox", "csh", "dash", "fish", "ksh", "mksh", "rbash", "sh", "tcsh", "zsh"})
_TAKE_CODE = frozenset({"eval", "parallel", "runuser", "script", "ssh", "su", "watch"})
_FIRST_TAKES_CODE = frozenset({".", "at", "batch", "crontab", "source", "trap"})
_WRAPPERS = frozenset(
    {
        "chroot",
        "command",
        "doas",
        "env",
        "exec",
        "find",
        "flock",
        "ionice",
        "nice",
        "nohup",
        "nsenter",
        "parallel",
        "setsid",
        "stdbuf",
        "sudo",
        "time",
        "timeout",
        "xargs",
    }
)
_EDITORS = frozenset({"awk", "bc", "dc", "ed", "ex", "gawk", "jq", "m4", "mawk", "sed"})
_LANGUAGES = re.compile(r"(?:expect|lua|node|nodejs|perl|php|python|ruby|tclsh)[\d.]*")
_CODE_OPTION = re.compile(r"-\w*[ceEr]\w*")


class UnsafeError(ValueError):
    """A command that cannot be made safe; the text says what in it."""


class Found:
    """What was met anywhere in a command."""

    def __init__(self) -> None:
        self.tags: dict[str, None] = {}
        self.interpreter = ""


class Word(msgspec.Struct):
    """A word of a simple command: its literal text, and which text of the log is in it."""

    text: str = ""
    foreign: str = ""
    target: bool = False  # of a redirection

    @property
    def leads(self) -> bool:
        """Whether the command only begins after it."""
        return self.text in _OPENING or _ASSIGNMENT.match(self.text) is not None

    @property
    def program(self) -> str:
        """The name of a program, if this is one."""
        return self.text.rpartition("/")[2]


def judge(words: list[Word], found: Found) -> None:
    """Look at one simple command. Raises UnsafeError when text of the log would be code in it."""
    first = words[0]
    if first.foreign:
        raise UnsafeError(f"would run a program that <{first.foreign}> names")
    if first.text.startswith("\0"):
        found.interpreter = "a program that a variable names"
    elif first.program in _FIRST_TAKES_CODE:
        found.interpreter = first.program
    for number, word in enumerate(words if first.program in _WRAPPERS else words[:1]):
        after = words[number + 1 :]
        if word.program in _TAKE_CODE or (word.program in _SHELLS and _reads_code(after)):
            found.interpreter = word.program
        if word.program in _EDITORS:
            _refuse(word, after)
        elif _LANGUAGES.fullmatch(word.program):
            _refuse(word, [one for before, one in pairwise(words) if _takes_code(before, one)])


def _reads_code(arguments: list[Word]) -> bool:
    """Tell whether a shell with these arguments runs something else than a file of the administrator's."""
    return not arguments or arguments[0].text[:1] in ("-", "+", "\0", "") or bool(arguments[0].foreign)


def _takes_code(before: Word, word: Word) -> bool:
    return bool(_CODE_OPTION.match(before.text) or (_CODE_OPTION.match(word.text) and word.foreign))


def _refuse(program: Word, arguments: list[Word]) -> None:
    for word in arguments:
        if word.foreign:
            raise UnsafeError(f"gives <{word.foreign}> to {program.program}, which would take it for code")
