"""The lists of those who are never banned: names are asked at the system's resolver, files read, commands run.

A list that fails keeps its last good answer. Nothing that a client sent ever gets here: what is asked stands in
the configuration.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from privet.core.addresses.address import Subject, key_of, pack
from privet.core.bans.lists import ListError, parse_list

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from privet.core.guard import Listed

EVERY = 300.0  # seconds for which the answer of a name or a command counts
AGAIN = 30.0  # seconds after which one that failed is tried again
MOST = 200_000  # entries of a list
LARGEST = 16 << 20  # bytes of a list
PATIENCE = 10.0  # seconds that a command may take
_PIECE = 1 << 16
_TOO_LARGE = f"is larger than {LARGEST >> 20} MB"
_SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class _Failed(Exception):  # noqa: N818  it is an answer
    """Why a list has no answer; the text names no address."""


class Answer(msgspec.Struct):
    """What a list said last, when it is due again, and what is wrong with it."""

    subjects: frozenset[Subject] = frozenset()
    due: float = 0.0
    problem: str | None = None
    version: tuple[int, ...] | None = None  # of a file that was read


class IgnoreLists:
    """Lists and their answers. `refresh` may take long: it belongs in a thread, one at a time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._answers: dict[Listed, Answer] = {}

    def want(self, lists: Iterable[Listed]) -> None:
        """Keep just these from now on."""
        before = self._answers
        self._answers = {one: before.get(one, Answer()) for one in lists}

    @property
    def answers(self) -> dict[Listed, frozenset[Subject]]:
        """Who is on each list."""
        return {one: answer.subjects for one, answer in self._answers.items()}

    @property
    def problems(self) -> list[str]:
        """What is wrong with lists now."""
        return [f"{one.title}: {answer.problem}" for one, answer in self._answers.items() if answer.problem]

    @property
    def due(self) -> bool:
        """Whether a list is to be asked."""
        return any(self._is_due(one, answer) for one, answer in self._answers.items())

    def refresh(self, kinds: Iterable[str] = ("file", "name", "command")) -> bool:
        """Ask the lists that are due; tell whether an answer changed."""
        changed = False
        for one, answer in list(self._answers.items()):
            if one.kind in kinds and self._is_due(one, answer):
                changed |= self._ask(one, answer)
        return changed

    def _is_due(self, one: Listed, answer: Answer) -> bool:
        if one.kind == "file" and not answer.problem:
            return answer.version != _version(one.words[0])
        return self._clock() >= answer.due

    def _ask(self, one: Listed, answer: Answer) -> bool:
        try:
            version = _version(one.words[0]) if one.kind == "file" else ()
            subjects = {"name": _resolved, "file": _read, "command": _printed}[one.kind](one.words)
        except _Failed as failed:
            answer.problem, answer.due = str(failed), self._clock() + AGAIN
            return False
        changed = subjects != answer.subjects
        answer.subjects, answer.version = subjects, version
        answer.problem, answer.due = None, self._clock() + EVERY
        return changed


def _version(path: str) -> tuple[int, ...]:
    """Return what changes when a file does; nothing for one that is not there, which is then to be read."""
    try:
        found = os.stat(path)  # noqa: PTH116  each second
    except OSError:
        return ()
    return found.st_ino, found.st_mtime_ns, found.st_size


def _resolved(words: tuple[str, ...]) -> frozenset[Subject]:
    try:
        found = socket.getaddrinfo(words[0], None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise _Failed(f"cannot be resolved ({getattr(error, 'strerror', None) or 'not a name'})") from None
    packed = (pack(str(address[0]).encode()) for *_, address in found)
    return frozenset(Subject.of_key(key_of(one)) for one in packed if one and any(one))


def _read(words: tuple[str, ...]) -> frozenset[Subject]:
    try:
        with Path(words[0]).open("rb") as file:
            return _parsed(file.read(LARGEST + 1))
    except OSError as error:
        raise _Failed(error.strerror or "cannot be read") from None


def _printed(words: tuple[str, ...]) -> frozenset[Subject]:
    """Run a command, without a shell or anything to read; what it started ends with it."""
    try:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PATH": _SEARCH_PATH, "LC_ALL": "C.UTF-8"},
            start_new_session=True,
        )
    except OSError as error:
        raise _Failed(error.strerror or "cannot be started") from None
    until = time.monotonic() + PATIENCE
    try:
        data = _output(process, until)
        code = process.wait(max(0.0, until - time.monotonic()))
    except (TimeoutError, subprocess.TimeoutExpired):
        raise _Failed(f"takes longer than {PATIENCE:.0f} seconds") from None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout:
            process.stdout.close()
    if code != 0:
        raise _Failed(f"ended with exit code {code}")
    return _parsed(data)


def _output(process: subprocess.Popen[bytes], until: float) -> bytes:
    """Read what a process prints. Raises TimeoutError."""
    parts: list[bytes] = []
    descriptor = process.stdout.fileno() if process.stdout else -1
    size = 0
    while True:
        ready, _, _ = select.select([descriptor], [], [], max(0.0, until - time.monotonic()))
        if not ready:
            raise TimeoutError
        part = os.read(descriptor, _PIECE)
        if not part:
            return b"".join(parts)
        parts.append(part)
        size += len(part)
        if size > LARGEST:
            raise _Failed(_TOO_LARGE)


def _parsed(data: bytes) -> frozenset[Subject]:
    if len(data) > LARGEST:
        raise _Failed(_TOO_LARGE)
    try:
        entries = parse_list(data.decode(), MOST)
    except ListError as error:
        raise _Failed(f"cannot be used: {error}") from None
    except UnicodeDecodeError:
        raise _Failed("is no text") from None
    if any(isinstance(entry.who, int) for entry in entries):
        raise _Failed("has an AS number: only addresses and prefixes can be ignored")
    return frozenset(entry.who for entry in entries if isinstance(entry.who, Subject))
