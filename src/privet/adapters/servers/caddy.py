"""Caddy: where its Caddyfile sends logs. Without any word of it, errors go to standard error, so to the journal."""

from __future__ import annotations

import re
from pathlib import Path

from privet.adapters.servers.found import Files, Found, Log, Trouble

MAIN, BASE = "/etc/caddy/Caddyfile", "/etc/caddy"
_TOKEN = re.compile(r"(?m)(?:^|(?<=\s))#[^\n]*|\"(?:\\.|[^\"\\])*\"|`[^`]*`|[^\s\"`]+|\n")
_DEEPEST = 30
_NET = "what is sent to a socket is written to standard error, so to the journal, while nobody listens"
_FIFO = "output file with a FIFO of Privet and roll_disabled"
_MASKED = re.compile(r"\b(?:ip_mask|delete)\b")


def caddy(root: Path = Path("/")) -> Found:
    """Read the configuration that is installed, if one is."""
    if not (root / MAIN[1:]).exists():
        return Found([], [])
    reader = _Reader(Files("caddy", root))
    reader.file(MAIN)
    return reader.found()


class _Reader:
    """Follows the blocks of a Caddyfile; only those named `log` are looked into."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._logs: list[Log] = []
        self._default_is_named = False

    def found(self) -> Found:
        """Return what has been read."""
        if not self._default_is_named:
            says = "errors go to standard error, so to the journal, with the addresses of visitors"
            remedy = "a log in the global options whose output is a FIFO of Privet, or discard"
            self._files.troubles.append(Trouble("caddy", MAIN, says, remedy, leaks=True))
        return Found(self._logs, self._files.troubles)

    def file(self, path: str, depth: int = 0) -> None:
        """Read one file, and what it imports."""
        blocks: list[str] = []
        log: list[list[str]] | None = None
        began = 0
        for number, words in _lines(self._files.read(path)):
            opens = words[-1] == "{"
            if words == ["}"]:
                blocks = blocks[:-1]
                if log is not None and "log" not in blocks:
                    self._log(f"{path}:{began}", log, blocks)
                    log = None
                continue
            if log is not None:
                log.append(words)
            elif words[0] == "log":
                began = number
                if opens:
                    log = []
                else:
                    self._log(f"{path}:{number}", [], blocks)
            elif words[0] == "import" and len(words) > 1 and ("/" in words[1] or "*" in words[1]) and depth < _DEEPEST:
                for other in self._files.matching(words[1], str(Path(path).parent)):
                    self.file(other, depth + 1)
            if opens:
                blocks.append(words[0])

    def _log(self, place: str, lines: list[list[str]], blocks: list[str]) -> None:
        if blocks == ["{"]:
            self._default_is_named = True
        output = next((words[1:] for words in lines if words[0] == "output" and len(words) > 1), ["stderr"])
        target, path = " ".join(word for word in output if word != "{"), ""
        tells = not (any(_MASKED.search(" ".join(words)) and "ip" in " ".join(words) for words in lines))
        match output[0]:
            case "file" if len(output) > 1:
                path = output[1].strip('"')
                kind = self._files.kind_of(path)
            case "discard":
                kind = "nothing"
            case "net":
                kind = "privet" if "/run/privet/" in target else "program"
                if kind == "privet" and tells:
                    self._files.troubles.append(Trouble("caddy", place, _NET, _FIFO, leaks=True))
            case "stdout" | "stderr":
                kind = "journal"
            case _:
                kind = "unknown"
        self._logs.append(Log("caddy", place, "log", target, kind, path, tells))


def _lines(text: str) -> list[tuple[int, list[str]]]:
    """Return the lines that say something, as words."""
    lines: list[tuple[int, list[str]]] = []
    number, words = 1, list[str]()
    for word in [*_TOKEN.findall(text), "\n"]:
        if word == "\n":
            if words:
                lines.append((number, words))
            number, words = number + 1, []
        elif not word.startswith("#"):
            words.append(word)
    return lines
