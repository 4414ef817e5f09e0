"""The systemd journal as a source: `journalctl --follow` with its entries as lines that filters know.

The rules that hold:
- a line is `TIME HOST IDENTIFIER[PID]: MESSAGE`, where TIME is the entry's own, in seconds since the epoch;
- journalctl is started anew when it ends, behind the last entry that was read: nothing is lost or comes twice;
- what is not read yet waits in the pipe, and then in the journal: memory is bounded, however much comes;
- what is wrong stands in `problems` and never stops other sources.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import termios
import time
from contextlib import suppress
from itertools import groupby
from typing import TYPE_CHECKING, Any

import msgspec

from privet.core.parsing.lines import BLOCK, LONGEST_LINE, LineSplitter
from privet.ports import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

LONGEST_ENTRY = 1 << 20
"""Bytes of an entry as JSON, which writes bytes that are no text as numbers of up to five characters."""

PIPE_SIZE = 1 << 20  # bytes that may wait for being read
AGAIN = (1.0, 2.0, 5.0, 15.0, 60.0)
"""Seconds before journalctl is started again, the last for every further time; it begins anew after an hour."""

_LONG_ENOUGH = 3600.0
_MATCH = re.compile(r"[A-Z0-9_]+=.*", re.DOTALL)
_FIELDS = {
    "message": "MESSAGE",
    "identifier": "SYSLOG_IDENTIFIER",
    "syslog_pid": "SYSLOG_PID",
    "command": "_COMM",
    "host": "_HOSTNAME",
    "pid": "_PID",
    "since_boot": "_SOURCE_MONOTONIC_TIMESTAMP",
    "source_realtime": "_SOURCE_REALTIME_TIMESTAMP",
}
_SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SAYS = 4096  # bytes of its complaints that are looked at


class Counts(msgspec.Struct):
    """What happened to the journal's entries since the source was made."""

    bytes_read: int = 0
    too_long: int = 0  # entries dropped for their length
    damaged: int = 0  # lines of journalctl that are no entries
    restarts: int = 0


class Entry(msgspec.Struct, rename={"cursor": "__CURSOR", "realtime": "__REALTIME_TIMESTAMP", **_FIELDS}):
    """What of an entry matters. A field that journalctl gives twice, or that is no text, is a list."""

    cursor: str
    realtime: str
    message: Any = None
    identifier: Any = None
    syslog_pid: Any = None
    command: Any = None
    host: Any = None
    pid: Any = None
    since_boot: Any = None
    source_realtime: Any = None


class JournalSource:
    """Entries of the journal that match, as one stream of lines.

    Register `fileno()` with an event loop; when it is readable call `read()`. Call `poll()` about once a second.
    """

    def __init__(
        self,
        name: str,
        matches: Iterable[Sequence[str]] = (),
        *,
        since: float,
        where: str = "--system",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with the first entry at or after `since`; `matches` are alternatives, each with its words.

        `where` is the option of journalctl that says which journal.
        Raises SourceError for words that journalctl would not take; that it does not run is a problem only.
        """
        self.name = name
        self.problems: dict[str, str] = {}
        self.counts = Counts()
        self._arguments = [
            where,
            *arguments(name, matches),
        ]
        self._clock = clock
        self._position = f"--since=@{since:.6f}"
        self._lines = LineSplitter(LONGEST_ENTRY)
        self._decode = msgspec.json.Decoder(Entry).decode
        self._process: subprocess.Popen[bytes] | None = None
        self._began = self._due = clock()
        self._failures = 0
        self._out, self._in = os.pipe2(os.O_CLOEXEC)  # one for all runs, since event loops watch descriptors
        os.set_blocking(self._out, False)
        self._errors = os.memfd_create("errors", os.MFD_CLOEXEC)
        with suppress(OSError):
            fcntl.fcntl(self._in, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
        self.poll()

    @property
    def paths(self) -> list[str]:
        """Names of files: there are none."""
        return []

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when something comes."""
        return self._out

    def drain(self) -> None:
        """Have nothing to take note of: what has come waits in the pipe."""

    def close(self) -> None:
        """End journalctl."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        for descriptor in (self._out, self._in, self._errors):
            os.close(descriptor)

    def poll(self) -> None:
        """See whether journalctl runs, and start it when it is time; what it has written is read before."""
        if self._process is not None and self._process.poll() is not None:
            self._ended(self._process.returncode)
        if self._process is None and self._clock() >= self._due and not self._waits():
            self._start()

    def read(self) -> Iterator[bytes]:
        """Yield blocks of lines until nothing more is there.

        It may be left between two blocks: the next call goes on where this one was.
        """
        while data := self._received():
            self.counts.bytes_read += len(data)
            self.counts.too_long -= self._lines.too_long
            entries = self._lines.feed(data)
            self.counts.too_long += self._lines.too_long
            block = b"".join(filter(None, map(self._line, entries.split(b"\n")[:-1])))
            if block:
                yield block

    def _received(self) -> bytes:
        try:
            return os.read(self._out, BLOCK)
        except BlockingIOError:
            return b""

    def _waits(self) -> bool:
        """Tell whether something is not read yet; what an ended run has begun to write is forgotten, it comes again."""
        size = bytearray(4)
        fcntl.ioctl(self._out, termios.FIONREAD, size)
        if any(size):
            return True
        self._lines.reset()
        return False

    def _line(self, data: bytes) -> bytes:
        """Return an entry as a line, and take note that it was read."""
        try:
            entry = self._decode(data)
            line = line_of(entry)
        except (msgspec.DecodeError, ValueError, TypeError):
            self.counts.damaged += 1
            return b""
        self._position = f"--after-cursor={entry.cursor}"
        if len(line) > LONGEST_LINE:
            self.counts.too_long += 1
            return b""
        return line

    def _start(self) -> None:
        program = shutil.which("journalctl", path=_SEARCH_PATH)
        if program is None:
            self._failed("is missing: on Debian it comes with the package systemd")
            return
        command = [program, "--follow", "--no-tail", "--output=json", "--all", "--quiet", "--no-pager"]
        fields = "--output-fields=" + ",".join(_FIELDS.values())
        os.ftruncate(self._errors, 0)
        try:
            self._process = subprocess.Popen(
                [*command, fields, self._position, *self._arguments],
                stdin=subprocess.DEVNULL,
                stdout=self._in,
                stderr=self._errors,
                cwd="/",
                env={"PATH": _SEARCH_PATH, "LC_ALL": "C.UTF-8"},
                start_new_session=True,
            )
        except OSError as error:
            self._failed(f"cannot be run: {error.strerror}")
            return
        self._began = self._clock()
        self.problems = {}

    def _ended(self, code: int) -> None:
        self._process = None
        self.counts.restarts += 1
        said = os.pread(self._errors, _SAYS, 0).decode(errors="replace").strip().rpartition("\n")[2]
        if self._clock() - self._began >= _LONG_ENOUGH:
            self._failures = 0
        self._failed(said or (f"was killed by signal {-code}" if code < 0 else f"ended with {code}"))

    def _failed(self, problem: str) -> None:
        wait = AGAIN[min(self._failures, len(AGAIN) - 1)]
        self._failures += 1
        self._due = self._clock() + wait
        self.problems = {"journalctl": f"{problem}; tried again"}


def past_lines(matches: Iterable[Sequence[str]], where: Sequence[str] = ("--system",)) -> Iterator[bytes]:
    """Yield what the journal holds, as lines with their newlines; `where` it is, as journalctl takes it.

    Raises SourceError.
    """
    program = shutil.which("journalctl", path=_SEARCH_PATH)
    if program is None:
        raise SourceError("journalctl is missing: on Debian it comes with the package systemd")
    fields = "--output-fields=" + ",".join(_FIELDS.values())
    command = [program, "--output=json", "--all", "--quiet", "--no-pager", fields, *where, *arguments("-", matches)]
    decode = msgspec.json.Decoder(Entry).decode
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"PATH": _SEARCH_PATH, "LC_ALL": "C.UTF-8"},
    ) as process:
        assert process.stdout and process.stderr  # noqa: S101, PT018  they were asked for
        splitter = LineSplitter(LONGEST_ENTRY)
        while data := process.stdout.read(BLOCK):
            for entry in splitter.feed(data).split(b"\n")[:-1]:
                with suppress(msgspec.DecodeError, ValueError, TypeError):  # what is no entry
                    yield line_of(decode(entry))
        said = process.stderr.read(_SAYS).decode(errors="replace").strip().rpartition("\n")[2]
    if process.returncode:
        raise SourceError(f"journalctl: {said or f'ended with {process.returncode}'}")


def arguments(name: str, matches: Iterable[Sequence[str]]) -> list[str]:
    """Return matches as journalctl takes them: alternatives with a + between. Raises SourceError."""
    alternatives: list[list[str]] = []
    for words in matches:
        for plus, group in groupby(words, "+".__eq__):
            if not plus:
                alternatives.append(list(group))
    wrong = next((word for words in alternatives for word in words if not _MATCH.fullmatch(word)), None)
    if wrong is not None:
        raise SourceError(f"source {name}: the journal is matched by FIELD=VALUE and +, not by {wrong!r}")
    return [word for words in alternatives for word in ("+", *words)][1:]


def line_of(entry: Entry) -> bytes:
    """Return an entry as fail2ban has it before the eyes of its filters, after its time and a blank."""
    micros = int(_text(entry.source_realtime) or entry.realtime)
    parts = [f"{micros // 1_000_000}.{micros % 1_000_000:06}"]
    if host := _text(entry.host):
        parts.append(host)
    if identifier := _text(entry.identifier) or _text(entry.command):
        pid = _text(entry.syslog_pid) or _text(entry.pid)
        parts.append(f"{identifier}[{pid}]:" if pid else f"{identifier}:")
        if parts[-1] == "kernel:" and (since_boot := _text(entry.since_boot)):
            parts.append(f"[{int(since_boot) / 1_000_000:12.6f}]")
    parts.append(_text(entry.message))
    line = " ".join(parts).replace("\n", "\\n")
    return line.encode(errors="replace") + b"\n"


def _text(value: Any) -> str:  # noqa: ANN401  as JSON has it
    """Return a field as text: one that is no text comes as numbers, one that is there twice as a list."""
    if isinstance(value, list):
        if value and all(isinstance(one, int) for one in value):
            return bytes(value).decode(errors="replace")
        return " ".join(map(_text, value))
    return value if isinstance(value, str) else ""
